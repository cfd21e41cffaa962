/**
 * Distributions of latency per group. Always: log-linear histograms. While they fit, also every value, which makes
 * percentiles exact: the histogram tells which few buckets hold the wanted ranks, and only those are sorted. Beyond
 * that percentiles are the buckets' middles with a stated error, so that memory does not grow with the recording.
 */
import {
  BUCKETS,
  bucketMiddle,
  bucketOf,
  log2Floor,
  MIDDLE_ERROR_PCT,
  SUB_BITS,
  SUBS,
} from './log-linear.ts';
import { nearestRank } from './quantiles.ts';
import { smallQuantiles } from './small-quantiles.ts';

/** Values kept: 12 bytes each. */
export const EXACT_LIMIT = 2 << 20;
const CHUNK = 1 << 17;
/** Up to so many values it is faster to go through them than through the buckets of every group. */
const SMALL = 1 << 15;
/** Pages (of SUBS buckets) per group. */
const PAGES = BUCKETS / SUBS;
/** Buckets of the coarse histogram: 0–1, 2–3, 4–7 … (bcc's rule). */
const LOG2_BUCKETS = 53;

export interface LatencyLog {
  readonly limit: number;
  /** Values so far; beyond `limit` the chunks are gone. */
  count: number;
  exact: boolean;
  chunks: { readonly groups: Uint32Array; readonly values: Float64Array }[];
  /** Page number + 1 by group · PAGES + page of the bucket; 0 = not made yet. */
  pageOf: Int32Array;
  /** Counts of the pages' buckets. */
  counts: Float64Array;
  pages: number;
}

export function createLatencyLog(limit: number = EXACT_LIMIT): LatencyLog {
  return {
    limit,
    count: 0,
    exact: true,
    chunks: [],
    pageOf: new Int32Array(16 * PAGES),
    counts: new Float64Array(64 * SUBS),
    pages: 0,
  };
}

/** Adds values[0 … length) to their groups; those of a negative group are left out. Values: integers below 2^53. */
export function logLatencies(
  log: LatencyLog,
  groups: Int32Array,
  values: Float64Array,
  length: number,
): void {
  if (bucketScratch.length < length) bucketScratch = new Int32Array(length);
  findBuckets(groups, values, length);
  let row = countBuckets(log, groups, 0, length);
  while (row < length) {
    pageFor(log, groups[row] * PAGES + (bucketScratch[row] >> SUB_BITS));
    row = countBuckets(log, groups, row, length);
  }
  if (log.exact) keepValues(log, groups, values, length);
}

let bucketScratch = new Int32Array(0);

function findBuckets(groups: Int32Array, values: Float64Array, length: number): void {
  for (let row = 0; row < length; row++) if (groups[row] >= 0) bucketScratch[row] = bucketOf(values[row]);
}

/** Counts rows from `from` on up to the first that needs a new page; returns where it stopped. */
function countBuckets(log: LatencyLog, groups: Int32Array, from: number, length: number): number {
  const { pageOf, counts } = log;
  for (let row = from; row < length; row++) {
    const group = groups[row];
    if (group < 0) continue;
    const bucket = bucketScratch[row];
    const entry = group * PAGES + (bucket >> SUB_BITS);
    const page = entry < pageOf.length ? pageOf[entry] : 0;
    if (page === 0) return row;
    counts[(page - 1) * SUBS + (bucket & (SUBS - 1))]++;
  }
  return length;
}

function keepValues(log: LatencyLog, groups: Int32Array, values: Float64Array, length: number): void {
  let row = 0;
  while (row < length && log.exact) {
    const at = log.count % CHUNK;
    if (at === 0 || log.count === log.limit) {
      // The last chunk is full, or there is none: the next value starts another, or is one too many.
      if (groups[row] >= 0) keepValue(log, groups[row], values[row]);
      row++;
      continue;
    }
    const end = Math.min(CHUNK, at + log.limit - log.count);
    const from = row;
    row = fillChunk(log.chunks[log.chunks.length - 1], at, end, groups, values, from, length);
    log.count += countKept(groups, from, row);
  }
}

/** Fills chunk[at … end) with values from row `from` on; returns the row where it stopped. */
function fillChunk(
  chunk: LatencyLog['chunks'][number],
  at: number,
  end: number,
  groups: Int32Array,
  values: Float64Array,
  from: number,
  length: number,
): number {
  const { groups: keptGroups, values: keptValues } = chunk;
  let row = from;
  for (; row < length && at < end; row++) {
    const group = groups[row];
    if (group < 0) continue;
    keptGroups[at] = group;
    keptValues[at++] = values[row];
  }
  return row;
}

function countKept(groups: Int32Array, from: number, to: number): number {
  let count = 0;
  for (let row = from; row < to; row++) if (groups[row] >= 0) count++;
  return count;
}

