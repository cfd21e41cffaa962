/**
 * Pass `perf-kvm`: `perf kvm stat report` by perf's own rules (tools/perf/builtin-kvm.c and arch/ARCH/util/kvm-stat.c of
 * Linux 6.1), which differ from ours: a thread counts from its first kvm_entry on, an exit that follows an exit replaces it,
 * losses invalidate nothing, accesses are timed from or to their own event (not over the whole exit), and on arm64 the
 * time is from entry to exit: the guest's run, not the handling of its exit.
 *
 * vmexit   kvm_exit → kvm_entry; arm64 and RISC-V: kvm_entry → kvm_exit
 * mmio     write: kvm_mmio → kvm_entry; read: kvm_exit → kvm_mmio (a later write of the same exit restarts the clock)
 * ioport   kvm_pio → kvm_entry
 * msr      kvm_msr → kvm_entry
 *
 * Filters by time and CPU choose by the event that begins a duration; threads are chosen by whoever shows the rows.
 *
 * A later part of a recording does not know whether its threads have had an entry, nor what was begun before it. It
 * follows them as if they had (what only that adds is kept apart, `early`), and remembers the events that would have
 * ended what was begun (`heads`): merging decides.
 */
import { type EventBatch, F_ADDRESS, F_CODE, F_ISA } from '../core/event-batch.ts';
import { EV_ENTRY, EV_EXIT, EV_MMIO, EV_MSR, EV_PIO } from '../core/events.ts';
import { ISA_ARM64, ISA_RISCV } from '../core/isa-codes.ts';
import { diffWords } from '../core/words.ts';
import { LARGEST_ADDED } from './exact-sum.ts';
import { EVERYTHING, type Pass, type PassScope } from './pass.ts';
import { timeInScope } from './thread-scope.ts';
import { createThreadSlots, slotOf, type ThreadSlots } from './thread-slots.ts';
import { addTime, clearTime, createTimeSums, mergeTimes, type TimeSums } from './time-sums.ts';
import { createTopTable, floorOf, mergeTopTables, slotFor, type TopTable } from './top-table.ts';

export const PERF_VMEXIT = 0;
export const PERF_MMIO = 1;
export const PERF_IOPORT = 2;
export const PERF_MSR = 3;
export const PERF_EVENTS = ['vmexit', 'mmio', 'ioport', 'msr'] as const;
const TABLES = PERF_EVENTS.length;

/** Ints of a key: which table, thread, then isa and code, or direction (1: write) and address words. */
export const K_EVENT = 0;
export const K_TID = 1;
export const K_A = 2;
export const K_B = 3;
export const K_C = 4;
const KEY_INTS = 5;
const CAPACITY = 16384;
/** Keys of threads that may never count are no reason to lose those of others. */
const EARLY_CAPACITY = 1 << 18;

/** Words of a cell (a thread's slot and a table, cellOf): state, begin time, key of the begin event. */
const STRIDE = 8;
const STATE = 0;
/** Nothing was begun in this part. */
const UNKNOWN = 0;
const OPEN = 1;
const CLOSED = 2;
const LOW = 1;
const HIGH = 2;
/** 1: the begin event told the key, in A, B, C. */
const KEYED = 3;
const A = 4;
/** 1: begun before the thread's first entry in this part. */
const EARLY = 7;

/** What an event tells of a key: its words A, B, C; null: nothing. */
type Told = Readonly<Uint32Array> | null;

/** An event that ends what was begun. */
interface EndEvent {
  readonly low: number;
  readonly high: number;
  readonly told: Told;
}

/** Durations by key. */
interface Durations {
  readonly top: TopTable;
  sums: TimeSums;
}

const createDurations = (capacity: number): Durations => ({
  top: createTopTable(KEY_INTS, capacity),
  sums: createTimeSums(),
});

export interface PerfKvm {
  readonly scope: PassScope;
  /** The recording does not begin with this part. */
  readonly later: boolean;
  readonly slots: ThreadSlots;
  /** 1 per slot of a thread that has had an entry in this part. */
  known: Uint8Array;
  /** STRIDE words per cell. */
  open: Uint32Array;
  readonly counted: Durations;
  /** Counts if the thread had an entry in an earlier part. */
  readonly early: Durations;
  /** Most durations of a key that were lost from earlier parts' `early`, which may have been full. */
  earlyFloor: number;
  /** By cell: what would end something that an earlier part began; the last one at the latest does. */
  readonly heads: Map<number, EndEvent[]>;
  readonly key: Int32Array;
  /** What the event at hand tells. */
  readonly told: Uint32Array;
  /** Whether the recording has such events at all. */
  readonly seen: Uint8Array;
}

export interface PerfKvmResult {
  readonly rows: number;
  readonly keys: Int32Array;
  readonly sums: TimeSums;
  /** Most durations that a key without a row can have; 0: nothing was evicted. */
  readonly floor: number;
  /** By table: 1 if the recording has its events. */
  readonly seen: Uint8Array;
}

