/** Runs the analyses over a stream of events: in this thread, or beside it in a worker when that pays. */

import { canOffload, dropThread, RING_ROWS, sendTask, takeThread } from '../analysis/analysis-thread.ts';
import {
  type Analysis,
  type AnalysisOptions,
  type AnalysisResult,
  analyzeBatch,
  createAnalysis,
  finishAnalysis,
  needsThreads,
} from '../analysis/analyze.ts';
import { addEvents, createArenaSummary, finishEvents } from '../analysis/event-summary.ts';
import { type Offload, startOffload } from '../analysis/offload.ts';
import type { PassOf } from '../analysis/passes.ts';
import { createArena } from '../core/arena.ts';
import { createArenaBatch, UNKNOWN } from '../core/event-batch.ts';
import type { ThreadTask } from './analysis-worker.ts';
import { ANALYSIS_WORKER } from './analysis-worker-file.ts';
import { analyzeByBlocks, planBlocks } from './analyze-blocks.ts';
import { type EventStream, forEachBatch } from './event-stream.ts';
import { OFFLOAD_BYTES } from './launch-analysis.ts';
import type { NamedReasons } from './named-reasons.ts';
import type { ReadOptions } from './options.ts';
import { wantedPasses } from './wanted-passes.ts';

export async function analyzeStream(
  stream: EventStream,
  analysisOptions: AnalysisOptions,
  passOf: PassOf,
  options: ReadOptions,
  coreOnly: boolean,
  names: NamedReasons | null = null,
): Promise<AnalysisResult> {
  // The other thread has no strings to know names by.
  if (names === null && shouldOffload(stream, analysisOptions, options)) {
    const plan = planBlocks(stream, analysisOptions, passOf, options.jobs ?? 2);
    if (plan !== null) return await analyzeByBlocks(stream, plan, passOf, options, coreOnly);
    return await runBeside(stream, analysisOptions, passOf, options);
  }
  dropThread();
  const threads = needsThreads(analysisOptions) ? stream.context.threads : null;
  let analysis: Analysis | null = null;
  const arena = createArena();
  const start = () =>
    createAnalysis(threads, wantedPasses(stream.context, analysisOptions, passOf), passOf, arena);
  // Filled where the kernels can work on it.
  const lent = createArenaBatch(arena, RING_ROWS);
  lent.text.fill(UNKNOWN);
  const nextBatch = () => {
    lent.length = 0;
    return lent;
  };
  stream.lendBatches({ arena, nextBatch });
  await forEachBatch(stream, options, (batch) => {
    // With the first batch it is known which events were recorded.
    analysis ??= start();
    names?.take(batch);
    analyzeBatch(analysis, batch);
  });
  return finishAnalysis(analysis ?? start());
}

async function runBeside(
  stream: EventStream,
  analysisOptions: AnalysisOptions,
  passOf: PassOf,
  options: ReadOptions,
): Promise<AnalysisResult> {
  const thread = takeThread(ANALYSIS_WORKER);
  const { inputs } = stream;
  // Several are put in order of time, by TypeScript.
  const format = inputs.length === 1 ? inputs[0].format : null;
  // Where nothing has to be decoded this thread has time to spare.
  const summary = format?.blocks ? createArenaSummary(thread.arena) : null;
  let running: Offload | null = null;
  const task = (): ThreadTask => ({
    ring: { options: wantedPasses(stream.context, analysisOptions, passOf), countsEvents: summary === null },
    kernels: format?.kernels === true,
  });
  const offload = () => {
    running ??= startOffload(thread, sendTask<ThreadTask, AnalysisResult>(thread, task()));
    return running;
  };
  stream.lendBatches({ arena: thread.arena, nextBatch: () => offload().nextBatch() });
  try {
    await forEachBatch(stream, options, (batch) => {
      if (summary !== null) addEvents(summary, batch);
      offload().take(batch);
    });
  } catch (error) {
    void thread.worker.terminate();
    throw error;
  }
  const result = await offload().finish();
  if (summary === null) return result;
  finishEvents(summary);
  return { ...result, summary };
}

function shouldOffload(stream: EventStream, analysisOptions: AnalysisOptions, options: ReadOptions): boolean {
  if ((options.jobs ?? 2) < 2 || !canOffload() || needsThreads(analysisOptions)) return false;
  return stream.inputs.reduce((sum, input) => sum + (input.eventBytes ?? OFFLOAD_BYTES), 0) >= OFFLOAD_BYTES;
}
