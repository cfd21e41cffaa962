/** One pass over events, all analyses fed from it. */
import type { EventBatch } from '../core/event-batch.ts';
import type { TraceContext } from '../core/trace-context.ts';
import { addEvents, createEventSummary, type EventSummary, finishEvents } from './event-summary.ts';
import { type ExitBatch, EXIT_WITHOUT_ENTRY, INVALIDATED_BY_LOSS, OPEN_AT_END, PAIRED } from './exit-batch.ts';
import { addExits, createExitStats, type ExitStats } from './exit-stats.ts';
import type { Grouping } from './groups.ts';
import { createPairing, type EntryCounts, finishPairing, type Pairing, pairBatch } from './pairing.ts';
import { createSelected, entryFilter, type Selection, selectExits } from './selection.ts';
import { addSlow, createSlowList, type SlowList } from './slow-list.ts';
import { addThreads, createThreadStats, type ThreadStats } from './thread-stats.ts';
import { addUserspace, createUserspaceStats, type UserspaceStats } from './userspace-stats.ts';

export interface AnalysisOptions {
  /** null: everything. */
  readonly selection: Selection | null;
  readonly grouping: Grouping;
  readonly slowLimit: number;
  readonly slowThanNs: number;
  readonly slowIncludeIdle: boolean;
  /** Whether an exit's time is the guest's own idling. */
  readonly idle: (isa: number, code: number) => boolean;
}

export interface Analysis {
  readonly pairing: Pairing;
  readonly summary: EventSummary;
  readonly stats: ExitStats;
  readonly threads: ThreadStats;
  readonly userspace: UserspaceStats;
  readonly slow: SlowList;
  /** Selected exits by state: PAIRED, EXIT_WITHOUT_ENTRY, OPEN_AT_END, INVALIDATED_BY_LOSS. */
  readonly states: Float64Array;
  readonly entries: EntryCounts;
}

export function createAnalysis(context: TraceContext, options: AnalysisOptions): Analysis {
  const { selection, idle } = options;
  const stats = createExitStats(options.grouping);
  const threads = createThreadStats();
  const userspace = createUserspaceStats();
  const slow = createSlowList(options.slowLimit, options.slowThanNs, options.slowIncludeIdle);
  const states = new Float64Array(4);
  const mask = selection === null ? null : createSelected();
  const sink = (batch: ExitBatch) => {
    if (selection !== null) selectExits(selection, batch, mask!);
    for (let row = 0; row < batch.length; row++) if (mask === null || mask[row]) states[batch.state[row]!]!++;
    addExits(stats, batch, mask);
    addThreads(threads, batch, mask, idle);
    addUserspace(userspace, batch, mask);
    addSlow(slow, batch, mask, idle);
  };
  const pairing = createPairing(context.threads, sink, selection === null ? null : entryFilter(selection));
  return { pairing, summary: createEventSummary(), stats, threads, userspace, slow, states, entries: pairing.counts };
}

export function analyzeBatch(analysis: Analysis, batch: EventBatch): void {
  addEvents(analysis.summary, batch);
  pairBatch(analysis.pairing, batch);
}

export function finishAnalysis(analysis: Analysis): void {
  finishEvents(analysis.summary);
  finishPairing(analysis.pairing);
}

/** Selected exits in each state. */
export function exitStates(analysis: Analysis): {
  paired: number;
  exitWithoutEntry: number;
  openAtEnd: number;
  invalidatedByLoss: number;
} {
  const { states } = analysis;
  return {
    paired: states[PAIRED]!,
    exitWithoutEntry: states[EXIT_WITHOUT_ENTRY]!,
    openAtEnd: states[OPEN_AT_END]!,
    invalidatedByLoss: states[INVALIDATED_BY_LOSS]!,
  };
}
