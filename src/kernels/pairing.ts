/**
 * The hot loop of pairing: exits and their entries. analysis/pairing-rules.ts says in TypeScript what each event does, and
 * a test compares the two.
 */
import {
  EXIT_ROWS,
  X_CODE,
  X_ENTRY_CPU,
  X_ENTRY_TIME,
  X_EXIT_CPU,
  X_EXIT_TIME,
  X_HAS_RIP,
  X_INTR_INFO,
  X_ISA,
  X_LATENCY,
  X_PID,
  X_RIP,
  X_THREAD,
  X_TID,
  X_VCPU,
} from '../analysis/exit-columns.ts';
import {
  CODE,
  CPU,
  HAS_RIP,
  INTR_INFO,
  IS_OPEN,
  ISA,
  KNOWN_PID,
  KNOWN_VCPU,
  LOSS_OPEN,
  MAX_LATENCY,
  P_DEFERRED,
  P_ENTRIES,
  P_ENTRY_FILTER,
  P_EXIT_ROW,
  P_LAST_TIME,
  P_LOSS_END,
  P_LOSS_STATE,
  P_OPEN,
  P_OUT,
  P_ROLES,
  P_SAW_LOSS,
  P_SLOT_MASK,
  P_SLOT_TABLE,
  P_SLOT_TIDS,
  P_SLOTS_KNOWN,
  P_TO,
  RIP_LOW,
  STRIDE,
  TIME_LOW,
  VCPU,
} from '../analysis/pairing-layout.ts';
import { ROLE_ENTRY, ROLE_EXIT, ROLE_LOST, ROLE_NONE, ROLE_REFINE } from '../analysis/role-codes.ts';
import {
  EVENT_ADDRESS,
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
  F_CODE,
  F_INTR_INFO,
  F_ISA,
} from '../core/event-columns.ts';
import { takeBetween, writeBetween } from './between.ts';
import { defer, hasRecord, settleDeferred } from './deferred-pairs.ts';
import { acceptsEntry } from './selection.ts';
import { findThread } from './slots.ts';

