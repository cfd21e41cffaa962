/**
 * Pass `perf-kvm`: `perf kvm stat report` by perf's own rules (tools/perf/builtin-kvm.c and util/kvm-stat.c of Linux
 * 6.1), which differ from ours: a thread counts from its first kvm_entry on, an exit that follows an exit replaces it,
 * losses invalidate nothing, accesses are timed from or to their own event (not over the whole exit), and on arm64 the
 * time is from entry to exit: the guest's run, not the handling of its exit.
 *
 * vmexit   kvm_exit → kvm_entry; arm64 and RISC-V: kvm_entry → kvm_exit
 * mmio     write: kvm_mmio → kvm_entry; read: kvm_exit → kvm_mmio (a later write of the same exit restarts the clock)
 * ioport   kvm_pio → kvm_entry
 * msr      kvm_msr → kvm_entry
 */
import { type EventBatch, F_ADDRESS, F_CODE, F_ISA } from '../core/event-batch.ts';
import { EV_ENTRY, EV_EXIT, EV_MMIO, EV_MSR, EV_PIO } from '../core/events.ts';
import { ISA_ARM64, ISA_RISCV } from '../core/isa-codes.ts';
import { diffWords } from '../core/words.ts';
import type { Pass } from './pass.ts';
import { createThreadSlots, slotOf, type ThreadSlots } from './thread-slots.ts';
import { addTime, clearTime, createTimeSums, mergeTimes, type TimeSums } from './time-sums.ts';
import { createTopTable, floorOf, mergeTopTables, slotFor, type TopTable } from './top-table.ts';

export const PERF_VMEXIT = 0;
export const PERF_MMIO = 1;
export const PERF_IOPORT = 2;
export const PERF_MSR = 3;
export const PERF_EVENTS = ['vmexit', 'mmio', 'ioport', 'msr'] as const;

/** Ints of a key: which table, thread, then isa and code, or direction (1: write) and address words. */
export const K_EVENT = 0;
export const K_TID = 1;
export const K_A = 2;
export const K_B = 3;
export const K_C = 4;
const KEY_INTS = 5;
const CAPACITY = 16384;

/** Words of a thread and table: state, begin time, key of the begin event. */
const STRIDE = 8;
const STARTED = 0;
const LOW = 1;
const HIGH = 2;
/** 1: the begin event told the key, in A, B, C. */
const KEYED = 3;
const A = 4;

export interface PerfKvm {
  readonly slots: ThreadSlots;
  /** 1 per slot of a thread that has had an entry. */
  known: Uint8Array;
  /** STRIDE words per slot and table. */
  open: Uint32Array;
  top: TopTable;
  sums: TimeSums;
  readonly key: Int32Array;
  /** Whether the recording has such events at all. */
  readonly seen: Uint8Array;
}

export interface PerfKvmResult {
  readonly rows: number;
  readonly keys: Int32Array;
  readonly sums: TimeSums;
  /** 0: nothing was evicted. */
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
    const slot = slotOf(state.slots, tids[row]);
    if (slot >= state.known.length) grow(state);
    if (event === EV_ENTRY) state.known[slot] = 1;
    else if (state.known[slot] === 0) {
      noteSeen(state, event);
      continue;
    }
    step(state, batch, row, slot, event);
  }
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

