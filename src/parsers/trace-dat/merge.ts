/**
 * Puts the CPUs' streams in time order: a binary heap of the streams by their current event. As long as the top stream's
 * next event comes before the current ones of all others, it goes on without touching the heap.
 */
import { type EventBatch, NO_CPU } from '../../core/event-batch.ts';
import { AT, advance, type CpuStreams, comesBefore, LENGTH, NO_LOSS, wordsOf } from './cpu-streams.ts';
import { addSpecial, type EventRows, writeLoss, writeRecord } from './event-rows.ts';
import { createEventPlans, type EventPlans, FINISH, learnPlan, takeFastRows, WRITE } from './fast-rows.ts';
import { isOffsetOnly } from './time-conversion.ts';

export interface StreamMerge {
  readonly streams: CpuStreams;
  readonly rows: EventRows;
  readonly heap: Int32Array;
  size: number;
  /** Plans of the hot loop; null where it cannot be used. */
  readonly plans: EventPlans | null;
  readonly coreOnly: boolean;
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
  coreOnly: boolean,
): StreamMerge {
  const merge: StreamMerge = {
    streams,
    rows,
    heap: new Int32Array(streams.count),
    size: 0,
    plans: streams.aligned && buffers === 1 && isOffsetOnly(streams.conversion) ? createEventPlans() : null,
    coreOnly,
    seen: buffers > 1 ? Array.from({ length: buffers }, () => new Uint8Array(65536)) : null,
    emptyLosses: [],
  };
  for (let stream = 0; stream < streams.count; stream++) {
    if (advance(streams, stream)) merge.heap[merge.size++] = stream;
    else if (streams.losses[stream] !== NO_LOSS) merge.emptyLosses.push(stream);
  }
  for (let place = (merge.size >> 1) - 1; place >= 0; place--) siftDown(merge, place);
  return merge;
}

function siftDown(merge: StreamMerge, start: number): void {
  const { heap, size } = merge;
  const { times } = merge.streams;
  const stream = heap[start];
  let place = start;
  for (;;) {
    let child = 2 * place + 1;
    if (child >= size) break;
    if (child + 1 < size && comesBefore(times, heap[child + 1], heap[child])) child++;
    if (!comesBefore(times, heap[child], stream)) break;
    heap[place] = heap[child];
    place = child;
  }
  heap[place] = stream;
}

/** Adds rows in time order until the batch is full (true) or the streams have ended (false). */
export function fillBatch(merge: StreamMerge, batch: EventBatch): boolean {
  const limit = batch.capacity - ROWS_PER_STEP;
  while (merge.emptyLosses.length > 0) {
    if (batch.length > limit) return true;
    const stream = merge.emptyLosses.shift()!;
    addLossRow(merge, batch, stream, wordsOf(merge.size > 0 ? merge.heap[0] : stream));
  }
  while (merge.size > 0) {
    const step = merge.plans === null ? WRITE : takeFastRows(merge, merge.plans, batch, limit);
    if (step === WRITE) {
      if (batch.length > limit) return true;
      addEventRow(merge, batch);
    } else if (step === FINISH) finishEventRow(merge, batch);
    takeNext(merge, batch);
  }
  return false;
}

/** Adds the row of the stream's loss, with the time at `index` of `times`. */
function addLossRow({ streams }: StreamMerge, batch: EventBatch, stream: number, index: number): void {
  const row = batch.length++;
  batch.time[2 * row] = streams.times[index];
  batch.time[2 * row + 1] = streams.times[index + 1];
  writeLoss(batch, row, streams.cpus[stream], streams.losses[stream]);
  streams.losses[stream] = NO_LOSS;
}

/** Adds the top stream's event, and the loss before it. */
function addEventRow(merge: StreamMerge, batch: EventBatch): void {
  const { streams, rows, plans, seen } = merge;
  const stream = merge.heap[0];
  const base = wordsOf(stream);
  if (streams.losses[stream] !== NO_LOSS) addLossRow(merge, batch, stream, base);
  const row = batch.length;
  batch.time[2 * row] = streams.times[base];
  batch.time[2 * row + 1] = streams.times[base + 1];
  batch.cpu[row] = Math.min(streams.cpus[stream], NO_CPU);
  const view = streams.views[stream];
  const at = streams.places[base + AT];
  const length = streams.places[base + LENGTH];
  if (!writeRecord(rows, view, at, length, batch, row)) return;
  batch.length++;
  if (plans === null && seen === null) return;
  const id = view.getUint16(at, streams.little);
  if (plans !== null) learnPlan(plans, rows, id);
  if (seen !== null) seen[streams.buffers[stream]][id] = 1;
}

/** Does to the last row, which is the top stream's event, what a plan cannot. */
function finishEventRow({ streams, rows, heap }: StreamMerge, batch: EventBatch): void {
  const stream = heap[0];
  const view = streams.views[stream];
  const at = streams.places[wordsOf(stream) + AT];
  const id = view.getUint16(at, streams.little);
  const length = streams.places[wordsOf(stream) + LENGTH];
  addSpecial(rows, rows.kinds[id], id, view, at, length, batch, batch.length - 1);
}

/** Moves the top stream to its next event; a loss behind its last one gets a row. */
function takeNext(merge: StreamMerge, batch: EventBatch): void {
  const { streams, heap } = merge;
  const stream = heap[0];
  const base = wordsOf(stream);
  const low = streams.times[base];
  const high = streams.times[base + 1];
  if (!advance(streams, stream)) {
    if (streams.losses[stream] !== NO_LOSS) {
      // The end may have changed the stream's time.
      streams.times[base] = low;
      streams.times[base + 1] = high;
      addLossRow(merge, batch, stream, base);
    }
    heap[0] = heap[--merge.size];
  }
  if (merge.size > 0) siftDown(merge, 0);
}