export function logLatency(log: LatencyLog, group: number, value: number): void {
  countLatency(log, group, bucketOf(value), 1);
  if (log.exact) keepValue(log, group, value);
}

function keepValue(log: LatencyLog, group: number, value: number): void {
  if (log.count === log.limit) {
    log.exact = false;
    log.chunks = [];
    return;
  }
  const at = log.count++ % CHUNK;
  if (at === 0) log.chunks.push({ groups: new Uint32Array(CHUNK), values: new Float64Array(CHUNK) });
  const chunk = log.chunks[log.chunks.length - 1];
  chunk.groups[at] = group;
  chunk.values[at] = value;
}

/** Makes sure that the log has the page of an entry of `pageOf`; returns its number. */
function pageFor(log: LatencyLog, entry: number): number {
  if (entry >= log.pageOf.length) {
    const pageOf = new Int32Array(2 * Math.max(log.pageOf.length, entry));
    pageOf.set(log.pageOf);
    log.pageOf = pageOf;
  }
  return log.pageOf[entry] || addPage(log, entry);
}

function countLatency(log: LatencyLog, group: number, bucket: number, count: number): void {
  const page = pageFor(log, group * PAGES + (bucket >> SUB_BITS));
  log.counts[(page - 1) * SUBS + (bucket & (SUBS - 1))] += count;
}

function addPage(log: LatencyLog, entry: number): number {
  const page = ++log.pages;
  if (page * SUBS > log.counts.length) {
    const counts = new Float64Array(2 * log.counts.length);
    counts.set(log.counts);
    log.counts = counts;
  }
  log.pageOf[entry] = page;
  return page;
}

/** Calls `visit` for each non-empty bucket of a group, ascending. */
export function forEachBucket(
  log: LatencyLog,
  group: number,
  visit: (bucket: number, count: number) => void,
): void {
  for (let page = 0; page < PAGES; page++) {
    const at = pageAt(log, group, page);
    if (at < 0) continue;
    for (let sub = 0; sub < SUBS; sub++)
      if (log.counts[at + sub] > 0) visit(page * SUBS + sub, log.counts[at + sub]);
  }
}

/** Adds the other log's values; `groupOf[g]` is this log's number of the other's group g. */
export function mergeLatencyLogs(log: LatencyLog, other: LatencyLog, groupOf: Uint32Array): void {
  for (let group = 0; group < groupOf.length; group++)
    forEachBucket(other, group, (bucket, count) => countLatency(log, groupOf[group], bucket, count));
  if (!log.exact) return;
  if (!other.exact || log.count + other.count > log.limit) {
    log.exact = false;
    log.chunks = [];
    return;
  }
  forEachValue(other, (group, value) => keepValue(log, groupOf[group], value));
}

function valuesByGroup(log: LatencyLog): number[][] {
  const values: number[][] = [];
  forEachValue(log, (group, value) => {
    values[group] ??= [];
    values[group].push(value);
  });
  return values;
}

function forEachValue(log: LatencyLog, visit: (group: number, value: number) => void): void {
  let left = log.count;
  for (const { groups, values } of log.chunks) {
    const n = Math.min(left, CHUNK);
    for (let i = 0; i < n; i++) visit(groups[i], values[i]);
    left -= n;
  }
}

function isSmall(log: LatencyLog): boolean {
  return log.exact && log.count <= SMALL;
}

/** Counts of groups 0 … groups − 1 per power of two: 0–1, 2–3, 4–7 … ns. */
export function log2Counts(log: LatencyLog, groups: number): Float64Array[] {
  const counts = Array.from({ length: groups }, () => new Float64Array(LOG2_BUCKETS));
  if (isSmall(log))
    forEachValue(log, (group, value) => {
      counts[group][log2Floor(value)]++;
    });
  else for (let group = 0; group < groups; group++) countLog2(log, group, counts[group]);
  return counts;
}

function countLog2(log: LatencyLog, group: number, counts: Float64Array): void {
  const buckets = new Float64Array(SUBS);
  for (let page = 0; page < PAGES; page++) {
    const at = pageAt(log, group, page);
    // All of a page is within one power of two, but for the first, which has a bucket for each value.
    if (at >= 0 && page > 0) counts[page + SUB_BITS - 1] = addCounts(buckets, 0, log.counts, at);
    else if (at >= 0) for (let sub = 0; sub < SUBS; sub++) counts[log2Floor(sub)] += log.counts[at + sub];
  }
}

/** Where the counts of a group's page begin; negative: it has none. */
function pageAt(log: LatencyLog, group: number, page: number): number {
  return ((log.pageOf[group * PAGES + page] ?? 0) - 1) * SUBS;
}

