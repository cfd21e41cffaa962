/** Runs the analyses over a stream of events: in this thread, or beside it in a worker when that pays. */
import {
  type AnalysisOptions,
  type AnalysisResult,
  analyzeBatch,
  createAnalysis,
  finishAnalysis,
  needsThreads,
} from '../analysis/analyze.ts';
import { canOffload, type Offload, startOffload } from '../analysis/offload.ts';
import { type EventStream, forEachBatch } from './event-stream.ts';
import type { ReadOptions } from './options.ts';

/** Below this size a second thread takes longer to start than it saves. */
const OFFLOAD_BYTES = 48 << 20;

export async function analyzeStream(
  stream: EventStream,
  analysisOptions: AnalysisOptions,
  options: ReadOptions,
): Promise<AnalysisResult> {
  if (shouldOffload(stream, analysisOptions, options)) {
    const offload = startOffload(analysisOptions);
    stream.lendBatches(offload.nextBatch);
    return await runOffloaded(stream, offload, options);
  }
  const threads = needsThreads(analysisOptions) ? stream.context.threads : null;
  const analysis = createAnalysis(threads, analysisOptions);
  await forEachBatch(stream, options, (batch) => analyzeBatch(analysis, batch));
  return finishAnalysis(analysis);
}

async function runOffloaded(
  stream: EventStream,
  offload: Offload,
  options: ReadOptions,
): Promise<AnalysisResult> {
  try {
    await forEachBatch(stream, options, offload.take);
  } catch (error) {
    offload.abandon();
    throw error;
  }
  return await offload.finish();
}

function shouldOffload(stream: EventStream, analysisOptions: AnalysisOptions, options: ReadOptions): boolean {
  if ((options.jobs ?? 2) < 2 || !canOffload() || needsThreads(analysisOptions)) return false;
  return stream.inputs.reduce((sum, input) => sum + (input.source.size ?? OFFLOAD_BYTES), 0) >= OFFLOAD_BYTES;
}
