/**
 * Exits as QEMU saw them (`kvm_run_exit`): how many per KVM_EXIT_* and vCPU, and, where `kvm_vcpu_ioctl` was recorded
 * too, how long QEMU took: kvm_run_exit → the next KVM_RUN of the same vCPU, and for which device. One pass over events in time order; parts
 * of a recording can be summed up apart and merged in their order.
 *
 * Both events carry the vCPU, a simpletrace record no thread; so the vCPU of one process (and thread, where the log
 * tells it) is what is followed. Where QEMU dropped events, pairs from the drop before to this one may be false: they
 * are counted as invalidated and have no time.
 *
 * Filters by process, thread, vCPU and time choose exits; a vCPU whose thread is not told is of no chosen one. CPUs, reasons
 * and levels are not QEMU's to know.
 */
import { type EventBatch, F_ARG0, F_CODE } from '../core/event-batch.ts';
import {
  EV_MEMORY_REGION_OPS_READ,
  EV_MEMORY_REGION_OPS_WRITE,
  EV_QEMU_DROPPED,
  EV_QEMU_VCPU_IOCTL,
  EV_RUN_EXIT,
} from '../core/events.ts';
import { compareWords, diffWords, TWO_32 } from '../core/words.ts';
import { addExact } from './exact-sum.ts';
import { createLatencyLog, type LatencyLog, logLatency, mergeLatencyLogs } from './latency-log.ts';
import { MAX_LATENCY } from './pairing-state.ts';
import { EVERYTHING, type PassScope } from './pass.ts';
import { addDevice, copyAccess, createAccess, mergeDevices, NO_ACCESS, noteAccess } from './qemu-devices.ts';
import {
  createQemuRow,
  createSlot,
  discardTimes,
  mergeRow,
  type QemuRow,
  type QemuSlot,
} from './qemu-exit-rows.ts';
import { timeInScope } from './thread-scope.ts';

/** Most rows (vCPU × reason) and vCPUs: hostile input must not make more. */
const MAX_ROWS = 16384;
const MAX_SLOTS = 4096;

/** KVM_RUN is _IO(KVMIO, 0x80); powerpc, mips and sparc mark "no direction" by bit 29. */
const KVM_RUN = 0xae80;
const KVM_RUN_MARKED = 0x2000ae80;

/** Of `last` and `head` in QemuSlot. */
const NOTHING = 0;
const RUN_EXIT = 1;
const RUN = 2;
/** Of an exit whose access has not come. */
const NOT_YET = createAccess();

export interface QemuExits {
  readonly scope: PassScope;
  readonly slots: Map<string, QemuSlot>;
  rows: number;
  readonly log: LatencyLog;
  /** Numbers given to groups of `log`. */
  groups: number;
  /** Processes that dropped events (−1: unknown which). */
  readonly droppedPids: Set<number>;
  droppedEvents: number;
  /** kvm_run_exit without a vCPU number, or beyond the limits: in no row. */
  unplaced: number;
  /** KVM_RUN calls; 0: handling times are not known. */
  runs: number;
  /** Accesses to memory regions by vCPUs; 0: which devices were meant is not known. */
  accesses: number;
  hasTime: boolean;
  readonly first: Uint32Array;
  readonly last: Uint32Array;
  /** The slot of the last event, which the next is often of. */
  cached: QemuSlot | null;
}

export function createQemuExits(_options: unknown = null, scope: PassScope = EVERYTHING): QemuExits {
  return {
    scope,
    slots: new Map(),
    rows: 0,
    log: createLatencyLog(),
    groups: 0,
    droppedPids: new Set(),
    droppedEvents: 0,
    unplaced: 0,
    runs: 0,
    accesses: 0,
    hasTime: false,
    first: new Uint32Array(2),
    last: new Uint32Array(2),
    cached: null,
  };
}

