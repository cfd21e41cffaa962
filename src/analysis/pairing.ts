/**
 * Pairing: events in time order → exits with their fate. Per host thread, `kvm_exit` → the next `kvm_entry` of the
 * same tid, wherever the thread migrated in between; what lies between decides escalation, level and detail.
 *
 * Losses. A loss on a CPU lies between that CPU's last record before it and the first after it. A pair is invalid if
 * such a gap on its exit's or entry's CPU overlaps it. Of the entry's CPU everything up to the entry has been seen by
 * then. The exit's CPU, if it is another one, may still report a loss that began before the entry; such pairs wait
 * until that CPU's next record shows whether it did (`deferred`).
 */
import {
  type EventBatch,
  F_ADDRESS,
  F_ARG0,
  F_CODE,
  F_INTR_INFO,
  F_ISA,
  NO_CPU,
} from '../core/event-batch.ts';
import { type ThreadTable, vcpuOfThread } from '../core/thread-table.ts';
import { compareWords, diffWords } from '../core/words.ts';
import {
  copyExit,
  createExitBatch,
  EXIT_WITHOUT_ENTRY,
  type ExitBatch,
  INVALIDATED_BY_LOSS,
  LEVEL_L1,
  LEVEL_L2,
  LEVEL_L2_REFLECTED,
  OPEN_AT_END,
  PAIRED,
} from './exit-batch.ts';
import {
  EVENT_ROLES,
  ROLE_DETAIL,
  ROLE_ENTRY,
  ROLE_EXIT,
  ROLE_INJECT,
  ROLE_LOST,
  ROLE_NESTED_EXIT,
  ROLE_NESTED_INJECT,
  ROLE_NONE,
  ROLE_RUN_EXIT,
  ROLE_USERSPACE_EXIT,
  ROLE_VCPU,
  ROLE_WEAK_DETAIL,
} from './roles.ts';
import { createThreadSlots, slotOf, type ThreadSlots } from './thread-slots.ts';

/** −EINTR: KVM_RUN was interrupted by a signal ("restart (4)"). */
const EINTR = 4;
const CPUS = NO_CPU + 1;
/** −1 as a word. */
const NONE = 0xffffffff;
/** 52 days; sums and histograms are exact up to here. */
const MAX_LATENCY = 2 ** 52 - 1;

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
const STRIDE = 32;
const IS_OPEN = 0;
const TIME_LOW = 1;
const TIME_HIGH = 2;
const CPU = 3;
const ISA = 4;
const CODE = 5;
const LEVEL = 6;
const RIP_LOW = 7;
const RIP_HIGH = 8;
const HAS_RIP = 9;
/** Userspace exits without error, KVM_EXIT_* and time of the first; restarts; other errors. */
const USERSPACE = 10;
const USERSPACE_CODE = 11;
const USERSPACE_LOW = 12;
const USERSPACE_HIGH = 13;
const RESTARTS = 14;
const ERRORS = 15;
const DETAIL = 16;
const DETAIL_CODE = 17;
const DETAIL_LOW = 18;
const DETAIL_HIGH = 19;
/** vCPU of the open exit, and what is known of the thread: vCPU and process (−1 as 0xffffffff). */
const VCPU = 20;
const KNOWN_VCPU = 21;
const KNOWN_PID = 22;
const VECTOR = 23;
const INTR_INFO = 24;

export interface Pairing {
  /** Threads of the capture, if process ids and vCPU numbers that events do not carry are wanted. */
  readonly threads: ThreadTable | null;
  readonly slots: ThreadSlots;
  /** Slots that have been set up from the thread table. */
  slotsKnown: number;
  /** STRIDE words per slot. */
  open: Uint32Array;
  /** Time of the last record of each CPU, and whether there was one. */
  readonly lastTime: Uint32Array;
  readonly cpuSeen: Uint8Array;
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
  return {
    threads,
    slots: createThreadSlots(),
    slotsKnown: 0,
    open: new Uint32Array(64 * STRIDE),
    lastTime: new Uint32Array(2 * CPUS),
    cpuSeen: new Uint8Array(CPUS),
    lossState: new Uint8Array(CPUS),
    lossStart: new Uint32Array(2 * CPUS),
    lossEnd: new Uint32Array(2 * CPUS),
    deferredHead: new Int32Array(CPUS).fill(-1),
    pool: createExitBatch(16),
    poolNext: new Int32Array(16),
    poolUsed: 0,
    poolFree: -1,
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
    out: createExitBatch(),
    sink,
    acceptEntry,
  };
}

