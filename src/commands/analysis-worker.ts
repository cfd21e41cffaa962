/**
 * The worker thread's side of analyze-stream.ts: analyses the batches that the main thread parses (analysis/offload.ts),
 * or parses and analyses some blocks of a file itself (analyze-blocks.ts).
 */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { DONE, FAILED, TASK, type ThreadMessage } from '../analysis/analysis-thread.ts';
import { analyzeRing, type RingJob } from '../analysis/offload-ring.ts';
import { joinArena } from '../core/arena.ts';
import type { BlockJob } from './block-job.ts';
import { loadAllPasses } from './load-passes.ts';
import { optimizeAsUsual, optimizeLate } from './optimizer.ts';

/** What the thread is to do, its only message. */
export type ThreadTask = ThreadWork & {
  /** Kernels do nearly everything (TraceFormat.kernels). */
  readonly kernels: boolean;
};

type ThreadWork = { readonly ring: RingJob } | { readonly blocks: BlockJob };

void run(workerData as Int32Array);

async function run(control: Int32Array): Promise<void> {
  try {
    Atomics.wait(control, TASK, 0);
    const { memory, task } = receiveMessageOnPort(parentPort!)!.message as ThreadMessage<ThreadTask>;
    const arena = joinArena(memory.arena);
    if (task.kernels) optimizeLate();
    const result =
      'ring' in task
        ? await analyzeRing(memory, arena, task.ring, await loadAllPasses(task.ring.options.passes))
        : await (await import('./block-job.ts')).analyzeBlocks(task.blocks, arena);
    if (task.kernels) optimizeAsUsual();
    parentPort!.postMessage(result);
  } catch (error) {
    Atomics.store(control, FAILED, 1);
    Atomics.notify(control, DONE);
    throw error;
  }
}