export function addQemuExits(exits: QemuExits, batch: EventBatch): void {
  const { event, time, code, fields } = batch;
  for (let row = 0; row < batch.length; row++) {
    const kind = event[row];
    if (kind === EV_RUN_EXIT) {
      if (!slotInScope(exits, batch, row)) continue;
      if (fields[row] & F_CODE) addRunExit(exits, batch, row);
      else exits.unplaced++;
    } else if (kind === EV_QEMU_VCPU_IOCTL) {
      if ((code[row] === KVM_RUN || code[row] === KVM_RUN_MARKED) && fields[row] & F_CODE)
        addRun(exits, batch, row);
    } else if (kind === EV_MEMORY_REGION_OPS_READ || kind === EV_MEMORY_REGION_OPS_WRITE)
      addAccess(exits, batch, row);
    else if (kind === EV_QEMU_DROPPED) addDrop(exits, batch, row);
  }
  if (batch.length > 0) addSpan(exits, time, batch.length);
}

function addSpan(exits: QemuExits, time: Uint32Array, length: number): void {
  const end = 2 * length - 2;
  widen(exits, time[0], time[1]);
  widen(exits, time[end], time[end + 1]);
}

function widen(exits: QemuExits, low: number, high: number): void {
  const { first, last } = exits;
  if (!exits.hasTime || compareWords(low, high, first[0], first[1]) < 0) {
    first[0] = low;
    first[1] = high;
  }
  if (!exits.hasTime || compareWords(low, high, last[0], last[1]) > 0) {
    last[0] = low;
    last[1] = high;
  }
  exits.hasTime = true;
}

function slotInScope({ scope: { selection } }: QemuExits, batch: EventBatch, row: number): boolean {
  return (
    selection === null ||
    ((selection.pids === null || selection.pids.has(batch.pid[row])) &&
      (selection.tids === null || selection.tids.has(batch.tid[row])) &&
      (selection.vcpus === null || selection.vcpus.has(batch.vcpu[row])))
  );
}

function slotAt(exits: QemuExits, batch: EventBatch, row: number): QemuSlot | null {
  const pid = batch.pid[row];
  const tid = batch.tid[row];
  const vcpu = batch.vcpu[row];
  const { cached } = exits;
  if (
    cached !== null &&
    cached.vcpu === vcpu &&
    cached.pid === pid &&
    (cached.tid === tid || (pid >= 0 && tid < 0))
  )
    return cached;
  if (vcpu < 0) return null;
  const slot = slotOf(exits, pid, tid, vcpu);
  if (slot !== null) exits.cached = slot;
  return slot;
}

/** A vCPU of a known process has one thread; back ends differ in whether they tell it. */
function slotKey(pid: number, tid: number, vcpu: number): string {
  return pid >= 0 ? `${pid} ${vcpu}` : `- ${tid} ${vcpu}`;
}

function slotOf(exits: QemuExits, pid: number, tid: number, vcpu: number): QemuSlot | null {
  const key = slotKey(pid, tid, vcpu);
  let slot = exits.slots.get(key);
  if (slot === undefined) {
    if (exits.slots.size >= MAX_SLOTS) return null;
    slot = createSlot(pid, tid, vcpu);
    slot.headBlocked = hasDropped(exits, pid);
    exits.slots.set(key, slot);
  }
  if (slot.tid < 0) slot.tid = tid;
  return slot;
}

function hasDropped({ droppedPids }: QemuExits, pid: number): boolean {
  return droppedPids.has(pid) || droppedPids.has(-1) || (pid < 0 && droppedPids.size > 0);
}

function rowOf(exits: QemuExits, slot: QemuSlot, code: number): QemuRow | null {
  if (slot.recent?.code === code) return slot.recent;
  let row = slot.rows.get(code);
  if (row === undefined) {
    if (exits.rows >= MAX_ROWS) return null;
    exits.rows++;
    row = createQemuRow(code, exits.groups++);
    slot.rows.set(code, row);
  }
  slot.recent = row;
  return row;
}