/** Takes in the events of a batch. */
export function pairBatch(pairing: Pairing, batch: EventBatch): void {
  const { cpu: cpus, event: events, tid: tids, time } = batch;
  const { lastTime, cpuSeen, lossState, deferredHead } = pairing;
  for (let row = 0; row < batch.length; row++) {
    const role = EVENT_ROLES[events[row]];
    const cpu = cpus[row];
    if (role === ROLE_LOST) {
      startLoss(pairing, cpu);
      continue;
    }
    if (lossState[cpu] === 1) endLoss(pairing, cpu, time[2 * row], time[2 * row + 1]);
    if (deferredHead[cpu] >= 0) settleDeferred(pairing, cpu, false);
    lastTime[2 * cpu] = time[2 * row];
    lastTime[2 * cpu + 1] = time[2 * row + 1];
    cpuSeen[cpu] = 1;
    if (role === ROLE_NONE) continue;
    const tid = tids[row];
    if (tid < 0) {
      if (role === ROLE_EXIT || role === ROLE_ENTRY) pairing.counts.withoutThread++;
      continue;
    }
    const slot = slotOf(pairing.slots, tid);
    if (slot >= pairing.slotsKnown) addThread(pairing, slot);
    const at = slot * STRIDE;
    switch (role) {
      case ROLE_EXIT:
        openExit(pairing, batch, row, slot);
        break;
      case ROLE_ENTRY:
        closeExit(pairing, batch, row, slot);
        break;
      case ROLE_USERSPACE_EXIT:
        userspaceExit(pairing, batch, row, at);
        break;
      case ROLE_NESTED_EXIT:
        if (pairing.open[at + LEVEL] === LEVEL_L1) pairing.open[at + LEVEL] = LEVEL_L2;
        break;
      case ROLE_NESTED_INJECT:
        if (pairing.open[at + LEVEL] === LEVEL_L2) pairing.open[at + LEVEL] = LEVEL_L2_REFLECTED;
        break;
      case ROLE_VCPU:
        if (pairing.open[at + KNOWN_VCPU] === NONE) pairing.open[at + KNOWN_VCPU] = batch.vcpu[row];
        break;
      case ROLE_DETAIL:
        addDetail(pairing.open, batch, row, at);
        break;
      case ROLE_WEAK_DETAIL:
        if (pairing.open[at + DETAIL] === 0) addDetail(pairing.open, batch, row, at);
        break;
      case ROLE_INJECT:
        if (batch.fields[row] & F_ADDRESS) pairing.open[at + VECTOR] = batch.address[2 * row];
        break;
      case ROLE_RUN_EXIT:
        runExit(pairing, batch, row, at);
        break;
      default:
    }
  }
}

/** The recording has ended: what is open stays open, deferred pairs stand. */
export function finishPairing(pairing: Pairing): void {
  for (let cpu = 0; cpu < CPUS; cpu++)
    if (pairing.deferredHead[cpu] >= 0) settleDeferred(pairing, cpu, false);
  for (let slot = 0; slot < pairing.slotsKnown; slot++)
    if (pairing.open[slot * STRIDE + IS_OPEN] === 1) emitOpen(pairing, slot, OPEN_AT_END);
  flush(pairing);
}

