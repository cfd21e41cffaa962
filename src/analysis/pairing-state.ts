/** What pairing keeps while events pass by: the open exit of every thread, losses of every CPU, the rows that go out. */
import { type Arena, allocateF64, allocateI32, allocateU8, allocateU32, createArena } from '../core/arena.ts';
import { type ArenaBatch, type EventBatch, NO_CPU } from '../core/event-batch.ts';
import { type ThreadTable, vcpuOfThread } from '../core/thread-table.ts';
import { diffWords } from '../core/words.ts';
import { D_BYTES } from './deferred-layout.ts';
import {
  type ArenaExits,
  createArenaExits,
  type ExitBatch,
  INVALIDATED_BY_LOSS,
  LEVEL_L1,
  PAIRED,
} from './exit-batch.ts';
import {
  CODE,
  CPU,
  DETAIL,
  DETAIL_CODE,
  DETAIL_HIGH,
  DETAIL_LOW,
  ERRORS,
  HAS_RIP,
  INTR_INFO,
  ISA,
  KNOWN_PID,
  KNOWN_VCPU,
  LEVEL,
  MAX_LATENCY,
  NONE,
  P_BYTES,
  P_ENTRY_FILTER,
  P_POOL_FREE,
  RESTARTS,
  RIP_HIGH,
  RIP_LOW,
  STRIDE,
  TIME_HIGH,
  TIME_LOW,
  USERSPACE,
  USERSPACE_CODE,
  USERSPACE_HIGH,
  USERSPACE_LOW,
  VCPU,
  VECTOR,
} from './pairing-layout.ts';
import { EVENT_ROLES } from './roles.ts';
import { createThreadSlots, type ThreadSlots } from './thread-slots.ts';

export * from './pairing-layout.ts';

export const CPUS = NO_CPU + 1;
export interface EntryCounts {
  entries: number;
  /** Entries of a thread without an open exit. */
  entryWithoutExit: number;
  /** Userspace exits (all, also outside of any open exit). */
  userspaceExits: number;
  userspaceRestarts: number;
  userspaceErrors: number;
  /** QEMU's kvm_run_exit in a known thread. */
  runExits: number;
  /** Exits and entries of unknown thread: they cannot be paired. */
  withoutThread: number;
}

export interface Pairing {
  /** Where the tables lie that the kernel works on. */
  readonly arena: Arena;
  /** The kernel's view of this pairing: words at P_* (pairing-match.ts). */
  readonly view: Int32Array;
  /** EVENT_ROLES, for every number that an event column can hold. */
  readonly roles: Uint8Array;
  /** Rows of batches that lie elsewhere are copied here to be matched; made at the first use. */
  scratch: ArenaBatch | null;
  /** Threads of the capture, if process ids and vCPU numbers that events do not carry are wanted. */
  readonly threads: ThreadTable | null;
  readonly slots: ThreadSlots;
  /** Slots that have been set up from the thread table. */
  slotsKnown: number;
  /** STRIDE words per slot. */
  open: Uint32Array;
  /** Row in the batch at hand of a slot's exit that is not kept in `open`; −1 between batches. */
  exitRow: Int32Array;
  /** Time of the last record of each CPU; the start of all time before the first. */
  readonly lastTime: Uint32Array;
  /** Latest loss of each CPU: 0 none, LOSS_OPEN, 2 ended at lossEnd. */
  readonly lossState: Uint8Array;
  readonly lossStart: Uint32Array;
  readonly lossEnd: Uint32Array;
  /** Pairs that wait for a record of their exit's CPU: number of a record, by CPU a linked list. */
  readonly deferredHead: Int32Array;
  /** The records (deferred-layout.ts). Which are used and free is in `view`. */
  pool: Int32Array;
  /** Whether anything of the kind has been seen: what nobody recorded costs nothing. */
  sawLoss: boolean;
  sawUserspace: boolean;
  sawDetail: boolean;
  readonly counts: EntryCounts;
  readonly out: ArenaExits;
  readonly sink: (batch: ExitBatch) => void;
  readonly entryFilter: EntryFilter | null;
}

/** Which entries without exit (and entries at all) are counted: the part of a selection that entries know. */
export interface EntryFilter {
  readonly accepts: (batch: EventBatch, row: number, pid: number, vcpu: number) => boolean;
  /** Address of the same as kernels take it (selection-layout.ts), in the pairing's arena. */
  readonly tables: number;
}

/** `sink` gets batches of decided exits; each is reused after the call. */
export function createPairing(
  threads: ThreadTable | null,
  sink: (batch: ExitBatch) => void,
  entryFilter: EntryFilter | null = null,
  arena: Arena = createArena(),
): Pairing {
  const out = createArenaExits(arena);
  const roles = allocateU8(arena, 65536);
  roles.set(EVENT_ROLES);
  out.vector.fill(-1);
  const view = allocateI32(arena, P_BYTES / 4);
  view[P_POOL_FREE / 4] = -1;
  view[P_ENTRY_FILTER / 4] = entryFilter?.tables ?? 0;
  return {
    arena,
    view,
    roles,
    scratch: null,
    threads,
    slots: createThreadSlots(arena),
    slotsKnown: 0,
    open: allocateU32(arena, 64 * STRIDE),
    exitRow: allocateI32(arena, 64).fill(-1),
    lastTime: startOfTime(arena),
    lossState: allocateU8(arena, CPUS),
    lossStart: new Uint32Array(2 * CPUS),
    lossEnd: allocateU32(arena, 2 * CPUS),
    deferredHead: allocateI32(arena, CPUS).fill(-1),
    pool: allocateI32(arena, (64 * D_BYTES) / 4),
    sawLoss: false,
    sawUserspace: false,
    sawDetail: false,
    counts: {
      entries: 0,
      entryWithoutExit: 0,
      userspaceExits: 0,
      userspaceRestarts: 0,
      userspaceErrors: 0,
      runExits: 0,
      withoutThread: 0,
    },
    out,
    sink,
    entryFilter,
  };
}

/** The earliest time for every CPU: the sign bit of each pair, which alone is a double's −0. */
function startOfTime(arena: Arena): Uint32Array {
  const doubles = allocateF64(arena, CPUS).fill(-0);
  return new Uint32Array(doubles.buffer, doubles.byteOffset, 2 * CPUS);
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
    const open = allocateU32(pairing.arena, 2 * pairing.open.length);
    open.set(pairing.open);
    pairing.open = open;
    const exitRow = allocateI32(pairing.arena, open.length / STRIDE).fill(-1);
    exitRow.set(pairing.exitRow);
    pairing.exitRow = exitRow;
  }
  pairing.slotsKnown = slot + 1;
  const info = pairing.threads?.byTid.get(pairing.slots.tids[slot]);
  pairing.open[slot * STRIDE + KNOWN_PID] = info?.pid ?? -1;
  pairing.open[slot * STRIDE + KNOWN_VCPU] = info ? vcpuOfThread(info) : -1;
}
