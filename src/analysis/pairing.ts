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
  F_ISA,
  NO_CPU,
} from '../core/event-batch.ts';
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
  ROLE_LOST,
  ROLE_NESTED_EXIT,
  ROLE_NESTED_INJECT,
  ROLE_NONE,
  ROLE_USERSPACE_EXIT,
  ROLE_VCPU,
} from './roles.ts';
import { type ThreadTable, vcpuOfThread } from '../core/thread-table.ts';
import { createThreadSlots, slotOf, type ThreadSlots } from './thread-slots.ts';

/** −EINTR: KVM_RUN was interrupted by a signal ("restart (4)"). */
const EINTR = 4;
const CPUS = NO_CPU + 1;
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
  /** Exits and entries of unknown thread: they cannot be paired. */
  withoutThread: number;
}

export interface Pairing {
  /** Threads of the capture: process ids and vCPU numbers that events do not carry. */
  readonly threads: ThreadTable;
  readonly slots: ThreadSlots;
  /** Slots that have been set up from the thread table. */
  slotsKnown: number;
  /** One row per thread slot: the thread's open exit. */
  open: ExitBatch;
  isOpen: Uint8Array;
  /** Time of the open exit's first userspace exit without error, word pairs. */
  userspaceTime: Uint32Array;
  /** vCPU and process of each slot's thread as far as they are known, −1 until then. */
  learnedVcpu: Int32Array;
  learnedPid: Int32Array;
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
  threads: ThreadTable,
  sink: (batch: ExitBatch) => void,
  acceptEntry: EntryFilter | null = null,
): Pairing {
  return {
    threads,
    slots: createThreadSlots(),
    slotsKnown: 0,
    open: createExitBatch(64),
    isOpen: new Uint8Array(64),
    userspaceTime: new Uint32Array(128),
    learnedVcpu: new Int32Array(64).fill(-1),
    learnedPid: new Int32Array(64).fill(-1),
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
    const role = EVENT_ROLES[events[row]!]!;
    const cpu = cpus[row]!;
    if (role === ROLE_LOST) {
      startLoss(pairing, cpu);
      continue;
    }
    if (lossState[cpu] === 1) endLoss(pairing, cpu, time[2 * row]!, time[2 * row + 1]!);
    if (deferredHead[cpu]! >= 0) settleDeferred(pairing, cpu, false);
    lastTime[2 * cpu] = time[2 * row]!;
    lastTime[2 * cpu + 1] = time[2 * row + 1]!;
    cpuSeen[cpu] = 1;
    if (role === ROLE_NONE) continue;
    const tid = tids[row]!;
    if (tid < 0) {
      if (role === ROLE_EXIT || role === ROLE_ENTRY) pairing.counts.withoutThread++;
      continue;
    }
    const slot = slotOf(pairing.slots, tid);
    if (slot >= pairing.slotsKnown) addThread(pairing, slot);
    switch (role) {
      case ROLE_EXIT:
        openExit(pairing, batch, row, slot);
        break;
      case ROLE_ENTRY:
        closeExit(pairing, batch, row, slot);
        break;
      case ROLE_USERSPACE_EXIT:
        userspaceExit(pairing, batch, row, slot);
        break;
      case ROLE_NESTED_EXIT:
        if (pairing.isOpen[slot] && pairing.open.level[slot] === LEVEL_L1) pairing.open.level[slot] = LEVEL_L2;
        break;
      case ROLE_NESTED_INJECT:
        if (pairing.isOpen[slot] && pairing.open.level[slot] === LEVEL_L2)
          pairing.open.level[slot] = LEVEL_L2_REFLECTED;
        break;
      case ROLE_VCPU:
        if (pairing.learnedVcpu[slot]! < 0) pairing.learnedVcpu[slot] = batch.vcpu[row]!;
        break;
      case ROLE_DETAIL:
        addDetail(pairing, batch, row, slot);
        break;
      default:
    }
  }
}

/** The recording has ended: what is open stays open, deferred pairs stand. */
export function finishPairing(pairing: Pairing): void {
  for (let cpu = 0; cpu < CPUS; cpu++) if (pairing.deferredHead[cpu]! >= 0) settleDeferred(pairing, cpu, false);
  for (let slot = 0; slot < pairing.slots.count; slot++)
    if (pairing.isOpen[slot]) emitOpen(pairing, slot, OPEN_AT_END);
  if (pairing.out.length > 0) {
    pairing.sink(pairing.out);
    pairing.out.length = 0;
  }
}

