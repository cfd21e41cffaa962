/** Exits of many vCPUs at once: the common case of analysis/simultaneous.ts. */
import {
  EV_KINDS,
  EV_SLOT_MASK,
  EV_SLOT_TABLE,
  EV_SLOT_TIDS,
  EV_THREADS,
  SM_BEGUN,
  SM_COUNT,
  SM_FLOOR,
  SM_FLOOR_INDEX,
  SM_FROM,
  SM_HISTOGRAM,
  SM_INDEX,
  SM_MARK,
  SM_MARKS,
  SM_MEMBERS,
  SM_ORIGIN,
  SM_TO,
  SM_WIDTH,
  SM_WINDOWS,
} from '../analysis/events-view-layout.ts';
import { ROLE_EXIT } from '../analysis/role-codes.ts';
import { EVENT_EVENT, EVENT_TID, EVENT_TIME } from '../core/event-columns.ts';
import { findThread } from './slots.ts';
import { addOne, since } from './sums.ts';

/** What lies below it can be told from the window by integers. */
const EXACT: f64 = 4503599627370496;

/** Takes rows [from, length) up to one that is not common; returns it. */
export function countWindows(view: usize, batch: usize, from: i32, length: i32): i32 {
  const roles = load<usize>(view, EV_KINDS);
  const table = load<usize>(view, EV_SLOT_TABLE);
  const mask = load<u32>(view, EV_SLOT_MASK);
  const slotTids = load<usize>(view, EV_SLOT_TIDS);
  const threads = load<i32>(view, EV_THREADS);
  const marks = load<usize>(view, SM_MARKS);
  const members = load<usize>(view, SM_MEMBERS);
  const events = load<usize>(batch, EVENT_EVENT);
  const tids = load<usize>(batch, EVENT_TID);
  const times = load<usize>(batch, EVENT_TIME);
  let begins = load<i64>(view, SM_FROM);
  let ends = load<i64>(view, SM_TO);
  let row = from;
  for (; row < length; row++) {
    const at: usize = row;
    if (load<u8>(roles + <usize>load<u16>(events + (at << 1))) !== ROLE_EXIT) continue;
    const tid = load<i32>(tids + (at << 2));
    if (tid < 0) continue;
    const slot = findThread(table, mask, slotTids, tid);
    if (slot < 0 || slot >= threads) break;
    const time = load<i64>(times + (at << 3));
    if (time < begins || time >= ends) {
      if (!nextWindow(view, time)) break;
      begins = load<i64>(view, SM_FROM);
      ends = load<i64>(view, SM_TO);
    }
    const own = marks + ((<usize>slot) << 3);
    const mark = load<f64>(view, SM_MARK);
    if (load<f64>(own) === mark) continue;
    store<f64>(own, mark);
    const count = load<usize>(view, SM_COUNT);
    store<i32>(members + (count << 2), slot);
    store<usize>(view, count + 1, SM_COUNT);
  }
  return row;
}

/** Books the window at hand and begins the one of a time, unless it is the same; false if that is not common. */
export function nextWindow(view: usize, time: i64): bool {
  const origin = load<i64>(view, SM_ORIGIN);
  const width = load<f64>(view, SM_WIDTH);
  const index = floor(since(time, origin) / width);
  const before = load<f64>(view, SM_INDEX);
  if (index !== before) {
    if (before < 0 || index < 0 || load<u32>(view, SM_BEGUN) === 0) return false;
    const vcpus = load<u32>(view, SM_COUNT);
    const least = load<u32>(view, SM_FLOOR);
    if (vcpus > least || (vcpus === least && before < load<f64>(view, SM_FLOOR_INDEX))) return false;
    addOne(load<usize>(view, SM_HISTOGRAM) + ((<usize>vcpus) << 3));
    const members = load<usize>(view, SM_MEMBERS);
    const windows = load<usize>(view, SM_WINDOWS);
    for (let i: usize = 0; i < <usize>vcpus; i++)
      addOne(windows + ((<usize>load<u32>(members + (i << 2))) << 3));
    store<u32>(view, 0, SM_COUNT);
    store<f64>(view, index, SM_INDEX);
    store<f64>(view, load<f64>(view, SM_MARK) + 1, SM_MARK);
  }
  const start = index * width;
  // Windows that integers cannot tell are looked for each time.
  const told = index >= 0 && start + width < EXACT && floor(width) === width;
  store<i64>(view, told ? origin + <i64>start : 0, SM_FROM);
  store<i64>(view, told ? origin + <i64>(start + width) : 0, SM_TO);
  return true;
}
