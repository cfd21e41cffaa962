/** What pairing keeps while events pass by: the open exit of every thread, losses of every CPU, the rows that go out. */
import { type EventBatch, NO_CPU } from '../core/event-batch.ts';
import { type ThreadTable, vcpuOfThread } from '../core/thread-table.ts';
import { diffWords } from '../core/words.ts';
import { createExitBatch, type ExitBatch, INVALIDATED_BY_LOSS, LEVEL_L1, PAIRED } from './exit-batch.ts';
import { createMatches, fillMatches, type Matches } from './pairing-fill.ts';
import { createThreadSlots, type ThreadSlots } from './thread-slots.ts';

export const CPUS = NO_CPU + 1;
/** −1 as a word. */
export const NONE = 0xffffffff;
/** 52 days; sums and histograms are exact up to here. */
export const MAX_LATENCY = 2 ** 52 - 1;

export interface EntryCounts {
  entries: number;
  /** Entries of a thread without an open exit. */
  entryWithoutExit: number;
  /** Pairs whose entry is stamped before its exit. */
  negativeLatency: number;
  /** Pairs longer than MAX_LATENCY: damaged timestamps; they count as that long. */
  absurdLatency: number;
  /** Userspace exits (all, also outside of any open exit). */
  userspaceExits: number;
  userspaceRestarts: number;
  userspaceErrors: number;
  /** QEMU's kvm_run_exit in a known thread. */
  runExits: number;
  /** Exits and entries of unknown thread: they cannot be paired. */
  withoutThread: number;
}

/**
 * Open exit of each thread slot, one row of STRIDE words: what one exit touches lies in two cache lines instead of
 * twenty columns.
 */
export const STRIDE = 32;
export const IS_OPEN = 0;
export const TIME_LOW = 1;
export const TIME_HIGH = 2;
export const CPU = 3;
export const ISA = 4;
export const CODE = 5;
export const LEVEL = 6;
export const RIP_LOW = 7;
export const RIP_HIGH = 8;
export const HAS_RIP = 9;
/** Userspace exits without error, KVM_EXIT_* and time of the first; restarts; other errors. */
export const USERSPACE = 10;
export const USERSPACE_CODE = 11;
export const USERSPACE_LOW = 12;
export const USERSPACE_HIGH = 13;
export const RESTARTS = 14;
export const ERRORS = 15;
export const DETAIL = 16;
export const DETAIL_CODE = 17;
export const DETAIL_LOW = 18;
export const DETAIL_HIGH = 19;
/** vCPU of the open exit, and what is known of the thread: vCPU and process (−1 as 0xffffffff). */
export const VCPU = 20;
export const KNOWN_VCPU = 21;
export const KNOWN_PID = 22;
export const VECTOR = 23;
export const INTR_INFO = 24;

export interface Pairing {
  /** Threads of the capture, if process ids and vCPU numbers that events do not carry are wanted. */
  readonly threads: ThreadTable | null;
  readonly slots: ThreadSlots;
  /** Slots that have been set up from the thread table. */
  slotsKnown: number;
  /** STRIDE words per slot. */
  open: Uint32Array;
  /** Row in the batch at hand of a slot's exit that is not kept in `open`; −1 between batches. */
  exitRow: Int32Array;
  /** Pairs of the batch at hand whose row in `out` is yet to be filled from it (pairing-fill.ts). */
  readonly matches: Matches;
  /** Time of the last record of each CPU; the start of all time before the first. */
  readonly lastTime: Uint32Array;
  /** Latest loss of each CPU: 0 none, 1 not yet ended, 2 ended at lossEnd. */
  readonly lossState: Uint8Array;
  readonly lossStart: Uint32Array;
  readonly lossEnd: Uint32Array;
  /** Pairs that wait for a record of their exit's CPU: row in `pool`, by CPU a linked list. */
  readonly deferredHead: Int32Array;
  pool: ExitBatch;
  poolNext: Int32Array;
  /** Rows of the pool ever used, and the first of those free again (linked through poolNext), −1 if none. */
  poolUsed: number;
  poolFree: number;
  /** Whether anything of the kind has been seen: what nobody recorded costs nothing. */
  sawLoss: boolean;
  sawUserspace: boolean;
  sawDetail: boolean;
  /** Pairs that wait in all. */
  deferred: number;
  readonly counts: EntryCounts;
  readonly out: ExitBatch;
  readonly sink: (batch: ExitBatch) => void;
  readonly acceptEntry: EntryFilter | null;
}

