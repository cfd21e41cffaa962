/**
 * Puts the CPUs' streams in time order: a binary heap of the streams by their current event. As long as the top stream's
 * next event comes before the current ones of all others, it goes on without touching the heap.
 */
import { type EventBatch, NO_CPU } from '../../core/event-batch.ts';
import { type CorePlans, createCorePlans, writeCore } from './core-rows.ts';
import { AT, advance, type CpuStreams, comesBefore, LENGTH, NO_LOSS, wordsOf } from './cpu-streams.ts';
import { type EventRows, writeLoss, writeRecord } from './event-rows.ts';

export interface StreamMerge {
  readonly streams: CpuStreams;
  readonly rows: EventRows;
  readonly heap: Int32Array;
  size: number;
  /** Plans of the core columns, if no others are wanted and records can be read as words. */
  readonly plans: CorePlans | null;
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
    plans: coreOnly && streams.aligned ? createCorePlans() : null,
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
  const { streams, rows, heap, seen, plans } = merge;
  const { times, places, views, words, losses, cpus } = streams;
  const { time, cpu: cpuColumn } = batch;
  const limit = batch.capacity - ROWS_PER_STEP;
  let row = batch.length;
  while (merge.emptyLosses.length > 0) {
    if (row > limit) {
      batch.length = row;
      return true;
    }
    const stream = merge.emptyLosses.shift()!;
    const first = merge.size > 0 ? wordsOf(heap[0]) : wordsOf(stream);
    time[2 * row] = times[first];
    time[2 * row + 1] = times[first + 1];
    writeLoss(batch, row++, cpus[stream], losses[stream]);
  }
  while (merge.size > 0) {
    const stream = heap[0];
    const base = wordsOf(stream);
    const cpu = Math.min(cpus[stream], NO_CPU);
    const follower = second(merge);
    let low = 0;
    let high = 0;
    let more = true;
    do {
      if (row > limit) {
        batch.length = row;
        return true;
      }
      low = times[base];
      high = times[base + 1];
      if (losses[stream] !== NO_LOSS) {
        time[2 * row] = low;
        time[2 * row + 1] = high;
        writeLoss(batch, row++, cpu, losses[stream]);
        losses[stream] = NO_LOSS;
      }
      time[2 * row] = low;
      time[2 * row + 1] = high;
      cpuColumn[row] = cpu;
      const view = views[stream];
      const at = places[base + AT];
      const length = places[base + LENGTH];
      const written = plans
        ? writeCore(plans, rows, words[stream], view, at, length, batch, row)
        : writeRecord(rows, view, at, length, batch, row);
      if (written) {
        row++;
        if (seen !== null) seen[streams.buffers[stream]][view.getUint16(at, streams.little)] = 1;
      }
      more = advance(streams, stream);
    } while (more && (follower < 0 || comesBefore(times, stream, follower)));
    if (more) siftDown(merge, 0);
    else {
      if (losses[stream] !== NO_LOSS) {
        time[2 * row] = low;
        time[2 * row + 1] = high;
        writeLoss(batch, row++, cpu, losses[stream]);
      }
      heap[0] = heap[--merge.size];
      if (merge.size > 0) siftDown(merge, 0);
    }
  }
  batch.length = row;
  return false;
}

/** The stream that comes after the top one, −1 if there is none. */
function second(merge: StreamMerge): number {
  const { heap, size } = merge;
  if (size < 2) return -1;
  return size > 2 && comesBefore(merge.streams.times, heap[2], heap[1]) ? heap[2] : heap[1];
}
