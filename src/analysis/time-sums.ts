/** Count, exact sum, extremes and exact sum of squares of durations by index: what perf kvm stat prints per row. */
import { addExact, exactToBigInt, mergeExact } from './exact-sum.ts';

/** Squares are summed from two 24-bit halves; longer durations (78 h) count as this in the deviation. */
const MAX_SQUARED = 2 ** 48 - 1;
const HALF = 16777216;

/** Columns by index; `total` and the squares are exact sums of two doubles each. */
export interface TimeSums {
  capacity: number;
  count: Float64Array;
  min: Float64Array;
  max: Float64Array;
  total: Float64Array;
  /** Σ hi², Σ hi·lo, Σ lo² of ns = hi·2^24 + lo. */
  squareHigh: Float64Array;
  squareCross: Float64Array;
  squareLow: Float64Array;
}

const SUMS = ['total', 'squareHigh', 'squareCross', 'squareLow'] as const;

export function createTimeSums(): TimeSums {
  const sums = { capacity: 0 } as TimeSums;
  grow(sums, 16);
  return sums;
}

function grow(sums: TimeSums, capacity: number): void {
  const resize = (old: Float64Array | undefined, each: number) => {
    const column = new Float64Array(capacity * each);
    if (old) column.set(old);
    return column;
  };
  for (const name of ['count', 'min', 'max'] as const) sums[name] = resize(sums[name], 1);
  for (const name of SUMS) sums[name] = resize(sums[name], 2);
  sums.min.fill(Number.POSITIVE_INFINITY, sums.capacity);
  sums.capacity = capacity;
}

export function addTime(sums: TimeSums, index: number, ns: number): void {
  if (index >= sums.capacity) grow(sums, 2 * (index + 1));
  sums.count[index]++;
  if (ns < sums.min[index]) sums.min[index] = ns;
  if (ns > sums.max[index]) sums.max[index] = ns;
  addExact(sums.total, index, ns);
  const squared = ns < MAX_SQUARED ? ns : MAX_SQUARED;
  const high = Math.floor(squared / HALF);
  const low = squared - high * HALF;
  if (high > 0) {
    addExact(sums.squareHigh, index, high * high);
    addExact(sums.squareCross, index, high * low);
  }
  addExact(sums.squareLow, index, low * low);
}

export function clearTime(sums: TimeSums, index: number): void {
  if (index >= sums.capacity) return;
  sums.count[index] = 0;
  sums.min[index] = Number.POSITIVE_INFINITY;
  sums.max[index] = 0;
  for (const name of SUMS) sums[name].fill(0, 2 * index, 2 * index + 2);
}

export function mergeTimes(sums: TimeSums, index: number, other: TimeSums, from: number): void {
  if (index >= sums.capacity) grow(sums, 2 * (index + 1));
  if (from >= other.capacity) return;
  sums.count[index] += other.count[from];
  sums.min[index] = Math.min(sums.min[index], other.min[from]);
  sums.max[index] = Math.max(sums.max[index], other.max[from]);
  for (const name of SUMS) mergeExact(sums[name], index, other[name], from);
}

/** Standard error of the mean relative to it, in percent: perf's `( +- x.xx% )`; 0 below two values. */
export function standardErrorPct(sums: TimeSums, index: number): number {
  const n = BigInt(sums.count[index]);
  if (n < 2n) return 0;
  const squares =
    (exactToBigInt(sums.squareHigh, index) << 48n) +
    (exactToBigInt(sums.squareCross, index) << 25n) +
    exactToBigInt(sums.squareLow, index);
  const total = exactToBigInt(sums.total, index);
  if (total === 0n) return 0;
  const spread = Number(n * squares - total * total) / (Number(n) * Number(n - 1n));
  return (100 * Math.sqrt(spread / Number(n)) * Number(n)) / Number(total);
}
