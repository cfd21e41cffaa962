/** The worker's side of offload.ts. */
import { parentPort, workerData } from 'node:worker_threads';
import { analyzeExits, createAnalysis, finishAnalysis } from './analyze.ts';
import { DONE, END, FAILED, HANDED, LENGTHS, type WorkerInput } from './offload.ts';
import { loadPasses } from './passes.ts';

const { control, batches, options } = workerData as WorkerInput;

try {
  const analysis = createAnalysis(null, options, await loadPasses(options.passes));
  for (let done = 0; ; ) {
    while (Atomics.load(control, HANDED) === done) Atomics.wait(control, HANDED, done);
    const slot = done % batches.length;
    const length = control[LENGTHS + slot];
    if (length === END) break;
    const batch = batches[slot];
    batch.length = length;
    analyzeExits(analysis, batch);
    Atomics.store(control, DONE, ++done);
    Atomics.notify(control, DONE);
  }
  parentPort!.postMessage(finishAnalysis(analysis));
} catch (error) {
  Atomics.store(control, FAILED, 1);
  Atomics.notify(control, DONE);
  throw error;
}
