/** Open exits of threads, for the context of slow ones: the common case of analysis/context.ts. */
import {
  CX_ALL_THREADS,
  CX_CODE,
  CX_ENTRY,
  CX_EXIT,
  CX_FLOOR,
  CX_IDLE,
  CX_ISA,
  CX_LOST,
  CX_OPEN,
  CX_OTHER,
  CX_ROW,
  CX_SAW_OTHER,
  CX_SCHED,
  CX_SPECIAL,
  CX_THAN,
  CX_TIME,
  CX_WITH_IDLE,
  EV_KINDS,
  EV_SLOT_MASK,
  EV_SLOT_TABLE,
  EV_SLOT_TIDS,
} from '../analysis/events-view-layout.ts';
import { PAIRED, X_CODE, X_ISA, X_LATENCY, X_STATE } from '../analysis/exit-columns.ts';
import { EVENT_CODE, EVENT_EVENT, EVENT_ISA, EVENT_TID, EVENT_TIME } from '../core/event-columns.ts';
import { idleOf } from './idle.ts';
import { findThread } from './slots.ts';
import { since } from './sums.ts';

/**
 * Opens and closes exits of rows [from, length) up to one that is not common (an entry that ends a slow exit, a new
 * thread, sched_switch …); returns it. Events in between are only noticed: who needs them looks for them (findBetween).
 */
export function followOpen(view: usize, batch: usize, from: i32, length: i32): i32 {
  const kinds = load<usize>(view, EV_KINDS);
  const table = load<usize>(view, EV_SLOT_TABLE);
  const mask = load<u32>(view, EV_SLOT_MASK);
  const slotTids = load<usize>(view, EV_SLOT_TIDS);
  const open = load<usize>(view, CX_OPEN);
  const openTimes = load<usize>(view, CX_TIME);
  const isas = load<usize>(view, CX_ISA);
  const codes = load<usize>(view, CX_CODE);
  const rows = load<usize>(view, CX_ROW);
  const special = load<usize>(view, CX_SPECIAL);
  const allThreads = load<u32>(view, CX_ALL_THREADS);
  const than = load<f64>(view, CX_THAN);
  const floor = load<f64>(view, CX_FLOOR);
  const events = load<usize>(batch, EVENT_EVENT);
  const tids = load<usize>(batch, EVENT_TID);
  const times = load<usize>(batch, EVENT_TIME);
  const isaOf = load<usize>(batch, EVENT_ISA);
  const codeOf = load<usize>(batch, EVENT_CODE);
  let sawOther = load<u32>(view, CX_SAW_OTHER);
  let row = from;
  for (; row < length; row++) {
    const at: usize = row;
    const kind = load<u8>(kinds + <usize>load<u16>(events + (at << 1)));
    if (kind === CX_LOST) continue;
    if (kind === CX_SCHED) break;
    const tid = load<i32>(tids + (at << 2));
    if (tid < 0) continue;
    if (kind !== CX_EXIT && kind !== CX_ENTRY) {
      sawOther = 1;
      if (allThreads !== 0) if (findThread(table, mask, slotTids, tid) < 0) break;
      continue;
    }
    const slot: usize = findThread(table, mask, slotTids, tid);
    if (<i32>slot < 0 || load<u8>(special + slot) !== 0) break;
    const time = load<i64>(times + (at << 3));
    if (kind === CX_EXIT) {
      store<u8>(open + slot, 1);
      store<u8>(isas + slot, load<u8>(isaOf + at));
      store<u32>(codes + (slot << 2), load<u32>(codeOf + (at << 2)));
      store<i64>(openTimes + (slot << 3), time);
      store<i32>(rows + (slot << 2), row);
      continue;
    }
    if (load<u8>(open + slot) === 0) continue;
    const latency = since(time, load<i64>(openTimes + (slot << 3)));
    if (latency > than && latency >= floor)
      if (mayBeSlow(view, load<u8>(isas + slot), load<u32>(codes + (slot << 2)))) break;
    store<u8>(open + slot, 0);
  }
  store<u32>(view, sawOther, CX_SAW_OTHER);
  return row;
}

/** Whether an exit of the reason may be one of the slow ones. */
export function mayBeSlow(view: usize, isa: u32, code: u32): bool {
  return load<u32>(view, CX_WITH_IDLE) !== 0 || idleOf(load<usize>(view, CX_IDLE), isa, code) !== 1;
}

/** The first of rows [from, length) that lies within an exit that is open at the end; `length` if there is none. */
export function findBetween(view: usize, batch: usize, from: i32, length: i32): i32 {
  const kinds = load<usize>(view, EV_KINDS);
  const table = load<usize>(view, EV_SLOT_TABLE);
  const mask = load<u32>(view, EV_SLOT_MASK);
  const slotTids = load<usize>(view, EV_SLOT_TIDS);
  const open = load<usize>(view, CX_OPEN);
  const rows = load<usize>(view, CX_ROW);
  const events = load<usize>(batch, EVENT_EVENT);
  const tids = load<usize>(batch, EVENT_TID);
  let row = from;
  for (; row < length; row++) {
    const at: usize = row;
    if (load<u8>(kinds + <usize>load<u16>(events + (at << 1))) !== CX_OTHER) continue;
    const tid = load<i32>(tids + (at << 2));
    if (tid < 0) continue;
    const slot: usize = findThread(table, mask, slotTids, tid);
    if (<i32>slot < 0 || load<u8>(open + slot) === 0) continue;
    if (load<i32>(rows + (slot << 2)) < row) break;
  }
  return row;
}

/** The first of rows [from, length) of exits that may be one of the slow ones; `length` if there is none. */
export function findSlow(view: usize, batch: usize, from: i32, length: i32): i32 {
  const than = load<f64>(view, CX_THAN);
  const floor = load<f64>(view, CX_FLOOR);
  let row = from;
  for (; row < length; row++) {
    const at: usize = row;
    const latency = load<f64>(batch + (at << 3), X_LATENCY);
    if (latency <= than || latency < floor || load<u8>(batch + at, X_STATE) !== PAIRED) continue;
    if (mayBeSlow(view, load<u8>(batch + at, X_ISA), load<u32>(batch + (at << 2), X_CODE))) break;
  }
  return row;
}
