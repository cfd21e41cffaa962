/**
 * Leaves out of a merged stream what one input repeats of another (twin-events.ts). Inputs mark their rows before the
 * merge by a number in unused bits of `fields`; this stage takes the marks off again. Rows wait in a window until their
 * twin has come.
 */
import { BATCH_ROWS, copyRow, createEventBatch, type EventBatch } from '../core/event-batch.ts';
import { createTwinMatcher, forgetRows, isQemuEvent, matchTwin } from './twin-events.ts';

/** Bits of `fields` that hold a row's source + 1; no F_* bit is that high. */
const SOURCE_SHIFT = 13;
const FIELD_BITS = (1 << SOURCE_SHIFT) - 1;
/** Sources that the bits can tell apart. */
export const MAX_TWIN_SOURCES = 7;

/** Marks QEMU's events of an input, and completes their process where their thread's twins told it. */
export function* markSource(
  batches: Iterator<EventBatch>,
  source: number,
  ofQemu: boolean,
  pidOfTid: ReadonlyMap<number, number>,
): Generator<EventBatch, void, void> {
  const mark = (source + 1) << SOURCE_SHIFT;
  while (true) {
    const next = batches.next();
    if (next.done) return;
    const batch = next.value;
    const { fields, tid, pid } = batch;
    for (let row = 0; row < batch.length; row++) {
      if (!isQemuEvent(batch, row, ofQemu)) continue;
      fields[row] |= mark;
      if (pid[row] < 0) pid[row] = pidOfTid.get(tid[row]) ?? -1;
    }
    yield next.value;
  }
}

/** Rows that wait; half of them leave when the window is full. */
const WINDOW = 2 * BATCH_ROWS;

/** Yields the rows but for those that are repeated; `dropped` is told their sources' numbers at the end. */
export function* dropTwins(
  batches: Iterator<EventBatch>,
  keeperOf: readonly number[],
  /** TwinMatcher.reachNs */
  reachNs: readonly number[],
  dropped: (counts: readonly number[]) => void,
): Generator<EventBatch, void, void> {
  const window = createEventBatch(WINDOW);
  const out = createEventBatch(BATCH_ROWS);
  const repeated = new Uint8Array(WINDOW);
  const matcher = createTwinMatcher(keeperOf, reachNs);
  const counts = keeperOf.map(() => 0);
  const found = (row: number, _kept: number, source: number) => {
    repeated[row] = 1;
    counts[source]++;
  };
  while (true) {
    const next = batches.next();
    if (next.done) break;
    const batch = next.value;
    for (let row = 0; row < batch.length; row++) {
      if (window.length === WINDOW) {
        yield* leave(window, repeated, BATCH_ROWS, out);
        forgetRows(matcher, BATCH_ROWS);
      }
      const at = window.length++;
      copyRow(batch, row, window, at);
      const source = (window.fields[at] >> SOURCE_SHIFT) - 1;
      if (source < 0) continue;
      window.fields[at] &= FIELD_BITS;
      matchTwin(matcher, window, at, source, found);
    }
  }
  while (window.length > 0) yield* leave(window, repeated, Math.min(BATCH_ROWS, window.length), out);
  dropped(counts);
}

/** The first `count` rows leave the window, `out` gets those that are no repetition. */
function* leave(
  window: EventBatch,
  repeated: Uint8Array,
  count: number,
  out: EventBatch,
): Generator<EventBatch, void, void> {
  out.length = 0;
  for (let row = 0; row < count; row++) if (repeated[row] === 0) copyRow(window, row, out, out.length++);
  const left = window.length - count;
  for (let row = 0; row < left; row++) copyRow(window, row + count, window, row);
  repeated.copyWithin(0, count, window.length);
  repeated.fill(0, left, window.length);
  window.length = left;
  if (out.length > 0) yield out;
}
