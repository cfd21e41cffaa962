/** Text of QEMU's `log` trace back end: standard error or the file of -D (util/log.c, scripts/tracetool/backend/log.py). */

import { note } from '../../core/diagnostics.ts';
import { TraceFormatError } from '../../core/errors.ts';
import type { EventBatch } from '../../core/event-batch.ts';
import type { TraceContext } from '../../core/trace-context.ts';
import type { ByteSource } from '../byte-source.ts';
import { noteLateEvents } from '../late-events.ts';
import { readTraceEvents } from '../qemu-events/given-events.ts';
import { createLineReader, type LineReader, noteColours, refill } from '../text/line-reader.ts';
import { HOLD } from '../text/reorder.ts';
import { createRowOutput, handOutRows, type RowOutput } from '../text/row-output.ts';
import type { ParseOptions, TraceFormat } from '../trace-format.ts';
import { STAMP_DATE, STAMP_NONE, STAMP_THREAD } from './line-prefix.ts';
import { logKind } from './log-kind.ts';
import { createLogState, endEvent, type LogState, skipHole, takeLines } from './read-lines.ts';
import { sniffQemuLog } from './sniff.ts';

export const qemuLog: TraceFormat = {
  id: 'qemu-log',
  title: "QEMU's log (trace back end log)",
  access: 'sequential',
  ofQemu: true,
  sniff: (head) => sniffQemuLog(head),
  parse,
};

/** A pipe or device that has brought so many zero bytes and nothing else, as /dev/zero does, is not waited for any longer. */
const MOST_ZEROS = 2 ** 30;
/** Text that is looked at to see how the log is stamped. */
const LOOK_AHEAD = 65536;

function* parse(
  source: ByteSource,
  context: TraceContext,
  options: ParseOptions,
): Generator<EventBatch, void, void> {
  const reader = createLineReader(source);
  const state = createLogState(context, readTraceEvents(context, options));
  state.stamp = findStamp(state, reader);
  const output = createRowOutput(options);
  for (;;) {
    if (!takeLines(state, reader)) yield* handOut(state, output, HOLD);
    else if (reader.ended) break;
    else {
      refill(reader);
      options.onProgress?.(reader.position);
    }
  }
  endEvent(state);
  if (state.events === 0 && state.holes > 0 && state.holes === reader.position)
    throw new TraceFormatError({
      format: 'qemu-log',
      message: 'the file holds nothing but zero bytes',
      hint: 'the machine went down before what was recorded reached the disk, or its copy is not finished',
    });
  if (state.events === 0)
    throw new TraceFormatError({
      format: 'qemu-log',
      message: 'no line of the file is a trace event of QEMU',
      hint: 'QEMU prints them with -trace enable=kvm_run_exit when it was built with the log trace back end',
    });
  describe(state);
  yield* handOut(state, output, 0);
  noteDisorder(state);
  noteColours(reader, context.diagnostics);
}

function refuseZeros({ events, holes }: LogState, { position }: LineReader): void {
  if (events > 0 || holes !== position) return;
  throw new TraceFormatError({
    format: 'qemu-log',
    message: `the input began with ${holes} zero bytes and nothing else`,
    hint: 'name the recording: a device as /dev/zero never ends. If a log follows after a hole that long: tr -d "\\0"',
  });
}

/** What stands in front of the events; 0 if the first lines do not tell, then the first event with a time will. */
function findStamp(state: LogState, reader: LineReader): number {
  while (!reader.ended && reader.end - reader.start < LOOK_AHEAD) {
    refill(reader);
    skipHole(state, reader);
    if (reader.source.size === null && state.holes > MOST_ZEROS) refuseZeros(state, reader);
  }
  const end = Math.min(reader.end, reader.start + LOOK_AHEAD);
  const kind = logKind(reader.buf.slice(reader.start, reader.end + 1), 0, end - reader.start);
  if (kind.threadStamps > 0) return STAMP_THREAD;
  if (kind.dateStamps > 0) return STAMP_DATE;
  return kind.known + kind.possible > 0 ? STAMP_NONE : 0;
}

function* handOut(state: LogState, output: RowOutput, hold: number): Generator<EventBatch, void, void> {
  endEvent(state);
  yield* handOutRows(state.window, output, hold);
}

function describe(state: LogState): void {
  const { context } = state;
  const { diagnostics } = context;
  if (state.holes > 0)
    note(
      diagnostics,
      'log-holes',
      'info',
      'zero bytes in the log: it was emptied while QEMU went on writing, so earlier events are elsewhere',
      state.holes,
    );
  if (state.stamp === STAMP_NONE) {
    context.timeIsNs = false;
    context.clock ??= 'counter';
    context.facts.set('QEMU log', 'no times');
    note(
      diagnostics,
      'log-without-times',
      'suspect',
      'the log has no times (QEMU ran without -msg timestamp=on): events are counted in their order, rates and durations cannot be told',
    );
    return;
  }
  context.facts.set('QEMU log', state.stamp === STAMP_THREAD ? 'thread and time' : 'time, no thread');
  context.timeResolutionNs = Math.max(context.timeResolutionNs, 1000);
  if (context.clock !== null && context.clock !== 'realtime')
    note(
      diagnostics,
      'clocks-differ',
      'suspect',
      `QEMU's log is on the wall clock, other inputs on clock ${context.clock}: their order among each other is not certain`,
    );
  context.clock ??= 'realtime';
}

function noteDisorder({ context, window }: LogState): void {
  noteLateEvents(context.diagnostics, window.late);
  if (window.backwards > 0)
    note(
      context.diagnostics,
      'time-backwards',
      'suspect',
      'times of one thread step back (the wall clock was set, or several logs in one file): they were left in file order',
      window.backwards,
    );
}