function openExit(pairing: Pairing, batch: EventBatch, row: number, slot: number): void {
  const at = slot * STRIDE;
  if (pairing.open[at + IS_OPEN] === 1) emitOpen(pairing, slot, EXIT_WITHOUT_ENTRY);
  const { open } = pairing;
  const fields = batch.fields[row];
  const vcpu = batch.vcpu[row];
  const pid = batch.pid[row];
  if (vcpu >= 0) open[at + KNOWN_VCPU] = vcpu;
  if (pid >= 0) open[at + KNOWN_PID] = pid;
  open[at + IS_OPEN] = 1;
  open[at + TIME_LOW] = batch.time[2 * row];
  open[at + TIME_HIGH] = batch.time[2 * row + 1];
  open[at + CPU] = batch.cpu[row];
  open[at + ISA] = fields & F_ISA ? batch.isa[row] : 0;
  open[at + CODE] = fields & F_CODE ? batch.code[row] : 0;
  open[at + LEVEL] = LEVEL_L1;
  open[at + RIP_LOW] = batch.address[2 * row];
  open[at + RIP_HIGH] = batch.address[2 * row + 1];
  open[at + HAS_RIP] = fields & F_ADDRESS ? 1 : 0;
  open[at + USERSPACE] = 0;
  open[at + RESTARTS] = 0;
  open[at + ERRORS] = 0;
  open[at + DETAIL] = 0;
  open[at + VECTOR] = NONE;
  open[at + INTR_INFO] = fields & F_INTR_INFO ? batch.intrInfo[row] : 0;
  open[at + VCPU] = vcpu;
}

function closeExit(pairing: Pairing, batch: EventBatch, row: number, slot: number): void {
  const { open, counts } = pairing;
  const at = slot * STRIDE;
  const vcpu = batch.vcpu[row];
  const pid = batch.pid[row];
  if (vcpu >= 0) open[at + KNOWN_VCPU] = vcpu;
  if (pid >= 0) open[at + KNOWN_PID] = pid;
  const counted =
    pairing.acceptEntry === null ||
    pairing.acceptEntry(batch, row, open[at + KNOWN_PID] | 0, open[at + KNOWN_VCPU] | 0);
  if (counted) counts.entries++;
  if (open[at + IS_OPEN] === 0) {
    if (counted) counts.entryWithoutExit++;
    return;
  }
  open[at + IS_OPEN] = 0;
  const low = batch.time[2 * row];
  const high = batch.time[2 * row + 1];
  const exitLow = open[at + TIME_LOW];
  const exitHigh = open[at + TIME_HIGH];
  const entryCpu = batch.cpu[row];
  const exitCpu = open[at + CPU];
  let latency = diffWords(low, high, exitLow, exitHigh);
  if (latency < 0) {
    // Clocks of two CPUs that do not agree (trace clock "local"): zero is the nearest possible truth.
    counts.negativeLatency++;
    latency = 0;
  } else if (latency > MAX_LATENCY) {
    counts.absurdLatency++;
    latency = MAX_LATENCY;
  }
  const { out } = pairing;
  const to = out.length;
  writeExit(pairing, slot, to);
  out.entryTime[2 * to] = low;
  out.entryTime[2 * to + 1] = high;
  out.entryCpu[to] = entryCpu;
  out.latency[to] = latency;
  out.state[to] = PAIRED;
  if (open[at + USERSPACE] > 0)
    out.userspaceNs[to] = duration(low, high, open[at + USERSPACE_LOW], open[at + USERSPACE_HIGH]);
  if (overlapsLoss(pairing, entryCpu, exitLow, exitHigh) || overlapsLoss(pairing, exitCpu, exitLow, exitHigh))
    invalidate(out, to);
  else if (exitCpu !== entryCpu) {
    // The row stays unused in `out`; its copy waits.
    defer(pairing, to, exitCpu);
    return;
  }
  pushRow(pairing);
}

/** From one time to the other, within what sums can hold. */
function duration(low: number, high: number, fromLow: number, fromHigh: number): number {
  return Math.min(MAX_LATENCY, Math.max(0, diffWords(low, high, fromLow, fromHigh)));
}

function invalidate(batch: ExitBatch, row: number): void {
  batch.state[row] = INVALIDATED_BY_LOSS;
  batch.latency[row] = 0;
  batch.userspaceNs[row] = 0;
}

