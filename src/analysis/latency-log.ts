/**
 * The latencies of all pairs with their groups, for percentiles: every value while they fit (exact), log-linear
 * histograms per group beyond that (stated error), so that memory does not grow with the recording.
 */
import { BUCKETS, bucketMiddle, bucketOf, MIDDLE_ERROR_PCT, SUB_BITS, SUBS } from './log-linear.ts';
import { nearestRank, selectRanks } from './quantiles.ts';

/** Values kept exactly: 12 bytes each. */
export const EXACT_LIMIT = 4 << 20;
const CHUNK = 1 << 17;

export interface LatencyLog {
  readonly limit: number;
  count: number;
  chunks: { readonly groups: Uint32Array; readonly values: Float64Array }[];
  /** Per group: histogram pages (one per power of two, made when used); null while everything is exact. */
  histograms: (Float64Array | undefined)[][] | null;
}

export function createLatencyLog(limit: number = EXACT_LIMIT): LatencyLog {
  return { limit, count: 0, chunks: [], histograms: null };
}

export function logLatency(log: LatencyLog, group: number, value: number): void {
  if (log.histograms !== null) {
    countLatency(log.histograms, group, value, 1);
    return;
  }
  if (log.count === log.limit) {
    toHistograms(log);
    countLatency(log.histograms!, group, value, 1);
    return;
  }
  const at = log.count++ % CHUNK;
  if (at === 0) log.chunks.push({ groups: new Uint32Array(CHUNK), values: new Float64Array(CHUNK) });
  const chunk = log.chunks[log.chunks.length - 1]!;
  chunk.groups[at] = group;
  chunk.values[at] = value;
}

function countLatency(histograms: (Float64Array | undefined)[][], group: number, value: number, count: number): void {
  let pages = histograms[group];
  if (pages === undefined) {
    pages = [];
    histograms[group] = pages;
  }
  const bucket = bucketOf(value);
  const page = bucket >> SUB_BITS;
  let counts = pages[page];
  if (counts === undefined) {
    counts = new Float64Array(SUBS);
    pages[page] = counts;
  }
  counts[bucket & (SUBS - 1)]! += count;
}

function toHistograms(log: LatencyLog): void {
  const histograms: (Float64Array | undefined)[][] = [];
  forEachLatency(log, (group, value) => countLatency(histograms, group, value, 1));
  log.histograms = histograms;
  log.chunks = [];
  log.count = 0;
}

function forEachLatency(log: LatencyLog, visit: (group: number, value: number) => void): void {
  let left = log.count;
  for (const { groups, values } of log.chunks) {
    const n = Math.min(left, CHUNK);
    for (let i = 0; i < n; i++) visit(groups[i]!, values[i]!);
    left -= n;
  }
}

/** Adds the other log's values; `groupOf[g]` is this log's number of the other's group g. */
export function mergeLatencyLogs(log: LatencyLog, other: LatencyLog, groupOf: Uint32Array): void {
  if (other.histograms === null) {
    forEachLatency(other, (group, value) => logLatency(log, groupOf[group]!, value));
    return;
  }
  if (log.histograms === null) toHistograms(log);
  for (const [group, pages] of other.histograms.entries())
    for (const [page, counts] of (pages ?? []).entries())
      counts?.forEach((count, sub) => {
        if (count > 0) countLatency(log.histograms!, groupOf[group]!, bucketMiddle(page * SUBS + sub), count);
      });
}

export interface Quantiles {
  /** Values in the order of the asked quantiles; NaN where there is no value. */
  readonly values: number[];
  /** Largest relative error in percent; 0 = exact. */
  readonly errorPct: number;
}

/** Quantiles of each set of groups. A group may be in several sets. */
export function quantilesOf(log: LatencyLog, sets: readonly Uint32Array[], quantiles: readonly number[]): Quantiles[] {
  return log.histograms === null
    ? exactQuantiles(log, sets, quantiles)
    : sets.map((set) => histogramQuantiles(log.histograms!, set, quantiles));
}

function exactQuantiles(log: LatencyLog, sets: readonly Uint32Array[], quantiles: readonly number[]): Quantiles[] {
  // Bring each group's values together (counting sort), so that a set is a few slices.
  let groups = 0;
  forEachLatency(log, (group) => {
    if (group >= groups) groups = group + 1;
  });
  const starts = new Uint32Array(groups + 1);
  forEachLatency(log, (group) => {
    starts[group + 1]!++;
  });
  for (let g = 0; g < groups; g++) starts[g + 1]! += starts[g]!;
  const sorted = new Float64Array(log.count);
  const fill = starts.slice();
  forEachLatency(log, (group, value) => {
    sorted[fill[group]!++] = value;
  });
  return sets.map((set) => {
    const parts = [...set].filter((g) => g < groups).map((g) => sorted.subarray(starts[g]!, starts[g + 1]!));
    const values = parts.length === 1 ? parts[0]! : concatenate(parts);
    const ranks = quantiles.map((q) => nearestRank(q, values.length));
    return { values: selectRanks(values, ranks), errorPct: 0 };
  });
}

function concatenate(parts: readonly Float64Array[]): Float64Array {
  const all = new Float64Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function histogramQuantiles(
  histograms: readonly (Float64Array | undefined)[][],
  set: Uint32Array,
  quantiles: readonly number[],
): Quantiles {
  const counts = new Float64Array(BUCKETS);
  let total = 0;
  for (const group of set)
    for (const [page, part] of (histograms[group] ?? []).entries())
      part?.forEach((count, sub) => {
        counts[page * SUBS + sub]! += count;
        total += count;
      });
  const values = quantiles.map((q) => {
    if (total === 0) return Number.NaN;
    let left = nearestRank(q, total);
    let bucket = 0;
    while (left > counts[bucket]!) left -= counts[bucket++]!;
    return bucketMiddle(bucket);
  });
  return { values, errorPct: MIDDLE_ERROR_PCT };
}
