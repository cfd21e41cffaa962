/**
 * Nested guests: exits by level, and what one exit of an L2 guest costs once it is handed on to L1. L1 handles it with
 * instructions that exit to this host themselves (VMREAD, VMWRITE, CLGI, MSRs …) until it enters L2 again: a cycle runs
 * from kvm_nested_vmexit_inject to the next kvm_nested_vmenter (kvm_nested_vmrun in older kernels) of the thread, and costs
 * the exits in between, the VMRUN or VMRESUME that ends it included.
 *
 * A cycle during which events were lost, on whatever CPU, is left out and counted.
 */
import { type EventBatch, F_CODE, F_ISA } from '../core/event-batch.ts';
import {
  EV_NESTED_VMENTER,
  EV_NESTED_VMEXIT,
  EV_NESTED_VMEXIT_INJECT,
  EV_NESTED_VMRUN,
} from '../core/events.ts';
import { addressOf } from '../core/kernel-view.ts';
import { diffWords } from '../core/words.ts';
import { addEventRows, showSlots } from './event-kernels.ts';
import { NE_EXITS, NE_PIDS, NE_VCPUS } from './events-view-layout.ts';
import { addExact, exactValue, LARGEST_ADDED, mergeExact } from './exact-sum.ts';
import { logLatency, mergeLatencyLogs, quantilesOf } from './latency-log.ts';
import { addLevels, type LevelRow, levelRows, mergeLevels } from './nested-levels.ts';
import {
  createNested,
  ENTER,
  INJECT,
  MAX_REASONS,
  type Nested,
  NONE,
  plainNested,
  reasonId,
  type Thread,
  threadAt,
} from './nested-state.ts';
import type { Pass } from './pass.ts';
import { EVENT_ROLES, ROLE_ENTRY, ROLE_EXIT, ROLE_LOST } from './roles.ts';
import { threadInScope, timeInScope } from './thread-scope.ts';

function addNestedEvents(nested: Nested, batch: EventBatch): void {
  addEventRows(
    nested.view,
    'countThreadExits',
    batch,
    (row) => addEvent(nested, batch, row),
    ({ words }) => {
      const { columns, slots } = nested;
      showSlots(words, slots, columns.exits.length);
      words[NE_EXITS / 4] = addressOf(columns.exits);
      words[NE_PIDS / 4] = addressOf(columns.pid);
      words[NE_VCPUS / 4] = addressOf(columns.vcpu);
    },
  );
}

function addEvent(nested: Nested, batch: EventBatch, row: number): void {
  const event = batch.event[row];
  const role = EVENT_ROLES[event];
  if (role === ROLE_LOST) {
    nested.losses++;
    return;
  }
  const isExit = role === ROLE_EXIT;
  const isInject = event === EV_NESTED_VMEXIT_INJECT;
  const isEnter = event === EV_NESTED_VMENTER || event === EV_NESTED_VMRUN;
  if (event === EV_NESTED_VMEXIT) nested.nestedExits++;
  const tells = role === ROLE_ENTRY && nested.scope.selection?.vcpus;
  if (!(isExit || isInject || isEnter || tells) || batch.tid[row] < 0) return;
  const thread = threadAt(nested, batch.tid[row]);
  if (isExit || tells) {
    const { columns } = nested;
    if (isExit) columns.exits[thread.slot]++;
    if (batch.pid[row] >= 0) columns.pid[thread.slot] = batch.pid[row];
    if (batch.vcpu[row] >= 0) columns.vcpu[thread.slot] = batch.vcpu[row];
    return;
  }
  if (isInject) nested.injected++;
  else nested.entered++;
  boundary(nested, thread, isInject ? INJECT : ENTER, batch.time[2 * row], batch.time[2 * row + 1]);
  if (isInject) openCycle(nested, thread, batch, row);
}

/** Ends what is open in the thread, if there is. */
function boundary(nested: Nested, thread: Thread, kind: number, low: number, high: number): void {
  const exits = nested.columns.exits[thread.slot];
  if (thread.head === NONE) {
    thread.head = kind;
    thread.headTime[0] = low;
    thread.headTime[1] = high;
    thread.headExits = exits;
    thread.headLost = nested.losses > 0;
  }
  if (thread.open) endCycle(nested, thread, kind, low, high, exits, nested.losses > thread.losses);
  thread.open = false;
  nested.columns.exits[thread.slot] = 0;
}

function openCycle(nested: Nested, thread: Thread, batch: EventBatch, row: number): void {
  const low = batch.time[2 * row];
  const high = batch.time[2 * row + 1];
  const { fields } = batch;
  const isa = fields[row] & F_ISA ? batch.isa[row] : 0;
  const code = fields[row] & F_CODE ? batch.code[row] : 0;
  const reason = reasonId(nested, isa, code);
  if (reason < 0) nested.ignored++;
  thread.open = reason >= 0 && timeInScope(nested.scope, low, high);
  thread.reason = reason;
  thread.start[0] = low;
  thread.start[1] = high;
  thread.losses = nested.losses;
}

