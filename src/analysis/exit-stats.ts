/**
 * Counts, latency and escalation per group of exits. Sums are exact integers, so that partial results merge to the same
 * bytes in any order. What single exits add is said here, a kernel adds most of them (exit-counter.ts).
 */
import type { Arena } from '../core/arena.ts';
import { addExact, exactToBigInt, mergeExact } from './exact-sum.ts';
import { type ExitBatch, PAIRED } from './exit-batch.ts';
import { HALF_BITS, MAX_SQUARED } from './exit-count-layout.ts';
import { createGroupTable, findGroup, type Grouping, type GroupTable, KEY_CODE, KEY_INTS } from './groups.ts';
import { createLatencyLog, type LatencyLog, logLatency, mergeLatencyLogs } from './latency-log.ts';

const HALF = 2 ** HALF_BITS;

export interface ExitStats {
  readonly groups: GroupTable;
  /** Allocated groups. */
  capacity: number;
  /** Counts per group. */
  exits: Float64Array;
  paired: Float64Array;
  escalated: Float64Array;
  restarts: Float64Array;
  errors: Float64Array;
  /** Per level, three per group. */
  levels: Float64Array;
  min: Float64Array;
  max: Float64Array;
  /** Exact sums (two doubles each) of ns over pairs: latency; latency with guest RIP in the kernel half. */
  total: Float64Array;
  guestKernel: Float64Array;
  /** Latency of pairs whose guest RIP was not recorded. */
  ripUnknown: Float64Array;
  /** Escalated pairs: exit → userspace exit, userspace exit → entry. */
  kernelNs: Float64Array;
  userspaceNs: Float64Array;
  /** Σ hi², Σ hi·lo, Σ lo² of latency = hi·2^24 + lo: the exact sum of squares. */
  squareHigh: Float64Array;
  squareCross: Float64Array;
  squareLow: Float64Array;
  readonly log: LatencyLog;
}

/** The counts and sums without the values. */
export type ExitTable = Omit<ExitStats, 'log'>;

/** One of a group's KEY_*; numbers of reasons unsigned. */
export function groupKey(stats: ExitTable, group: number, key: number): number {
  const value = stats.groups.keys[group * KEY_INTS + key];
  return key === KEY_CODE ? value >>> 0 : value;
}

/** Columns with one and with two (exact sums) doubles per group. */
const SINGLE = ['exits', 'paired', 'escalated', 'restarts', 'errors', 'min', 'max'] as const;
const SUMS = [
  'total',
  'guestKernel',
  'ripUnknown',
  'kernelNs',
  'userspaceNs',
  'squareHigh',
  'squareCross',
  'squareLow',
] as const;

export function createExitStats(
  grouping: Grouping,
  arena: Arena | null = null,
  exactLimit?: number,
): ExitStats {
  const stats = {
    groups: createGroupTable(grouping, arena),
    capacity: 0,
    log: createLatencyLog(exactLimit, arena),
  } as unknown as ExitStats;
  grow(stats, 64);
  return stats;
}

function grow(stats: ExitStats, capacity: number): void {
  const resize = (old: Float64Array | undefined, each: number) => {
    const column = new Float64Array(capacity * each);
    if (old) column.set(old);
    return column;
  };
  for (const name of SINGLE) stats[name] = resize(stats[name], 1);
  for (const name of SUMS) stats[name] = resize(stats[name], 2);
  stats.levels = resize(stats.levels, 3);
  stats.min.fill(Number.POSITIVE_INFINITY, stats.capacity);
  stats.capacity = capacity;
}

/** Makes columns for all groups of the table. */
export function coverGroups(stats: ExitStats): void {
  while (stats.groups.count > stats.capacity) grow(stats, 2 * stats.capacity);
}

/** Adds an exit to its group. */
export function addExit(stats: ExitStats, group: number, batch: ExitBatch, row: number): void {
  coverGroups(stats);
  const isPair = batch.state[row] === PAIRED;
  stats.exits[group]++;
  stats.levels[3 * group + batch.level[row]]++;
  if (batch.restarts[row] > 0) stats.restarts[group]++;
  if (batch.userspaceErrors[row] > 0) stats.errors[group]++;
  if (batch.userspaceExits[row] > 0) {
    stats.escalated[group]++;
    if (isPair) {
      addExact(stats.kernelNs, group, batch.kernelNs[row]);
      addExact(stats.userspaceNs, group, batch.userspaceNs[row]);
    }
  }
  if (isPair) addLatency(stats, group, batch, row);
}

function addLatency(stats: ExitStats, group: number, batch: ExitBatch, row: number): void {
  const latency = batch.latency[row];
  stats.paired[group]++;
  if (latency < stats.min[group]) stats.min[group] = latency;
  if (latency > stats.max[group]) stats.max[group] = latency;
  addExact(stats.total, group, latency);
  if (batch.hasRip[row] === 0) addExact(stats.ripUnknown, group, latency);
  // perf-prof's rule: guest RIP ≥ 0xffff000000000000 is the kernel half.
  else if (batch.rip[2 * row + 1] >= 0xffff0000) addExact(stats.guestKernel, group, latency);
  const squared = Math.min(latency, MAX_SQUARED);
  const high = Math.floor(squared / HALF);
  const low = squared - high * HALF;
  addExact(stats.squareHigh, group, high * high);
  addExact(stats.squareCross, group, high * low);
  addExact(stats.squareLow, group, low * low);
  logLatency(stats.log, group, latency);
}

/** Adds the other's counts; both must have the same grouping. */
export function mergeExitStats(stats: ExitStats, other: ExitStats): void {
  const mapped = new Uint32Array(other.groups.count);
  for (let g = 0; g < other.groups.count; g++) {
    const group = findGroup(stats.groups, other.groups.keys, g * KEY_INTS);
    if (group >= stats.capacity) grow(stats, 2 * stats.capacity);
    mapped[g] = group;
    for (const name of ['exits', 'paired', 'escalated', 'restarts', 'errors'] as const)
      stats[name][group] += other[name][g];
    stats.min[group] = Math.min(stats.min[group], other.min[g]);
    stats.max[group] = Math.max(stats.max[group], other.max[g]);
    for (const name of SUMS) mergeExact(stats[name], group, other[name], g);
    for (let i = 0; i < 3; i++) stats.levels[3 * group + i] += other.levels[3 * g + i];
  }
  mergeLatencyLogs(stats.log, other.log, mapped);
}

/** Standard deviation (of the sample, n − 1) of a group's latencies in ns; 0 for a single pair. */
export function standardDeviation(stats: ExitTable, group: number): number {
  const n = BigInt(stats.paired[group]);
  if (n < 2n) return 0;
  const squares =
    (exactToBigInt(stats.squareHigh, group) << 48n) +
    (exactToBigInt(stats.squareCross, group) << 25n) +
    exactToBigInt(stats.squareLow, group);
  const total = exactToBigInt(stats.total, group);
  // n·Σx² − (Σx)² is exact; only the last division and root are rounded.
  const spread = n * squares - total * total;
  return Math.sqrt(Number(spread) / (Number(n) * Number(n - 1n)));
}
