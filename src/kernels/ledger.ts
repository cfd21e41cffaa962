/** The ledger of time: the common case of analysis/ledger.ts, which says what each event does. */
import { LOSS_OPEN } from '../analysis/cpu-records-layout.ts';
import {
  A_ENTRY,
  A_EXIT,
  A_LOST,
  A_USERSPACE,
  CATEGORIES,
  GUEST,
  IDLE,
  KERNEL,
  KINDS,
  KVM_EXIT_HLT,
  L_ACTIONS,
  L_COLUMNS,
  L_CPU,
  L_ENTRIES,
  L_FIRST,
  L_FIRST_ROW,
  L_HAS_LOG,
  L_IDLE,
  L_LAST,
  L_LAST_ROW,
  L_LIMIT,
  L_LOSS_END,
  L_LOSS_STATE,
  L_ORIGIN,
  L_PID,
  L_ROW,
  L_SLOT_MASK,
  L_SLOT_TABLE,
  L_SLOT_TIDS,
  L_START,
  L_START_ROW,
  L_STATES,
  L_SUMS,
  L_THREADS,
  L_VCPU,
  L_WAIT_COLUMN,
  L_WAIT_NS,
  L_WAIT_SLOT,
  L_WAIT_STATE,
  NO_WAIT,
  ONE_WAIT,
  UNKNOWN_STATE,
  USER_HALT,
  USERSPACE,
} from '../analysis/ledger-layout.ts';
import {
  EVENT_ARG0,
  EVENT_CODE,
  EVENT_CPU,
  EVENT_EVENT,
  EVENT_FIELDS,
  EVENT_ISA,
  EVENT_PID,
  EVENT_TID,
  EVENT_TIME,
  EVENT_VCPU,
  F_ARG0,
} from '../core/event-columns.ts';
import { idleOf } from './idle.ts';
import { findThread } from './slots.ts';
import { addOne, since } from './sums.ts';

/** Takes rows [from, length) up to the first that is not common; returns that row. What it did of that row may be done again. */
export function bookTime(ledger: usize, batch: usize, from: i32, length: i32): i32 {
  const origin = load<i64>(ledger, L_ORIGIN);
  const limit = load<f64>(ledger, L_LIMIT);
  const actions = load<usize>(ledger, L_ACTIONS);
  const lossState = load<usize>(ledger, L_LOSS_STATE);
  const lossEnd = load<usize>(ledger, L_LOSS_END);
  const firstRow = load<usize>(ledger, L_FIRST_ROW);
  const lastRow = load<usize>(ledger, L_LAST_ROW);
  const waitState = load<usize>(ledger, L_WAIT_STATE);
  const table = load<usize>(ledger, L_SLOT_TABLE);
  const mask = load<u32>(ledger, L_SLOT_MASK);
  const slotTids = load<usize>(ledger, L_SLOT_TIDS);
  const known = load<i32>(ledger, L_THREADS);
  const states = load<usize>(ledger, L_STATES);
  const starts = load<usize>(ledger, L_START);
  const startRows = load<usize>(ledger, L_START_ROW);
  const cpuOf = load<usize>(ledger, L_CPU);
  const sums = load<usize>(ledger, L_SUMS);
  const events = load<usize>(batch, EVENT_EVENT);
  const cpus = load<usize>(batch, EVENT_CPU);
  const tids = load<usize>(batch, EVENT_TID);
  const times = load<usize>(batch, EVENT_TIME);
  const rowBefore = load<f64>(ledger, L_ROW) - <f64>from;
  let first = load<f64>(ledger, L_FIRST);
  let last = load<f64>(ledger, L_LAST);
  let lastTid: i32 = 0;
  let slot: i32 = -1;
  let row = from;
  for (; row < length; row++) {
    const at: usize = row;
    const action = <u32>load<u8>(actions + <usize>load<u16>(events + (at << 1)));
    if (action === A_LOST) break;
    const cpu = <usize>load<u16>(cpus + (at << 1));
    const wait = load<u8>(waitState + cpu);
    if (wait !== NO_WAIT) {
      if (wait !== ONE_WAIT) break;
      bookWait(ledger, cpu);
    }
    if (load<u8>(lossState + cpu) === LOSS_OPEN) break;
    const cpu8 = cpu << 3;
    const number = rowBefore + <f64>row;
    if (load<f64>(lastRow + cpu8) < 0) store<f64>(firstRow + cpu8, number);
    store<f64>(lastRow + cpu8, number);
    const time = since(load<i64>(times + (at << 3)), origin);
    if (time < first) first = time;
    if (time > last) last = time;
    if (action === 0) continue;
    if (action > <u32>A_USERSPACE) break;
    const tid = load<i32>(tids + (at << 2));
    if (tid < 0) continue;
    if (slot < 0 || tid !== lastTid) {
      slot = findThread(table, mask, slotTids, tid);
      if (slot < 0 || slot >= known) break;
      lastTid = tid;
    }
    const own: usize = slot;
    const state = <u32>load<u8>(states + own);
    if (state === UNKNOWN_STATE || load<u8>(load<usize>(ledger, L_HAS_LOG) + own)) break;
    const startRow = load<f64>(startRows + (own << 3));
    if (load<f64>(lossEnd + cpu8) > startRow || load<f64>(firstRow + cpu8) > startRow) break;
    const before = <usize>load<u16>(cpuOf + (own << 1));
    if (before !== cpu)
      if (load<u8>(waitState + before) !== NO_WAIT || isLost(lossState, lossEnd, before, startRow)) break;
    const next = stateAfter(ledger, batch, at, action);
    if (next === UNKNOWN_STATE) break;
    const start = load<f64>(starts + (own << 3));
    const ns = min(max(start, time), limit) - max(start, 0);
    if (ns > 0) {
      const column = <u32>load<u8>(load<usize>(ledger, L_COLUMNS) + <usize>(state * KINDS + action));
      if (before === cpu) addTo(sums, own, column, ns);
      else keepWait(ledger, before, slot, column, ns);
    }
    const pid = load<i32>(load<usize>(batch, EVENT_PID) + (at << 2));
    if (pid !== -1) store<i32>(load<usize>(ledger, L_PID) + (own << 2), pid);
    const vcpu = load<i32>(load<usize>(batch, EVENT_VCPU) + (at << 2));
    if (vcpu !== -1) store<i32>(load<usize>(ledger, L_VCPU) + (own << 2), vcpu);
    if (action === A_ENTRY) addOne(load<usize>(ledger, L_ENTRIES) + (own << 3));
    store<u8>(states + own, <u8>next);
    store<f64>(starts + (own << 3), max(start, time));
    store<f64>(startRows + (own << 3), number);
    store<u16>(cpuOf + (own << 1), <u16>cpu);
  }
  store<f64>(ledger, first, L_FIRST);
  store<f64>(ledger, last, L_LAST);
  store<f64>(ledger, rowBefore + <f64>row, L_ROW);
  return row;
}

