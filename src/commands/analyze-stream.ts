/** Runs the analyses over a stream of events: in this thread, or beside it in a worker when that pays. */

import { canOffload, dropThread, launchThread } from '../analysis/analysis-thread.ts';
import {
  type Analysis,
  type AnalysisOptions,
  type AnalysisResult,
  analyzeBatch,
  createAnalysis,
  finishAnalysis,
  needsThreads,
} from '../analysis/analyze.ts';
import { type Offload, startOffload } from '../analysis/offload.ts';
import type { PassOf } from '../analysis/passes.ts';
import type { Arena } from '../core/arena.ts';
import type { ArenaBatch } from '../core/event-batch.ts';
import { type EventStream, forEachBatch } from './event-stream.ts';
import { OFFLOAD_BYTES } from './launch-analysis.ts';
import type { NamedReasons } from './named-reasons.ts';
import type { ReadOptions } from './options.ts';

export async function analyzeStream(
  stream: EventStream,
  analysisOptions: AnalysisOptions,
  passOf: PassOf,
  options: ReadOptions,
  names: NamedReasons | null = null,
): Promise<AnalysisResult> {
  // The other thread has no strings to know names by.
  if (names === null && shouldOffload(stream, analysisOptions, options))
    return await runBeside(stream, analysisOptions, passOf, options);
  dropThread();
  const threads = needsThreads(analysisOptions) ? stream.context.threads : null;
  let analysis: Analysis | null = null;
  const start = (arena?: Arena) =>
    createAnalysis(threads, wantedPasses(stream, analysisOptions, passOf), passOf, arena);
  await forEachBatch(stream, options, (batch) => {
    // With the first batch it is known which events were recorded.
    analysis ??= start((batch as Partial<ArenaBatch>).arena);
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
  let running: Offload | null = null;
  const offload = () => {
    running ??= startOffload(wantedPasses(stream, analysisOptions, passOf));
    return running;
  };
  stream.lendBatches({ arena: launchThread().arena, nextBatch: () => offload().nextBatch() });
  try {
    await forEachBatch(stream, options, (batch) => offload().take(batch));
  } catch (error) {
    (running as Offload | null)?.abandon();
    throw error;
  }
  return await offload().finish();
}

/** Leaves out passes that nobody asked for and that have nothing to do in this recording. */
function wantedPasses(
  stream: EventStream,
  analysisOptions: AnalysisOptions,
  passOf: PassOf,
): AnalysisOptions {
  const { enabledEvents } = stream.context;
  if (enabledEvents === null) return analysisOptions;
  const wanted = analysisOptions.passes.filter(
    ({ name, optional }) => !optional || (passOf(name).wants?.(enabledEvents) ?? true),
  );
  return { ...analysisOptions, passes: wanted };
}

function shouldOffload(stream: EventStream, analysisOptions: AnalysisOptions, options: ReadOptions): boolean {
  if ((options.jobs ?? 2) < 2 || !canOffload() || needsThreads(analysisOptions)) return false;
  return stream.inputs.reduce((sum, input) => sum + (input.eventBytes ?? OFFLOAD_BYTES), 0) >= OFFLOAD_BYTES;
}