/** Which entries without exit (and entries at all) are counted: the part of a selection that entries know. */
export type EntryFilter = (batch: EventBatch, row: number, pid: number, vcpu: number) => boolean;

/** `sink` gets batches of decided exits; each is reused after the call. */
export function createPairing(
  threads: ThreadTable | null,
  sink: (batch: ExitBatch) => void,
  acceptEntry: EntryFilter | null = null,
): Pairing {
  const out = createExitBatch();
  out.vector.fill(-1);
  return {
    threads,
    slots: createThreadSlots(),
    slotsKnown: 0,
    open: new Uint32Array(64 * STRIDE),
    exitRow: new Int32Array(64).fill(-1),
    matches: createMatches(),
    lastTime: startOfTime(),
    lossState: new Uint8Array(CPUS),
    lossStart: new Uint32Array(2 * CPUS),
    lossEnd: new Uint32Array(2 * CPUS),
    deferredHead: new Int32Array(CPUS).fill(-1),
    pool: createExitBatch(16),
    poolNext: new Int32Array(16),
    poolUsed: 0,
    poolFree: -1,
    sawLoss: false,
    sawUserspace: false,
    sawDetail: false,
    deferred: 0,
    counts: {
      entries: 0,
      entryWithoutExit: 0,
      negativeLatency: 0,
      absurdLatency: 0,
      userspaceExits: 0,
      userspaceRestarts: 0,
      userspaceErrors: 0,
      runExits: 0,
      withoutThread: 0,
    },
    out,
    sink,
    acceptEntry,
  };
}

/** The earliest time for every CPU: the sign bit of each pair, which alone is a double's −0. */
function startOfTime(): Uint32Array {
  return new Uint32Array(new Float64Array(CPUS).fill(-0).buffer);
}

/** From one time to the other, within what sums can hold. */
export function duration(low: number, high: number, fromLow: number, fromHigh: number): number {
  return Math.min(MAX_LATENCY, Math.max(0, diffWords(low, high, fromLow, fromHigh)));
}

export function invalidate(batch: ExitBatch, row: number): void {
  batch.state[row] = INVALIDATED_BY_LOSS;
  batch.latency[row] = 0;
  batch.userspaceNs[row] = 0;
}

/** Writes what is known of a slot's open exit to row `to` of the output; the caller adds the entry's side. */
export function writeExit(pairing: Pairing, slot: number, to: number): void {
  const { open, out } = pairing;
  const at = slot * STRIDE;
  const vcpu = open[at + VCPU];
  out.exitTime[2 * to] = open[at + TIME_LOW];
  out.exitTime[2 * to + 1] = open[at + TIME_HIGH];
  out.tid[to] = pairing.slots.tids[slot];
  out.thread[to] = slot;
  out.pid[to] = open[at + KNOWN_PID];
  out.vcpu[to] = vcpu === NONE ? open[at + KNOWN_VCPU] : vcpu;
  out.exitCpu[to] = open[at + CPU];
  out.isa[to] = open[at + ISA];
  out.code[to] = open[at + CODE];
  out.rip[2 * to] = open[at + RIP_LOW];
  out.rip[2 * to + 1] = open[at + RIP_HIGH];
  out.hasRip[to] = open[at + HAS_RIP];
  out.intrInfo[to] = open[at + INTR_INFO];
  writeBetween(pairing, at, to, open[at + TIME_LOW], open[at + TIME_HIGH]);
}

