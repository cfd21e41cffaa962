/**
 * The dump of ftrace's buffer in the kernel's log: ftrace_dump_on_oops, `echo z > /proc/sysrq-trigger`, rcutorture and
 * others (ftrace_dump() in kernel/trace/trace.c, 3.6 to 7.2). Its lines are those of latency-format behind a stamp of
 * printk, with times in µs since tracing began, between two rules:
 *
 *     [   10.090300] Dumping ftrace buffer:
 *     [   10.090300] ---------------------------------
 *     [   10.090300] CPU:0 [LOST 288 EVENTS]
 *     [   10.090300] CPU 0/KV-124       0d..1. 2979257us+: kvm_entry: vcpu 0, rip 0xeaba4
 *
 * Lines of a log without stamps are latency-format as any other (ftrace-text).
 */
import { CARRIAGE_RETURN, LINE_FEED } from '../../core/ascii.ts';
import { note } from '../../core/diagnostics.ts';
import { TraceFormatError } from '../../core/errors.ts';
import type { EventBatch } from '../../core/event-batch.ts';
import type { TraceContext } from '../../core/trace-context.ts';
import type { ByteSource } from '../byte-source.ts';
import { stripHead } from '../text/colours.ts';
import { endLine } from '../text/continuation.ts';
import type { LineDialect } from '../text/line-dialect.ts';
import { createLinePrefix, type LinePrefix, parseTracefsLatency } from '../text/line-prefix.ts';
import type { LineState } from '../text/line-state.ts';
import { takeLoss } from '../text/loss-rows.ts';
import { readLost } from '../text/lost-line.ts';
import { decodeText } from '../text/numbers.ts';
import { parseLines } from '../text/parse-lines.ts';
import type { ParseOptions, TraceFormat, Verdict } from '../trace-format.ts';
import { skipStamp } from './stamp.ts';

const ID = 'kernel-log';
/** Bytes of a message that are looked at. */
const ENOUGH = 96;

/** What the lines beside the events have told so far. */
interface Log {
  events: number;
  /** A dump was announced: the next rule begins it, any other ends one. */
  announced: boolean;
  /** Every line should be an event or a loss. */
  inDump: boolean;
  /** Lines that belong to no dump. */
  others: number;
}

export const kernelLog: TraceFormat = {
  id: ID,
  title: 'ftrace dump in a kernel log (dmesg, console, syslog)',
  access: 'sequential',
  namesReasons: true,
  sniff,
  parse,
};

function* parse(
  source: ByteSource,
  context: TraceContext,
  options: ParseOptions,
): Generator<EventBatch, void, void> {
  const log: Log = { events: 0, announced: false, inDump: false, others: 0 };
  context.facts.set('times', 'since tracing began (ftrace dump)');
  yield* parseLines(dialectOf(log), source, context, options);
  if (log.events === 0)
    throw new TraceFormatError({
      format: ID,
      message: 'a kernel log without a dump of ftrace',
      line: log.others,
      hint: 'the kernel prints its trace buffer there with ftrace_dump_on_oops, or on `echo z > /proc/sysrq-trigger`',
    });
  if (log.others > 0)
    note(
      context.diagnostics,
      'kernel-log-lines',
      'info',
      'other lines of the kernel log were left out',
      log.others,
    );
}

function dialectOf(log: Log): LineDialect {
  return {
    format: ID,
    parsePrefix: (prefix, buf, start, end) => {
      const at = eventAt(prefix, buf, start, end);
      if (at >= 0) {
        log.events++;
        // The log's beginning may be missing.
        log.inDump = true;
      }
      return at;
    },
    head: null,
    takeOwnLine: (state, { buf }, start, end) =>
      takeMessage(log, state, buf, skipStamp(buf, start, end), end),
    oddityAt: () => null,
    errnoLost: false,
    origins: false,
  };
}

/** Where the event stands in a line of a dump, −1 if it is none. */
function eventAt(prefix: LinePrefix, buf: Uint8Array, start: number, end: number): number {
  const at = parseTracefsLatency(prefix, buf, skipStamp(buf, start, end), end);
  // The columns before belong to the log.
  if (at >= 0) prefix.origin = prefix.commStart;
  return at;
}

const ANNOUNCED = 'Dumping ftrace buffer:';
const RULE = /^-{20,40}\s*$/;
const DROPPED = /^\*\* (\d{1,15}) printk messages dropped \*\*/;
const BANNER = /^Linux version (\S{1,64}) /;

/** Takes a line that is no event; false: it should have been one. */
function takeMessage(log: Log, state: LineState, buf: Uint8Array, start: number, end: number): boolean {
  const { context } = state;
  if (readLost(buf, start, end)) {
    endLine(state);
    takeLoss(state);
    return true;
  }
  const text = decodeText(buf, start, Math.min(end, start + ENOUGH));
  const dropped = DROPPED.exec(text);
  if (dropped !== null) {
    note(
      context.diagnostics,
      'printk-dropped',
      'data-loss',
      'messages of the kernel did not reach the console, events may be among them: exits around that may be paired wrongly',
      Number(dropped[1]),
    );
    return true;
  }
  if (RULE.test(text)) {
    log.inDump = log.announced;
    log.announced = false;
    endLine(state);
    return true;
  }
  if (text.startsWith(ANNOUNCED)) log.announced = true;
  else if (log.inDump) return false;
  context.kernel ??= BANNER.exec(text)?.[1] ?? null;
  log.others++;
  return true;
}

const MAX_LINES = 400;

/** A log begins with the boot: its dump may come long after what is seen here. */
function sniff(head: Uint8Array): Verdict {
  const buf = new Uint8Array(head.length + 64);
  buf.set(head);
  const length = stripHead(buf, head.length);
  const prefix = createLinePrefix();
  let [lines, stamps, events] = [0, 0, 0];
  for (let start = 0; start < length && lines < MAX_LINES; ) {
    let end = buf.indexOf(LINE_FEED, start);
    if (end < 0 || end > length) break;
    const next = end + 1;
    if (buf[end - 1] === CARRIAGE_RETURN && end > start) end--;
    if (end > start) {
      lines++;
      const message = skipStamp(buf, start, end);
      if (message > start) {
        stamps++;
        if (parseTracefsLatency(prefix, buf, message, end) >= 0) events++;
      }
    }
    start = next;
  }
  if (events > 0)
    return { confidence: 2, reason: `${events} of ${lines} lines are events behind a stamp of printk` };
  if (stamps > 2 && stamps > lines / 2)
    return { confidence: 1, reason: `${stamps} of ${lines} lines have a stamp of the kernel's log` };
  return { confidence: 0, reason: 'no line is an event behind a stamp of printk' };
}
