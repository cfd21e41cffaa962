/** Times from one exit of a key to the next: the common case of analysis/periodic.ts. */
import {
  X_CODE,
  X_DETAIL_ADDRESS,
  X_DETAIL_EVENT,
  X_EXIT_TIME,
  X_ISA,
  X_TID,
} from '../analysis/exit-columns.ts';
import { KEY_INTS } from '../analysis/exit-count-layout.ts';
import {
  PE_BUCKETS,
  PE_COUNTS,
  PE_EXITS,
  PE_FIRST,
  PE_KEYS,
  PE_LAST,
  PE_OTHERS,
  PE_RECENT,
  PE_RECENT_BITS,
  V_GROUPS,
  V_SELECTED,
} from '../analysis/exits-view-layout.ts';
import { GT_KEYS } from '../analysis/group-layout.ts';
import { EV_MMIO, EV_MSR, EV_PIO } from '../core/event-codes.ts';
import { findKey } from './groups.ts';
import { latencyBucket } from './over-time.ts';
import { addOne, since } from './sums.ts';

/** Counts rows [from, length) up to the first whose key is new or that is told late; returns it. */
export function countBeats(view: usize, batch: usize, from: i32, length: i32): i32 {
  const selected = load<usize>(view, V_SELECTED);
  const exits = load<usize>(view, PE_EXITS);
  const last = load<usize>(view, PE_LAST);
  const others = load<usize>(view, PE_OTHERS);
  const counts = load<usize>(view, PE_COUNTS);
  const keys = load<i32>(view, PE_KEYS);
  const recent = load<usize>(view, PE_RECENT);
  const ids = load<usize>(view, V_GROUPS + GT_KEYS);
  let row = from;
  for (; row < length; row++) {
    const at: usize = row;
    if (selected !== 0) if (load<u8>(selected + at) === 0) continue;
    const row4 = batch + (at << 2);
    const row8 = batch + (at << 3);
    let event = <u32>load<u16>(batch + (at << 1), X_DETAIL_EVENT);
    let low: u32 = 0;
    let high: u32 = 0;
    if (event === EV_MSR || event === EV_PIO || event === EV_MMIO) {
      low = load<u32>(row8, X_DETAIL_ADDRESS);
      high = load<u32>(row8, X_DETAIL_ADDRESS + 4);
      if (event === EV_MMIO) low &= ~0xfff;
    } else event = 0;
    const isa = <u32>load<u8>(batch + at, X_ISA);
    const code = load<u32>(row4, X_CODE);
    const tid = load<u32>(row4, X_TID);
    const mixed = (code ^ (tid << 8) ^ low ^ (event << 24)) * 0x9e3779b1;
    const seen = recent + ((<usize>(mixed >>> (32 - PE_RECENT_BITS))) << 2);
    let key = load<i32>(seen) - 1;
    const own = ids + <usize>key * (4 * KEY_INTS);
    if (
      key < 0 ||
      load<u64>(own) !== (((<u64>code) << 32) | isa) ||
      load<u64>(own, 8) !== (((<u64>tid) << 32) | event) ||
      load<u64>(own, 16) !== (((<u64>high) << 32) | low)
    ) {
      key = <i32>findKey(view + V_GROUPS, isa, code, event, tid, low, high, 0);
      store<i32>(seen, key + 1);
    }
    if (key < 0 || key >= keys) break;
    const time = load<i64>(row8, X_EXIT_TIME);
    const latest = last + ((<usize>key) << 3);
    const ns = since(time, load<i64>(latest));
    const exit = exits + ((<usize>key) << 3);
    if (ns < 0 || load<f64>(exit) === 0) break;
    addOne(exit);
    store<i64>(latest, time);
    // What is beyond 2^52 lies in none of the buckets.
    const bucket = latencyBucket(ns < 4503599627370496 ? <u64>ns : 0) - PE_FIRST;
    if (bucket < <u32>PE_BUCKETS) addOne(counts + ((<usize>key * PE_BUCKETS + <usize>bucket) << 3));
    else addOne(others + ((<usize>key) << 3));
  }
  return row;
}
