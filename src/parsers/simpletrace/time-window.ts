/**
 * Puts nearly ordered rows without CPU and thread in time order, stably. QEMU reads the clock before it takes a place
 * in its ring, so records of different threads may swap; a record about dropped events is stamped when it is written
 * and stands before all older ones that were still in the ring.
 */
import type { Arena } from '../../core/arena.ts';
import {
  type ArenaBatch,
  BATCH_ROWS,
  copyRow,
  createArenaBatch,
  createEventBatch,
  type EventBatch,
  NO_CPU,
  UNKNOWN,
} from '../../core/event-batch.ts';
import { compareWords, diffWords } from '../../core/words.ts';
import { moveRows } from '../batch-rows.ts';

/** Rows that wait for late ones: QEMU's ring of 256 KiB holds 8192 of the smallest records. */
export const HOLD = 8192;

export interface TimeWindow {
  readonly arena: Arena;
  /** ParseOptions.coreOnly. */
  readonly coreOnly: boolean;
  /** Rows in order of arrival; the caller writes row `batch.length` and calls place(). */
  batch: ArenaBatch;
  /** Made at the first flush. */
  spare: ArenaBatch | null;
  /** Made at the first disorder. */
  sorted: EventBatch | null;
  disordered: boolean;
  /** Time of the last row that was handed out. */
  handedLow: number;
  handedHigh: number;
  handed: boolean;
  /** Rows that came after their place had been handed out: they come out of order. */
  late: number;
}

export function createTimeWindow(arena: Arena, coreOnly: boolean): TimeWindow {
  return {
    arena,
    coreOnly,
    batch: emptyBatch(arena),
    spare: null,
    sorted: null,
    disordered: false,
    handedLow: 0,
    handedHigh: 0,
    handed: false,
    late: 0,
  };
}

/** A batch whose rows have neither CPU nor thread nor ISA, as no record of simpletrace does. */
function emptyBatch(arena: Arena): ArenaBatch {
  const batch = createArenaBatch(arena, BATCH_ROWS);
  batch.cpu.fill(NO_CPU);
  batch.tid.fill(UNKNOWN);
  return batch;
}

/** Takes the row that the caller has written at `batch.length`. */
export function place(window: TimeWindow): void {
  const { batch } = window;
  const { time } = batch;
  const at = 2 * batch.length++;
  if (at === 0) return;
  const high = time[at + 1];
  const before = time[at - 1];
  if (high === before ? time[at] >= time[at - 2] : (high | 0) > (before | 0)) return;
  window.disordered = true;
}

export function isFull(window: TimeWindow): boolean {
  return window.batch.length >= window.batch.capacity;
}

/** Hands out all rows but the last `hold` in time order, null if there are none. Valid until the next flush. */
export function flush(window: TimeWindow, hold: number): EventBatch | null {
  const { batch } = window;
  const kept = Math.min(hold, batch.length);
  const count = batch.length - kept;
  if (count === 0) return null;
  let out: EventBatch = batch;
  if (window.disordered) {
    window.sorted ??= createEventBatch(batch.capacity);
    out = window.sorted;
    const order = timeOrder(batch);
    for (let row = 0; row < batch.length; row++) copyRow(batch, order[row], out, row);
  }
  const spare = window.spare ?? emptyBatch(window.arena);
  moveRows(out, null, count, kept, spare, window.coreOnly);
  spare.length = kept;
  out.length = count;
  countLate(window, out);
  window.disordered = false;
  window.batch = spare;
  window.spare = batch;
  return out;
}

function countLate(window: TimeWindow, out: EventBatch): void {
  const { time, length } = out;
  if (window.handed)
    for (let row = 0; row < length; row++) {
      if (compareWords(time[2 * row], time[2 * row + 1], window.handedLow, window.handedHigh) >= 0) break;
      window.late++;
    }
  const last = 2 * length - 2;
  if (window.handed && compareWords(time[last], time[last + 1], window.handedLow, window.handedHigh) < 0)
    return;
  window.handedLow = time[last];
  window.handedHigh = time[last + 1];
  window.handed = true;
}

/** Rows of the batch by time; equal times in order of arrival. Merges the runs that are in order already. */
function timeOrder(batch: EventBatch): Uint32Array {
  const { time, length } = batch;
  const keys = new Float64Array(length);
  for (let row = 0; row < length; row++)
    keys[row] = diffWords(time[2 * row], time[2 * row + 1], time[0], time[1]);
  let from = new Uint32Array(length);
  let to = new Uint32Array(length);
  for (let row = 0; row < length; row++) from[row] = row;
  let starts = [0];
  for (let row = 1; row < length; row++) if (keys[row] < keys[row - 1]) starts.push(row);
  while (starts.length > 1) {
    const next: number[] = [];
    for (let run = 0; run < starts.length; run += 2) {
      const middle = starts[run + 1] ?? length;
      mergeRuns(keys, from, to, starts[run], middle, starts[run + 2] ?? length);
      next.push(starts[run]);
    }
    starts = next;
    [from, to] = [to, from];
  }
  return from;
}

/** Merges rows [start, middle) and [middle, end) of `from` into `to`. */
function mergeRuns(
  keys: Float64Array,
  from: Uint32Array,
  to: Uint32Array,
  start: number,
  middle: number,
  end: number,
): void {
  let left = start;
  let right = middle;
  for (let at = start; at < end; at++) {
    const takeLeft = left < middle && (right >= end || keys[from[left]] <= keys[from[right]]);
    to[at] = takeLeft ? from[left++] : from[right++];
  }
}
