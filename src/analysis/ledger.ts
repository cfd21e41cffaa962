/**
 * The time ledger: where each vCPU thread's time went, from the first event of the recording (or --from) to the last.
 * Every ns of that span is in exactly one column. Guest = entry → exit; kernel = exit → entry or userspace exit;
 * user space = userspace exit → entry; halts as kvm_vcpu_wakeup tells them; what the scheduler took away by sched_switch
 * and sched_wakeup. docs/ledger.md has the definitions.
 *
 * One pass in order of time, one fixed-size row per thread; parts of a recording merge in their order.
 */
import { type EventBatch, F_ARG0, F_INFO1, UNKNOWN } from '../core/event-batch.ts';
import { EV_SCHED_SWITCH, EV_SCHED_WAKEUP, EV_SCHED_WAKING, EV_VCPU_WAKEUP } from '../core/events.ts';
import { diffWords, TWO_32 } from '../core/words.ts';
import { isIdle } from '../isa/reasons.ts';
import {
  addLoss,
  addRecord,
  type CpuLosses,
  createCpuLosses,
  hadLossBefore,
  lostSince,
  mayBeLostBefore,
} from './cpu-losses.ts';
import {
  CATEGORIES,
  classify,
  type Ending,
  GUEST,
  HALT_END,
  IDLE,
  KERNEL,
  T_AFTER,
  T_LOST,
  TO_GUEST,
  TO_KERNEL,
  TO_USERSPACE,
  UNKNOWN_STATE,
  USER_HALT,
  USERSPACE,
} from './ledger-segment.ts';
import { EVERYTHING, type PassScope } from './pass.ts';
import { EVENT_ROLES, ROLE_ENTRY, ROLE_EXIT, ROLE_LOST, ROLE_USERSPACE_EXIT } from './roles.ts';
import {
  addChange,
  createSchedLog,
  PREEMPT,
  restartLog,
  type SchedLog,
  SLEEP,
  SWITCH_IN,
  WAKE,
} from './sched-log.ts';
import { threadInScope } from './thread-scope.ts';
import { createThreadSlots, slotOf, type ThreadSlots } from './thread-slots.ts';

const KVM_EXIT_HLT = 5;
/** Longest span in which doubles count ns exactly: 104 days. */
const MAX_SPAN = 2 ** 53;
/** Threads beyond this are not followed: as many as Linux can have. */
const MAX_SLOTS = 1 << 22;
/** Bits of prev_state that mean "not runnable" in every kernel (S D T t X Z P I and their old numbers). */
const NOT_RUNNABLE = 0xff;

/** What happens in the ledger on rows of each event code; 0: nothing. */
const A_EXIT = 1;
const A_ENTRY = 2;
const A_USERSPACE = 3;
const A_HALT = 4;
const A_SWITCH = 5;
const A_WAKE = 6;
const A_LOST = 7;
const ACTIONS: Uint8Array = (() => {
  const byRole: Readonly<Record<number, number>> = {
    [ROLE_EXIT]: A_EXIT,
    [ROLE_ENTRY]: A_ENTRY,
    [ROLE_USERSPACE_EXIT]: A_USERSPACE,
    [ROLE_LOST]: A_LOST,
  };
  const actions = EVENT_ROLES.map((role) => byRole[role] ?? 0);
  actions[EV_VCPU_WAKEUP] = A_HALT;
  actions[EV_SCHED_SWITCH] = A_SWITCH;
  actions[EV_SCHED_WAKEUP] = A_WAKE;
  actions[EV_SCHED_WAKING] = A_WAKE;
  return actions;
})();

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

