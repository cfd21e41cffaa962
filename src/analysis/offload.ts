/**
 * Analysis in a worker thread: this thread parses into batches of shared memory, the worker pairs and counts them in
 * the same order, so that the result is the same to the last bit. The two meet in a ring of batches and two counters.
 */
import { copyRows, type EventBatch } from '../core/event-batch.ts';
import {
  type AnalysisThread,
  DONE,
  END,
  FAILED,
  HANDED,
  LENGTHS,
  RING,
  RING_ROWS,
  WAKE_BATCHES,
} from './analysis-thread.ts';
import type { AnalysisResult } from './analyze.ts';

/** How long a wait lasts, ms, and how many without any progress are one too many: a worker may be stopped for a while. */
const PATIENCE = 1000;
const MAX_WAITS = 60;

export interface Offload {
  /** The batch that the parser may fill next; waits until the worker is done with it. */
  readonly nextBatch: () => EventBatch;
  /** Hands a batch over. One that is not of the ring is copied. */
  readonly take: (batch: EventBatch) => void;
  readonly finish: () => Promise<AnalysisResult>;
  readonly abandon: () => void;
}

/**
 * Waits until the worker is done with `wanted` batches, or has failed (finish() says why). Exported for its test.
 * @throws Error when it makes no progress any more: a batch that it has not read must not be filled again.
 */
export function waitForRoom(control: Int32Array, wanted: number, patienceMs = PATIENCE): void {
  for (let timeouts = 0, last = -1; timeouts < MAX_WAITS; ) {
    const done = Atomics.load(control, DONE);
    if (done >= wanted || Atomics.load(control, FAILED) !== 0) return;
    if (done !== last) timeouts = 0;
    last = done;
    if (Atomics.wait(control, DONE, done, patienceMs) === 'timed-out') timeouts++;
  }
  throw new Error('the analysis thread does not get on any more');
}

/** `result`: what the worker, that has been told of the ring, will answer. */
export function startOffload(
  { control, batches, worker }: AnalysisThread,
  result: Promise<AnalysisResult>,
): Offload {
  let handed = 0;

  const nextBatch = () => {
    if (handed - Atomics.load(control, DONE) >= RING) waitForRoom(control, handed - RING + WAKE_BATCHES);
    const batch = batches[handed % RING];
    batch.length = 0;
    return batch;
  };
  const hand = (length: number) => {
    control[LENGTHS + (handed % RING)] = length;
    handed++;
    Atomics.store(control, HANDED, handed);
    if (length === END || handed - Atomics.load(control, DONE) >= WAKE_BATCHES)
      Atomics.notify(control, HANDED);
  };
  const take = (batch: EventBatch) => {
    if (batch === batches[handed % RING]) {
      hand(batch.length);
      return;
    }
    for (let from = 0; from < batch.length; from += RING_ROWS) {
      const target = nextBatch();
      const rows = Math.min(RING_ROWS, batch.length - from);
      copyRows(batch, from, target, rows);
      hand(rows);
    }
  };
  return {
    nextBatch,
    take,
    finish: async () => {
      nextBatch();
      hand(END);
      const exits = await result;
      // It ends by itself, which nobody has to wait for.
      worker.unref();
      return exits;
    },
    abandon: () => {
      void worker.terminate();
    },
  };
}
