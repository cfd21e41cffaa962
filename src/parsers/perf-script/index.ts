/**
 * What `perf script` prints of tracepoint samples, with any choice of columns that has the time and the event's name
 * and text, with or without callchains and side-band records; also what perf-prof prints of events.
 */
import { HASH } from '../../core/ascii.ts';
import type { LineDialect, Oddity } from '../text/line-dialect.ts';
import type { LineReader } from '../text/line-reader.ts';
import { shapesOf } from '../text/line-shapes.ts';
import type { LineState } from '../text/line-state.ts';
import { decodeText } from '../text/numbers.ts';
import { parseLines } from '../text/parse-lines.ts';
import { parsePerfPrefix } from '../text/perf-prefix.ts';
import type { TraceFormat, Verdict } from '../trace-format.ts';
import { hasDeltaTimes } from './delta-times.ts';
import { isSideLine, takeHeaderLine, takeRecord } from './side-band.ts';

export const PERF_SCRIPT: LineDialect = {
  format: 'perf-script',
  parsePrefix: parsePerfPrefix,
  head: { key: 21, flags: false, system: true },
  takeOwnLine,
  oddityAt,
  errnoLost: true,
  origins: false,
  hasDeltaTimes: (prefix, buf, start, end) => hasDeltaTimes(parsePerfPrefix, prefix, buf, start, end),
};

export const perfScript: TraceFormat = {
  id: 'perf-script',
  title: 'perf script (printed)',
  access: 'sequential',
  namesReasons: true,
  sniff,
  parse: (source, context, options) => parseLines(PERF_SCRIPT, source, context, options),
};

function takeOwnLine(state: LineState, reader: LineReader, start: number, end: number): boolean {
  const { buf } = reader;
  if (buf[start] === HASH) {
    takeHeaderLine(state.context, buf, start, end);
    return true;
  }
  if (state.prefix.record >= 0) {
    takeRecord(state, reader, end);
    return true;
  }
  return isSideLine(buf, start, end);
}

const NO_TIME: Oddity = {
  code: 'lines-without-time',
  what: 'lines without time',
  missing: 'neither order nor latencies can be told',
  hint: 'print with `perf script -F comm,pid,tid,cpu,time,event,trace --ns`',
};
const TIMELESS = /(?:^|[\s\]])kvm:kvm_\w{1,60}: /;

function oddityAt(buf: Uint8Array, start: number, end: number): Oddity | null {
  return TIMELESS.test(decodeText(buf, start, Math.min(end, start + 160))) ? NO_TIME : null;
}

/** The header is longer than the bytes that are looked at where many events were recorded. */
const HEADER = /^# =+\r?\n# captured on\s*: /;

function sniff(head: Uint8Array): Verdict {
  const shapes = shapesOf(head, oddityAt);
  if (shapes.binary || shapes.tracer) return { confidence: 0, reason: 'not what perf script prints' };
  if (shapes.likeliest === 'perf script')
    return {
      confidence: shapes.perf >= 2 || shapes.others === 0 ? 2 : 1,
      reason: `${shapes.perf} of ${shapes.lines} lines are samples with SYSTEM:EVENT:`,
    };
  if (shapes.likeliest === null && (shapes.odd.get(NO_TIME) ?? 0) > shapes.others / 2)
    return { confidence: 2, reason: 'perf script without time (cannot be analysed)' };
  if (shapes.lines === 0 && HEADER.test(decodeText(head, 0, Math.min(head.length, 256))))
    return { confidence: 1, reason: "begins with perf's header, which goes on" };
  return { confidence: 0, reason: 'no line has the form "COMM TID [CPU] TIME: SYSTEM:EVENT: …"' };
}
