/**
 * Puts nearly ordered events in time order. Text files are a merge of per-CPU streams that can step back where the
 * kernel's reader found a CPU's buffer empty too early. Rows wait in a window of the last HOLD rows; a row that
 * comes late is moved back to its place, but never past a row of its own CPU (of its own thread where the format
 * has no CPU): the order within a stream is the recorder's.
 */
import { createEventBatch, type EventBatch, NO_CPU } from '../../core/event-batch.ts';
import { compareWords } from '../../core/words.ts';
import { moveRows } from '../batch-rows.ts';

/** Rows that wait for late ones. */
export const HOLD = 8192;
/** Rows that are taken in between two times of handing out. */
const STEP = 49152;

export interface ReorderWindow {
  /** Rows in order of arrival; the caller fills row `batch.length` and calls place(). */
  batch: EventBatch;
  /** First row that was not handed out; 0 but while rows are handed out. */
  start: number;
  /** The other buffer, made at the first disorder. */
  spare: EventBatch | null;
  /** Rows of `batch` in time order; meaningless unless `permuted`. */
  readonly order: Int32Array;
  permuted: boolean;
  /** Time of the last row that was handed out. */
  readonly handedTime: Uint32Array;
  handed: boolean;
  /** Rows whose place had been handed out already: they come out of order. */
  late: number;
  /** Rows stamped before an earlier row of the same CPU: they keep their place behind it. */
  backwards: number;
}

export function createReorderWindow(): ReorderWindow {
  const batch = createEventBatch(HOLD + STEP);
  return {
    batch,
    start: 0,
    spare: null,
    order: new Int32Array(batch.capacity),
    permuted: false,
    handedTime: new Uint32Array(2),
    handed: false,
    late: 0,
    backwards: 0,
  };
}

/** Takes the row that the caller has written at `batch.length`. */
export function place(window: ReorderWindow): void {
  const { batch } = window;
  const row = batch.length++;
  if (row === 0) {
    if (window.handed && isBefore(batch.time, 0, window.handedTime)) window.late++;
    return;
  }
  const { time } = batch;
  const before = 2 * (window.permuted ? window.order[row - 1] : row - 1);
  const high = time[2 * row + 1];
  const previousHigh = time[before + 1];
  if (high === previousHigh ? time[2 * row] >= time[before] : (high | 0) > (previousHigh | 0)) {
    if (window.permuted) window.order[row] = row;
    return;
  }
  moveBack(window, row);
}

function isBefore(time: Uint32Array, row: number, other: Uint32Array): boolean {
  return compareWords(time[2 * row], time[2 * row + 1], other[0], other[1]) < 0;
}

function moveBack(window: ReorderWindow, row: number): void {
  const { batch, order } = window;
  const { time, cpu, tid } = batch;
  if (!window.permuted) {
    for (let i = 0; i < row; i++) order[i] = i;
    window.permuted = true;
  }
  const low = time[2 * row];
  const high = time[2 * row + 1];
  const ownCpu = cpu[row];
  const ownTid = tid[row];
  let index = row;
  while (index > 0) {
    const other = order[index - 1];
    if (!(compareWords(time[2 * other], time[2 * other + 1], low, high) > 0)) break;
    if (cpu[other] === ownCpu && (ownCpu !== NO_CPU || tid[other] === ownTid)) {
      window.backwards++;
      break;
    }
    index--;
  }
  if (index === 0 && window.handed && isBefore(time, row, window.handedTime)) window.late++;
  order.copyWithin(index + 1, index, row);
  order[index] = row;
}

/** Whether flush() must be called before `rows` more rows are written. */
export function isFull(window: ReorderWindow, rows: number): boolean {
  return window.batch.length + rows > window.batch.capacity;
}

/** How many rows are handed out if the last `hold` are to be kept. */
export function ready(window: ReorderWindow, hold: number): number {
  return Math.max(0, window.batch.length - hold);
}

/**
 * Fills `out` with the next rows in time order, as many as it holds, but keeps the last `hold`; returns how many. Once
 * no more are left it returns 0 and has moved the kept rows to the front: row numbers are ready() less then. To be
 * called until then. `coreOnly`: as ParseOptions has it.
 */
export function flush(window: ReorderWindow, hold: number, out: EventBatch, coreOnly: boolean): number {
  if (window.permuted) putInOrder(window, coreOnly);
  const { batch, start } = window;
  const count = Math.min(batch.length - hold - start, out.capacity);
  if (count <= 0) {
    const kept = batch.length - start;
    if (start > 0) moveRows(batch, null, start, kept, batch, coreOnly);
    batch.length = kept;
    window.start = 0;
    return 0;
  }
  moveRows(batch, null, start, count, out, coreOnly);
  window.start = start + count;
  out.length = count;
  window.handedTime[0] = out.time[2 * count - 2];
  window.handedTime[1] = out.time[2 * count - 1];
  window.handed = true;
  return count;
}

function putInOrder(window: ReorderWindow, coreOnly: boolean): void {
  const { batch } = window;
  window.spare ??= createEventBatch(batch.capacity);
  moveRows(batch, window.order, 0, batch.length, window.spare, coreOnly);
  window.spare.length = batch.length;
  window.batch = window.spare;
  window.spare = batch;
  window.permuted = false;
}