export function addLedgerEvents(ledger: Ledger, batch: EventBatch): void {
  if (batch.length === 0) return;
  if (ledger.first === Number.POSITIVE_INFINITY) setOrigin(ledger, batch.time[0], batch.time[1]);
  const { origin, losses, waiting } = ledger;
  const { event: events, cpu: cpus, tid: tids, time: times } = batch;
  const originLow = origin[0];
  const originHigh = origin[1];
  for (let row = 0; row < batch.length; row++) {
    const action = ACTIONS[events[row]];
    const cpu = cpus[row];
    if (action === A_LOST) {
      if (waiting.has(cpu)) settle(ledger, cpu, true);
      addLoss(losses, cpu);
      continue;
    }
    if (waiting.size > 0 && waiting.has(cpu)) settle(ledger, cpu, false);
    const at = addRecord(losses, cpu);
    const time = diffWords(times[2 * row], times[2 * row + 1], originLow, originHigh);
    if (time < ledger.first) ledger.first = time;
    if (time > ledger.last) ledger.last = time;
    if (action === 0) continue;
    if (action === A_SWITCH) addSwitch(ledger, batch, row, time);
    else if (action === A_WAKE) addWake(ledger, batch, row, time);
    else if (tids[row] >= 0) addKvmEvent(ledger, batch, row, action, time, at);
  }
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

function addSwitch(ledger: Ledger, batch: EventBatch, row: number, time: number): void {
  const fields = batch.fields[row];
  ledger.switches++;
  if ((fields & F_INFO1) === 0) ledger.switchesWithoutState++;
  const leaving = batch.tid[row];
  // 0 is the idle thread of each CPU, many under one number.
  if (leaving > 0) {
    const slot = ledgerSlot(ledger, leaving);
    const runnable = (fields & F_INFO1) !== 0 && (batch.info1[2 * row] & NOT_RUNNABLE) === 0;
    if (slot >= 0) addChange(logOf(ledger.threads, slot), runnable ? PREEMPT : SLEEP, time);
  }
  const coming = batch.address[2 * row] | 0;
  if (coming > 0) {
    const slot = ledgerSlot(ledger, coming);
    if (slot >= 0) addChange(logOf(ledger.threads, slot), SWITCH_IN, time);
  }
}

function addWake(ledger: Ledger, batch: EventBatch, row: number, time: number): void {
  ledger.wakes++;
  const tid = batch.address[2 * row] | 0;
  const slot = tid > 0 ? ledgerSlot(ledger, tid) : -1;
  if (slot >= 0) addChange(logOf(ledger.threads, slot), WAKE, time);
}

const ENDING_KINDS = Uint8Array.of(0, TO_KERNEL, TO_GUEST, TO_USERSPACE, HALT_END);
/** The ending at hand: one object for all, as there is one per KVM event. */
const ending = { kind: 0, time: 0, haltStart: 0, waited: false };
const scratch = new Float64Array(CATEGORIES);

function addKvmEvent(
  ledger: Ledger,
  batch: EventBatch,
  row: number,
  action: number,
  time: number,
  at: number,
): void {
  const slot = ledgerSlot(ledger, batch.tid[row]);
  if (slot < 0) return;
  const { threads } = ledger;
  if (batch.pid[row] !== UNKNOWN) threads.pid[slot] = batch.pid[row];
  if (batch.vcpu[row] !== UNKNOWN && action !== A_HALT) threads.vcpu[slot] = batch.vcpu[row];
  ending.kind = ENDING_KINDS[action];
  ending.time = time;
  if (action === A_HALT) {
    if ((batch.fields[row] & F_ARG0) === 0) return;
    ledger.halts++;
    ending.haltStart = time - (batch.arg0[2 * row] + batch.arg0[2 * row + 1] * TWO_32);
    ending.waited = batch.code[row] !== 0;
  } else if (action === A_ENTRY) threads.entries[slot]++;
  const cpu = batch.cpu[row];
  const state = threads.state[slot];
  if (state === UNKNOWN_STATE) {
    threads.heads[slot] = { ...ending, cpu, row: at, log: threads.logs[slot] };
    threads.logs[slot] = null;
  } else {
    endSegment(ledger, slot, ending, cpu);
    const log = threads.logs[slot];
    if (log !== null) restartLog(log);
  }
  threads.state[slot] = stateAfter(batch, row, action);
  threads.start[slot] = state === UNKNOWN_STATE ? time : Math.max(threads.start[slot], time);
  threads.startRow[slot] = at;
  threads.cpu[slot] = cpu;
}

function stateAfter(batch: EventBatch, row: number, action: number): number {
  switch (action) {
    case A_EXIT:
      return isIdle(batch.isa[row], batch.code[row]) ? IDLE : KERNEL;
    case A_ENTRY:
      return GUEST;
    case A_HALT:
      return KERNEL;
    default: {
      const failed = (batch.fields[row] & F_ARG0) !== 0 && (batch.arg0[2 * row] | 0) < 0;
      return batch.code[row] === KVM_EXIT_HLT && !failed ? USER_HALT : USERSPACE;
    }
  }
}

/** Books the time since the thread's latest KVM event. */
function endSegment(ledger: Ledger, slot: number, end: Ending, cpu: number): void {
  const { threads, losses } = ledger;
  const start = threads.startRow[slot];
  const from = threads.cpu[slot];
  const lost = lostSince(losses, cpu, start) || (from !== cpu && lostSince(losses, from, start));
  const wait = from !== cpu && !lost ? from : -1;
  const headCpu = mayBeLostBefore(losses, cpu, start) ? cpu : -1;
  bookSegment(ledger, slot, end, lost, wait, headCpu);
}

/** Adds the segment to the thread's sums, or keeps it until it is decided. */
export function bookSegment(
  ledger: Ledger,
  slot: number,
  end: Ending,
  lost: boolean,
  waitCpu: number,
  headCpu: number,
): void {
  const { threads } = ledger;
  const state = threads.state[slot];
  const start = threads.start[slot];
  const log = threads.logs[slot];
  if (!lost && waitCpu < 0 && headCpu < 0) {
    classify(threads.sums, slot * CATEGORIES, state, start, end, log, ledger.limit);
    return;
  }
  scratch.fill(0);
  classify(scratch, 0, state, start, end, log, ledger.limit);
  if (lost) {
    threads.sums[slot * CATEGORIES + T_LOST] += total(scratch);
    return;
  }
  keep(ledger, { slot, waitCpu, headCpu, sums: scratch.slice() });
}

export function keep(ledger: Ledger, pending: Pending): void {
  if (pending.waitCpu < 0) {
    ledger.provisional.push(pending);
    return;
  }
  const list = ledger.waiting.get(pending.waitCpu);
  if (list) list.push(pending);
  else ledger.waiting.set(pending.waitCpu, [pending]);
}

function total(sums: Float64Array): number {
  let sum = 0;
  for (const value of sums) sum += value;
  return sum;
}

/** Decides what waited for the CPU: its next record is a loss, or it is not. */
export function settle(ledger: Ledger, cpu: number, lost: boolean): void {
  const list = ledger.waiting.get(cpu);
  if (!list) return;
  ledger.waiting.delete(cpu);
  for (const pending of list) decide(ledger, pending, lost);
}

/** The CPU that a pending segment waited for has spoken. */
export function decide(ledger: Ledger, pending: Pending, lost: boolean): void {
  pending.waitCpu = -1;
  if (!lost && pending.headCpu >= 0) ledger.provisional.push(pending);
  else book(ledger.threads, pending, lost);
}

export function book({ sums }: LedgerThreads, pending: Pending, lost: boolean): void {
  const at = pending.slot * CATEGORIES;
  if (lost) sums[at + T_LOST] += total(pending.sums);
  else for (let i = 0; i < CATEGORIES; i++) sums[at + i] += pending.sums[i];
}

export interface LedgerRow {
  readonly tid: number;
  /** As events told them, else −1. */
  readonly pid: number;
  readonly vcpu: number;
  readonly entries: number;
  /** ns by T_*; they add up to wallNs. */
  readonly sums: Float64Array;
}

export interface LedgerResult {
  /** First event (or --from) to the last (or --to), ns; null: longer than can be counted exactly. */
  readonly wallNs: number | null;
  readonly rows: readonly LedgerRow[];
  /** How many of the events there were that some columns need. */
  readonly halts: number;
  readonly switches: number;
  readonly switchesWithoutState: number;
  readonly wakes: number;
  /** Events of threads beyond the limit. */
  readonly ignored: number;
}

export function ledgerResult(ledger: Ledger): LedgerResult {
  const { threads, slots, scope } = ledger;
  for (const cpu of [...ledger.waiting.keys()]) settle(ledger, cpu, false);
  for (const pending of ledger.provisional) book(threads, pending, false);
  ledger.provisional = [];
  // The last event ends the span although it lies in it: without --to the limit is there.
  const begin = Math.max(0, ledger.first);
  const end = Math.max(begin, Math.min(ledger.limit, ledger.last));
  const { halts, switches, switchesWithoutState, wakes, ignored } = ledger;
  const countable = ledger.first === Number.POSITIVE_INFINITY || end < MAX_SPAN;
  const rows: LedgerRow[] = [];
  for (let slot = 0; countable && slot < slots.count; slot++) {
    const head = threads.heads[slot];
    if (head === null || !threadInScope(scope, slots.tids[slot], threads.pid[slot], threads.vcpu[slot]))
      continue;
    const sums = threads.sums.slice(slot * CATEGORIES, (slot + 1) * CATEGORIES);
    const limit = Math.max(begin, ledger.limit);
    const lost = hadLossBefore(ledger.losses, head.cpu, head.row);
    classify(sums, 0, UNKNOWN_STATE, begin, lost ? { ...head, kind: TO_KERNEL } : head, null, limit);
    const tail = Math.max(begin, threads.start[slot]);
    sums[T_AFTER] += Math.max(0, end - tail);
    rows.push({
      tid: slots.tids[slot],
      pid: threads.pid[slot],
      vcpu: threads.vcpu[slot],
      entries: threads.entries[slot],
      sums,
    });
  }
  return {
    wallNs: !countable ? null : ledger.first === Number.POSITIVE_INFINITY ? 0 : end - begin,
    rows,
    halts,
    switches,
    switchesWithoutState,
    wakes,
    ignored,
  };
}
