/**
 * Merges streams of events, each in time order, into one. Equal times keep the order of the streams, and within a
 * stream every row keeps its place, also where its times go backwards.
 */
import { BATCH_ROWS, copyRow, createEventBatch, type EventBatch } from '../core/event-batch.ts';
import { buildHeap, type ComesBefore, siftDown } from '../core/heap.ts';
import { beginStream, endStream, type Pauses, passRow, writeGap } from './pauses.ts';

/** State of the streams that still have rows, and a binary heap of them by (time of the next row, stream). */
interface Merge {
  readonly streams: readonly Iterator<EventBatch>[];
  readonly batches: (EventBatch | null)[];
  readonly rows: Int32Array;
  readonly low: Uint32Array;
  /** Signed. */
  readonly high: Int32Array;
  readonly heap: Int32Array;
  size: number;
  readonly comesBefore: ComesBefore;
  /** Watches for times that no stream covers; null: nobody wants to know. */
  readonly pauses: Pauses | null;
}

/** Loads the stream's next row; false at its end. */
function advance(merge: Merge, stream: number, row: number): boolean {
  let batch = merge.batches[stream];
  let next = row;
  while (batch === null || next >= batch.length) {
    const step = merge.streams[stream].next();
    if (step.done) {
      merge.batches[stream] = null;
      return false;
    }
    batch = step.value;
    next = 0;
  }
  merge.batches[stream] = batch;
  merge.rows[stream] = next;
  merge.low[stream] = batch.time[2 * next];
  merge.high[stream] = batch.time[2 * next + 1];
  return true;
}

function isBefore(merge: Merge, a: number, b: number): boolean {
  if (merge.high[a] !== merge.high[b]) return merge.high[a] < merge.high[b];
  if (merge.low[a] !== merge.low[b]) return merge.low[a] < merge.low[b];
  return a < b;
}

/** The stream that follows the top of the heap, −1 if there is none. */
function second(merge: Merge): number {
  const { heap, size } = merge;
  if (size < 2) return -1;
  return size > 2 && isBefore(merge, heap[2], heap[1]) ? heap[2] : heap[1];
}

/** What is left of a single stream: the rest of its batch copied, all others as they are. */
function* drain(merge: Merge, stream: number, out: EventBatch): Generator<EventBatch, void, void> {
  const batch = merge.batches[stream]!;
  if (merge.rows[stream] > 0) {
    for (let row = merge.rows[stream]; row < batch.length; row++) {
      copyRow(batch, row, out, out.length++);
      if (out.length < out.capacity) continue;
      yield out;
      out.length = 0;
    }
    if (out.length > 0) yield out;
  } else {
    if (out.length > 0) yield out;
    yield batch;
  }
  while (advance(merge, stream, Infinity)) yield merge.batches[stream]!;
}

/** Marks what lies before the stream's first row, if no recording covers it, as lost on every CPU that had events. */
function* markGap(merge: Merge, stream: number, out: EventBatch): Generator<EventBatch, void, void> {
  const { pauses } = merge;
  if (!pauses || !beginStream(pauses, stream, merge.low[stream], merge.high[stream])) return;
  for (const cpu of pauses.cpus) {
    writeGap(pauses, cpu, out, out.length++);
    if (out.length < out.capacity) continue;
    yield out;
    out.length = 0;
  }
}

function* mergeHeap(merge: Merge): Generator<EventBatch, void, void> {
  const { heap, rows, pauses } = merge;
  const out = createEventBatch(BATCH_ROWS);
  while (merge.size > 1) {
    const stream = heap[0];
    const rival = second(merge);
    yield* markGap(merge, stream, out);
    // Rows of one stream in a row, as is usual, cost no work on the heap.
    let more = true;
    do {
      if (pauses) passRow(pauses, stream, merge.batches[stream]!, rows[stream]);
      copyRow(merge.batches[stream]!, rows[stream], out, out.length++);
      if (out.length === out.capacity) {
        yield out;
        out.length = 0;
      }
      more = advance(merge, stream, rows[stream] + 1);
    } while (more && isBefore(merge, stream, rival));
    if (!more) {
      heap[0] = heap[--merge.size];
      if (pauses) endStream(pauses, stream);
    }
    siftDown(heap, merge.size, 0, merge.comesBefore);
  }
  if (merge.size === 1) {
    yield* markGap(merge, heap[0], out);
    yield* drain(merge, heap[0], out);
  } else if (out.length > 0) yield out;
}

/**
 * Yields the rows of all streams in time order. A yielded batch belongs to the consumer until the next one is
 * asked for. One stream passes through untouched. Ends the streams when the consumer stops early. With `pauses`, times
 * between recordings that were made one after the other are marked as losses.
 */
export function* mergeStreams(
  streams: readonly Iterator<EventBatch>[],
  pauses: Pauses | null = null,
): Generator<EventBatch, void, void> {
  const merge: Merge = {
    streams,
    batches: new Array<EventBatch | null>(streams.length).fill(null),
    rows: new Int32Array(streams.length),
    low: new Uint32Array(streams.length),
    high: new Int32Array(streams.length),
    heap: new Int32Array(streams.length),
    size: 0,
    comesBefore: (a, b) => isBefore(merge, a, b),
    pauses,
  };
  try {
    for (let stream = 0; stream < streams.length; stream++)
      if (advance(merge, stream, 0)) merge.heap[merge.size++] = stream;
    buildHeap(merge.heap, merge.size, merge.comesBefore);
    yield* mergeHeap(merge);
  } finally {
    for (const stream of streams) stream.return?.();
  }
}
