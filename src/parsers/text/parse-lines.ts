/** From the bytes of a text format to batches in time order: the loop that all of them share. */

import { note } from '../../core/diagnostics.ts';
import type { EventBatch } from '../../core/event-batch.ts';
import type { TraceContext } from '../../core/trace-context.ts';
import type { ByteSource } from '../byte-source.ts';
import { noteLateEvents } from '../late-events.ts';
import type { ParseOptions } from '../trace-format.ts';
import { endLine, saveLastText } from './continuation.ts';
import { noteInput } from './input-notes.ts';
import type { LineDialect } from './line-dialect.ts';
import { createLineReader, noteColours, refill } from './line-reader.ts';
import { createLineState, type LineState } from './line-state.ts';
import { noteDenseTimes, startDeltas } from './line-time.ts';
import { takeLastLosses } from './loss-rows.ts';
import { checkReadable, noteLongLine, rowsMoved, takeLines } from './read-lines.ts';
import { HOLD } from './reorder.ts';
import { createRowOutput, handOutRows } from './row-output.ts';

/** Text that is looked at to see what its times are. */
const LOOK_AHEAD = 65536;

export function* parseLines(
  dialect: LineDialect,
  source: ByteSource,
  context: TraceContext,
  options: ParseOptions,
): Generator<EventBatch, void, void> {
  const reader = createLineReader(source);
  const state = createLineState(dialect, context, source.name, options);
  const output = createRowOutput(options);
  const moved = (count: number, permuted: boolean) => rowsMoved(state, count, permuted);
  refillFirst(reader);
  if (dialect.hasDeltaTimes) {
    while (!reader.ended && reader.end - reader.start < LOOK_AHEAD) refill(reader);
    if (dialect.hasDeltaTimes(state.prefix, reader.buf, reader.start, reader.end)) startDeltas(state);
  }
  for (;;) {
    if (!takeLines(state, reader)) yield* handOutRows(state.window, output, HOLD, moved);
    else if (reader.ended) break;
    else {
      saveLastText(state, reader);
      refill(reader);
      options.onProgress?.(reader.position);
    }
  }
  if (reader.skipping) noteLongLine(state);
  while (!takeLastLosses(state)) yield* handOutRows(state.window, output, HOLD, moved);
  endLine(state);
  checkReadable(state);
  yield* handOutRows(state.window, output, 0, moved);
  noteDenseTimes(state);
  noteDisorder(state);
  noteInput(state);
  noteColours(reader, context.diagnostics);
}

/** Skips a byte order mark that an editor put in front. */
function refillFirst(reader: ReturnType<typeof createLineReader>): void {
  const { buf } = reader;
  while (reader.end < 3 && !reader.ended) refill(reader);
  if (buf[0] === 0xef && buf[1] === 0xbb && buf[2] === 0xbf && reader.end >= 3) reader.start = 3;
}

function noteDisorder({ window, context }: LineState): void {
  noteLateEvents(context.diagnostics, window.late);
  if (window.backwards > 0)
    note(
      context.diagnostics,
      'time-backwards',
      'suspect',
      'times of one CPU step back (several captures in one file, or a clock that was set): they were left in file order',
      window.backwards,
    );
}
