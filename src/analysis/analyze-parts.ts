/**
 * A recording analysed in consecutive parts, each on its own (in another thread, or of another file), and put together
 * in their order: the result is that of one pass, but for the order of rows that no order is promised for.
 */
import { type Arena, createArena } from '../core/arena.ts';
import type { EventBatch } from '../core/event-batch.ts';
import type { ThreadTable } from '../core/thread-table.ts';
import {
  type Analysis,
  type AnalysisOptions,
  type AnalysisResult,
  createAnalysis,
  finishAnalysis,
} from './analyze.ts';
import { addEvents } from './event-summary.ts';
import { joinEventSummaries } from './event-summary-join.ts';
import type { ExitBatch } from './exit-batch.ts';
import { settleExits } from './exit-counter.ts';
import { mergeExitStats } from './exit-stats.ts';
import { fillThreads, finishParts, joinParts } from './pairing-join.ts';
import { closePart, createPairingPart, type PairingPart, pairPart } from './pairing-part.ts';
import type { AnyPass } from './pass.ts';
import { mergeSlowLists } from './slow-list.ts';
import { mergeThreadStats } from './thread-stats.ts';
import { mergeUserspaceStats } from './userspace-stats.ts';

export interface AnalysisPart {
  readonly analysis: Analysis;
  readonly pairing: PairingPart;
}

/**
 * `recordingStart`: time of the recording's first event (word pair), null for the part that begins with it. The other
 * parameters as for createAnalysis().
 */
export function createAnalysisPart(
  threads: ThreadTable | null,
  options: AnalysisOptions,
  passOf: (name: string) => AnyPass,
  recordingStart: readonly [number, number] | null,
  arena: Arena = createArena(),
): AnalysisPart {
  const ofPart = (name: string) => {
    const pass = passOf(name);
    if (recordingStart === null) return pass;
    const create: AnyPass['create'] = (request, scope) => pass.create(request, { ...scope!, recordingStart });
    return { ...pass, create };
  };
  const analysis = createAnalysis(threads, options, ofPart, arena);
  const { sink, acceptEntry } = analysis.pairing;
  const pairing = createPairingPart(
    threads,
    (batch) => {
      if (pairing.closed) numberThreads(analysis, batch);
      sink(batch);
    },
    acceptEntry,
    recordingStart !== null,
    arena,
  );
  return { analysis, pairing };
}

/** Gives exits that joining decided the numbers that their threads have in this part's statistics. */
function numberThreads({ counter }: Analysis, batch: ExitBatch): void {
  settleExits(counter);
  const { threads } = counter;
  const slots = new Map<number, number>();
  for (let slot = 0; slot < threads.count; slot++) slots.set(threads.tid[slot], slot);
  let free = threads.count;
  for (let row = 0; row < batch.length; row++) {
    const tid = batch.tid[row];
    if (!slots.has(tid)) slots.set(tid, free++);
    batch.thread[row] = slots.get(tid)!;
  }
}

export function analyzePart({ analysis, pairing }: AnalysisPart, batch: EventBatch): void {
  addEvents(analysis.summary, batch);
  for (const { pass, state } of analysis.passes) pass.events?.(state, batch);
  pairPart(pairing, batch);
}

/** No more events of this part come. To be called once, before it is merged or finished. */
export function endPart({ pairing }: AnalysisPart): void {
  closePart(pairing);
}

/** Adds the next part to one that begins with the recording; both have ended. `next` must not be used afterwards. */
export function mergeParts(
  { analysis, pairing }: AnalysisPart,
  { analysis: later, pairing: next }: AnalysisPart,
): void {
  const { counter } = analysis;
  const { counter: more } = later;
  joinEventSummaries(analysis.summary, later.summary, next);
  fillThreads(pairing, more.slow.rows);
  joinParts(pairing, next);
  settleExits(counter);
  settleExits(more);
  mergeExitStats(counter.stats, more.stats);
  mergeThreadStats(counter.threads, more.threads);
  mergeUserspaceStats(counter.userspace, more.userspace);
  mergeSlowLists(counter.slow, more.slow);
  for (let state = 0; state < counter.states.length; state++) counter.states[state] += more.states[state];
  for (const [i, { pass, state }] of analysis.passes.entries()) pass.merge(state, later.passes[i].state);
}

/** The recording has ended. */
export function finishAnalysisParts({ analysis, pairing }: AnalysisPart): AnalysisResult {
  finishParts(pairing);
  Object.assign(analysis.pairing.counts, pairing.pairing.counts);
  return finishAnalysis(analysis);
}