const MMIO_READ = 1;
const MMIO_WRITE = 2;

function addEvents(state: PerfKvm, batch: EventBatch): void {
  const { event: events, tid: tids } = batch;
  for (let row = 0; row < batch.length; row++) {
    const event = events[row];
    if (event !== EV_EXIT && event !== EV_ENTRY && event !== EV_MMIO && event !== EV_PIO && event !== EV_MSR)
      continue;
    if (tids[row] < 0) continue;
    const slot = slotAt(state, tids[row]);
    if (event === EV_ENTRY) state.known[slot] = 1;
    else if (state.known[slot] === 0 && !state.later) {
      noteSeen(state, event);
      continue;
    }
    step(state, batch, row, slot, event);
  }
}

function slotAt(state: PerfKvm, tid: number): number {
  const slot = slotOf(state.slots, tid);
  if (slot >= state.known.length) grow(state);
  return slot;
}

function grow(state: PerfKvm): void {
  const known = new Uint8Array(2 * state.known.length);
  known.set(state.known);
  state.known = known;
  const open = new Uint32Array(2 * state.open.length);
  open.set(state.open);
  state.open = open;
}

function noteSeen({ seen }: PerfKvm, event: number): void {
  if (event === EV_MMIO) seen[PERF_MMIO] = 1;
  else if (event === EV_PIO) seen[PERF_IOPORT] = 1;
  else if (event === EV_MSR) seen[PERF_MSR] = 1;
  else seen[PERF_VMEXIT] = 1;
}

const cellOf = (slot: number, table: number) => TABLES * slot + table;

function tell({ told }: PerfKvm, a: number, b: number, c: number): Told {
  told[0] = a;
  told[1] = b;
  told[2] = c;
  return told;
}

function step(state: PerfKvm, batch: EventBatch, row: number, slot: number, event: number): void {
  noteSeen(state, event);
  const low = batch.address[2 * row];
  const high = batch.address[2 * row + 1];
  const fields = batch.fields[row];
  const code = fields & F_CODE ? batch.code[row] : 0;
  const isa = fields & F_ISA ? batch.isa[row] : 0;
  switch (event) {
    case EV_EXIT: {
      const reason = tell(state, isa, code, 0);
      if (isa === ISA_ARM64 || isa === ISA_RISCV) end(state, batch, row, cellOf(slot, PERF_VMEXIT), reason);
      else begin(state, batch, row, cellOf(slot, PERF_VMEXIT), reason);
      begin(state, batch, row, cellOf(slot, PERF_MMIO), null);
      break;
    }
    case EV_ENTRY:
      for (let table = 0; table < TABLES; table++) end(state, batch, row, cellOf(slot, table), null);
      // Where exits begin the time this one is replaced before anything ends it.
      begin(state, batch, row, cellOf(slot, PERF_VMEXIT), null);
      break;
    case EV_MMIO: {
      if ((fields & F_ADDRESS) === 0) break;
      const cell = cellOf(slot, PERF_MMIO);
      if (code === MMIO_WRITE) begin(state, batch, row, cell, tell(state, 1, low, high));
      else if (code === MMIO_READ) end(state, batch, row, cell, tell(state, 0, low, high));
      break;
    }
    default: {
      if ((fields & F_ADDRESS) === 0) break;
      const cell = cellOf(slot, event === EV_PIO ? PERF_IOPORT : PERF_MSR);
      begin(state, batch, row, cell, tell(state, code, low, 0));
    }
  }
}

function inScope(scope: PassScope, { cpu, time }: EventBatch, row: number): boolean {
  const cpus = scope.selection?.cpus ?? null;
  return (cpus === null || cpus.has(cpu[row])) && timeInScope(scope, time[2 * row], time[2 * row + 1]);
}

function begin(state: PerfKvm, batch: EventBatch, row: number, cell: number, told: Told): void {
  const { open, known } = state;
  const at = cell * STRIDE;
  open[at + STATE] = inScope(state.scope, batch, row) ? OPEN : CLOSED;
  open[at + EARLY] = known[Math.floor(cell / TABLES)] === 0 ? 1 : 0;
  open[at + LOW] = batch.time[2 * row];
  open[at + HIGH] = batch.time[2 * row + 1];
  open[at + KEYED] = told === null ? 0 : 1;
  if (told === null) return;
  open[at + A] = told[0];
  open[at + A + 1] = told[1];
  open[at + A + 2] = told[2];
}

function end(state: PerfKvm, batch: EventBatch, row: number, cell: number, told: Told): void {
  const low = batch.time[2 * row];
  const high = batch.time[2 * row + 1];
  const began = state.open[cell * STRIDE + STATE];
  if (began === OPEN) close(state, cell, low, high, told);
  else if (began === UNKNOWN && state.later)
    remember(state, cell, { low, high, told: told === null ? null : told.slice() });
}

