/**
 * Puts the CPUs' streams in time order: a binary heap of the streams by their current event. What is common is left to a
 * kernel (page-merge.ts), which stops at whatever has to be done here, one event at a time.
 */
import { type Arena, allocateI32 } from '../../core/arena.ts';
import { type EventBatch, liesIn, NO_CPU } from '../../core/event-batch.ts';
import { buildHeap, type ComesBefore, siftDown } from '../../core/heap.ts';
import {
  advance,
  type CpuStreams,
  comesBefore,
  lossesOf,
  recordAt,
  recordLength,
  setLosses,
  timeAt,
} from './cpu-streams.ts';
import { type EventRows, writeLoss, writeRecord } from './event-rows.ts';
import { createPageMerge, learnPlan, type PageMerge, takeRows } from './page-merge.ts';
import { NO_LOSS, STEP_ADVANCE, STEP_AGAIN, STEP_WRITE } from './stream-layout.ts';
import { isUniform } from './time-conversion.ts';

export interface StreamMerge {
  readonly streams: CpuStreams;
  readonly rows: EventRows;
  readonly arena: Arena;
  readonly heap: Int32Array;
  size: number;
  readonly comesBefore: ComesBefore;
  /** Takes what is common; null where the file is not such that it can. */
  readonly fast: PageMerge | null;
  /** The top stream's event is in the batch before: the batch was full. */
  isTaken: boolean;
  /** Buffers of which each kind of event was seen, by id; null where the file has one buffer only. */
  readonly seen: readonly Uint8Array[] | null;
  /** Streams without any event, but with a loss: its row comes before all others. */
  readonly emptyLosses: number[];
}

/** Rows that one step can add: an event, the loss before it, and the loss behind the last one of its CPU. */
const ROWS_PER_STEP = 3;

export function createStreamMerge(
  streams: CpuStreams,
  rows: EventRows,
  buffers: number,
  arena: Arena,
  coreOnly: boolean,
): StreamMerge {
  const heap = allocateI32(arena, streams.count);
  const isFast = streams.little && buffers === 1 && isUniform(streams.conversion);
  const merge: StreamMerge = {
    streams,
    rows,
    arena,
    heap,
    size: 0,
    comesBefore: (a, b) => comesBefore(streams.times, a, b),
    fast: isFast ? createPageMerge(arena, streams, rows, heap, coreOnly) : null,
    isTaken: false,
    seen: buffers > 1 ? Array.from({ length: buffers }, () => new Uint8Array(65536)) : null,
    emptyLosses: [],
  };
  for (let stream = 0; stream < streams.count; stream++) {
    if (advance(streams, stream)) merge.heap[merge.size++] = stream;
    else if (lossesOf(streams, stream) !== NO_LOSS) merge.emptyLosses.push(stream);
  }
  buildHeap(heap, merge.size, merge.comesBefore);
  return merge;
}

/** Adds rows in time order until the batch is full (true) or the streams have ended (false). */
export function fillBatch(merge: StreamMerge, batch: EventBatch): boolean {
  const limit = batch.capacity - ROWS_PER_STEP;
  while (merge.emptyLosses.length > 0) {
    if (batch.length > limit) return true;
    const stream = merge.emptyLosses.shift()!;
    addLossRow(merge, batch, stream, timeAt(merge.size > 0 ? merge.heap[0] : stream));
  }
  if (merge.isTaken) takeNext(merge, batch);
  merge.isTaken = false;
  while (merge.size > 0) {
    const { fast, arena } = merge;
    // Full batches spare the consumer from making them.
    const step =
      fast !== null && liesIn(arena, batch) ? takeRows(fast, merge.size, batch, batch.capacity) : STEP_WRITE;
    if (step === STEP_AGAIN) continue;
    if (step !== STEP_ADVANCE) {
      if (batch.length > limit) return true;
      addEventRow(merge, batch);
    } else if (batch.length === batch.capacity) {
      merge.isTaken = true;
      return true;
    }
    takeNext(merge, batch);
  }
  return false;
}

/** Adds the row of the stream's loss, with the time at `index` of `times`. */
function addLossRow({ streams }: StreamMerge, batch: EventBatch, stream: number, index: number): void {
  const row = batch.length++;
  batch.time[2 * row] = streams.times[index];
  batch.time[2 * row + 1] = streams.times[index + 1];
  writeLoss(batch, row, streams.cpus[stream], lossesOf(streams, stream));
  setLosses(streams, stream, NO_LOSS);
}

/** Adds the top stream's event, and the loss before it. */
function addEventRow(merge: StreamMerge, batch: EventBatch): void {
  const { streams, rows, fast, seen } = merge;
  const stream = merge.heap[0];
  const base = timeAt(stream);
  if (lossesOf(streams, stream) !== NO_LOSS) addLossRow(merge, batch, stream, base);
  const row = batch.length;
  batch.time[2 * row] = streams.times[base];
  batch.time[2 * row + 1] = streams.times[base + 1];
  batch.cpu[row] = Math.min(streams.cpus[stream], NO_CPU);
  const view = streams.views[stream];
  const at = recordAt(streams, stream);
  if (!writeRecord(rows, view, at, recordLength(streams, stream), batch, row)) return;
  batch.length++;
  if (fast === null && seen === null) return;
  const id = view.getUint16(at, streams.little);
  if (fast !== null) learnPlan(fast, id);
  if (seen !== null) seen[streams.buffers[stream]][id] = 1;
}

/** Moves the top stream to its next event; a loss behind its last one gets a row. */
function takeNext(merge: StreamMerge, batch: EventBatch): void {
  const { streams, heap } = merge;
  const stream = heap[0];
  const base = timeAt(stream);
  const low = streams.times[base];
  const high = streams.times[base + 1];
  if (!advance(streams, stream)) {
    if (lossesOf(streams, stream) !== NO_LOSS) {
      // The end may have changed the stream's time.
      streams.times[base] = low;
      streams.times[base + 1] = high;
      addLossRow(merge, batch, stream, base);
    }
    heap[0] = heap[--merge.size];
  }
  siftDown(heap, merge.size, 0, merge.comesBefore);
}