/** Writes what lay between a slot's exit, at the given time, and its end. `at`: the slot's place in `open`. */
export function writeBetween(pairing: Pairing, at: number, to: number, low: number, high: number): void {
  const { open, out } = pairing;
  out.level[to] = open[at + LEVEL];
  out.vector[to] = open[at + VECTOR];
  // Columns of things that were never seen keep the zeros that they were made with.
  if (pairing.sawUserspace) writeUserspace(open, at, out, to, low, high);
  if (pairing.sawDetail) writeDetail(open, at, out, to);
}

function writeUserspace(
  open: Uint32Array,
  at: number,
  out: ExitBatch,
  to: number,
  low: number,
  high: number,
): void {
  const userspace = open[at + USERSPACE];
  out.userspaceExits[to] = Math.min(userspace, 0xffff);
  out.restarts[to] = Math.min(open[at + RESTARTS], 0xffff);
  out.userspaceErrors[to] = Math.min(open[at + ERRORS], 0xffff);
  if (userspace === 0) return;
  out.userspaceCode[to] = open[at + USERSPACE_CODE];
  out.kernelNs[to] = duration(open[at + USERSPACE_LOW], open[at + USERSPACE_HIGH], low, high);
  out.userspaceNs[to] = 0;
}

function writeDetail(open: Uint32Array, at: number, out: ExitBatch, to: number): void {
  const event = open[at + DETAIL];
  out.detailEvent[to] = event;
  if (event === 0) return;
  out.detailCode[to] = open[at + DETAIL_CODE];
  out.detailAddress[2 * to] = open[at + DETAIL_LOW];
  out.detailAddress[2 * to + 1] = open[at + DETAIL_HIGH];
}

/** Takes the row that was just written into the batch. */
export function pushRow(pairing: Pairing): void {
  if (++pairing.out.length === pairing.out.capacity) flush(pairing);
}

/** Hands the output on. */
export function flush(pairing: Pairing): void {
  const { out } = pairing;
  const { length } = out;
  if (length === 0) return;
  fillMatches(pairing.matches, out);
  pairing.sink(out);
  out.length = 0;
  resetRows(pairing, 0, length);
}

/**
 * Rows of the output start out as what most exits are: paired, at level 1, with nothing in between. Matching relies on
 * it and does not write these columns.
 */
export function resetRows(pairing: Pairing, from: number, to: number): void {
  const { out } = pairing;
  out.state.fill(PAIRED, from, to);
  out.level.fill(LEVEL_L1, from, to);
  out.vector.fill(-1, from, to);
  // Columns of things that were never seen keep the zeros that they were made with.
  if (pairing.sawUserspace) {
    out.userspaceExits.fill(0, from, to);
    out.restarts.fill(0, from, to);
    out.userspaceErrors.fill(0, from, to);
  }
  if (pairing.sawDetail) out.detailEvent.fill(0, from, to);
}

/** Sets up a new thread's slot with what the thread table knows of it. */
export function addThread(pairing: Pairing, slot: number): void {
  if ((slot + 1) * STRIDE > pairing.open.length) {
    const open = new Uint32Array(2 * pairing.open.length);
    open.set(pairing.open);
    pairing.open = open;
    const exitRow = new Int32Array(open.length / STRIDE).fill(-1);
    exitRow.set(pairing.exitRow);
    pairing.exitRow = exitRow;
  }
  pairing.slotsKnown = slot + 1;
  const info = pairing.threads?.byTid.get(pairing.slots.tids[slot]);
  pairing.open[slot * STRIDE + KNOWN_PID] = info?.pid ?? -1;
  pairing.open[slot * STRIDE + KNOWN_VCPU] = info ? vcpuOfThread(info) : -1;
}
