/** What the ledger keeps while events pass by: each thread's latest KVM event and sums, and what is not decided yet. */
import type { Arena } from '../core/arena.ts';
import { float64s, int32s, uint8s, uint16s, widened } from '../core/columns.ts';
import type { KernelView } from '../core/kernel-view.ts';
import { type CpuLosses, createCpuLosses } from './cpu-losses.ts';
import { createIdleMemory } from './idle-memory.ts';
import { createLedgerView, createWaits } from './ledger-kernel.ts';
import { MAX_SLOTS } from './ledger-layout.ts';
import { CATEGORIES, type Ending, UNKNOWN_STATE } from './ledger-segment.ts';
import { EVERYTHING, type PassScope } from './pass.ts';
import { createSchedLog, type SchedLog } from './sched-log.ts';
import { createThreadSlots, slotWithin, type ThreadSlots } from './thread-slots.ts';
import { limitOf } from './time-axis.ts';

/** The first KVM event of a thread in this part: an earlier part decides what the time before it was. */
export interface Head extends Ending {
  readonly cpu: number;
  readonly row: number;
  readonly log: SchedLog | null;
}

/** Time whose fate hangs on what a CPU still reports, or on what an earlier part knows of a CPU. */
export interface Pending {
  readonly slot: number;
  /** CPU whose next record shows whether events were lost before it; −1: settled. */
  waitCpu: number;
  /** CPU on which an earlier part may have left a loss open; −1: none. */
  readonly headCpu: number;
  readonly sums: Float64Array;
}

/** What a thread's latest KVM event left: columns by slot. */
export interface LedgerThreads {
  capacity: number;
  state: Uint8Array;
  start: Float64Array;
  startRow: Float64Array;
  cpu: Uint16Array;
  /** As events told them, else −1. */
  pid: Int32Array;
  vcpu: Int32Array;
  entries: Float64Array;
  /** CATEGORIES each. */
  sums: Float64Array;
  /** 1: the thread's log may hold something. */
  hasLog: Uint8Array;
  readonly logs: (SchedLog | null)[];
  readonly heads: (Head | null)[];
  readonly arena: Arena | null;
}

/**
 * By CPU the one segment of the most common kind that waits for its next record: slot, column of the sums, ns. `state`
 * (NO_WAIT …) says whether there is one, or others in `Ledger.waiting`.
 */
export interface Waits {
  readonly state: Uint8Array;
  readonly slot: Int32Array;
  readonly column: Int32Array;
  readonly ns: Float64Array;
}

export interface Ledger {
  readonly scope: PassScope;
  hasOrigin: boolean;
  /** Word pair: --from, or the first event. */
  readonly origin: Uint32Array;
  /** First and last event and the end of the selection (--to), ns from the origin. */
  first: number;
  last: number;
  limit: number;
  readonly losses: CpuLosses;
  readonly slots: ThreadSlots;
  readonly threads: LedgerThreads;
  /** By waitCpu, beside those in `waits`. */
  readonly waiting: Map<number, Pending[]>;
  /** null: no kernel is used. */
  readonly waits: Waits | null;
  readonly view: KernelView | null;
  readonly idle: Int32Array | null;
  /** Those that only an earlier part can change. */
  provisional: Pending[];
  halts: number;
  switches: number;
  /** sched_switch without prev_state. */
  switchesWithoutState: number;
  wakes: number;
  ignored: number;
}

export function createLedger(
  _options: unknown,
  scope: PassScope = EVERYTHING,
  arena: Arena | null = null,
): Ledger {
  const idle = arena === null ? null : createIdleMemory(arena);
  const from = scope.selection?.from ?? null;
  return {
    scope,
    hasOrigin: from !== null,
    origin: Uint32Array.from(from ?? [0, 0]),
    first: Number.POSITIVE_INFINITY,
    last: Number.NEGATIVE_INFINITY,
    limit: Number.POSITIVE_INFINITY,
    losses: createCpuLosses(arena),
    slots: createThreadSlots(arena),
    threads: createThreads(arena),
    waiting: new Map(),
    waits: arena === null ? null : createWaits(arena),
    view: arena === null ? null : createLedgerView(arena, idle!),
    idle,
    provisional: [],
    halts: 0,
    switches: 0,
    switchesWithoutState: 0,
    wakes: 0,
    ignored: 0,
  };
}

function createThreads(arena: Arena | null): LedgerThreads {
  const capacity = 64;
  return {
    capacity,
    state: uint8s(arena, capacity),
    start: float64s(arena, capacity),
    startRow: float64s(arena, capacity),
    cpu: uint16s(arena, capacity),
    pid: int32s(arena, capacity).fill(-1),
    vcpu: int32s(arena, capacity).fill(-1),
    entries: float64s(arena, capacity),
    sums: float64s(arena, CATEGORIES * capacity),
    hasLog: uint8s(arena, capacity),
    logs: [],
    heads: [],
    arena,
  };
}

function growThreads(threads: LedgerThreads): void {
  const capacity = 2 * threads.capacity;
  const { arena } = threads;
  const unknown = (column: Int32Array) => widened(int32s, arena, capacity, column).fill(-1, threads.capacity);
  threads.state = widened(uint8s, arena, capacity, threads.state);
  threads.start = widened(float64s, arena, capacity, threads.start);
  threads.startRow = widened(float64s, arena, capacity, threads.startRow);
  threads.cpu = widened(uint16s, arena, capacity, threads.cpu);
  threads.pid = unknown(threads.pid);
  threads.vcpu = unknown(threads.vcpu);
  threads.entries = widened(float64s, arena, capacity, threads.entries);
  threads.sums = widened(float64s, arena, CATEGORIES * capacity, threads.sums);
  threads.hasLog = widened(uint8s, arena, capacity, threads.hasLog);
  threads.capacity = capacity;
}

/** The threads in memory of their own: they may be sent between threads. */
export function plainThreads(threads: LedgerThreads): LedgerThreads {
  return {
    ...threads,
    state: threads.state.slice(),
    start: threads.start.slice(),
    startRow: threads.startRow.slice(),
    cpu: threads.cpu.slice(),
    pid: threads.pid.slice(),
    vcpu: threads.vcpu.slice(),
    entries: threads.entries.slice(),
    sums: threads.sums.slice(),
    hasLog: threads.hasLog.slice(),
    arena: null,
  };
}

/** Slot of a thread, made if it is new; −1 where there are too many. */
export function ledgerSlot(ledger: Ledger, tid: number): number {
  const slot = slotWithin(ledger.slots, tid, MAX_SLOTS);
  if (slot < 0) {
    ledger.ignored++;
    return -1;
  }
  const { threads } = ledger;
  while (slot >= threads.capacity) growThreads(threads);
  if (slot === threads.logs.length) {
    threads.logs.push(null);
    threads.heads.push(null);
  }
  return slot;
}

/** Sets the origin where it is not yet known, and what depends on it. */
export function setOrigin(ledger: Ledger, low: number, high: number): void {
  if (!ledger.hasOrigin) {
    ledger.hasOrigin = true;
    ledger.origin[0] = low;
    ledger.origin[1] = high;
  }
  ledger.limit = limitOf(ledger.scope, ledger.origin);
}

/** The log of a thread; one that has no KVM event yet may begin in any state. */
export function logOf(threads: LedgerThreads, slot: number): SchedLog {
  threads.hasLog[slot] = 1;
  let log = threads.logs[slot];
  if (log === null) {
    log = createSchedLog(threads.state[slot] !== UNKNOWN_STATE);
    threads.logs[slot] = log;
  }
  return log;
}
