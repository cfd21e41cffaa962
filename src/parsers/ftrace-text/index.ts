/** Text of tracefs' `trace` and `trace_pipe` files (formats: docs of ftrace, kernel/trace/trace_output.c). */
import { HASH } from '../../core/ascii.ts';
import type { LineDialect } from '../text/line-dialect.ts';
import { type LinePrefix, parsePrefix, parseTracefsLatency } from '../text/line-prefix.ts';
import { shapesOf } from '../text/line-shapes.ts';
import { ascii, matchesAt } from '../text/numbers.ts';
import { parseLines } from '../text/parse-lines.ts';
import type { TraceFormat, Verdict } from '../trace-format.ts';
import { ODDITIES, takeHeaderLine, tracefsOddityAt } from './tracefs-lines.ts';

/** Lines below `<stack trace>` (options stacktrace and userstacktrace). */
const FRAME = ascii(' => ');

export const FTRACE_TEXT: LineDialect = {
  format: 'ftrace-text',
  parsePrefix: parseTracefsPrefix,
  head: { key: 17, flags: true, system: false },
  takeOwnLine: (state, { buf }, start, end) => {
    if (matchesAt(buf, start, FRAME)) return true;
    if (buf[start] !== HASH) return false;
    takeHeaderLine(state.context, buf, start, end);
    return true;
  },
  oddityAt: tracefsOddityAt,
  errnoLost: false,
  origins: false,
};

export const ftraceText: TraceFormat = {
  id: 'ftrace-text',
  title: 'ftrace text (tracefs trace or trace_pipe)',
  access: 'sequential',
  namesReasons: true,
  sniff,
  parse: (source, context, options) => parseLines(FTRACE_TEXT, source, context, options),
};

function parseTracefsPrefix(prefix: LinePrefix, buf: Uint8Array, start: number, end: number): number {
  const at = parsePrefix(prefix, buf, start, end);
  return at >= 0 || prefix.waiting ? at : parseTracefsLatency(prefix, buf, start, end);
}

function sniff(head: Uint8Array): Verdict {
  const shapes = shapesOf(head, tracefsOddityAt);
  if (shapes.tracer) return { confidence: 3, reason: 'header of a tracefs trace file' };
  if (shapes.binary) return { confidence: 0, reason: 'binary' };
  if (shapes.likeliest === 'tracefs') {
    const reason = `${shapes.tracefs} of ${shapes.lines} lines are trace_pipe events`;
    return { confidence: shapes.tracefs >= 2 || shapes.others === 0 ? 2 : 1, reason };
  }
  if (shapes.likeliest !== null)
    return { confidence: 0, reason: `its lines are those of ${shapes.likeliest}` };
  // Inputs without a single event line that are tracefs text nevertheless.
  const { odd, others, losses } = shapes;
  for (const oddity of Object.values(ODDITIES))
    if ((odd.get(oddity) ?? 0) > others / 2)
      return {
        confidence: oddity === ODDITIES.NO_CONTEXT ? 1 : 2,
        reason: `${oddity.what} (cannot be analysed)`,
      };
  if (losses > 0) return { confidence: 1, reason: 'only LOST EVENTS lines' };
  return { confidence: 0, reason: 'no line has the form "COMM-PID [CPU] TIME: EVENT: …"' };
}
