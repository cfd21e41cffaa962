/** The worker's side of offload.ts. */
import type { Arena } from '../core/arena.ts';
import { arenaBatchAt } from '../core/event-batch.ts';
import { DONE, END, HANDED, LENGTHS, type ThreadMemory, WAKE_BATCHES } from './analysis-thread.ts';
import {
  type AnalysisOptions,
  type AnalysisResult,
  analyzeBatch,
  analyzeExits,
  createAnalysis,
  finishAnalysis,
} from './analyze.ts';
import type { PassOf } from './passes.ts';

export interface RingJob {
  readonly options: AnalysisOptions;
  /** Whether this thread counts events as well: the result's summary is empty otherwise. */
  readonly countsEvents: boolean;
}

/** Analyses the batches of the ring as they come, up to the stream's end. */
export async function analyzeRing(
  { control, tables }: ThreadMemory,
  arena: Arena,
  { options, countsEvents }: RingJob,
  passOf: PassOf,
): Promise<AnalysisResult> {
  const batches = tables.map((table) => arenaBatchAt(arena, table));
  const analyze = countsEvents ? analyzeBatch : analyzeExits;
  const analysis = createAnalysis(null, options, passOf, arena);
  for (let done = 0; ; ) {
    while (Atomics.load(control, HANDED) === done) Atomics.wait(control, HANDED, done);
    const slot = done % batches.length;
    const length = control[LENGTHS + slot];
    if (length === END) return finishAnalysis(analysis);
    const batch = batches[slot];
    batch.length = length;
    analyze(analysis, batch);
    Atomics.store(control, DONE, ++done);
    if (Atomics.load(control, HANDED) - done <= batches.length - WAKE_BATCHES) Atomics.notify(control, DONE);
  }
}