function openExit(pairing: Pairing, batch: EventBatch, row: number, slot: number): void {
  if (pairing.isOpen[slot]) emitOpen(pairing, slot, EXIT_WITHOUT_ENTRY);
  const { open } = pairing;
  const fields = batch.fields[row]!;
  const vcpu = batch.vcpu[row]!;
  pairing.isOpen[slot] = 1;
  if (vcpu >= 0) pairing.learnedVcpu[slot] = vcpu;
  open.exitTime[2 * slot] = batch.time[2 * row]!;
  open.exitTime[2 * slot + 1] = batch.time[2 * row + 1]!;
  open.tid[slot] = batch.tid[row]!;
  const pid = batch.pid[row]!;
  if (pid >= 0) pairing.learnedPid[slot] = pid;
  open.pid[slot] = pairing.learnedPid[slot]!;
  open.vcpu[slot] = vcpu;
  open.exitCpu[slot] = batch.cpu[row]!;
  open.isa[slot] = fields & F_ISA ? batch.isa[row]! : 0;
  open.code[slot] = fields & F_CODE ? batch.code[row]! : 0;
  open.level[slot] = LEVEL_L1;
  open.rip[2 * slot] = batch.address[2 * row]!;
  open.rip[2 * slot + 1] = batch.address[2 * row + 1]!;
  open.hasRip[slot] = fields & F_ADDRESS ? 1 : 0;
  open.userspaceExits[slot] = 0;
  open.userspaceCode[slot] = 0;
  open.restarts[slot] = 0;
  open.userspaceErrors[slot] = 0;
  open.kernelNs[slot] = 0;
  open.userspaceNs[slot] = 0;
  open.detailEvent[slot] = 0;
}

function closeExit(pairing: Pairing, batch: EventBatch, row: number, slot: number): void {
  const { open, counts } = pairing;
  const vcpu = batch.vcpu[row]!;
  if (vcpu >= 0) pairing.learnedVcpu[slot] = vcpu;
  if (batch.pid[row]! >= 0) pairing.learnedPid[slot] = batch.pid[row]!;
  const counted = pairing.acceptEntry === null || pairing.acceptEntry(batch, row, pairing.learnedPid[slot]!, pairing.learnedVcpu[slot]!);
  if (counted) counts.entries++;
  if (!pairing.isOpen[slot]) {
    if (counted) counts.entryWithoutExit++;
    return;
  }
  pairing.isOpen[slot] = 0;
  const entryLow = batch.time[2 * row]!;
  const entryHigh = batch.time[2 * row + 1]!;
  const exitLow = open.exitTime[2 * slot]!;
  const exitHigh = open.exitTime[2 * slot + 1]!;
  const entryCpu = batch.cpu[row]!;
  const exitCpu = open.exitCpu[slot]!;
  open.entryTime[2 * slot] = entryLow;
  open.entryTime[2 * slot + 1] = entryHigh;
  open.entryCpu[slot] = entryCpu;
  if (open.vcpu[slot]! < 0) open.vcpu[slot] = pairing.learnedVcpu[slot]!;
  let latency = diffWords(entryLow, entryHigh, exitLow, exitHigh);
  if (latency < 0) {
    // Clocks of two CPUs that do not agree (trace clock "local"): zero is the nearest possible truth.
    counts.negativeLatency++;
    latency = 0;
  } else if (latency > MAX_LATENCY) {
    counts.absurdLatency++;
    latency = MAX_LATENCY;
  }
  open.latency[slot] = latency;
  if (open.userspaceExits[slot]! > 0) {
    open.userspaceNs[slot] = duration(entryLow, entryHigh, pairing.userspaceTime, slot);
  }
  open.state[slot] = PAIRED;
  if (overlapsLoss(pairing, entryCpu, exitLow, exitHigh) || overlapsLoss(pairing, exitCpu, exitLow, exitHigh))
    invalidate(open, slot);
  else if (exitCpu !== entryCpu) {
    defer(pairing, slot, exitCpu);
    return;
  }
  emit(pairing, open, slot);
}

/** From the time at times[slot] to the given one, within what sums can hold. */
function duration(low: number, high: number, times: Uint32Array, slot: number): number {
  return Math.min(MAX_LATENCY, Math.max(0, diffWords(low, high, times[2 * slot]!, times[2 * slot + 1]!)));
}

function invalidate(batch: ExitBatch, row: number): void {
  batch.state[row] = INVALIDATED_BY_LOSS;
  batch.latency[row] = 0;
  batch.userspaceNs[row] = 0;
}

function userspaceExit(pairing: Pairing, batch: EventBatch, row: number, slot: number): void {
  const { open, counts } = pairing;
  counts.userspaceExits++;
  // errno is signed; where it is not recorded the exit counts as good (all kernels since 3.10 record it).
  const errno = batch.fields[row]! & F_ARG0 ? batch.arg0[2 * row]! | 0 : 0;
  if (errno < 0) {
    if (errno === -EINTR) {
      counts.userspaceRestarts++;
      if (pairing.isOpen[slot] && open.restarts[slot]! < 0xffff) open.restarts[slot]!++;
    } else {
      counts.userspaceErrors++;
      if (pairing.isOpen[slot] && open.userspaceErrors[slot]! < 0xffff) open.userspaceErrors[slot]!++;
    }
    return;
  }
  if (!pairing.isOpen[slot]) return;
  if (open.userspaceExits[slot] === 0) {
    const low = batch.time[2 * row]!;
    const high = batch.time[2 * row + 1]!;
    open.userspaceCode[slot] = batch.code[row]!;
    pairing.userspaceTime[2 * slot] = low;
    pairing.userspaceTime[2 * slot + 1] = high;
    open.kernelNs[slot] = duration(low, high, open.exitTime, slot);
  }
  if (open.userspaceExits[slot]! < 0xffff) open.userspaceExits[slot]!++;
}

