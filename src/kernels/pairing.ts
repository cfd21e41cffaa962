/**
 * The hot loop of pairing: exits whose entry follows in the same batch and on the same CPU, while nothing was lost.
 * analysis/pairing-rules.ts says in TypeScript what each event does, and a test compares the two.
 */
import {
  EXIT_ROWS,
  LEVEL_L1,
  LEVEL_L2,
  LEVEL_L2_REFLECTED,
  X_CODE,
  X_DETAIL_ADDRESS,
  X_DETAIL_CODE,
  X_DETAIL_EVENT,
  X_ENTRY_CPU,
  X_ENTRY_TIME,
  X_EXIT_CPU,
  X_EXIT_TIME,
  X_HAS_RIP,
  X_INTR_INFO,
  X_ISA,
  X_KERNEL_NS,
  X_LATENCY,
  X_LEVEL,
  X_PID,
  X_RESTARTS,
  X_RIP,
  X_THREAD,
  X_TID,
  X_USERSPACE_CODE,
  X_USERSPACE_ERRORS,
  X_USERSPACE_EXITS,
  X_USERSPACE_NS,
  X_VCPU,
  X_VECTOR,
} from '../analysis/exit-columns.ts';
import {
  DETAIL,
  DETAIL_CODE,
  DETAIL_HIGH,
  DETAIL_LOW,
  ERRORS,
  IS_OPEN,
  KNOWN_PID,
  KNOWN_VCPU,
  LEVEL,
  MAX_LATENCY,
  NONE,
  P_DEFERRED,
  P_ENTRIES,
  P_ERRORS,
  P_EXIT_ROW,
  P_LAST_TIME,
  P_OPEN,
  P_OUT,
  P_RESTARTS,
  P_ROLES,
  P_RUN_EXITS,
  P_SAW_DETAIL,
  P_SAW_USERSPACE,
  P_SLOT_MASK,
  P_SLOT_TABLE,
  P_SLOT_TIDS,
  P_SLOTS_KNOWN,
  P_TO,
  P_USERSPACE_EXITS,
  RESTARTS,
  STRIDE,
  USERSPACE,
  USERSPACE_CODE,
  USERSPACE_HIGH,
  USERSPACE_LOW,
  VECTOR,
} from '../analysis/pairing-layout.ts';
import {
  ROLE_DETAIL,
  ROLE_ENTRY,
  ROLE_EXIT,
  ROLE_INJECT,
  ROLE_LOST,
  ROLE_NESTED_EXIT,
  ROLE_NESTED_INJECT,
  ROLE_NONE,
  ROLE_REFINE,
  ROLE_RUN_EXIT,
  ROLE_USERSPACE_EXIT,
  ROLE_VCPU,
  ROLE_WEAK_DETAIL,
} from '../analysis/role-codes.ts';
import {
  EVENT_ADDRESS,
  EVENT_ARG0,
  EVENT_CODE,
  EVENT_CPU,
  EVENT_EVENT,
  EVENT_FIELDS,
  EVENT_INTR_INFO,
  EVENT_ISA,
  EVENT_PID,
  EVENT_TID,
  EVENT_TIME,
  EVENT_VCPU,
  F_ADDRESS,
  F_ARG0,
  F_CODE,
  F_INTR_INFO,
  F_ISA,
} from '../core/event-columns.ts';

import { defer, hasRecord, settleDeferred } from './deferred-pairs.ts';

/** No tid is that small: the first row looks its slot up. */
const NO_TID: i32 = i32.MIN_VALUE;
/** −EINTR: KVM_RUN was interrupted by a signal ("restart (4)"). */
const MINUS_EINTR: i32 = -4;

/** Slot of a tid, −1 if it has none (analysis/thread-slots.ts). */
export function findSlot(pairing: usize, tid: i32): i32 {
  const table = load<usize>(pairing, P_SLOT_TABLE);
  const mask = load<u32>(pairing, P_SLOT_MASK);
  const tids = load<usize>(pairing, P_SLOT_TIDS);
  let at = (<u32>tid * 0x9e3779b1) >>> 7;
  while (true) {
    at &= mask;
    const slot = load<i32>(table + ((<usize>at) << 2)) - 1;
    if (slot < 0 || load<i32>(tids + ((<usize>slot) << 2)) === tid) return slot;
    at++;
  }
}

/**
 * Takes rows [from, length) of the batch and stops at the first that needs more than matching, or when the output is
 * full; returns that row (`length` at the end). An exit is only remembered by its row.
 */
