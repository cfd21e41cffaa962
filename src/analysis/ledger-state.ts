/** What the ledger keeps while events pass by: each thread's latest KVM event and sums, and what is not decided yet. */
import { diffWords } from '../core/words.ts';
import { type CpuLosses, createCpuLosses } from './cpu-losses.ts';
import { CATEGORIES, type Ending, UNKNOWN_STATE } from './ledger-segment.ts';
import { EVERYTHING, type PassScope } from './pass.ts';
import { createSchedLog, type SchedLog } from './sched-log.ts';
import { createThreadSlots, slotOf, type ThreadSlots } from './thread-slots.ts';

/** Threads beyond this are not followed: as many as Linux can have. */
const MAX_SLOTS = 1 << 22;
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
  readonly logs: (SchedLog | null)[];
  readonly heads: (Head | null)[];
}

export interface Ledger {
  readonly scope: PassScope;
  hasOrigin: boolean;
  /** Word pair: --from, or the first event. */
  readonly origin: Uint32Array;
  readonly fromOption: boolean;
  /** First and last event and the end of the selection (--to), ns from the origin. */
  first: number;
  last: number;
  limit: number;
  readonly losses: CpuLosses;
  readonly slots: ThreadSlots;
  readonly threads: LedgerThreads;
  /** By waitCpu. */
  readonly waiting: Map<number, Pending[]>;
  /** Those that only an earlier part can change. */
  provisional: Pending[];
  halts: number;
  switches: number;
  /** sched_switch without prev_state. */
  switchesWithoutState: number;
  wakes: number;
  ignored: number;
}

export function createLedger(_options: unknown, scope: PassScope = EVERYTHING): Ledger {
  const from = scope.selection?.from ?? null;
  return {
    scope,
    hasOrigin: from !== null,
    origin: Uint32Array.from(from ?? [0, 0]),
    fromOption: from !== null,
    first: Number.POSITIVE_INFINITY,
    last: Number.NEGATIVE_INFINITY,
    limit: Number.POSITIVE_INFINITY,
    losses: createCpuLosses(),
    slots: createThreadSlots(),
    threads: createThreads(),
    waiting: new Map(),
    provisional: [],
    halts: 0,
    switches: 0,
    switchesWithoutState: 0,
    wakes: 0,
    ignored: 0,
  };
}

function createThreads(): LedgerThreads {
  const capacity = 64;
  return {
    capacity,
    state: new Uint8Array(capacity),
    start: new Float64Array(capacity),
    startRow: new Float64Array(capacity),
    cpu: new Uint16Array(capacity),
    pid: new Int32Array(capacity).fill(-1),
    vcpu: new Int32Array(capacity).fill(-1),
    entries: new Float64Array(capacity),
    sums: new Float64Array(CATEGORIES * capacity),
    logs: [],
    heads: [],
  };
}

function growThreads(threads: LedgerThreads): void {
  const capacity = 2 * threads.capacity;
  const wider = <T extends Uint8Array | Uint16Array | Int32Array | Float64Array>(target: T, old: T): T => {
    target.set(old);
    return target;
  };
  threads.capacity = capacity;
  threads.state = wider(new Uint8Array(capacity), threads.state);
  threads.start = wider(new Float64Array(capacity), threads.start);
  threads.startRow = wider(new Float64Array(capacity), threads.startRow);
  threads.cpu = wider(new Uint16Array(capacity), threads.cpu);
  threads.pid = wider(new Int32Array(capacity).fill(-1), threads.pid);
  threads.vcpu = wider(new Int32Array(capacity).fill(-1), threads.vcpu);
  threads.entries = wider(new Float64Array(capacity), threads.entries);
  threads.sums = wider(new Float64Array(CATEGORIES * capacity), threads.sums);
}

/** Slot of a thread, made if it is new; −1 where there are too many. */
export function ledgerSlot(ledger: Ledger, tid: number): number {
  if (ledger.slots.count >= MAX_SLOTS) {
    ledger.ignored++;
    return -1;
  }
  const slot = slotOf(ledger.slots, tid);
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
  const to = ledger.scope.selection?.to ?? null;
  if (to !== null) ledger.limit = diffWords(to[0], to[1], ledger.origin[0], ledger.origin[1]);
}

/** The log of a thread; one that has no KVM event yet may begin in any state. */
export function logOf(threads: LedgerThreads, slot: number): SchedLog {
  let log = threads.logs[slot];
  if (log === null) {
    log = createSchedLog(threads.state[slot] !== UNKNOWN_STATE);
    threads.logs[slot] = log;
  }
  return log;
}
