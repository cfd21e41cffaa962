/**
 * What each event does to its thread's open exit. The loop over a batch (pairing.ts) takes the common case, an exit
 * and its entry with nothing in between, itself and comes here for everything else.
 */
import {
  type EventBatch,
  F_ADDRESS,
  F_ARG0,
  F_CODE,
  F_INTR_INFO,
  F_ISA,
  NO_CPU,
  UNKNOWN,
} from '../core/event-batch.ts';
import { diffWords } from '../core/words.ts';
import { EXIT_WITHOUT_ENTRY, LEVEL_L1, LEVEL_L2, LEVEL_L2_REFLECTED, PAIRED } from './exit-batch.ts';
import { defer, overlapsLoss } from './pairing-losses.ts';
import {
  addThread,
  CODE,
  CPU,
  DETAIL,
  DETAIL_CODE,
  DETAIL_HIGH,
  DETAIL_LOW,
  duration,
  ERRORS,
  HAS_RIP,
  INTR_INFO,
  IS_OPEN,
  ISA,
  invalidate,
  KNOWN_PID,
  KNOWN_VCPU,
  LEVEL,
  MAX_LATENCY,
  NONE,
  type Pairing,
  pushRow,
  RESTARTS,
  RIP_HIGH,
  RIP_LOW,
  resetRows,
  STRIDE,
  TIME_HIGH,
  TIME_LOW,
  USERSPACE,
  USERSPACE_CODE,
  USERSPACE_HIGH,
  USERSPACE_LOW,
  VCPU,
  VECTOR,
  writeExit,
} from './pairing-state.ts';
import {
  EVENT_ROLES,
  ROLE_DETAIL,
  ROLE_ENTRY,
  ROLE_INJECT,
  ROLE_NESTED_EXIT,
  ROLE_NESTED_INJECT,
  ROLE_REFINE,
  ROLE_RUN_EXIT,
  ROLE_USERSPACE_EXIT,
  ROLE_VCPU,
  ROLE_WEAK_DETAIL,
} from './roles.ts';
import { slotOf } from './thread-slots.ts';

/** −EINTR: KVM_RUN was interrupted by a signal ("restart (4)"). */
const EINTR = 4;

/** An event of a thread that is neither exit nor entry; the thread's exit has been kept. */
export function takeBetween(
  pairing: Pairing,
  batch: EventBatch,
  row: number,
  slot: number,
  role: number,
): void {
  const at = slot * STRIDE;
  const { open } = pairing;
  switch (role) {
    case ROLE_USERSPACE_EXIT:
      pairing.sawUserspace = true;
      userspaceExit(pairing, batch, row, at);
      break;
    case ROLE_NESTED_EXIT:
      if (open[at + LEVEL] === LEVEL_L1) open[at + LEVEL] = LEVEL_L2;
      break;
    case ROLE_NESTED_INJECT:
      if (open[at + LEVEL] === LEVEL_L2) open[at + LEVEL] = LEVEL_L2_REFLECTED;
      break;
    case ROLE_VCPU:
      if (open[at + KNOWN_VCPU] === NONE) open[at + KNOWN_VCPU] = batch.vcpu[row];
      break;
    case ROLE_DETAIL:
      pairing.sawDetail = true;
      addDetail(open, batch, row, at);
      break;
    case ROLE_WEAK_DETAIL:
      pairing.sawDetail = true;
      if (open[at + DETAIL] === 0) addDetail(open, batch, row, at);
      break;
    case ROLE_INJECT:
      if (batch.fields[row] & F_ADDRESS) open[at + VECTOR] = batch.address[2 * row];
      break;
    case ROLE_REFINE:
      if (batch.fields[row] & F_CODE) open[at + CODE] = batch.code[row];
      break;
    case ROLE_RUN_EXIT:
      pairing.sawUserspace = true;
      runExit(pairing, batch, row, at);
      break;
    default:
  }
}

/** An exit or entry of unknown thread is counted, but nothing can be its partner. */
export function countThreadless(pairing: Pairing, batch: EventBatch, row: number, role: number): void {
  const { counts } = pairing;
  counts.withoutThread++;
  if (role === ROLE_ENTRY) {
    if (pairing.entryFilter?.accepts(batch, row, batch.pid[row], batch.vcpu[row]) === false) return;
    counts.entries++;
    counts.entryWithoutExit++;
    return;
  }
  const slot = slotOf(pairing.slots, UNKNOWN);
  if (slot >= pairing.slotsKnown) addThread(pairing, slot);
  pairing.open[slot * STRIDE + KNOWN_VCPU] = NONE;
  pairing.open[slot * STRIDE + KNOWN_PID] = NONE;
  openExit(pairing, batch, row, slot);
  emitOpen(pairing, slot, EXIT_WITHOUT_ENTRY);
}

