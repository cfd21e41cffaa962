/** Is this tracefs text? By content alone; the file's name is not looked at. */
import { readLost } from '../text/lost-line.ts';
import { ascii, matchesAt } from '../text/numbers.ts';
import type { Verdict } from '../trace-format.ts';
import { createLinePrefix, parsePrefix } from './line-prefix.ts';
import { type Oddity, oddityAt } from './other-lines.ts';

const TRACER = ascii('# tracer:');
const CPUS = ascii('cpus=');
/** Width of `EVENT:` and the blanks behind it in trace-cmd report. */
const REPORT_EVENT_COLUMNS = 22;
const MAX_LINES = 400;

function no(reason: string): Verdict {
  return { confidence: 0, reason };
}

/** `head`: the first bytes of the input. */
export function sniffFtraceText(head: Uint8Array): Verdict {
  // Parsers read a few bytes past the end of a line.
  const buf = new Uint8Array(head.length + 64);
  buf.set(head);
  buf[head.length] = 10;
  let start = head[0] === 0xef && head[1] === 0xbb && head[2] === 0xbf ? 3 : 0;
  if (matchesAt(buf, start, TRACER)) return { confidence: 3, reason: 'header of a tracefs trace file' };
  if (matchesAt(buf, start, CPUS)) return no('begins with cpus=, as trace-cmd report does');
  const prefix = createLinePrefix();
  let events = 0;
  let padded = 0;
  let losses = 0;
  let others = 0;
  const odd: Partial<Record<Oddity, number>> = {};
  for (let lines = 0; start < head.length && lines < MAX_LINES; lines++) {
    let feed = start;
    while (buf[feed] !== 10) feed++;
    let end = feed;
    while (end > start && buf[end - 1] === 13) end--;
    const cut = feed >= head.length;
    if (end > start && buf[start] !== 35) {
      const at = parsePrefix(prefix, buf, start, end);
      if (at >= 0) {
        const shape = eventShape(buf, at, end);
        if (shape === PADDED) padded++;
        else if (shape === PLAIN) events++;
        else others++;
      } else if (readLost(buf, start, end)) losses++;
      else if (!cut) {
        if (buf.subarray(start, end).includes(0)) return no('binary');
        others++;
        const oddity = oddityAt(buf, start, end);
        odd[oddity] = (odd[oddity] ?? 0) + 1;
      }
    }
    start = feed + 1;
  }
  if (padded > events) return no('event names are padded, as in trace-cmd report');
  if (events > 0) {
    const reason = `${events} of ${events + padded + others} lines are trace_pipe events`;
    return { confidence: events >= 2 || others === 0 ? 2 : 1, reason };
  }
  return oddVerdict(odd, others, losses);
}

/** Inputs without a single event line that are tracefs text nevertheless. */
function oddVerdict(odd: Partial<Record<Oddity, number>>, others: number, losses: number): Verdict {
  const half = others / 2;
  if ((odd.latency ?? 0) > half)
    return { confidence: 2, reason: 'tracefs text in latency-format (cannot be analysed)' };
  if ((odd.raw ?? 0) > half)
    return { confidence: 2, reason: 'tracefs text with the raw option (cannot be analysed)' };
  if ((odd.nocontext ?? 0) > half)
    return { confidence: 1, reason: 'event texts without thread, CPU and time (cannot be analysed)' };
  if (losses > 0) return { confidence: 1, reason: 'only LOST EVENTS lines' };
  return no('no line has the form "COMM-PID [CPU] TIME: EVENT: …"');
}

const NONE = 0;
const PLAIN = 1;
const PADDED = 2;

/** Form of `EVENT: TEXT`: perf script has `system:event:`, trace-cmd report pads the name with blanks. */
function eventShape(buf: Uint8Array, at: number, end: number): number {
  let p = at;
  while (buf[p] !== 58 && buf[p] > 32) p++;
  if (p === at || buf[p] !== 58 || (p + 1 < end && buf[p + 1] !== 32)) return NONE;
  const column = at + REPORT_EVENT_COLUMNS;
  if (p + 3 >= column || column >= end) return PLAIN;
  while (p + 1 < column && buf[p + 1] === 32) p++;
  return p + 1 === column ? PADDED : PLAIN;
}
