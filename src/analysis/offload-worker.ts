/** The worker's side of offload.ts. */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { joinArena } from '../core/arena.ts';
import { arenaBatchAt } from '../core/event-batch.ts';
import {
  DONE,
  END,
  FAILED,
  HANDED,
  LENGTHS,
  OPTIONS,
  type ThreadMemory,
  WAKE_BATCHES,
} from './analysis-thread.ts';
import { type AnalysisOptions, analyzeBatch, createAnalysis, finishAnalysis } from './analyze.ts';
import { loadPasses } from './passes.ts';

void run(workerData as ThreadMemory);

async function run({ control, arena: shared, tables }: ThreadMemory): Promise<void> {
  try {
    Atomics.wait(control, OPTIONS, 0);
    const options = receiveMessageOnPort(parentPort!)!.message as AnalysisOptions;
    const arena = joinArena(shared);
    const batches = tables.map((table) => arenaBatchAt(arena, table));
    const analysis = createAnalysis(null, options, await loadPasses(options.passes), arena);
    for (let done = 0; ; ) {
      while (Atomics.load(control, HANDED) === done) Atomics.wait(control, HANDED, done);
      const slot = done % batches.length;
      const length = control[LENGTHS + slot];
      if (length === END) break;
      const batch = batches[slot];
      batch.length = length;
      analyzeBatch(analysis, batch);
      Atomics.store(control, DONE, ++done);
      if (Atomics.load(control, HANDED) - done <= batches.length - WAKE_BATCHES)
        Atomics.notify(control, DONE);
    }
    parentPort!.postMessage(finishAnalysis(analysis));
  } catch (error) {
    Atomics.store(control, FAILED, 1);
    Atomics.notify(control, DONE);
    throw error;
  }
}