function addRunExit(exits: QemuExits, batch: EventBatch, row: number): void {
  const slot = slotAt(exits, batch, row);
  if (!timeInScope(exits.scope, batch.time[2 * row], batch.time[2 * row + 1])) {
    if (slot !== null) stepOutside(exits, slot, RUN_EXIT, batch, row);
    return;
  }
  const counted = slot === null ? null : rowOf(exits, slot, batch.code[row]);
  if (slot === null || counted === null) {
    exits.unplaced++;
    return;
  }
  counted.count++;
  step(exits, slot, RUN_EXIT, batch.time[2 * row], batch.time[2 * row + 1], counted);
}

function addRun(exits: QemuExits, batch: EventBatch, row: number): void {
  exits.runs++;
  if (!slotInScope(exits, batch, row)) return;
  const slot = slotAt(exits, batch, row);
  if (slot === null) return;
  if (!timeInScope(exits.scope, batch.time[2 * row], batch.time[2 * row + 1]))
    stepOutside(exits, slot, RUN, batch, row);
  else step(exits, slot, RUN, batch.time[2 * row], batch.time[2 * row + 1], null);
}

function addAccess(exits: QemuExits, batch: EventBatch, row: number): void {
  if (!slotInScope(exits, batch, row)) return;
  const slot = slotAt(exits, batch, row);
  if (slot === null) return;
  exits.accesses++;
  if (slot.last === RUN_EXIT) noteAccess(slot.access, batch, row);
  else if (slot.head === NOTHING) noteAccess(slot.headAccess, batch, row);
}

/** Moves the vCPU on by one event. */
function step(
  exits: QemuExits,
  slot: QemuSlot,
  kind: number,
  low: number,
  high: number,
  row: QemuRow | null,
): void {
  if (slot.head === NOTHING && !slot.headBlocked) {
    slot.head = kind;
    slot.headLow = low;
    slot.headHigh = high;
    slot.headRow = row;
  }
  pair(exits, slot, kind, low, high, row);
  copyAccess(NOT_YET, slot.access);
  slot.last = kind;
  slot.lastLow = low;
  slot.lastHigh = high;
  slot.lastRow = row;
}

/** An event out of --from and --to: it may end the handling of an exit before it, and begins nothing. */
function stepOutside(exits: QemuExits, slot: QemuSlot, kind: number, batch: EventBatch, row: number): void {
  const low = batch.time[2 * row];
  const high = batch.time[2 * row + 1];
  if (slot.last === RUN_EXIT && kind === RUN) pair(exits, slot, RUN, low, high, null);
  if (slot.head === NOTHING && !slot.headBlocked) {
    if (kind === RUN) {
      slot.head = RUN;
      slot.headLow = low;
      slot.headHigh = high;
      slot.headRow = null;
    } else slot.headBlocked = true;
  }
  copyAccess(NOT_YET, slot.access);
  slot.last = NOTHING;
}

/** What the event before and this one make together. */
function pair(
  exits: QemuExits,
  slot: QemuSlot,
  kind: number,
  low: number,
  high: number,
  row: QemuRow | null,
): void {
  if (slot.last === NOTHING) return;
  const ns = diffWords(low, high, slot.lastLow, slot.lastHigh);
  const between = slot.last;
  if (between === kind) {
    if (kind === RUN) slot.interruptedRuns++;
    else slot.exitsWithoutRun++;
    // Longer than a recording can be (52 days): a damaged time, no duration.
  } else if (ns < 0 || ns > MAX_LATENCY) slot.backwards++;
  else if (kind === RUN) {
    addHandling(exits, slot.lastRow!, ns);
    addDevice(slot.devices, slot.access, slot.lastRow!.code, ns);
  } else {
    row!.kvmPairs++;
    addExact(row!.kvmNs, 0, ns);
  }
}

function addHandling(exits: QemuExits, row: QemuRow, ns: number): void {
  row.pairs++;
  addExact(row.totalNs, 0, ns);
  if (ns < row.minNs) row.minNs = ns;
  if (ns > row.maxNs) row.maxNs = ns;
  logLatency(exits.log, row.group, ns);
}