/** What an earlier part began outlives an end without key if it has no key itself, an end with key it never does. */
function remember({ heads, open }: PerfKvm, cell: number, event: EndEvent): void {
  const events = heads.get(cell);
  if (events === undefined) heads.set(cell, [event]);
  else if (event.told !== null) events.push(event);
  if (event.told !== null) open[cell * STRIDE + STATE] = CLOSED;
}

function close(state: PerfKvm, cell: number, low: number, high: number, told: Told): void {
  const { open, key } = state;
  const at = cell * STRIDE;
  const ownKey = open[at + KEYED] === 1;
  if (!ownKey && told === null) return;
  open[at + STATE] = CLOSED;
  const ns = diffWords(low, high, open[at + LOW], open[at + HIGH]);
  if (ns < 0) return;
  key[K_EVENT] = cell % TABLES;
  key[K_TID] = state.slots.tids[Math.floor(cell / TABLES)];
  key[K_A] = ownKey ? open[at + A] : told![0];
  key[K_B] = ownKey ? open[at + A + 1] : told![1];
  key[K_C] = ownKey ? open[at + A + 2] : told![2];
  const { top, sums } = open[at + EARLY] === 1 ? state.early : state.counted;
  const index = slotFor(top, key);
  if (top.evicted) clearTime(sums, index);
  addTime(sums, index, Math.min(ns, LARGEST_ADDED));
}

/** Adds a later part. */
function merge(state: PerfKvm, later: PerfKvm): void {
  const before = state.counted.sums;
  const { own, theirs } = mergeTopTables(state.counted.top, later.counted.top);
  state.counted.sums = createTimeSums();
  for (let slot = 0; slot < own.length; slot++) {
    if (own[slot] >= 0) mergeTimes(state.counted.sums, slot, before, own[slot]);
    if (theirs[slot] >= 0) mergeTimes(state.counted.sums, slot, later.counted.sums, theirs[slot]);
  }
  for (let table = 0; table < TABLES; table++) state.seen[table] |= later.seen[table];
  addEarly(state, later);
  for (let from = 0; from < later.slots.count; from++) joinThread(state, later, from);
}

/** What a later part supposed has happened where this one has seen the thread's entry. */
function addEarly(state: PerfKvm, { early, earlyFloor, slots }: PerfKvm): void {
  const { key, counted } = state;
  const isKnown = (tid: number) => state.known[slotAt(state, tid)] === 1;
  // What a full table gave up may have been of a thread that counts.
  if (slots.tids.subarray(0, slots.count).some(isKnown)) state.earlyFloor += floorOf(early.top) + earlyFloor;
  for (let from = 0; from < early.top.count; from++) {
    key.set(early.top.keys.subarray(from * KEY_INTS, (from + 1) * KEY_INTS));
    if (!isKnown(key[K_TID])) continue;
    const index = slotFor(counted.top, key, early.top.observed[from]);
    if (counted.top.evicted) clearTime(counted.sums, index);
    mergeTimes(counted.sums, index, early.sums, from);
  }
}

function joinThread(state: PerfKvm, later: PerfKvm, from: number): void {
  const slot = slotAt(state, later.slots.tids[from]);
  const known = state.known[slot] === 1;
  for (let table = 0; table < TABLES; table++) {
    const cell = cellOf(slot, table);
    const at = cell * STRIDE;
    const theirs = cellOf(from, table);
    for (const { low, high, told } of later.heads.get(theirs) ?? [])
      if (state.open[at + STATE] === OPEN) close(state, cell, low, high, told);
    const fromAt = theirs * STRIDE;
    if (later.open[fromAt + STATE] === UNKNOWN) continue;
    state.open.set(later.open.subarray(fromAt, fromAt + STRIDE), at);
    // Without an entry before it nothing was begun.
    if (later.open[fromAt + EARLY] === 1 && !known) state.open[at + STATE] = CLOSED;
    state.open[at + EARLY] = 0;
  }
  state.known[slot] |= later.known[from];
}

export const perfKvmPass: Pass<null, PerfKvm, PerfKvmResult> = {
  name: 'perf-kvm',
  allColumns: false,
  create: (_options, scope: PassScope = EVERYTHING) => ({
    scope,
    later: scope.recordingStart !== undefined,
    slots: createThreadSlots(),
    known: new Uint8Array(64),
    open: new Uint32Array(64 * TABLES * STRIDE),
    counted: createDurations(CAPACITY),
    early: createDurations(EARLY_CAPACITY),
    earlyFloor: 0,
    heads: new Map(),
    key: new Int32Array(KEY_INTS),
    told: new Uint32Array(3),
    seen: new Uint8Array(TABLES),
  }),
  events: addEvents,
  merge,
  result: ({ counted: { top, sums }, earlyFloor, seen }) => ({
    rows: top.count,
    keys: top.keys,
    sums,
    floor: floorOf(top) + earlyFloor,
    seen,
  }),
};
