/**
 * Analyses a file by blocks: this thread and others parse and analyse some each, one after the other in time, and the
 * parts are put together. The result is that of one pass, to the byte.
 */
import { sendTask, takeThread } from '../analysis/analysis-thread.ts';
import type { AnalysisOptions, AnalysisResult } from '../analysis/analyze.ts';
import {
  type AnalysisPart,
  analyzePart,
  createAnalysisPart,
  endPart,
  finishAnalysisParts,
  mergeParts,
} from '../analysis/analyze-parts.ts';
import { unpackPart } from '../analysis/part-transfer.ts';
import type { PassOf } from '../analysis/passes.ts';
import { createArena } from '../core/arena.ts';
import { type Diagnostics, note } from '../core/diagnostics.ts';
import type { EventBatch } from '../core/event-batch.ts';
import { createTraceContext } from '../core/trace-context.ts';
import type { BlockRange } from '../parsers/trace-format.ts';
import type { ThreadTask } from './analysis-worker.ts';
import { ANALYSIS_WORKER } from './analysis-worker-file.ts';
import { type BlockResult, lendOne } from './block-job.ts';
import { type EventStream, forEachBatch } from './event-stream.ts';
import type { ReadOptions } from './options.ts';
import { wantedPasses } from './wanted-passes.ts';

/** Blocks that are not worth a thread: it takes as long to start. */
const HEAD_START = 12;
/** Fewest blocks that a thread gets, four million events: fewer are done sooner by parsing here and analysing there. */
const MIN_BLOCKS = 60;
/** Each thread takes 30 MB of memory: with as many as a large host has CPUs a report would not be modest any more. */
const MAX_THREADS = 4;

/** What a capture says whose rows are not in order of time. */
const DISORDER = ['time-backwards', 'late-events'];

export interface BlockPlan {
  /** Blocks of the only input. */
  readonly count: number;
  /** Time of the recording's first event (word pair). */
  readonly start: readonly [number, number];
  /** With the passes that have something to do. */
  readonly options: AnalysisOptions;
}

/** How to analyse the stream by blocks; null if that cannot be done, or does not pay. */
export function planBlocks(
  { inputs }: EventStream,
  options: AnalysisOptions,
  passOf: PassOf,
  jobs: number,
): BlockPlan | null {
  const [{ source, format }, ...others] = inputs;
  if (others.length > 0 || source.fd === undefined || source.size === null) return null;
  const count = format.blocks?.(source) ?? 0;
  if (shareBlocks(count, jobs).length === 1) return null;
  const context = createTraceContext();
  const arena = createArena();
  const start = firstTime(
    format.parse(source, context, {
      coreOnly: true,
      arena,
      nextBatch: lendOne(arena, 64),
      blocks: { from: 0, to: 1 },
    }),
  );
  // What vcpu-threads.ts does needs every event in order.
  if (start === null || context.arch?.startsWith('ppc')) return null;
  // Parts are joined by their times.
  if (DISORDER.some((code) => context.diagnostics.entries.has(code))) return null;
  const wanted = wantedPasses(context, options, passOf);
  if (wanted.passes.some(({ name }) => passOf(name).inParts === false)) return null;
  return { count, start, options: wanted };
}

/** What joining parts could not look at: one pass would have. */
function noteDropped(diagnostics: Diagnostics, { pairing: { dropped } }: AnalysisPart): void {
  if (dropped > 0)
    note(
      diagnostics,
      'events-not-joined',
      'suspect',
      'events of exits that were open for thousands of events, across blocks of the capture, were not looked at; --jobs 1 does',
      dropped,
    );
}

/** Time of the first event, null if there is none, or no sound one. */
function firstTime(batches: Iterator<EventBatch>): readonly [number, number] | null {
  const first = batches.next();
  return first.done ? null : [first.value.time[0], first.value.time[1]];
}

/** Ranges of blocks for at most `jobs` threads. The first, this thread's, is longer: it needs not be started. */
export function shareBlocks(count: number, jobs: number): BlockRange[] {
  const threads = Math.max(1, Math.min(jobs, MAX_THREADS, Math.floor((count - HEAD_START) / MIN_BLOCKS)));
  const each = Math.max(0, Math.floor((count - HEAD_START) / threads));
  const starts = Array.from({ length: threads }, (_, i) => (i === 0 ? 0 : count - (threads - i) * each));
  return starts.map((from, i) => ({ from, to: starts[i + 1] ?? count }));
}

export async function analyzeByBlocks(
  stream: EventStream,
  { count, start, options }: BlockPlan,
  passOf: PassOf,
  read: ReadOptions,
  coreOnly: boolean,
): Promise<AnalysisResult> {
  const [{ source, format }] = stream.inputs;
  const [own, ...others] = shareBlocks(count, read.jobs ?? 2);
  const threads = others.map(() => takeThread(ANALYSIS_WORKER));
  const job = { fd: source.fd!, size: source.size!, name: source.name, coreOnly, start, options };
  const results = others.map((blocks, i) =>
    sendTask<ThreadTask, BlockResult>(threads[i], {
      blocks: { ...job, blocks },
      kernels: format.kernels === true,
    }),
  );
  const { arena } = threads[0];
  const part = createAnalysisPart(null, options, passOf, null, arena);
  stream.lendBatches({ arena, nextBatch: lendOne(arena) });
  stream.readBlocks(own, count);
  try {
    // The other threads read the file as well.
    const beforeClose = async () => void (await Promise.allSettled(results));
    await forEachBatch(stream, read, (batch) => analyzePart(part, batch), beforeClose);
    endPart(part);
    for (const result of results) {
      const { part: packed, diagnostics } = await result;
      for (const { code, severity, message, count } of diagnostics)
        note(stream.context.diagnostics, code, severity, message, count);
      mergeParts(part, unpackPart(packed, null, options, passOf, arena));
    }
    noteDropped(stream.context.diagnostics, part);
  } catch (error) {
    for (const { worker } of threads) void worker.terminate();
    throw error;
  }
  return finishAnalysisParts(part);
}
