/** Exits over time: the common case of analysis/rate-series.ts, heatmap.ts and intervals.ts. */
import { PAIRED, X_EXIT_TIME, X_LATENCY, X_STATE, X_TID } from '../analysis/exit-columns.ts';
import {
  COARSE_BLOCK_BITS,
  COARSE_PAGES,
  COARSE_STEP_BITS,
  HEAT_ROWS,
  HM_COUNTS,
  IV_BLOCKS,
  IV_BUCKET,
  IV_EXITS,
  IV_GROUP,
  IV_GROUPS,
  IV_LATEST,
  IV_MASK,
  IV_MAX,
  IV_PAGE_OF,
  IV_PAGED,
  IV_PAIRED,
  IV_TABLE,
  IV_TOTAL,
  RS_ALL,
  RS_BY_REASON,
  RS_BY_THREAD,
  RS_REASONS,
  RS_SLOT_MASK,
  RS_SLOT_TABLE,
  RS_SLOT_TIDS,
  RS_THREADS,
  SERIES_BUCKETS,
  V_AXIS,
  V_GROUPS,
  V_SELECTED,
} from '../analysis/exits-view-layout.ts';
import { groupOf } from './groups.ts';
import { findThread } from './slots.ts';
import { addExact, addOne } from './sums.ts';
import { bucketAt, NO_BUCKET } from './time-axis.ts';

/** Counts rows [from, length) up to the first that has no place yet; returns it. */
export function countSeries(view: usize, batch: usize, from: i32, length: i32): i32 {
  const selected = load<usize>(view, V_SELECTED);
  const all = load<usize>(view, RS_ALL);
  const byReason = load<usize>(view, RS_BY_REASON);
  const byThread = load<usize>(view, RS_BY_THREAD);
  const reasons = load<i32>(view, RS_REASONS);
  const threads = load<i32>(view, RS_THREADS);
  const table = load<usize>(view, RS_SLOT_TABLE);
  const mask = load<u32>(view, RS_SLOT_MASK);
  const tids = load<usize>(view, RS_SLOT_TIDS);
  let lastTid: i32 = 0;
  let thread: i32 = -1;
  let row = from;
  for (; row < length; row++) {
    const at: usize = row;
    if (selected !== 0) if (load<u8>(selected + at) === 0) continue;
    const bucket = bucketAt(view + V_AXIS, load<i64>(batch + (at << 3), X_EXIT_TIME));
    if (bucket === NO_BUCKET) break;
    const reason = groupOf(view + V_GROUPS, batch, at);
    if (reason < 0 || reason >= reasons) break;
    const tid = load<i32>(batch + (at << 2), X_TID);
    if (thread < 0 || tid !== lastTid) {
      thread = findThread(table, mask, tids, tid);
      if (thread < 0 || thread >= threads) break;
      lastTid = tid;
    }
    const place = (<usize>bucket) << 3;
    addOne(all + place);
    addOne(byReason + <usize>reason * (8 * SERIES_BUCKETS) + place);
    addOne(byThread + <usize>thread * (8 * SERIES_BUCKETS) + place);
  }
  return row;
}

/** As countSeries(), for pairs. */
export function countHeat(view: usize, batch: usize, from: i32, length: i32): i32 {
  const selected = load<usize>(view, V_SELECTED);
  const counts = load<usize>(view, HM_COUNTS);
  let row = from;
  for (; row < length; row++) {
    const at: usize = row;
    if (load<u8>(batch + at, X_STATE) !== PAIRED) continue;
    if (selected !== 0) if (load<u8>(selected + at) === 0) continue;
    const column = bucketAt(view + V_AXIS, load<i64>(batch + (at << 3), X_EXIT_TIME));
    if (column === NO_BUCKET) break;
    const bucket = latencyBucket(<u64>load<f64>(batch + (at << 3), X_LATENCY));
    addOne(counts + ((<usize>column * HEAT_ROWS + <usize>(bucket >> 5)) << 3));
  }
  return row;
}

/** Log-linear bucket of a duration (analysis/log-linear.ts). */
export function latencyBucket(ns: u64): u32 {
  // Below 128 a bucket for each value, then 128 for each power of two.
  const power = <u32>(57 - clz(ns | 64));
  if (power === 0) return <u32>ns;
  return (power << 7) + (<u32>(ns >> (power - 1)) & 127);
}

/** As countSeries(). */
export function countIntervals(view: usize, batch: usize, from: i32, length: i32): i32 {
  const selected = load<usize>(view, V_SELECTED);
  const latest = load<usize>(view, IV_LATEST);
  const groups = load<i32>(view, IV_GROUPS);
  const buckets = load<usize>(view, IV_BUCKET);
  const exits = load<usize>(view, IV_EXITS);
  const paired = load<usize>(view, IV_PAIRED);
  const most = load<usize>(view, IV_MAX);
  const total = load<usize>(view, IV_TOTAL);
  const pageOf = load<usize>(view, IV_PAGE_OF);
  const paged = load<i32>(view, IV_PAGED);
  const blocks = load<usize>(view, IV_BLOCKS);
  let row = from;
  for (; row < length; row++) {
    const at: usize = row;
    if (selected !== 0) if (load<u8>(selected + at) === 0) continue;
    const bucket = bucketAt(view + V_AXIS, load<i64>(batch + (at << 3), X_EXIT_TIME));
    if (bucket === NO_BUCKET) break;
    const group = groupOf(view + V_GROUPS, batch, at);
    if (group < 0 || group >= groups) break;
    const recent = latest + ((<usize>group) << 2);
    let cell = load<i32>(recent);
    if (cell < 0 || load<i32>(buckets + ((<usize>cell) << 2)) !== bucket) {
      cell = findCell(view, group, bucket);
      if (cell < 0) break;
      store<i32>(recent, cell);
    }
    const place = (<usize>cell) << 3;
    if (load<u8>(batch + at, X_STATE) !== PAIRED) {
      addOne(exits + place);
      continue;
    }
    const latency = load<f64>(batch + (at << 3), X_LATENCY);
    const fine = latencyBucket(<u64>latency);
    if (cell >= paged) break;
    const page = load<u32>(pageOf + ((<usize>cell * COARSE_PAGES + <usize>(fine >> 7)) << 2)) - 1;
    if (<i32>page < 0) break;
    const block = load<usize>(blocks + ((<usize>page >> COARSE_BLOCK_BITS) << 2));
    const step =
      ((<usize>page & ((1 << COARSE_BLOCK_BITS) - 1)) << COARSE_STEP_BITS) | <usize>((fine & 127) >> 3);
    addOne(block + (step << 3));
    addOne(exits + place);
    addOne(paired + place);
    addExact(total + (place << 1), latency);
    if (latency > load<f64>(most + place)) store<f64>(most + place, latency);
  }
  return row;
}

/** The cell of a group and bucket, −1 if there is none yet. */
export function findCell(view: usize, group: i32, bucket: i32): i32 {
  const table = load<usize>(view, IV_TABLE);
  const mask = load<u32>(view, IV_MASK);
  const ofGroup = load<usize>(view, IV_GROUP);
  const ofBucket = load<usize>(view, IV_BUCKET);
  let at = ((<u32>group * 0x9e3779b1) ^ (<u32>bucket * 0x85ebca6b)) >>> 3;
  while (true) {
    at &= mask;
    const cell = load<i32>(table + ((<usize>at) << 2)) - 1;
    if (cell < 0) return -1;
    const place = (<usize>cell) << 2;
    if (load<i32>(ofGroup + place) === group && load<i32>(ofBucket + place) === bucket) return cell;
    at++;
  }
}
