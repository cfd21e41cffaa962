/**
 * Analysis in a worker thread: this thread parses into batches of shared memory, the worker pairs and counts them in
 * the same order, so that the result is the same to the last bit. The two meet in a ring of batches and two counters.
 */
import { Worker } from 'node:worker_threads';
import { copyRow, createEventBatch, type EventBatch } from '../core/event-batch.ts';
import type { AnalysisOptions, AnalysisResult } from './analyze.ts';
import { addEvents, createEventSummary, finishEvents } from './event-summary.ts';

/** Batches in the ring, of 16 Ki rows: enough that parsing goes on while the worker starts. */
const RING = 10;
const ROWS = 16384;
/** Words of the control block: batches handed over, batches done with, worker failed; then the batches' lengths. */
export const HANDED = 0;
export const DONE = 1;
export const FAILED = 2;
export const LENGTHS = 4;
/** Length that ends the stream. */
export const END = -1;
/** How long a wait lasts before it looks whether the worker still lives, ms. */
const PATIENCE = 1000;
const MAX_WAITS = 20;

export interface WorkerInput {
  readonly control: Int32Array;
  readonly batches: readonly EventBatch[];
  readonly options: AnalysisOptions;
}

export interface Offload {
  /** The batch that the parser may fill next; waits until the worker is done with it. */
  readonly nextBatch: () => EventBatch;
  /** Hands a batch over. One that is not of the ring is copied. */
  readonly take: (batch: EventBatch) => void;
  readonly finish: () => Promise<AnalysisResult>;
  readonly abandon: () => void;
}

/** Workers run compiled files only: not under a TypeScript runner. */
export function canOffload(): boolean {
  return import.meta.url.endsWith('.js');
}

export function startOffload(options: AnalysisOptions): Offload {
  const control = new Int32Array(new SharedArrayBuffer(4 * (LENGTHS + RING)));
  const batches = Array.from({ length: RING }, () => createEventBatch(ROWS, true));
  for (const batch of batches) batch.text.fill(-1);
  const input: WorkerInput = { control, batches, options };
  const worker = new Worker(new URL('./offload-worker.js', import.meta.url), {
    workerData: input,
    execArgv: [],
  });
  const result = new Promise<AnalysisResult>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', (code) => reject(new Error(`analysis thread ended with status ${code}`)));
  });
  // A failure is reported by finish(); until then it must not count as unhandled.
  result.catch(() => {});
  let handed = 0;

  const nextBatch = () => {
    for (let waits = 0; handed - Atomics.load(control, DONE) >= RING; waits++) {
      if (Atomics.load(control, FAILED) !== 0 || waits > MAX_WAITS) break;
      Atomics.wait(control, DONE, handed - RING, PATIENCE);
    }
    const batch = batches[handed % RING];
    batch.length = 0;
    return batch;
  };
  const hand = (length: number) => {
    control[LENGTHS + (handed % RING)] = length;
    handed++;
    Atomics.store(control, HANDED, handed);
    Atomics.notify(control, HANDED);
  };
  // Counting events is this thread's part, which balances the two.
  const summary = createEventSummary();
  const take = (batch: EventBatch) => {
    addEvents(summary, batch);
    if (batch === batches[handed % RING]) {
      hand(batch.length);
      return;
    }
    for (let from = 0; from < batch.length; from += ROWS) {
      const target = nextBatch();
      const rows = Math.min(ROWS, batch.length - from);
      for (let row = 0; row < rows; row++) copyRow(batch, from + row, target, row);
      hand(rows);
    }
  };
  return {
    nextBatch,
    take,
    finish: async () => {
      nextBatch();
      hand(END);
      try {
        const exits = await result;
        finishEvents(summary);
        return { ...exits, summary };
      } finally {
        await worker.terminate();
      }
    },
    abandon: () => {
      void worker.terminate();
    },
  };
}
