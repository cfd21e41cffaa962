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
import { cpusSeen, joinEventSummaries } from './event-summary-join.ts';
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

/** The passes as they must be created for a part that does not begin with the recording, which did at `start`. */
export function passesSince(
  start: readonly [number, number],
  passOf: (name: string) => AnyPass,
): (name: string) => AnyPass {
  return (name) => {
    const pass = passOf(name);
    const create: AnyPass['create'] = (options, scope, arena) =>
      pass.create(options, { ...scope!, recordingStart: start }, arena);
    return { ...pass, create };
  };
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
  const later = recordingStart !== null;
  const ofPart = later ? passesSince(recordingStart, passOf) : passOf;
  let pairing: PairingPart | null = null;
  const analysis = createAnalysis(threads, options, ofPart, arena, (_threads, sink, entryFilter) => {
    const take = (batch: ExitBatch) => {
      if (pairing!.closed) numberThreads(analysis, batch);
      sink(batch);
    };
    pairing = createPairingPart(threads, take, entryFilter ?? null, later, arena);
    return pairing.pairing;
  });
  return { analysis, pairing: pairing! };
}

/** Gives exits that joining decided the numbers that their threads have in this part's statistics. */
export function numberThreads({ counter }: Analysis, batch: ExitBatch): void {
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
  const cpus = cpusSeen(later.summary);
  joinEventSummaries(analysis.summary, later.summary, next, cpus);
  fillThreads(pairing, more.slow.rows);
  joinParts(pairing, next, cpus);
  settleExits(counter);
  settleExits(more);
  mergeExitStats(counter.stats, more.stats);
  mergeThreadStats(counter.threads, more.threads);
  mergeUserspaceStats(counter.userspace, more.userspace);
  mergeSlowLists(counter.slow, more.slow);
  for (let state = 0; state < counter.states.length; state++) counter.states[state] += more.states[state];
  for (let kind = 0; kind < counter.odd.length; kind++) counter.odd[kind] += more.odd[kind];
  for (const [i, { pass, state }] of analysis.passes.entries()) pass.merge(state, later.passes[i].state);
}

/** The recording has ended. */
export function finishAnalysisParts({ analysis, pairing }: AnalysisPart): AnalysisResult {
  finishParts(pairing);
  return finishAnalysis(analysis, new Map([...pairing.threads.values()].map(({ tid, vcpu }) => [tid, vcpu])));
}