export function matchRows(pairing: usize, batch: usize, from: i32, length: i32): i32 {
  const roles = load<usize>(pairing, P_ROLES);
  const deferred = load<usize>(pairing, P_DEFERRED);
  const lastTime = load<usize>(pairing, P_LAST_TIME);
  const slotsKnown = load<i32>(pairing, P_SLOTS_KNOWN);
  const open = load<usize>(pairing, P_OPEN);
  const exitRow = load<usize>(pairing, P_EXIT_ROW);
  const out = load<usize>(pairing, P_OUT);
  const time = load<usize>(batch, EVENT_TIME);
  const cpus = load<usize>(batch, EVENT_CPU);
  const tids = load<usize>(batch, EVENT_TID);
  const pids = load<usize>(batch, EVENT_PID);
  const vcpus = load<usize>(batch, EVENT_VCPU);
  const events = load<usize>(batch, EVENT_EVENT);
  let to = load<i32>(pairing, P_TO);
  let entries: i32 = 0;
  let lastTid = NO_TID;
  let slot: i32 = 0;
  let row = from;
  for (; row < length && to < EXIT_ROWS; row++) {
    const at: usize = row;
    const role = <i32>load<u8>(roles + <usize>load<u16>(events + (at << 1)));
    const cpu = <usize>load<u16>(cpus + (at << 1));
    if (role === ROLE_LOST || role === ROLE_REFINE) break;
    if (load<i32>(deferred + (cpu << 2)) >= 0) {
      to = settleDeferred(pairing, deferred + (cpu << 2), out, to);
      if (to === EXIT_ROWS) break;
    }
    const now = load<i64>(time + (at << 3));
    store<i64>(lastTime + (cpu << 3), now);
    if (role === ROLE_NONE) continue;
    const tid = load<i32>(tids + (at << 2));
    if (tid !== lastTid) {
      slot = tid < 0 ? -1 : findSlot(pairing, tid);
      if (slot < 0 || slot >= slotsKnown) break;
      lastTid = tid;
    }
    const own = open + ((<usize>slot * STRIDE) << 2);
    const exitAt = exitRow + ((<usize>slot) << 2);
    const exit = load<i32>(exitAt);
    if (role === ROLE_EXIT) {
      if (exit >= 0 || load<u32>(own, IS_OPEN << 2) === 1) break;
      store<i32>(exitAt, row);
    } else if (role !== ROLE_ENTRY) takeBetween(pairing, batch, at, own, role, exit >= 0);
    else {
      const exitFrom: usize = exit;
      if (exit < 0) break;
      const exitCpu = <usize>load<u16>(cpus + (exitFrom << 1));
      if (exitCpu !== cpu && !hasRecord(pairing)) break;
      const exitTime = load<i64>(time + (exitFrom << 3));
      const latency = now - exitTime;
      if (latency < 0 || latency > MAX_LATENCY) break;
      store<i32>(exitAt, -1);
      const exitVcpu = load<i32>(vcpus + (exitFrom << 2));
      const vcpu = load<i32>(vcpus + (at << 2));
      if (vcpu >= 0) store<i32>(own, vcpu, KNOWN_VCPU << 2);
      else if (exitVcpu >= 0) store<i32>(own, exitVcpu, KNOWN_VCPU << 2);
      const exitPid = load<i32>(pids + (exitFrom << 2));
      const pid = load<i32>(pids + (at << 2));
      if (pid >= 0) store<i32>(own, pid, KNOWN_PID << 2);
      else if (exitPid >= 0) store<i32>(own, exitPid, KNOWN_PID << 2);
      const row4 = (<usize>to) << 2;
      store<i64>(out + (row4 << 1), exitTime, X_EXIT_TIME);
      store<i64>(out + (row4 << 1), now, X_ENTRY_TIME);
      store<f64>(out + (row4 << 1), <f64>latency, X_LATENCY);
      store<i32>(out + row4, slot, X_THREAD);
      store<i32>(out + row4, tid, X_TID);
      store<i32>(out + row4, load<i32>(own, KNOWN_PID << 2), X_PID);
      store<i32>(out + row4, exitVcpu >= 0 ? exitVcpu : load<i32>(own, KNOWN_VCPU << 2), X_VCPU);
      store<u16>(out + (row4 >> 1), <u16>exitCpu, X_EXIT_CPU);
      store<u16>(out + (row4 >> 1), <u16>cpu, X_ENTRY_CPU);
      copyExit(batch, exitFrom, out, to);
      if (load<u32>(own, IS_OPEN << 2) === 1) writeBetween(pairing, own, out, to, exitTime, now);
      entries++;
      if (exitCpu === cpu) to++;
      else defer(pairing, deferred + (exitCpu << 2), out, to);
    }
  }
  store<i32>(pairing, to, P_TO);
  store<i32>(pairing, load<i32>(pairing, P_ENTRIES) + entries, P_ENTRIES);
  return row;
}