export interface Quantiles {
  /** Values in the order of the asked quantiles; NaN where there is no value. */
  readonly values: number[];
  /** Largest relative error in percent; 0 = exact. */
  readonly errorPct: number;
}

/** Where a quantile lies: its bucket and its rank (1-based) among the values there. */
interface Place {
  readonly bucket: number;
  readonly rank: number;
}

/** Quantiles of each set of groups. A group may be in several sets. */
export function quantilesOf(
  log: LatencyLog,
  sets: readonly Uint32Array[],
  quantiles: readonly number[],
): Quantiles[] {
  if (isSmall(log)) return smallQuantiles(valuesByGroup(log), sets, quantiles);
  const places = sets.map((set) => findPlaces(log, set, quantiles));
  const kept = log.exact ? collectBuckets(log, places) : null;
  return sets.map((set, s) => {
    if (kept === null)
      return {
        values: places[s].map((place) => (place ? bucketMiddle(place.bucket) : Number.NaN)),
        errorPct: MIDDLE_ERROR_PCT,
      };
    const members = new Set(set);
    const sorted = new Map<number, Float64Array>();
    const values = places[s].map((place) => {
      if (!place) return Number.NaN;
      let bucket = sorted.get(place.bucket);
      if (!bucket) {
        const { groups, values: all } = kept.get(place.bucket)!;
        bucket = all.filter((_, i) => members.has(groups[i])).sort();
        sorted.set(place.bucket, bucket);
      }
      return bucket[place.rank - 1];
    });
    return { values, errorPct: 0 };
  });
}

function findPlaces(log: LatencyLog, set: Uint32Array, quantiles: readonly number[]): (Place | null)[] {
  const counts = new Float64Array(BUCKETS);
  const pageTotals = new Float64Array(PAGES);
  for (const group of set)
    for (let page = 0; page < PAGES; page++) {
      const at = pageAt(log, group, page);
      if (at >= 0) pageTotals[page] += addCounts(counts, page * SUBS, log.counts, at);
    }
  const total = pageTotals.reduce((sum, pageTotal) => sum + pageTotal, 0);
  return quantiles.map((q) => {
    if (total === 0) return null;
    let rank = nearestRank(q, total);
    let page = 0;
    while (rank > pageTotals[page]) rank -= pageTotals[page++];
    let bucket = page * SUBS;
    while (rank > counts[bucket]) rank -= counts[bucket++];
    return { bucket, rank };
  });
}

/** Adds the counts of a page's buckets; returns their sum. */
function addCounts(to: Float64Array, toFrom: number, counts: Float64Array, from: number): number {
  let total = 0;
  for (let sub = 0; sub < SUBS; sub++) {
    const count = counts[from + sub];
    to[toFrom + sub] += count;
    total += count;
  }
  return total;
}

interface BucketValues {
  readonly groups: Uint32Array;
  readonly values: Float64Array;
}

/** The values of all buckets that hold a wanted rank. */
function collectBuckets(log: LatencyLog, places: readonly (Place | null)[][]): Map<number, BucketValues> {
  /** Bucket → number of its list + 1. */
  const listOf = new Uint32Array(BUCKETS);
  const lists: BucketValues[] = [];
  const kept = new Map<number, BucketValues>();
  for (const place of places.flat()) {
    if (!place || listOf[place.bucket] !== 0) continue;
    const size = bucketCount(log, place.bucket);
    const list = { groups: new Uint32Array(size), values: new Float64Array(size) };
    listOf[place.bucket] = lists.push(list);
    kept.set(place.bucket, list);
  }
  const filled = new Uint32Array(lists.length);
  for (let left = log.count, chunk = 0; left > 0; left -= CHUNK, chunk++) {
    const { groups, values } = log.chunks[chunk];
    const end = Math.min(left, CHUNK);
    for (let i = nextWanted(values, listOf, 0, end); i < end; i = nextWanted(values, listOf, i + 1, end)) {
      const list = listOf[bucketOf(values[i])] - 1;
      const at = filled[list]++;
      lists[list].groups[at] = groups[i];
      lists[list].values[at] = values[i];
    }
  }
  return kept;
}

/** First of values[from … end) whose bucket has a list; `end` if there is none. */
function nextWanted(values: Float64Array, listOf: Uint32Array, from: number, end: number): number {
  let i = from;
  while (i < end && listOf[bucketOf(values[i])] === 0) i++;
  return i;
}

/** Values of all groups in a bucket. */
function bucketCount(log: LatencyLog, bucket: number): number {
  let count = 0;
  for (let entry = bucket >> SUB_BITS; entry < log.pageOf.length; entry += PAGES) {
    const page = log.pageOf[entry];
    if (page > 0) count += log.counts[(page - 1) * SUBS + (bucket & (SUBS - 1))];
  }
  return count;
}
