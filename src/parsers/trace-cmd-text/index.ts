/**
 * What `trace-cmd report` prints (tracecmd/trace-read.c), with or without plugins, -R, -t, -l, --ts-diff, of one file
 * or several. Its times are rounded half up to 1 µs unless -t was given; tracefs cuts them off.
 */
import { HASH, UPPER_C } from '../../core/ascii.ts';
import type { LineDialect } from '../text/line-dialect.ts';
import type { LinePrefix } from '../text/line-prefix.ts';
import { parseLatencyPrefix, parsePrefix } from '../text/line-prefix.ts';
import type { LineReader } from '../text/line-reader.ts';
import { shapesOf } from '../text/line-shapes.ts';
import type { LineState } from '../text/line-state.ts';
import { ascii, decodeText, findIn } from '../text/numbers.ts';
import { parseLines } from '../text/parse-lines.ts';
import { TRACE_CMD_STATISTICS } from '../text/trace-cmd-statistics.ts';
import type { TraceFormat, Verdict } from '../trace-format.ts';

export const TRACE_CMD_TEXT: LineDialect = {
  format: 'trace-cmd-text',
  parsePrefix: parseReportPrefix,
  head: { key: 17, flags: true, system: false },
  takeOwnLine,
  oddityAt: () => null,
  errnoLost: true,
  origins: true,
};

export const traceCmdText: TraceFormat = {
  id: 'trace-cmd-text',
  title: 'trace-cmd report (printed)',
  access: 'sequential',
  namesReasons: true,
  sniff,
  parse: (source, context, options) => parseLines(TRACE_CMD_TEXT, source, context, options),
};

function parseReportPrefix(prefix: LinePrefix, buf: Uint8Array, start: number, end: number): number {
  const at = parsePrefix(prefix, buf, start, end);
  return at >= 0 || prefix.waiting ? at : parseLatencyPrefix(prefix, buf, start, end);
}

/** Lines in front of the events, with a file's name where there are several, of --version, and page marks of --debug. */
const HEADER = /^(?:(?:.{1,80}: )?cpus=(\d{1,6})$|trace-cmd version |version = |\s*trace-cmd: )/;
const SUBBUFFER = ascii('[SUBBUFFER START]');

function takeOwnLine({ context }: LineState, { buf }: LineReader, start: number, end: number): boolean {
  if (buf[start] === UPPER_C && findIn(buf, start, Math.min(end, start + 40), SUBBUFFER) >= 0) return true;
  if (buf[start] === HASH) return true;
  const header = HEADER.exec(decodeText(buf, start, Math.min(end, start + 96)));
  if (!header) return false;
  if (header[1]) context.facts.set('cpus', header[1]);
  return true;
}

function sniff(head: Uint8Array): Verdict {
  const shapes = shapesOf(head, TRACE_CMD_TEXT.oddityAt);
  if (shapes.binary || shapes.tracer) return { confidence: 0, reason: 'not what trace-cmd report prints' };
  if (shapes.likeliest === 'trace-cmd report')
    return {
      confidence: shapes.cpus ? 3 : 2,
      reason: shapes.cpus
        ? 'begins with cpus=, as trace-cmd report does'
        : `${shapes.traceCmd} of ${shapes.lines} lines have padded event names, as in trace-cmd report`,
    };
  if (shapes.likeliest === null && TRACE_CMD_STATISTICS.test(decodeText(head, 0, head.length)))
    return { confidence: 0, reason: 'statistics of trace-cmd report --stat, and no events' };
  if (shapes.likeliest === null && (shapes.cpus || shapes.drops > 0))
    return { confidence: shapes.others === 0 ? 2 : 1, reason: 'trace-cmd report without events' };
  return { confidence: 0, reason: 'neither cpus= nor padded event names as in trace-cmd report' };
}