/** What the exit's own event says. */
function copyExit(batch: usize, exit: usize, out: usize, to: usize): void {
  const fields = <u32>load<u16>(load<usize>(batch, EVENT_FIELDS) + (exit << 1));
  store<u8>(out + to, fields & F_ISA ? load<u8>(load<usize>(batch, EVENT_ISA) + exit) : 0, X_ISA);
  store<u32>(
    out + (to << 2),
    fields & F_CODE ? load<u32>(load<usize>(batch, EVENT_CODE) + (exit << 2)) : 0,
    X_CODE,
  );
  store<u64>(out + (to << 3), load<u64>(load<usize>(batch, EVENT_ADDRESS) + (exit << 3)), X_RIP);
  store<u8>(out + to, fields & F_ADDRESS ? 1 : 0, X_HAS_RIP);
  store<u32>(
    out + (to << 2),
    fields & F_INTR_INFO ? load<u32>(load<usize>(batch, EVENT_INTR_INFO) + (exit << 2)) : 0,
    X_INTR_INFO,
  );
}

function addOne(address: usize): void {
  store<u32>(address, load<u32>(address) + 1);
}

/** An event that is neither exit nor entry. `own`: the open exit of its thread; `isRow`: it is known by its row only. */
export function takeBetween(
  pairing: usize,
  batch: usize,
  row: usize,
  own: usize,
  role: i32,
  isRow: bool,
): void {
  if (isRow && load<u32>(own, IS_OPEN << 2) === 0) {
    store<u32>(own, 1, IS_OPEN << 2);
    store<u32>(own, LEVEL_L1, LEVEL << 2);
    store<u32>(own, 0, USERSPACE << 2);
    store<u32>(own, 0, RESTARTS << 2);
    store<u32>(own, 0, ERRORS << 2);
    store<u32>(own, 0, DETAIL << 2);
    store<u32>(own, NONE, VECTOR << 2);
  }
  if (role === ROLE_USERSPACE_EXIT) {
    store<u32>(pairing, 1, P_SAW_USERSPACE);
    userspaceExit(pairing, batch, row, own);
  } else if (role === ROLE_DETAIL || role === ROLE_WEAK_DETAIL) {
    store<u32>(pairing, 1, P_SAW_DETAIL);
    addDetail(load<usize>(pairing, P_ROLES), batch, row, own, role);
  } else if (role === ROLE_INJECT) {
    if (load<u16>(load<usize>(batch, EVENT_FIELDS) + (row << 1)) & F_ADDRESS)
      store<u32>(own, load<u32>(load<usize>(batch, EVENT_ADDRESS) + (row << 3)), VECTOR << 2);
  } else if (role === ROLE_NESTED_EXIT) {
    if (load<u32>(own, LEVEL << 2) === LEVEL_L1) store<u32>(own, LEVEL_L2, LEVEL << 2);
  } else if (role === ROLE_NESTED_INJECT) {
    if (load<u32>(own, LEVEL << 2) === LEVEL_L2) store<u32>(own, LEVEL_L2_REFLECTED, LEVEL << 2);
  } else if (role === ROLE_VCPU) {
    if (load<u32>(own, KNOWN_VCPU << 2) === NONE)
      store<u32>(own, load<u32>(load<usize>(batch, EVENT_VCPU) + (row << 2)), KNOWN_VCPU << 2);
  } else if (role === ROLE_RUN_EXIT) {
    store<u32>(pairing, 1, P_SAW_USERSPACE);
    addOne(pairing + P_RUN_EXITS);
    if (load<u32>(own, IS_OPEN << 2) === 0 || load<u32>(own, USERSPACE << 2) > 0) return;
    store<u32>(own, 1, USERSPACE << 2);
    leaveKernel(batch, row, own);
  }
}

function userspaceExit(pairing: usize, batch: usize, row: usize, own: usize): void {
  const isOpen = load<u32>(own, IS_OPEN << 2) === 1;
  addOne(pairing + P_USERSPACE_EXITS);
  // errno is signed; where it is not recorded the exit counts as good (all kernels since 3.10 record it).
  const errno =
    load<u16>(load<usize>(batch, EVENT_FIELDS) + (row << 1)) & F_ARG0
      ? load<i32>(load<usize>(batch, EVENT_ARG0) + (row << 3))
      : 0;
  if (errno < 0) {
    const isRestart = errno === MINUS_EINTR;
    addOne(pairing + (isRestart ? P_RESTARTS : P_ERRORS));
    if (isOpen) addOne(own + ((isRestart ? RESTARTS : ERRORS) << 2));
    return;
  }
  if (!isOpen) return;
  addOne(own + (USERSPACE << 2));
  if (load<u32>(own, USERSPACE << 2) === 1) leaveKernel(batch, row, own);
}