/** Slot of a tid, −1 if it has none (analysis/thread-slots.ts). */
export function findSlot(pairing: usize, tid: i32): i32 {
  return findThread(
    load<usize>(pairing, P_SLOT_TABLE),
    load<u32>(pairing, P_SLOT_MASK),
    load<usize>(pairing, P_SLOT_TIDS),
    tid,
  );
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
  const sawLoss = load<u32>(pairing, P_SAW_LOSS) !== 0;
  const filter = load<usize>(pairing, P_ENTRY_FILTER);
  const out = load<usize>(pairing, P_OUT);
  const time = load<usize>(batch, EVENT_TIME);
  const cpus = load<usize>(batch, EVENT_CPU);
  const tids = load<usize>(batch, EVENT_TID);
  const pids = load<usize>(batch, EVENT_PID);
  const vcpus = load<usize>(batch, EVENT_VCPU);
  const events = load<usize>(batch, EVENT_EVENT);
  let to = load<i32>(pairing, P_TO);
  let entries: i32 = 0;
  let lastTid: i32 = 0;
  // None yet: any tid may be that of the first row.
  let slot: i32 = -1;
  let row = from;
  for (; row < length && to < EXIT_ROWS; row++) {
    const at: usize = row;
    const role = <i32>load<u8>(roles + <usize>load<u16>(events + (at << 1)));
    const cpu = <usize>load<u16>(cpus + (at << 1));
    if (role === ROLE_LOST || role === ROLE_REFINE) break;
    if (sawLoss && load<u8>(load<usize>(pairing, P_LOSS_STATE) + cpu) === LOSS_OPEN) break;
    if (load<i32>(deferred + (cpu << 2)) >= 0) {
      to = settleDeferred(pairing, deferred + (cpu << 2), out, to);
      if (to === EXIT_ROWS) break;
    }
    const now = load<i64>(time + (at << 3));
    store<i64>(lastTime + (cpu << 3), now);
    if (role === ROLE_NONE) continue;
    const tid = load<i32>(tids + (at << 2));
    if (tid !== lastTid || slot < 0) {
      // QEMU's own recordings know no threads: none of their events lies between an exit and its entry.
      if (tid < 0 && role !== ROLE_EXIT && role !== ROLE_ENTRY) continue;
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
      const isRow = exit >= 0;
      if (!isRow && load<u32>(own, IS_OPEN << 2) === 0) break;
      const exitFrom: usize = exit;
      const exitCpu = isRow ? <usize>load<u16>(cpus + (exitFrom << 1)) : load<usize>(own, CPU << 2);
      if (exitCpu !== cpu && !hasRecord(pairing)) break;
      const exitTime = isRow ? load<i64>(time + (exitFrom << 3)) : load<i64>(own, TIME_LOW << 2);
      const latency = now - exitTime;
      if (latency < 0 || latency > MAX_LATENCY) break;
      if (sawLoss && (mayBeLost(pairing, cpu, exitTime) || mayBeLost(pairing, exitCpu, exitTime))) break;
      let exitVcpu: i32;
      if (isRow) {
        store<i32>(exitAt, -1);
        exitVcpu = load<i32>(vcpus + (exitFrom << 2));
        if (exitVcpu >= 0) store<i32>(own, exitVcpu, KNOWN_VCPU << 2);
        const exitPid = load<i32>(pids + (exitFrom << 2));
        if (exitPid >= 0) store<i32>(own, exitPid, KNOWN_PID << 2);
        copyExit(batch, exitFrom, out, to);
      } else {
        exitVcpu = load<i32>(own, VCPU << 2);
        keptExit(own, out, to);
      }
      const vcpu = load<i32>(vcpus + (at << 2));
      if (vcpu >= 0) store<i32>(own, vcpu, KNOWN_VCPU << 2);
      const pid = load<i32>(pids + (at << 2));
      if (pid >= 0) store<i32>(own, pid, KNOWN_PID << 2);
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
      if (load<u32>(own, IS_OPEN << 2) === 1) writeBetween(pairing, own, out, to, exitTime, now);
      if (filter === 0) entries++;
      else
        entries += acceptsEntry(
          filter,
          load<u32>(own, KNOWN_PID << 2),
          tid,
          load<u32>(own, KNOWN_VCPU << 2),
          <u32>cpu,
          now,
        );
      if (exitCpu === cpu) to++;
      else defer(pairing, deferred + (exitCpu << 2), out, to);
    }
  }
  store<i32>(pairing, to, P_TO);
  store<i32>(pairing, load<i32>(pairing, P_ENTRIES) + entries, P_ENTRIES);
  return row;
}

/** Whether the CPU's latest loss goes on or ended after the given time. */
export function mayBeLost(pairing: usize, cpu: usize, time: i64): bool {
  const state = load<u8>(load<usize>(pairing, P_LOSS_STATE) + cpu);
  if (state === 0) return false;
  return state === LOSS_OPEN || load<i64>(load<usize>(pairing, P_LOSS_END) + (cpu << 3)) > time;
}

/** What the exit's own event said, kept from an earlier batch. */
export function keptExit(own: usize, out: usize, to: usize): void {
  store<u8>(out + to, <u8>load<u32>(own, ISA << 2), X_ISA);
  store<u32>(out + (to << 2), load<u32>(own, CODE << 2), X_CODE);
  store<u64>(out + (to << 3), load<u64>(own, RIP_LOW << 2), X_RIP);
  store<u8>(out + to, <u8>load<u32>(own, HAS_RIP << 2), X_HAS_RIP);
  store<u32>(out + (to << 2), load<u32>(own, INTR_INFO << 2), X_INTR_INFO);
}

/** What the exit's own event says, which is a row of the batch. */
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