function step(state: PerfKvm, batch: EventBatch, row: number, slot: number, event: number): void {
  noteSeen(state, event);
  const low = batch.address[2 * row];
  const high = batch.address[2 * row + 1];
  const fields = batch.fields[row];
  const code = fields & F_CODE ? batch.code[row] : 0;
  const isa = fields & F_ISA ? batch.isa[row] : 0;
  switch (event) {
    case EV_EXIT:
      if (isa === ISA_ARM64 || isa === ISA_RISCV)
        end(state, batch, row, slot, PERF_VMEXIT, true, isa, code, 0);
      else begin(state, batch, row, slot, PERF_VMEXIT, 1, isa, code, 0);
      begin(state, batch, row, slot, PERF_MMIO, 0, 0, 0, 0);
      break;
    case EV_ENTRY:
      for (let table = 0; table < 4; table++) end(state, batch, row, slot, table, false, 0, 0, 0);
      // Where exits begin the time this one is replaced before anything ends it.
      begin(state, batch, row, slot, PERF_VMEXIT, 0, 0, 0, 0);
      break;
    case EV_MMIO:
      if ((fields & F_ADDRESS) === 0) break;
      if (code === MMIO_WRITE) begin(state, batch, row, slot, PERF_MMIO, 1, 1, low, high);
      else if (code === MMIO_READ) end(state, batch, row, slot, PERF_MMIO, true, 0, low, high);
      break;
    case EV_PIO:
      if (fields & F_ADDRESS) begin(state, batch, row, slot, PERF_IOPORT, 1, code, low, 0);
      break;
    default:
      if (fields & F_ADDRESS) begin(state, batch, row, slot, PERF_MSR, 1, code, low, 0);
  }
}

function begin(
  { open }: PerfKvm,
  batch: EventBatch,
  row: number,
  slot: number,
  table: number,
  keyed: number,
  a: number,
  b: number,
  c: number,
): void {
  const at = (4 * slot + table) * STRIDE;
  open[at + STARTED] = 1;
  open[at + LOW] = batch.time[2 * row];
  open[at + HIGH] = batch.time[2 * row + 1];
  open[at + KEYED] = keyed;
  open[at + A] = a;
  open[at + A + 1] = b;
  open[at + A + 2] = c;
}

function end(
  state: PerfKvm,
  batch: EventBatch,
  row: number,
  slot: number,
  table: number,
  keyed: boolean,
  a: number,
  b: number,
  c: number,
): void {
  const { open, key } = state;
  const at = (4 * slot + table) * STRIDE;
  if (open[at + STARTED] === 0) return;
  const ownKey = open[at + KEYED] === 1;
  if (!ownKey && !keyed) return;
  open[at + STARTED] = 0;
  const ns = diffWords(batch.time[2 * row], batch.time[2 * row + 1], open[at + LOW], open[at + HIGH]);
  if (ns < 0) return;
  key[K_EVENT] = table;
  key[K_TID] = batch.tid[row];
  key[K_A] = ownKey ? open[at + A] : a;
  key[K_B] = ownKey ? open[at + A + 1] : b;
  key[K_C] = ownKey ? open[at + A + 2] : c;
  const index = slotFor(state.top, key);
  if (state.top.evicted) clearTime(state.sums, index);
  addTime(state.sums, index, Math.min(ns, 2 ** 52 - 1));
}

/** What is open at the seam is not joined: merge parts of different threads, or cut where nothing is open. */
function merge(state: PerfKvm, other: PerfKvm): void {
  const before = state.sums;
  const { own, theirs } = mergeTopTables(state.top, other.top);
  state.sums = createTimeSums();
  for (let slot = 0; slot < own.length; slot++) {
    if (own[slot] >= 0) mergeTimes(state.sums, slot, before, own[slot]);
    if (theirs[slot] >= 0) mergeTimes(state.sums, slot, other.sums, theirs[slot]);
  }
  for (let table = 0; table < 4; table++) state.seen[table] |= other.seen[table];
}

export const perfKvmPass: Pass<null, PerfKvm, PerfKvmResult> = {
  name: 'perf-kvm',
  allColumns: false,
  create: () => ({
    slots: createThreadSlots(),
    known: new Uint8Array(64),
    open: new Uint32Array(64 * 4 * STRIDE),
    top: createTopTable(KEY_INTS, CAPACITY),
    sums: createTimeSums(),
    key: new Int32Array(KEY_INTS),
    seen: new Uint8Array(4),
  }),
  events: addEvents,
  merge,
  result: ({ top, sums, seen }) => ({ rows: top.count, keys: top.keys, sums, floor: floorOf(top), seen }),
};