function addTo(sums: usize, slot: usize, column: u32, ns: f64): void {
  const sum = sums + ((slot * CATEGORIES + <usize>column) << 3);
  store<f64>(sum, load<f64>(sum) + ns);
}

export function isLost(lossState: usize, lossEnd: usize, cpu: usize, startRow: f64): bool {
  return load<u8>(lossState + cpu) === LOSS_OPEN || load<f64>(lossEnd + (cpu << 3)) > startRow;
}

/** State after an event; UNKNOWN_STATE: only TypeScript can tell. */
function stateAfter(ledger: usize, batch: usize, row: usize, action: u32): u32 {
  if (action === A_ENTRY) return GUEST;
  const code = load<u32>(load<usize>(batch, EVENT_CODE) + (row << 2));
  if (action === A_EXIT) {
    const idle = idleOf(
      load<usize>(ledger, L_IDLE),
      <u32>load<u8>(load<usize>(batch, EVENT_ISA) + row),
      code,
    );
    return idle < 0 ? UNKNOWN_STATE : idle === 1 ? IDLE : KERNEL;
  }
  return code === KVM_EXIT_HLT && !hasFailed(batch, row) ? USER_HALT : USERSPACE;
}

export function hasFailed(batch: usize, row: usize): bool {
  return (
    (load<u16>(load<usize>(batch, EVENT_FIELDS) + (row << 1)) & F_ARG0) !== 0 &&
    load<i32>(load<usize>(batch, EVENT_ARG0) + (row << 3)) < 0
  );
}

/** A segment that ended on another CPU than it began on is booked when the latter has recorded something. */
export function keepWait(ledger: usize, cpu: usize, slot: i32, column: u32, ns: f64): void {
  store<u8>(load<usize>(ledger, L_WAIT_STATE) + cpu, ONE_WAIT);
  store<i32>(load<usize>(ledger, L_WAIT_SLOT) + (cpu << 2), slot);
  store<u32>(load<usize>(ledger, L_WAIT_COLUMN) + (cpu << 2), column);
  store<f64>(load<usize>(ledger, L_WAIT_NS) + (cpu << 3), ns);
}

export function bookWait(ledger: usize, cpu: usize): void {
  store<u8>(load<usize>(ledger, L_WAIT_STATE) + cpu, NO_WAIT);
  addTo(
    load<usize>(ledger, L_SUMS),
    load<usize>(load<usize>(ledger, L_WAIT_SLOT) + (cpu << 2)),
    load<u32>(load<usize>(ledger, L_WAIT_COLUMN) + (cpu << 2)),
    load<f64>(load<usize>(ledger, L_WAIT_NS) + (cpu << 3)),
  );
}
