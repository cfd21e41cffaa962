/** A part of a recording as plain data, so that one thread can analyse it and another one put it together. */
import type { Arena } from '../core/arena.ts';
import type { ThreadTable } from '../core/thread-table.ts';
import { type AnalysisOptions, createAnalysis } from './analyze.ts';
import { type AnalysisPart, numberThreads, passesSince } from './analyze-parts.ts';
import { type EventSummary, plainSummary } from './event-summary.ts';
import type { ExitBatch } from './exit-batch.ts';
import { type ExitCounter, settleExits } from './exit-counter.ts';
import { plainGroups } from './groups.ts';
import type { Pairing } from './pairing.ts';
import type { PairingPart } from './pairing-part.ts';
import type { AnyPass } from './pass.ts';

/** What a part holds, without what can be made anew: it can be sent between threads. */
export interface PackedPart {
  readonly recordingStart: readonly [number, number];
  readonly summary: EventSummary;
  readonly counter: Pick<ExitCounter, 'stats' | 'threads' | 'userspace' | 'slow' | 'states' | 'odd'>;
  readonly counts: PairingPart['pairing']['counts'];
  readonly pairing: Pick<
    PairingPart,
    'threads' | 'losses' | 'times' | 'start' | 'endedAtStart' | 'held' | 'dropped'
  >;
  /** States of the passes, in the order of the options. */
  readonly passes: readonly unknown[];
}

/** `part` has ended (endPart) and must not be used afterwards. */
export function packPart(
  { analysis, pairing }: AnalysisPart,
  recordingStart: readonly [number, number],
): PackedPart {
  const { counter } = analysis;
  settleExits(counter);
  const { stats, threads, userspace, slow, states, odd } = counter;
  const { threads: partThreads, losses, times, start, endedAtStart, held, dropped } = pairing;
  return {
    recordingStart,
    summary: plainSummary(analysis.summary),
    counter: {
      stats: { ...stats, groups: plainGroups(stats.groups), log: { ...stats.log, arena: null } },
      threads,
      userspace,
      slow,
      states,
      odd,
    },
    counts: pairing.pairing.counts,
    pairing: { threads: partThreads, losses, times, start, endedAtStart, held, dropped },
    passes: analysis.passes.map(({ pass, state }) => pass.plain?.(state) ?? state),
  };
}

/**
 * The part as it was packed, ended, ready for mergeParts(); the parameters as for createAnalysisPart(). It takes no more
 * events, only exits that joining decides.
 */
export function unpackPart(
  packed: PackedPart,
  threads: ThreadTable | null,
  options: AnalysisOptions,
  passOf: (name: string) => AnyPass,
  arena?: Arena,
): AnalysisPart {
  let sink: PairingPart['sink'] | null = null;
  const ofPart = passesSince(packed.recordingStart, passOf);
  const analysis = createAnalysis(threads, options, ofPart, arena, (_threads, take) => {
    sink = take;
    return { counts: packed.counts } as Pairing;
  });
  Object.assign(analysis.summary, packed.summary);
  Object.assign(analysis.counter, packed.counter);
  for (const [i, running] of analysis.passes.entries()) Object.assign(running, { state: packed.passes[i] });
  const pairing = {
    ...packed.pairing,
    later: true,
    closed: true,
    pairing: analysis.pairing,
    sink: (batch: ExitBatch) => {
      numberThreads(analysis, batch);
      sink!(batch);
    },
  } as PairingPart;
  return { analysis, pairing };
}
