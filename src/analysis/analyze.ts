/** One pass over events, all analyses fed from it. */
import { type Arena, createArena } from '../core/arena.ts';
import type { EventBatch } from '../core/event-batch.ts';
import type { ThreadTable } from '../core/thread-table.ts';
import { isIdle } from '../isa/reasons.ts';
import {
  type ArenaSummary,
  addEvents,
  createArenaSummary,
  type EventSummary,
  finishEvents,
  plainSummary,
} from './event-summary.ts';
import {
  EXIT_WITHOUT_ENTRY,
  type ExitBatch,
  INVALIDATED_BY_LOSS,
  OPEN_AT_END,
  PAIRED,
} from './exit-batch.ts';
import { countExits, createExitCounter, type ExitCounter, settleExits } from './exit-counter.ts';
import { type ExitTable, groupKey } from './exit-stats.ts';
import { type Grouping, KEY_CODE, KEY_ISA, plainGroups } from './groups.ts';
import { log2Counts, type Quantiles, quantilesOf } from './latency-log.ts';
import { createPairing, type EntryCounts, finishPairing, type Pairing, pairBatch } from './pairing.ts';
import { KNOWN_VCPU, STRIDE } from './pairing-layout.ts';
import type { AnyPass, PassRequest, VcpuNumbers } from './pass.ts';
import type { Selection } from './selection.ts';
import { createSelectionTables, entryFilter, selectExits } from './selection-tables.ts';
import { createSlowList, type SlowResult, slowResult } from './slow-list.ts';
import type { ThreadStats } from './thread-stats.ts';
import type { UserspaceStats } from './userspace-stats.ts';

export interface AnalysisOptions {
  /** null: everything. */
  readonly selection: Selection | null;
  readonly grouping: Grouping;
  readonly slowLimit: number;
  readonly slowThanNs: number;
  readonly slowIncludeIdle: boolean;
  /** Further passes to run (passes.ts). */
  readonly passes: readonly PassRequest[];
}

interface RunningPass {
  readonly pass: AnyPass;
  readonly state: unknown;
}

/** The running state of all passes. */
export interface Analysis {
  readonly pairing: Pairing;
  readonly summary: ArenaSummary;
  readonly counter: ExitCounter;
  readonly passes: readonly RunningPass[];
}

/** What all passes found: plain data that can be sent between threads. */
export interface AnalysisResult {
  readonly summary: EventSummary;
  /** Counts and sums per group. */
  readonly stats: ExitTable;
  /** Quantiles QUANTILES of each group, then of all groups together, then of those that are not idle. */
  readonly quantiles: readonly Quantiles[];
  /** Histogram of each group by powers of two (see log2Counts). */
  readonly histograms: readonly Float64Array[];
  readonly threads: ThreadStats;
  readonly userspace: UserspaceStats;
  readonly slow: SlowResult;
  /** Selected exits by state: PAIRED, EXIT_WITHOUT_ENTRY, OPEN_AT_END, INVALIDATED_BY_LOSS. */
  readonly states: Float64Array;
  /** Selected pairs with odd stamps, by ODD_* (exit-count-layout.ts). */
  readonly odd: Float64Array;
  readonly entries: EntryCounts;
  /** Results of the further passes by name. */
  readonly passes: Readonly<Record<string, unknown>>;
}

export const QUANTILES = [0.5, 0.9, 0.99, 0.999] as const;

/**
 * `threads` is only needed by a selection or grouping that uses process ids or vCPU numbers which events do not
 * carry; null: such numbers stay −1 in the result's rows (a thread's name tells them in the end as well).
 * `passOf` finds the requested passes; it is given, so that who requests none need not load any. `pairingOf`: how exits
 * come to the statistics, if in another way than by pairing all events (analyze-parts.ts).
 */
