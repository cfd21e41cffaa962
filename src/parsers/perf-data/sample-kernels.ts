/** Calls the kernels that walk and merge samples (src/kernels/perf-walk.ts, perf-merge.ts) and keeps their view. */
import type { ArenaBatch } from '../../core/event-batch.ts';
import type { RecordState } from './record-state.ts';
import type { RecordWindow } from './record-window.ts';
import {
  W_BYTES,
  W_HEAP_SIZE,
  W_LAST_KEY,
  W_LIMIT,
  W_LISTED_COUNT,
  W_MAX_KEY,
  W_RUNS,
  W_USED,
} from './window-layout.ts';

/**
 * Passes over samples from `from` on, whose runs it adds, up to whatever is no whole sample of the main layout; returns
 * where it stopped.
 */
export function walkSamples(window: RecordWindow, from: number): number {
  // The first record of all gives the base that keys count from.
  if (!window.hasBase) return from;
  const { table, floats, arena } = window;
  table[W_USED >> 2] = window.used;
  table[W_RUNS >> 2] = window.runs;
  floats[W_LAST_KEY >> 3] = window.lastKey;
  floats[W_MAX_KEY >> 3] = window.maxKey;
  const at = arena.kernels.walkSamples(table.byteOffset, from);
  window.runs = table[W_RUNS >> 2];
  window.lastKey = floats[W_LAST_KEY >> 3];
  window.maxKey = floats[W_MAX_KEY >> 3];
  return at;
}

/**
 * Adds at most `rows` samples in the order of time, up to where the heap's first run ends or stands at another record.
 * Returns how many of the rows have to be completed (RecordState.listed).
 */
export function mergeSamples(window: RecordWindow, batch: ArenaBatch, rows: number): number {
  const { table, floats, arena } = window;
  table[W_HEAP_SIZE >> 2] = window.heapSize;
  table[W_LISTED_COUNT >> 2] = 0;
  floats[W_LIMIT >> 3] = window.limit;
  const { length } = batch;
  batch.length = arena.kernels.mergeSamples(table.byteOffset, batch.table, length, length + rows);
  return table[W_LISTED_COUNT >> 2];
}

/**
 * Completes rows of `state.listed` from index `from` on, up to `count` or to one that needs more than copies of its
 * sample's fields; returns where it stopped.
 */
export function fillListed(state: RecordState, batch: ArenaBatch, from: number, count: number): number {
  const { arena, table } = state.window;
  const { recordPlans, listed } = state;
  const bytes = table[W_BYTES >> 2];
  return arena.kernels.fillListed(recordPlans.byteOffset, bytes, listed.byteOffset, batch.table, from, count);
}
