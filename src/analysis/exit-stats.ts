/**
 * Counts, latency and escalation per group of exits: one pass over decided exits. Sums are exact integers, so that
 * partial results merge to the same bytes in any order.
 */
import { addExact, exactToBigInt, mergeExact } from './exact-sum.ts';
import { EXIT_ROWS, type ExitBatch, PAIRED } from './exit-batch.ts';
import {
  createGroupTable,
  findGroup,
  type Grouping,
  type GroupTable,
  groupOf,
  KEY_CODE,
  KEY_INTS,
} from './groups.ts';
import { createLatencyLog, type LatencyLog, logLatencies, mergeLatencyLogs } from './latency-log.ts';

/** Squares are summed from two 24-bit halves; longer latencies (78 h) count as this in the deviation. */
const MAX_SQUARED = 2 ** 48 - 1;
const HALF = 2 ** 24;

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

export function createExitStats(grouping: Grouping, exactLimit?: number): ExitStats {
  const stats = {
    groups: createGroupTable(grouping),
    capacity: 0,
    log: createLatencyLog(exactLimit),
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

/** Groups of a batch's rows; NOT_SELECTED for those that do not count. */
const groupScratch = new Int32Array(EXIT_ROWS);
const NOT_SELECTED = -1;

/**
 * Counts the rows of a batch; `selected[row]` 0 leaves a row out (null: all rows). One small loop per kind of column
 * instead of a large one: it is compiled before the next batch comes and not thrown away by what is rare.
 */
export function addExits(stats: ExitStats, batch: ExitBatch, selected: Uint8Array | null): void {
  findGroups(stats.groups, batch, selected);
  while (stats.groups.count > stats.capacity) grow(stats, 2 * stats.capacity);
  countExits(stats, batch);
  countUserspace(stats, batch);
  leaveOutUnpaired(batch);
  sumLatencies(stats, batch);
  logLatencies(stats.log, groupScratch, batch.latency, batch.length);
}

function findGroups(groups: GroupTable, batch: ExitBatch, selected: Uint8Array | null): void {
  for (let row = 0; row < batch.length; row++)
    groupScratch[row] = selected !== null && selected[row] === 0 ? NOT_SELECTED : groupOf(groups, batch, row);
}

function countExits(stats: ExitStats, batch: ExitBatch): void {
  const { exits, levels } = stats;
  const { level, length } = batch;
  for (let row = 0; row < length; row++) {
    const group = groupScratch[row];
    if (group < 0) continue;
    exits[group]++;
    levels[3 * group + level[row]]++;
  }
}

function countUserspace(stats: ExitStats, batch: ExitBatch): void {
  const { restarts, errors, escalated, kernelNs, userspaceNs } = stats;
  const { restarts: batchRestarts, userspaceErrors, userspaceExits, state, length } = batch;
  for (let row = 0; row < length; row++) {
    const group = groupScratch[row];
    if (group < 0) continue;
    if (batchRestarts[row] > 0) restarts[group]++;
    if (userspaceErrors[row] > 0) errors[group]++;
    if (userspaceExits[row] === 0) continue;
    escalated[group]++;
    if (state[row] !== PAIRED) continue;
    addExact(kernelNs, group, batch.kernelNs[row]);
    addExact(userspaceNs, group, batch.userspaceNs[row]);
  }
}

/** From here on only pairs count. */
function leaveOutUnpaired(batch: ExitBatch): void {
  const { state, length } = batch;
  for (let row = 0; row < length; row++) if (state[row] !== PAIRED) groupScratch[row] = NOT_SELECTED;
}

/** All sums in one loop: each waits for its last value to be stored, and the processor lets them wait together. */
function sumLatencies(stats: ExitStats, batch: ExitBatch): void {
  const { paired, min, max, total, guestKernel, ripUnknown, squareHigh, squareCross, squareLow } = stats;
  const { latency: latencies, hasRip, rip, length } = batch;
  for (let row = 0; row < length; row++) {
    const group = groupScratch[row];
    if (group < 0) continue;
    const latency = latencies[row];
    paired[group]++;
    if (latency < min[group]) min[group] = latency;
    if (latency > max[group]) max[group] = latency;
    addExact(total, group, latency);
    if (hasRip[row] === 0) addExact(ripUnknown, group, latency);
    // perf-prof's rule: guest RIP ≥ 0xffff000000000000 is the kernel half.
    else if (rip[2 * row + 1] >= 0xffff0000) addExact(guestKernel, group, latency);
    let low = latency;
    if (low >= HALF) {
      const squared = low < MAX_SQUARED ? low : MAX_SQUARED;
      const high = Math.floor(squared / HALF);
      low = squared - high * HALF;
      addExact(squareHigh, group, high * high);
      addExact(squareCross, group, high * low);
    }
    addExact(squareLow, group, low * low);
  }
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
