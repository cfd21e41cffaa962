/**
 * Which text format the beginning of a file is in, by the shape of its lines. One count for all of them, so that no
 * two formats claim the same file.
 */

import { BLANK, CARRIAGE_RETURN, COLON, HASH, LINE_FEED } from '../../core/ascii.ts';
import { stripHead } from './colours.ts';
import { isKnownEvent } from './event-text.ts';
import type { Oddity } from './line-dialect.ts';
import {
  createLinePrefix,
  type LinePrefix,
  parseCutPrefix,
  parseLatencyPrefix,
  parsePrefix,
  parseTracefsLatency,
} from './line-prefix.ts';
import { readLost } from './lost-line.ts';
import { skipMarks } from './mail-quotes.ts';
import { ascii, decodeText, findIn, matchesAt } from './numbers.ts';
import { parsePerfPrefix } from './perf-prefix.ts';

export interface LineShapes {
  /** Lines that are not empty and no comments. */
  lines: number;
  /** Events by format. */
  tracefs: number;
  traceCmd: number;
  perf: number;
  /** Samples of perf script without a system (`cpu-clock:`), which alone say little. */
  samples: number;
  /** Lines for lost events: tracefs' words, and trace-cmd's. */
  losses: number;
  drops: number;
  others: number;
  /** Of the others, those with a known oddity. */
  readonly odd: Map<Oddity, number>;
  /** Begins with `# tracer:`. */
  tracer: boolean;
  /** Has a line `cpus=N`. */
  cpus: boolean;
  binary: boolean;
  /** Format of most events, null if there are none. */
  likeliest: 'tracefs' | 'trace-cmd report' | 'perf script' | null;
}

const MAX_LINES = 400;
const TRACER = ascii('# tracer:');
const DROPPED = ascii('DROPPED]');
/** With the file's name in front where a report is of several. */
const CPUS = /^(?:.{1,80}: )?cpus=\d{1,6}$/;
/** Width of `EVENT:` and the blanks behind it in trace-cmd report. */
const REPORT_EVENT_COLUMNS = 22;

/** `head`: the first bytes of the input. */
export function shapesOf(
  head: Uint8Array,
  oddityAt: (buf: Uint8Array, start: number, end: number) => Oddity | null,
): LineShapes {
  const shapes: LineShapes = {
    lines: 0,
    tracefs: 0,
    traceCmd: 0,
    perf: 0,
    samples: 0,
    losses: 0,
    drops: 0,
    others: 0,
    odd: new Map(),
    tracer: false,
    cpus: false,
    binary: false,
    likeliest: null,
  };
  // Parsers read a few bytes past the end of a line.
  const buf = new Uint8Array(head.length + 64);
  buf.set(head);
  const length = stripHead(buf, head.length);
  buf[length] = LINE_FEED;
  const prefix = createLinePrefix();
  let start = buf[0] === 0xef && buf[1] === 0xbb && buf[2] === 0xbf ? 3 : 0;
  shapes.tracer = matchesAt(buf, start, TRACER);
  for (let i = 0; start < length && i < MAX_LINES; i++) {
    let feed = start;
    while (buf[feed] !== LINE_FEED) feed++;
    let end = feed;
    while (end > start && buf[end - 1] === CARRIAGE_RETURN) end--;
    // A line that the head cuts off tells only what it is, not what it is not.
    if (end > start && buf[skipMarks(buf, start, end)] !== HASH)
      countLine(shapes, prefix, buf, start, end, feed >= length, oddityAt);
    start = feed + 1;
  }
  const { tracefs, traceCmd, perf } = shapes;
  const most = Math.max(tracefs, traceCmd, perf);
  if (most > 0)
    shapes.likeliest = most === tracefs ? 'tracefs' : most === traceCmd ? 'trace-cmd report' : 'perf script';
  else if (shapes.samples > 1) shapes.likeliest = 'perf script';
  if (shapes.likeliest === 'tracefs' && shapes.cpus && !shapes.tracer) shapes.likeliest = 'trace-cmd report';
  return shapes;
}

function countLine(
  shapes: LineShapes,
  prefix: LinePrefix,
  buf: Uint8Array,
  start: number,
  end: number,
  cut: boolean,
  oddityAt: (buf: Uint8Array, start: number, end: number) => Oddity | null,
): void {
  shapes.lines++;
  const foundSample = parsePerfPrefix(prefix, buf, start, end);
  if (foundSample >= 0 && prefix.hasSystem) {
    shapes.perf++;
    return;
  }
  if (prefix.waiting || prefix.record >= 0) {
    shapes.perf++;
    return;
  }
  if (foundSample >= 0 && prefix.hasThread) shapes.samples++;
  let at = parsePrefix(prefix, buf, start, end);
  if (at < 0 && prefix.waiting) {
    shapes.tracefs++;
    return;
  }
  if (at < 0) at = parseTracefsLatency(prefix, buf, start, end);
  if (at < 0) at = parseLatencyPrefix(prefix, buf, start, end);
  if (at < 0) {
    at = parseCutPrefix(prefix, buf, start, end);
    if (at >= 0 && !isKnownEvent(nameAt(buf, at, end))) at = -1;
  }
  if (at >= 0) {
    const shape = eventShape(buf, at, end);
    if (shape === PADDED) shapes.traceCmd++;
    else if (shape === PLAIN) shapes.tracefs++;
    else shapes.others++;
    return;
  }
  if (readLost(buf, skipMarks(buf, start, end), end)) {
    if (findIn(buf, start, end, DROPPED) >= 0) shapes.drops++;
    else shapes.losses++;
    return;
  }
  if (cut) {
    shapes.lines--;
    return;
  }
  if (buf.subarray(start, end).includes(0)) shapes.binary = true;
  if (CPUS.test(decodeText(buf, start, Math.min(end, start + 96)))) {
    shapes.cpus = true;
    shapes.lines--;
    return;
  }
  shapes.others++;
  const oddity = oddityAt(buf, start, end);
  if (oddity) shapes.odd.set(oddity, (shapes.odd.get(oddity) ?? 0) + 1);
}

function nameAt(buf: Uint8Array, at: number, end: number): string {
  let p = at;
  while (p < end && p - at < 64 && buf[p] !== COLON && buf[p] > BLANK) p++;
  return decodeText(buf, at, p);
}

const NONE = 0;
const PLAIN = 1;
const PADDED = 2;

/** Form of `EVENT: TEXT`: trace-cmd report pads the name with blanks to REPORT_EVENT_COLUMNS. */
function eventShape(buf: Uint8Array, at: number, end: number): number {
  let p = at;
  while (buf[p] !== COLON && buf[p] > BLANK) p++;
  if (p === at || buf[p] !== COLON || (p + 1 < end && buf[p + 1] !== BLANK)) return NONE;
  const column = at + REPORT_EVENT_COLUMNS;
  if (p + 3 >= column || column >= end) return PLAIN;
  while (p + 1 < column && buf[p + 1] === BLANK) p++;
  return p + 1 === column ? PADDED : PLAIN;
}