export function createAnalysis(
  threads: ThreadTable | null,
  options: AnalysisOptions,
  passOf: (name: string) => AnyPass,
  arena: Arena = createArena(),
  pairingOf: typeof createPairing = createPairing,
): Analysis {
  const { selection } = options;
  const slow = createSlowList(options.slowLimit, options.slowThanNs, options.slowIncludeIdle);
  const counter = createExitCounter(options.grouping, slow, arena);
  const tables = selection === null ? null : createSelectionTables(arena, selection);
  const mask = tables?.selected ?? null;
  const passes = options.passes.map((request) => {
    const pass = passOf(request.name);
    return { pass, state: pass.create(request.options, { selection, threads }, arena) };
  });
  const sink = (batch: ExitBatch) => {
    if (tables !== null) selectExits(tables, batch);
    countExits(counter, batch, mask);
    for (const { pass, state } of passes) pass.exits?.(state, batch, mask);
  };
  const pairing = pairingOf(threads, sink, tables === null ? null : entryFilter(tables), arena);
  return { pairing, summary: createArenaSummary(arena), counter, passes };
}

/** Whether the options need to know threads' processes or vCPUs while events pass by. */
export function needsThreads({ selection, grouping }: AnalysisOptions): boolean {
  return (
    grouping.pid ||
    grouping.vcpu ||
    (selection !== null && (selection.pids !== null || selection.vcpus !== null))
  );
}

export function analyzeBatch(analysis: Analysis, batch: EventBatch): void {
  addEvents(analysis.summary, batch);
  analyzeExits(analysis, batch);
}

/** All but the summary of events, which another thread may keep. */
export function analyzeExits(analysis: Analysis, batch: EventBatch): void {
  for (const { pass, state } of analysis.passes) pass.events?.(state, batch);
  pairBatch(analysis.pairing, batch);
}

function vcpuNumbers({ slots, slotsKnown, open }: Pairing): Map<number, number> {
  const numbers = new Map<number, number>();
  for (let slot = 0; slot < slotsKnown; slot++)
    numbers.set(slots.tids[slot], open[slot * STRIDE + KNOWN_VCPU] | 0);
  return numbers;
}

/** `numbers`: of threads, if other parts know more of them. */
export function finishAnalysis(analysis: Analysis, numbers?: VcpuNumbers): AnalysisResult {
  const { summary, counter } = analysis;
  finishEvents(summary);
  finishPairing(analysis.pairing);
  const known = numbers ?? vcpuNumbers(analysis.pairing);
  settleExits(counter);
  const { stats, threads, userspace, slow, states, odd } = counter;
  const groups = Uint32Array.from({ length: stats.groups.count }, (_, group) => group);
  const busy = groups.filter(
    (group) => !isIdle(groupKey(stats, group, KEY_ISA), groupKey(stats, group, KEY_CODE)),
  );
  const sets = [...Array.from(groups, (group) => Uint32Array.of(group)), groups, busy];
  const { log, groups: groupTable, ...columns } = stats;
  return {
    summary: plainSummary(summary),
    stats: { ...columns, groups: plainGroups(groupTable) },
    quantiles: quantilesOf(log, sets, QUANTILES),
    histograms: log2Counts(log, groups.length),
    threads,
    userspace,
    slow: slowResult(slow),
    states,
    odd,
    entries: analysis.pairing.counts,
    passes: Object.fromEntries(
      analysis.passes.map(({ pass, state }) => [pass.name, pass.result(state, known)]),
    ),
  };
}

/** Selected exits in each state. */
export function exitStates({ states }: AnalysisResult): {
  paired: number;
  exitWithoutEntry: number;
  openAtEnd: number;
  invalidatedByLoss: number;
} {
  return {
    paired: states[PAIRED],
    exitWithoutEntry: states[EXIT_WITHOUT_ENTRY],
    openAtEnd: states[OPEN_AT_END],
    invalidatedByLoss: states[INVALIDATED_BY_LOSS],
  };
}