function userspaceExit(pairing: Pairing, batch: EventBatch, row: number, at: number): void {
  const { open, counts } = pairing;
  const isOpen = open[at + IS_OPEN] === 1;
  counts.userspaceExits++;
  // errno is signed; where it is not recorded the exit counts as good (all kernels since 3.10 record it).
  const errno = batch.fields[row] & F_ARG0 ? batch.arg0[2 * row] | 0 : 0;
  if (errno < 0) {
    if (errno === -EINTR) {
      counts.userspaceRestarts++;
      if (isOpen) open[at + RESTARTS]++;
    } else {
      counts.userspaceErrors++;
      if (isOpen) open[at + ERRORS]++;
    }
    return;
  }
  if (isOpen && open[at + USERSPACE]++ === 0) leaveKernel(open, batch, row, at);
}

/** QEMU's word for a return of KVM_RUN: it counts where the kernel's own event is missing. */
function runExit(pairing: Pairing, batch: EventBatch, row: number, at: number): void {
  const { open, counts } = pairing;
  counts.runExits++;
  if (open[at + IS_OPEN] === 0 || open[at + USERSPACE] > 0) return;
  open[at + USERSPACE] = 1;
  leaveKernel(open, batch, row, at);
}

function leaveKernel(open: Uint32Array, batch: EventBatch, row: number, at: number): void {
  open[at + USERSPACE_CODE] = batch.code[row];
  open[at + USERSPACE_LOW] = batch.time[2 * row];
  open[at + USERSPACE_HIGH] = batch.time[2 * row + 1];
}

/** The first detail event of an exit stands for it, later ones are its consequences; only weak ones give way. */
function addDetail(open: Uint32Array, batch: EventBatch, row: number, at: number): void {
  const detail = open[at + DETAIL];
  if (open[at + IS_OPEN] === 0 || (detail !== 0 && EVENT_ROLES[detail] === ROLE_DETAIL)) return;
  const fields = batch.fields[row];
  if ((fields & F_ADDRESS) === 0) return;
  open[at + DETAIL] = batch.event[row];
  open[at + DETAIL_CODE] = fields & F_CODE ? batch.code[row] : 0;
  open[at + DETAIL_LOW] = batch.address[2 * row];
  open[at + DETAIL_HIGH] = batch.address[2 * row + 1];
}

function emitOpen(pairing: Pairing, slot: number, state: number): void {
  const { out } = pairing;
  const to = out.length;
  pairing.open[slot * STRIDE + IS_OPEN] = 0;
  writeExit(pairing, slot, to);
  out.entryTime[2 * to] = 0;
  out.entryTime[2 * to + 1] = 0;
  out.entryCpu[to] = NO_CPU;
  out.latency[to] = 0;
  out.state[to] = state;
  pushRow(pairing);
}

/** Writes what is known of a slot's open exit to row `to` of the output; the caller adds the entry's side. */
function writeExit(pairing: Pairing, slot: number, to: number): void {
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
  out.level[to] = open[at + LEVEL];
  out.rip[2 * to] = open[at + RIP_LOW];
  out.rip[2 * to + 1] = open[at + RIP_HIGH];
  out.hasRip[to] = open[at + HAS_RIP];
  const userspace = open[at + USERSPACE];
  out.userspaceExits[to] = Math.min(userspace, 0xffff);
  out.restarts[to] = Math.min(open[at + RESTARTS], 0xffff);
  out.userspaceErrors[to] = Math.min(open[at + ERRORS], 0xffff);
  out.detailEvent[to] = open[at + DETAIL];
  out.vector[to] = open[at + VECTOR];
  out.intrInfo[to] = open[at + INTR_INFO];
  if (userspace > 0) {
    out.userspaceCode[to] = open[at + USERSPACE_CODE];
    out.kernelNs[to] = duration(
      open[at + USERSPACE_LOW],
      open[at + USERSPACE_HIGH],
      open[at + TIME_LOW],
      open[at + TIME_HIGH],
    );
    out.userspaceNs[to] = 0;
  }
  if (open[at + DETAIL] !== 0) {
    out.detailCode[to] = open[at + DETAIL_CODE];
    out.detailAddress[2 * to] = open[at + DETAIL_LOW];
    out.detailAddress[2 * to + 1] = open[at + DETAIL_HIGH];
  }
}