/** An exit, which becomes the thread's open one. */
export function openExit(pairing: Pairing, batch: EventBatch, row: number, slot: number): void {
  const { open } = pairing;
  const at = slot * STRIDE;
  if (open[at + IS_OPEN] === 1) emitOpen(pairing, slot, EXIT_WITHOUT_ENTRY);
  storeExit(open, batch, row, at);
  startBetween(open, at);
}

/** Copies the slot's exit, if it is only known as a row of the batch, to where it outlives it. */
export function keepExit(pairing: Pairing, batch: EventBatch, slot: number): void {
  const { open, exitRow } = pairing;
  const row = exitRow[slot];
  if (row < 0) return;
  exitRow[slot] = -1;
  const at = slot * STRIDE;
  storeExit(open, batch, row, at);
  if (open[at + IS_OPEN] === 0) startBetween(open, at);
}

/** What the exit's own event says. */
function storeExit(open: Uint32Array, batch: EventBatch, row: number, at: number): void {
  const fields = batch.fields[row];
  const vcpu = batch.vcpu[row];
  const pid = batch.pid[row];
  if (vcpu >= 0) open[at + KNOWN_VCPU] = vcpu;
  if (pid >= 0) open[at + KNOWN_PID] = pid;
  open[at + TIME_LOW] = batch.time[2 * row];
  open[at + TIME_HIGH] = batch.time[2 * row + 1];
  open[at + CPU] = batch.cpu[row];
  open[at + ISA] = fields & F_ISA ? batch.isa[row] : 0;
  open[at + CODE] = fields & F_CODE ? batch.code[row] : 0;
  open[at + RIP_LOW] = batch.address[2 * row];
  open[at + RIP_HIGH] = batch.address[2 * row + 1];
  open[at + HAS_RIP] = fields & F_ADDRESS ? 1 : 0;
  open[at + INTR_INFO] = fields & F_INTR_INFO ? batch.intrInfo[row] : 0;
  open[at + VCPU] = vcpu;
}

/** Nothing has happened yet since the exit. */
function startBetween(open: Uint32Array, at: number): void {
  open[at + IS_OPEN] = 1;
  open[at + LEVEL] = LEVEL_L1;
  open[at + USERSPACE] = 0;
  open[at + RESTARTS] = 0;
  open[at + ERRORS] = 0;
  open[at + DETAIL] = 0;
  open[at + VECTOR] = NONE;
}

export function closeExit(pairing: Pairing, batch: EventBatch, row: number, slot: number): void {
  const { open, counts } = pairing;
  const at = slot * STRIDE;
  const vcpu = batch.vcpu[row];
  const pid = batch.pid[row];
  if (vcpu >= 0) open[at + KNOWN_VCPU] = vcpu;
  if (pid >= 0) open[at + KNOWN_PID] = pid;
  const { entryFilter } = pairing;
  const counted =
    entryFilter === null ||
    entryFilter.accepts(batch, row, open[at + KNOWN_PID] | 0, open[at + KNOWN_VCPU] | 0);
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
  const took = diffWords(low, high, exitLow, exitHigh);
  let latency = took;
  if (latency < 0) {
    // Clocks of two CPUs that do not agree (trace clock "local"): zero is the nearest possible truth.
    latency = 0;
  } else if (latency > MAX_LATENCY) {
    // Damaged time stamps.
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
  if (
    pairing.sawLoss &&
    took !== 0 &&
    (overlapsLoss(pairing, entryCpu, exitLow, exitHigh) || overlapsLoss(pairing, exitCpu, exitLow, exitHigh))
  )
    invalidate(out, to);
  else if (exitCpu !== entryCpu) {
    // The row stays unused in `out`; its copy waits.
    defer(pairing, to, exitCpu);
    resetRows(pairing, to, to + 1);
    return;
  }
  pushRow(pairing);
}

function userspaceExit(pairing: Pairing, batch: EventBatch, row: number, at: number): void {
  const { open, counts } = pairing;
  const isOpen = open[at + IS_OPEN] === 1;
  counts.userspaceExits++;
  // errno is signed; where it is not recorded the exit counts as good (kernels from 3.6 to 7.2 record it).
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

export function emitOpen(pairing: Pairing, slot: number, state: number): void {
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