function endCycle(
  nested: Nested,
  thread: Thread,
  kind: number,
  low: number,
  high: number,
  exits: number,
  lost: boolean,
): void {
  if (lost) {
    nested.lostCycles++;
    return;
  }
  if (kind === INJECT) {
    nested.brokenCycles++;
    return;
  }
  const ns = diffWords(low, high, thread.start[0], thread.start[1]);
  if (ns < 0) {
    nested.negative++;
    return;
  }
  const { pid, vcpu } = nested.columns;
  if (!threadInScope(nested.scope, thread.tid, pid[thread.slot], vcpu[thread.slot])) return;
  const reason = nested.reasons[thread.reason];
  const elapsed = Math.min(LARGEST_ADDED, ns);
  reason.cycles++;
  reason.exits += exits;
  reason.maxExits = Math.max(reason.maxExits, exits);
  reason.maxNs = Math.max(reason.maxNs, elapsed);
  addExact(reason.totalNs, 0, elapsed);
  logLatency(nested.counts, thread.reason, exits);
}

/** Adds a later part. */
function mergeNested(nested: Nested, later: Nested): void {
  mergeLevels(nested.levels, later.levels);
  const reasons = later.reasons.map(({ isa, code }) => reasonId(nested, isa, code));
  for (const other of later.threads) mergeThread(nested, threadAt(nested, other.tid), later, other, reasons);
  for (const [i, from] of later.reasons.entries()) {
    const reason = nested.reasons[reasons[i]];
    if (!reason) {
      nested.ignored += from.cycles;
      continue;
    }
    reason.cycles += from.cycles;
    reason.exits += from.exits;
    reason.maxExits = Math.max(reason.maxExits, from.maxExits);
    reason.maxNs = Math.max(reason.maxNs, from.maxNs);
    mergeExact(reason.totalNs, 0, from.totalNs, 0);
  }
  mergeLatencyLogs(
    nested.counts,
    later.counts,
    Uint32Array.from(reasons, (id) => (id < 0 ? MAX_REASONS : id)),
  );
  for (const key of [
    'nestedExits',
    'injected',
    'entered',
    'losses',
    'lostCycles',
    'brokenCycles',
    'negative',
    'ignored',
  ] as const)
    nested[key] += later[key];
}

function mergeThread(
  nested: Nested,
  thread: Thread,
  later: Nested,
  other: Thread,
  reasons: readonly number[],
): void {
  const { columns } = nested;
  const { slot } = thread;
  const from = later.columns;
  if (from.pid[other.slot] >= 0) columns.pid[slot] = from.pid[other.slot];
  if (from.vcpu[other.slot] >= 0) columns.vcpu[slot] = from.vcpu[other.slot];
  if (other.head === NONE) {
    columns.exits[slot] += from.exits[other.slot];
    return;
  }
  const [low, high] = other.headTime;
  const exits = columns.exits[slot] + other.headExits;
  const lost = nested.losses > thread.losses || other.headLost;
  if (thread.open) endCycle(nested, thread, other.head, low, high, exits, lost);
  if (thread.head === NONE) {
    thread.head = other.head;
    thread.headTime.set(other.headTime);
    thread.headExits = exits;
    thread.headLost = nested.losses > 0 || other.headLost;
  }
  thread.open = other.open && reasons[other.reason] >= 0;
  thread.reason = other.reason < 0 ? -1 : reasons[other.reason];
  thread.start.set(other.start);
  columns.exits[slot] = from.exits[other.slot];
  thread.losses = nested.losses + other.losses;
}

export interface CycleRow {
  readonly isa: number;
  /** What L1 was told (kvm_nested_vmexit_inject), which may differ from this host's own exit reason. */
  readonly code: number;
  readonly cycles: number;
  readonly exits: number;
  readonly maxExits: number;
  readonly p50Exits: number;
  readonly p99Exits: number;
  readonly totalNs: number | bigint;
  readonly maxNs: number;
}

export interface NestedResult {
  readonly levels: readonly LevelRow[];
  readonly cycles: readonly CycleRow[];
  readonly nestedExits: number;
  readonly injected: number;
  readonly entered: number;
  readonly lostCycles: number;
  readonly brokenCycles: number;
  readonly negative: number;
  readonly ignored: number;
}

function nestedResult(nested: Nested): NestedResult {
  const ids = [...nested.reasons.keys()].filter((id) => nested.reasons[id].cycles > 0);
  const quantiles = quantilesOf(
    nested.counts,
    ids.map((id) => Uint32Array.of(id)),
    [0.5, 0.99],
  );
  const { nestedExits, injected, entered, lostCycles, brokenCycles, negative, ignored } = nested;
  return {
    levels: levelRows(nested.levels),
    cycles: ids.map((id, i): CycleRow => {
      const { isa, code, cycles, exits, maxExits, maxNs, totalNs } = nested.reasons[id];
      const [p50Exits, p99Exits] = quantiles[i].values;
      return {
        isa,
        code,
        cycles,
        exits,
        maxExits,
        p50Exits,
        p99Exits,
        totalNs: exactValue(totalNs, 0),
        maxNs,
      };
    }),
    nestedExits,
    injected,
    entered,
    lostCycles,
    brokenCycles,
    negative,
    ignored,
  };
}

export const nestedPass: Pass<null, Nested, NestedResult> = {
  name: 'nested',
  allColumns: false,
  create: createNested,
  events: addNestedEvents,
  exits: (nested, batch, selected) => addLevels(nested.levels, batch, selected),
  merge: mergeNested,
  plain: plainNested,
  result: nestedResult,
};