/** Takes the row that was just written into the batch. */
function pushRow(pairing: Pairing): void {
  if (++pairing.out.length === pairing.out.capacity) flush(pairing);
}

function flush(pairing: Pairing): void {
  if (pairing.out.length > 0) pairing.sink(pairing.out);
  pairing.out.length = 0;
}

function startLoss(pairing: Pairing, cpu: number): void {
  const { lossState, lossStart, lastTime, cpuSeen } = pairing;
  if (lossState[cpu] !== 1) {
    lossState[cpu] = 1;
    // A loss before the first record of a CPU reaches back to the start of the recording.
    lossStart[2 * cpu] = cpuSeen[cpu] ? lastTime[2 * cpu] : 0;
    lossStart[2 * cpu + 1] = cpuSeen[cpu] ? lastTime[2 * cpu + 1] : 0x80000000;
  }
  if (pairing.deferredHead[cpu] >= 0) settleDeferred(pairing, cpu, true);
}

function endLoss(pairing: Pairing, cpu: number, low: number, high: number): void {
  pairing.lossState[cpu] = 2;
  pairing.lossEnd[2 * cpu] = low;
  pairing.lossEnd[2 * cpu + 1] = high;
}

/** Whether the CPU's latest loss ends after the given time (it has begun before now). */
function overlapsLoss(pairing: Pairing, cpu: number, low: number, high: number): boolean {
  const state = pairing.lossState[cpu];
  if (state === 0) return false;
  return state === 1 || compareWords(pairing.lossEnd[2 * cpu], pairing.lossEnd[2 * cpu + 1], low, high) > 0;
}

/** Keeps row `row` of the output aside until the next record of `cpu`. */
function defer(pairing: Pairing, row: number, cpu: number): void {
  const at = takePoolRow(pairing);
  copyExit(pairing.out, row, pairing.pool, at);
  pairing.poolNext[at] = pairing.deferredHead[cpu];
  pairing.deferredHead[cpu] = at;
}

function takePoolRow(pairing: Pairing): number {
  const free = pairing.poolFree;
  if (free >= 0) {
    pairing.poolFree = pairing.poolNext[free];
    return free;
  }
  if (pairing.poolUsed === pairing.pool.capacity) {
    const pool = createExitBatch(2 * pairing.pool.capacity);
    for (let i = 0; i < pairing.poolUsed; i++) copyExit(pairing.pool, i, pool, i);
    const next = new Int32Array(pool.capacity);
    next.set(pairing.poolNext);
    pairing.pool = pool;
    pairing.poolNext = next;
  }
  return pairing.poolUsed++;
}

/** Decides the pairs that waited for `cpu`: its next record is a loss, or it is not. */
function settleDeferred(pairing: Pairing, cpu: number, lost: boolean): void {
  const { pool, lossStart } = pairing;
  let at = pairing.deferredHead[cpu];
  while (at >= 0) {
    if (
      lost &&
      compareWords(
        lossStart[2 * cpu],
        lossStart[2 * cpu + 1],
        pool.entryTime[2 * at],
        pool.entryTime[2 * at + 1],
      ) < 0
    )
      invalidate(pool, at);
    copyExit(pool, at, pairing.out, pairing.out.length);
    pushRow(pairing);
    const next = pairing.poolNext[at];
    pairing.poolNext[at] = pairing.poolFree;
    pairing.poolFree = at;
    at = next;
  }
  pairing.deferredHead[cpu] = -1;
}

/** Sets up a new thread's slot with what the thread table knows of it. */
function addThread(pairing: Pairing, slot: number): void {
  if ((slot + 1) * STRIDE > pairing.open.length) {
    const open = new Uint32Array(2 * pairing.open.length);
    open.set(pairing.open);
    pairing.open = open;
  }
  pairing.slotsKnown = slot + 1;
  const info = pairing.threads?.byTid.get(pairing.slots.tids[slot]);
  pairing.open[slot * STRIDE + KNOWN_PID] = info?.pid ?? -1;
  pairing.open[slot * STRIDE + KNOWN_VCPU] = info ? vcpuOfThread(info) : -1;
}