/** The first detail event of an exit stands for it: later ones are its consequences. */
function addDetail(pairing: Pairing, batch: EventBatch, row: number, slot: number): void {
  const { open } = pairing;
  if (!pairing.isOpen[slot] || open.detailEvent[slot] !== 0) return;
  open.detailEvent[slot] = batch.event[row]!;
  open.detailCode[slot] = batch.code[row]!;
  open.detailAddress[2 * slot] = batch.address[2 * row]!;
  open.detailAddress[2 * slot + 1] = batch.address[2 * row + 1]!;
}

function emitOpen(pairing: Pairing, slot: number, state: number): void {
  const { open } = pairing;
  pairing.isOpen[slot] = 0;
  open.state[slot] = state;
  open.latency[slot] = 0;
  open.entryCpu[slot] = NO_CPU;
  if (open.vcpu[slot]! < 0) open.vcpu[slot] = pairing.learnedVcpu[slot]!;
  emit(pairing, open, slot);
}

function emit(pairing: Pairing, from: ExitBatch, row: number): void {
  const { out } = pairing;
  copyExit(from, row, out, out.length++);
  if (out.length === out.capacity) {
    pairing.sink(out);
    out.length = 0;
  }
}

function startLoss(pairing: Pairing, cpu: number): void {
  const { lossState, lossStart, lastTime, cpuSeen } = pairing;
  if (lossState[cpu] !== 1) {
    lossState[cpu] = 1;
    // A loss before the first record of a CPU reaches back to the start of the recording.
    lossStart[2 * cpu] = cpuSeen[cpu] ? lastTime[2 * cpu]! : 0;
    lossStart[2 * cpu + 1] = cpuSeen[cpu] ? lastTime[2 * cpu + 1]! : 0x80000000;
  }
  if (pairing.deferredHead[cpu]! >= 0) settleDeferred(pairing, cpu, true);
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
  return state === 1 || compareWords(pairing.lossEnd[2 * cpu]!, pairing.lossEnd[2 * cpu + 1]!, low, high) > 0;
}

function defer(pairing: Pairing, slot: number, cpu: number): void {
  const at = takePoolRow(pairing);
  copyExit(pairing.open, slot, pairing.pool, at);
  pairing.poolNext[at] = pairing.deferredHead[cpu]!;
  pairing.deferredHead[cpu] = at;
}

function takePoolRow(pairing: Pairing): number {
  const free = pairing.poolFree;
  if (free >= 0) {
    pairing.poolFree = pairing.poolNext[free]!;
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
  let at = pairing.deferredHead[cpu]!;
  while (at >= 0) {
    if (
      lost &&
      compareWords(lossStart[2 * cpu]!, lossStart[2 * cpu + 1]!, pool.entryTime[2 * at]!, pool.entryTime[2 * at + 1]!) < 0
    )
      invalidate(pool, at);
    emit(pairing, pool, at);
    const next = pairing.poolNext[at]!;
    pairing.poolNext[at] = pairing.poolFree;
    pairing.poolFree = at;
    at = next;
  }
  pairing.deferredHead[cpu] = -1;
}

/** Sets up a new thread's slot with what the thread table knows of it. */
function addThread(pairing: Pairing, slot: number): void {
  if (slot >= pairing.isOpen.length) growSlots(pairing);
  pairing.slotsKnown = slot + 1;
  const info = pairing.threads.byTid.get(pairing.slots.tids[slot]!);
  if (!info) return;
  pairing.learnedPid[slot] = info.pid;
  pairing.learnedVcpu[slot] = vcpuOfThread(info);
}

function growSlots(pairing: Pairing): void {
  const old = pairing.isOpen.length;
  const size = 2 * old;
  const open = createExitBatch(size);
  for (let slot = 0; slot < old; slot++) copyExit(pairing.open, slot, open, slot);
  const isOpen = new Uint8Array(size);
  isOpen.set(pairing.isOpen);
  const userspaceTime = new Uint32Array(2 * size);
  userspaceTime.set(pairing.userspaceTime);
  const learnedVcpu = new Int32Array(size).fill(-1);
  learnedVcpu.set(pairing.learnedVcpu);
  const learnedPid = new Int32Array(size).fill(-1);
  learnedPid.set(pairing.learnedPid);
  Object.assign(pairing, { open, isOpen, userspaceTime, learnedVcpu, learnedPid });
}
