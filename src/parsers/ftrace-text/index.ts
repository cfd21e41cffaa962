/** Text of tracefs' `trace` and `trace_pipe` files (formats: docs of ftrace, kernel/trace/trace_output.c). */
import { note } from '../../core/diagnostics.ts';
import type { EventBatch } from '../../core/event-batch.ts';
import type { TraceContext } from '../../core/trace-context.ts';
import type { ByteSource } from '../byte-source.ts';
import { createLineReader, refill } from '../text/line-reader.ts';
import { flush, HOLD } from '../text/reorder.ts';
import type { ParseOptions, TraceFormat } from '../trace-format.ts';
import { endLine, saveLastText } from './continuation.ts';
import { createLineState, type LineState } from './line-state.ts';
import { takeLastLosses } from './loss-rows.ts';
import { checkReadable, noteLongLine, rowsMoved, takeLines } from './read-lines.ts';
import { sniffFtraceText } from './sniff.ts';

export const ftraceText: TraceFormat = {
  id: 'ftrace-text',
  title: 'ftrace text (tracefs trace or trace_pipe)',
  access: 'sequential',
  sniff: (head) => sniffFtraceText(head),
  parse,
};

function* parse(
  source: ByteSource,
  context: TraceContext,
  options: ParseOptions,
): Generator<EventBatch, void, void> {
  const reader = createLineReader(source);
  const state = createLineState(context);
  refillFirst(reader);
  for (;;) {
    if (!takeLines(state, reader)) yield* handOut(state, HOLD);
    else if (reader.ended) break;
    else {
      saveLastText(state, reader);
      refill(reader);
      options.onProgress?.(reader.position);
    }
  }
  if (reader.skipping) noteLongLine(state);
  while (!takeLastLosses(state)) yield* handOut(state, HOLD);
  endLine(state);
  checkReadable(state);
  yield* handOut(state, 0);
  noteDisorder(state);
}

/** Skips a byte order mark that an editor put in front. */
function refillFirst(reader: ReturnType<typeof createLineReader>): void {
  const { buf } = reader;
  while (reader.end < 3 && !reader.ended) refill(reader);
  if (buf[0] === 0xef && buf[1] === 0xbb && buf[2] === 0xbf && reader.end >= 3) reader.start = 3;
}

function* handOut(state: LineState, hold: number): Generator<EventBatch, void, void> {
  const { window } = state;
  const { permuted } = window;
  const batch = flush(window, hold);
  if (!batch) return;
  rowsMoved(state, batch.length, permuted);
  yield batch;
}

function noteDisorder({ window, context }: LineState): void {
  if (window.late > 0)
    note(
      context.diagnostics,
      'late-events',
      'suspect',
      'events came too late in the file to be put in time order: exits around them may be paired wrongly',
      window.late,
    );
  if (window.backwards > 0)
    note(
      context.diagnostics,
      'time-backwards',
      'suspect',
      'times of one CPU step back (several captures in one file, or a clock that was set): they were left in file order',
      window.backwards,
    );
}