function addDrop(exits: QemuExits, batch: EventBatch, row: number): void {
  const pid = batch.pid[row];
  if (batch.fields[row] & F_ARG0)
    exits.droppedEvents += batch.arg0[2 * row] + batch.arg0[2 * row + 1] * TWO_32;
  exits.droppedPids.add(exits.droppedPids.size < MAX_SLOTS ? pid : -1);
  for (const slot of exits.slots.values()) {
    if (pid >= 0 && slot.pid >= 0 && slot.pid !== pid) continue;
    discardTimes(slot, () => exits.groups++);
    slot.last = NOTHING;
    if (slot.head === NOTHING) slot.headBlocked = true;
  }
}

/** Adds what came later in time. `later` must not be used afterwards. */
export function mergeQemuExits(exits: QemuExits, later: QemuExits): void {
  const groupOf = new Uint32Array(later.groups).fill(exits.groups);
  exits.groups++;
  for (const slot of exits.slots.values())
    if (hasDropped(later, slot.pid)) {
      const next = later.slots.get(slotKey(slot.pid, slot.tid, slot.vcpu));
      if (next) joinSeam(exits, slot, next);
      discardTimes(slot, () => exits.groups++);
      slot.last = NOTHING;
    }
  for (const next of later.slots.values()) {
    const slot = slotOf(exits, next.pid, next.tid, next.vcpu);
    if (slot === null) {
      for (const row of next.rows.values()) exits.unplaced += row.count;
      continue;
    }
    const isNew = slot.last === NOTHING && slot.head === NOTHING;
    if (!hasDropped(later, next.pid)) joinSeam(exits, slot, next);
    for (const row of next.rows.values()) {
      const into = rowOf(exits, slot, row.code);
      if (into === null) exits.unplaced += row.count;
      else {
        mergeRow(into, row);
        groupOf[row.group] = into.group;
      }
    }
    slot.interruptedRuns += next.interruptedRuns;
    slot.exitsWithoutRun += next.exitsWithoutRun;
    slot.backwards += next.backwards;
    slot.invalidated += next.invalidated;
    mergeDevices(slot.devices, next.devices);
    if (isNew && !slot.headBlocked) copyHead(slot, next);
    copyLast(slot, next);
  }
  mergeLatencyLogs(exits.log, later.log, groupOf);
  for (const pid of later.droppedPids) exits.droppedPids.add(pid);
  exits.droppedEvents += later.droppedEvents;
  exits.unplaced += later.unplaced;
  exits.runs += later.runs;
  exits.accesses += later.accesses;
  exits.cached = null;
  if (later.hasTime) {
    widen(exits, later.first[0], later.first[1]);
    widen(exits, later.last[0], later.last[1]);
  }
}

/** The pair of the last event before the seam and the first one behind it. */
function joinSeam(exits: QemuExits, slot: QemuSlot, next: QemuSlot): void {
  if (slot.last === RUN_EXIT && slot.access.text === NO_ACCESS) copyAccess(next.headAccess, slot.access);
  if (next.head === NOTHING) return;
  const row = next.headRow === null ? null : rowOf(exits, slot, next.headRow.code);
  if (next.headRow === null || row !== null) pair(exits, slot, next.head, next.headLow, next.headHigh, row);
}

function copyHead(slot: QemuSlot, next: QemuSlot): void {
  if (slot.headAccess.text === NO_ACCESS) copyAccess(next.headAccess, slot.headAccess);
  slot.head = next.head;
  slot.headBlocked = next.headBlocked;
  slot.headLow = next.headLow;
  slot.headHigh = next.headHigh;
  slot.headRow = next.headRow === null ? null : (slot.rows.get(next.headRow.code) ?? null);
}

function copyLast(slot: QemuSlot, next: QemuSlot): void {
  if (next.last === NOTHING) return;
  copyAccess(next.access, slot.access);
  slot.last = next.last;
  slot.lastLow = next.lastLow;
  slot.lastHigh = next.lastHigh;
  slot.lastRow = next.lastRow === null ? null : (slot.rows.get(next.lastRow.code) ?? null);
}
