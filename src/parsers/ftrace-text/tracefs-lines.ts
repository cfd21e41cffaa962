/** Lines of tracefs text that are no events: headers, and what the trace options make unreadable. */
import { note } from '../../core/diagnostics.ts';
import type { TraceContext } from '../../core/trace-context.ts';
import { isKnownEvent } from '../text/event-text.ts';
import type { Oddity } from '../text/line-dialect.ts';
import { decodeText } from '../text/numbers.ts';

/** Bytes of a line that are looked at. */
const ENOUGH = 256;

/** Takes what a `#` line of `trace` tells about the recording. */
export function takeHeaderLine(context: TraceContext, buf: Uint8Array, start: number, end: number): void {
  const line = decodeText(buf, start, Math.min(end, start + ENOUGH)).trimEnd();
  const tracer = /^# tracer:\s*(\S+)/.exec(line);
  if (tracer) context.facts.set('tracer', tracer[1]);
  const latency = /^# \S+ latency trace /.test(line);
  if (latency) context.facts.set('times', 'since tracing began (latency-format)');
  const entries =
    /^# entries-in-buffer\/entries-written:\s*(\d{1,15})\/(\d{1,15})(?:\s+#P:(\d{1,6}))?/.exec(line) ??
    /^# latency: \d{1,20} us, #(\d{1,15})\/(\d{1,15}), CPU#\d{1,6}(?: .*#P:(\d{1,6}))?/.exec(line);
  if (entries) {
    if (entries[3]) context.facts.set('cpus', entries[3]);
    const overwritten = Number(entries[2]) - Number(entries[1]);
    if (overwritten > 0)
      note(
        context.diagnostics,
        'overwritten-events',
        'data-loss',
        'the ring buffer had overwritten its oldest events before the file was made: the capture begins later than the recording',
        overwritten,
      );
  }
  // Not printed by any kernel; scripts that keep the clock with the text write it so.
  const clock = /^#\s*(?:trace_)?clock:?\s+(.*)$/.exec(line);
  const name = clock && (/\[([\w-]+)\]/.exec(clock[1]) ?? /^([\w-]+)/.exec(clock[1]));
  if (name && context.clock === null) context.clock = name[1];
}

const RAW: Oddity = {
  code: 'raw-lines',
  what: 'lines of the options raw or hex (`pid cpu time type: id`), or bin',
  missing: 'they hold neither event names nor fields, so nothing can be said about exits',
  hint: 'record with `echo 0 > options/raw`, `options/hex` and `options/bin`',
};
const VERBOSE: Oddity = {
  code: 'verbose-latency-lines',
  what: 'lines of latency-format with the option verbose',
  missing: 'their columns are not read',
  hint: 'record with `echo 0 > options/verbose`',
};
// `%16s %7d %3d %d %08x %08lx [%08lx] %ld.%03ldms (+%ld.%03ldms): ` (kernel/trace/trace_output.c).
const VERBOSE_EVENT =
  /^.{16} +\d{1,7} +\d{1,5} \d [\da-f]{8} [\da-f]{8,16} \[[\da-f]{8,16}\] \d{1,16}\.\d{3}ms \(\+/;
const GRAPH: Oddity = {
  code: 'function-graph-lines',
  what: 'lines of the function_graph tracer',
  missing: 'they hold events as comments between functions, mostly without their time and thread',
  hint: 'record with `echo nop > current_tracer`',
};
// ` 0)               |  /* kvm_exit: … */`, with time and thread in front if asked for.
const GRAPH_EVENT = /^[ \d.|]{0,40}\d+\).{0,60}\|\s+\/\* \w{1,64}: /;
const NO_CONTEXT: Oddity = {
  code: 'lines-without-context',
  what: 'lines without context (`nocontext-info`)',
  missing: 'they hold no thread, CPU or time, so neither threads nor latencies can be told',
  hint: 'record with `echo 1 > options/context-info`',
};
/** What the trace options of tracefs can make of a trace. */
export const ODDITIES = { RAW, GRAPH, VERBOSE, NO_CONTEXT } as const;

/** Which trace option made a line that has no readable prefix. */
function oddityOf(line: string): Oddity | null {
  if (/^-?[\da-f]{1,10} [\da-f]{1,8} [\da-f]{1,20} type: \d+/.test(line)) return RAW;
  // options/bin puts the numbers' bytes there.
  if (line.includes('\0') && /type: \d{1,5}\s*$/.test(line)) return RAW;
  if (GRAPH_EVENT.test(line)) return GRAPH;
  if (VERBOSE_EVENT.test(line)) return VERBOSE;
  const name = /^ {0,64}(?:CPU \d{1,6}: )?([A-Za-z_]\w{0,63}): /.exec(line);
  if (name && isKnownEvent(name[1])) return NO_CONTEXT;
  return null;
}

/** The same for a line in bytes; its first bytes tell. */
export function tracefsOddityAt(buf: Uint8Array, start: number, end: number): Oddity | null {
  return oddityOf(decodeText(buf, start, Math.min(end, start + ENOUGH)));
}