function leaveKernel(batch: usize, row: usize, own: usize): void {
  store<u32>(own, load<u32>(load<usize>(batch, EVENT_CODE) + (row << 2)), USERSPACE_CODE << 2);
  const time = load<usize>(batch, EVENT_TIME) + (row << 3);
  store<u32>(own, load<u32>(time), USERSPACE_LOW << 2);
  store<u32>(own, load<u32>(time, 4), USERSPACE_HIGH << 2);
}

/** The first detail event of an exit stands for it, later ones are its consequences; only weak ones give way. */
function addDetail(roles: usize, batch: usize, row: usize, own: usize, role: i32): void {
  const known = load<u32>(own, DETAIL << 2);
  if (role === ROLE_WEAK_DETAIL && known !== 0) return;
  if (load<u32>(own, IS_OPEN << 2) === 0) return;
  if (known !== 0 && load<u8>(roles + <usize>known) === ROLE_DETAIL) return;
  const fields = <u32>load<u16>(load<usize>(batch, EVENT_FIELDS) + (row << 1));
  if ((fields & F_ADDRESS) === 0) return;
  store<u32>(own, load<u16>(load<usize>(batch, EVENT_EVENT) + (row << 1)), DETAIL << 2);
  store<u32>(
    own,
    fields & F_CODE ? load<u32>(load<usize>(batch, EVENT_CODE) + (row << 2)) : 0,
    DETAIL_CODE << 2,
  );
  const address = load<usize>(batch, EVENT_ADDRESS) + (row << 3);
  store<u32>(own, load<u32>(address), DETAIL_LOW << 2);
  store<u32>(own, load<u32>(address, 4), DETAIL_HIGH << 2);
}

/** From one time to the other, within what sums can hold. */
function duration(time: i64, from: i64): f64 {
  const ns: i64 = time - from;
  if (ns < 0) return 0;
  return <f64>(ns < MAX_LATENCY ? ns : MAX_LATENCY);
}

/** Writes what lay between an exit and its entry, and closes it. Columns of what was never seen stay as they are. */
export function writeBetween(
  pairing: usize,
  own: usize,
  out: usize,
  to: usize,
  exitTime: i64,
  entryTime: i64,
): void {
  store<u32>(own, 0, IS_OPEN << 2);
  store<u8>(out + to, <u8>load<u32>(own, LEVEL << 2), X_LEVEL);
  store<u32>(out + (to << 2), load<u32>(own, VECTOR << 2), X_VECTOR);
  if (load<u32>(pairing, P_SAW_USERSPACE)) {
    const userspace = load<u32>(own, USERSPACE << 2);
    storeCount(out + X_USERSPACE_EXITS + (to << 1), userspace);
    storeCount(out + X_RESTARTS + (to << 1), load<u32>(own, RESTARTS << 2));
    storeCount(out + X_USERSPACE_ERRORS + (to << 1), load<u32>(own, ERRORS << 2));
    if (userspace > 0) {
      const left =
        <i64>load<u32>(own, USERSPACE_LOW << 2) | ((<i64>load<u32>(own, USERSPACE_HIGH << 2)) << 32);
      store<u32>(out + (to << 2), load<u32>(own, USERSPACE_CODE << 2), X_USERSPACE_CODE);
      store<f64>(out + (to << 3), duration(left, exitTime), X_KERNEL_NS);
      store<f64>(out + (to << 3), duration(entryTime, left), X_USERSPACE_NS);
    }
  }
  if (load<u32>(pairing, P_SAW_DETAIL)) {
    const detail = load<u32>(own, DETAIL << 2);
    store<u16>(out + (to << 1), <u16>detail, X_DETAIL_EVENT);
    if (detail !== 0) {
      store<u32>(out + (to << 2), load<u32>(own, DETAIL_CODE << 2), X_DETAIL_CODE);
      const address = out + X_DETAIL_ADDRESS + (to << 3);
      store<u32>(address, load<u32>(own, DETAIL_LOW << 2));
      store<u32>(address, load<u32>(own, DETAIL_HIGH << 2), 4);
    }
  }
}

function storeCount(address: usize, count: u32): void {
  store<u16>(address, <u16>(count < 0xffff ? count : 0xffff));
}
