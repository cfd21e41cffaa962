/** Binary trace files of QEMU's `simple` trace back end (trace/simple.c, scripts/simpletrace.py). */

import { allocateU8, createArena } from '../../core/arena.ts';
import { note } from '../../core/diagnostics.ts';
import type { EventBatch } from '../../core/event-batch.ts';
import type { TraceContext } from '../../core/trace-context.ts';
import { moveRows } from '../batch-rows.ts';
import { type ByteSource, readFully } from '../byte-source.ts';
import { noteLateEvents } from '../late-events.ts';
import { readTraceEvents, withoutArguments } from '../qemu-events/given-events.ts';
import type { TraceEvents } from '../qemu-events/trace-events.ts';
import type { ParseOptions, TraceFormat, Verdict } from '../trace-format.ts';
import { HEADER_BYTES, headerOrder, readHeader } from './header.ts';
import { createRecordState, type RecordState, takeRecords, V0_BYTES } from './records.ts';
import { flush, HOLD, isFull } from './time-window.ts';

/** Holds many of the largest records, and those that wait for the bytes behind them. */
const BUFFER = 1 << 20;
/** Bytes that are read at once: they are still in the processor's cache when they are walked. */
const READ = 1 << 18;

export const simpletrace: TraceFormat = {
  id: 'simpletrace',
  title: 'QEMU simpletrace (trace back end simple)',
  access: 'sequential',
  ofQemu: true,
  sniff,
  parse,
};

function sniff(head: Uint8Array): Verdict {
  const order = headerOrder(new DataView(head.buffer, head.byteOffset, head.byteLength), 0);
  if (order === null) return { confidence: 0, reason: 'does not start with the simpletrace header' };
  return { confidence: 3, reason: `simpletrace header, ${order} endian` };
}

function* parse(
  source: ByteSource,
  context: TraceContext,
  options: ParseOptions,
): Generator<EventBatch, void, void> {
  const arena = options.arena ?? createArena();
  const buf = allocateU8(arena, BUFFER);
  const view = new DataView(buf.buffer, buf.byteOffset, BUFFER);
  let filled = readFully(source, 0, buf, 0, HEADER_BYTES);
  const header = readHeader(view, filled);
  // In version 0 the header is a record itself, of which the rest is unused.
  if (header.version === 0) filled += readFully(source, filled, buf, filled, V0_BYTES - HEADER_BYTES);
  let position = filled;
  let at = filled;
  const traceEvents = readTraceEvents(context, options);
  const state = createRecordState(arena, buf, context, header, traceEvents, options.coreOnly ?? false);
  context.facts.set('simpletrace', `version ${header.version}, ${header.little ? 'little' : 'big'} endian`);
  let ended = false;
  for (;;) {
    if (isFull(state.window)) yield* handOut(state, HOLD, options);
    at = takeRecords(state, buf, view, at, filled, ended);
    if (isFull(state.window)) continue;
    if (ended) break;
    const kept = state.previous >= 0 ? state.previous : at;
    if (kept > 0) {
      buf.copyWithin(0, kept, filled);
      filled -= kept;
      at -= kept;
      if (state.previous >= 0) state.previous = 0;
    }
    const got = source.readAt(position, buf, filled, Math.min(READ, BUFFER - filled));
    position += got;
    filled += got;
    ended = got === 0;
    options.onProgress?.(position);
  }
  if (at < filled)
    note(
      context.diagnostics,
      'truncated-file',
      'data-loss',
      'the file ends inside a record (QEMU was killed, or the copy is cut off); what is whole was read',
    );
  noteResults(state, traceEvents);
  yield* handOut(state, 0, options);
  noteLateEvents(context.diagnostics, state.window.late);
}

/** Yields what the window gives away, in the consumer's own batches if it lends them. */
function* handOut(
  state: RecordState,
  hold: number,
  { nextBatch }: ParseOptions,
): Generator<EventBatch, void, void> {
  const batch = flush(state.window, hold);
  if (!batch) return;
  if (!nextBatch) {
    yield batch;
    return;
  }
  for (let from = 0; from < batch.length; ) {
    const lent = nextBatch();
    const count = Math.min(lent.capacity, batch.length - from);
    moveRows(batch, null, from, count, lent, state.window.coreOnly);
    lent.length = count;
    from += count;
    yield lent;
  }
}

function noteResults(state: RecordState, traceEvents: TraceEvents | null): void {
  const { context, version } = state;
  const { diagnostics } = context;
  if (state.mappings > 0) context.facts.set('QEMU events named', String(state.plans.names.size));
  if (state.skipped > 0)
    note(diagnostics, 'damaged-bytes', 'data-loss', 'bytes that were skipped as damaged', state.skipped);
  if (state.unnamed > 0)
    note(
      diagnostics,
      'events-without-name',
      'suspect',
      version < 4
        ? `simpletrace version ${version} has no event names: give the trace-events file of the QEMU build with --trace-events`
        : 'events whose number the file gives no name to',
      state.unnamed,
    );
  if (state.bare > 0 && state.bare > state.unnamed)
    note(diagnostics, 'events-without-arguments', 'info', withoutArguments(traceEvents !== null), state.bare);
  if (state.mismatched > 0)
    note(
      diagnostics,
      'arguments-mismatch',
      'suspect',
      'QEMU events whose arguments are not as the trace-events file declares: it belongs to another build of QEMU, so arguments of others may be wrong too',
      state.mismatched,
    );
}
