/**
 * Distributions of latency per group. Always: log-linear histograms. While they fit, also every value, which makes
 * percentiles exact: the histogram tells which few buckets hold the wanted ranks, and only those are sorted. Beyond
 * that percentiles are the buckets' middles with a stated error, so that memory does not grow with the recording.
 */
import { type Arena, allocateU16, allocateU32 } from '../core/arena.ts';
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

/** Values kept: 6 bytes each. */
const EXACT_LIMIT = 2 << 20;
export const CHUNK = 1 << 17;
/** Up to so many values it is faster to go through them than through the buckets of every group. */
const SMALL = 1 << 15;
/** Pages (of SUBS buckets) per group. */
const PAGES = BUCKETS / SUBS;
/** Buckets of the coarse histogram: 0–1, 2–3, 4–7 … (bcc's rule). */
const LOG2_BUCKETS = 53;

export interface LatencyLog {
  readonly limit: number;
  /** Values so far; beyond `limit` they are gone. */
  count: number;
  exact: boolean;
  chunks: { readonly groups: Uint16Array; readonly values: Uint32Array }[];
  /** Values of 4.3 s and more, or of groups beyond 65536, which chunks have no room for. */
  wide: { readonly groups: number[]; readonly values: number[] };
  /** Page number + 1 by group · PAGES + page of the bucket; 0 = not made yet. */
  pageOf: Int32Array;
  /** Counts of the pages' buckets. */
  counts: Float64Array;
  pages: number;
  /** Where chunks lie, for a kernel that fills them (src/kernels/exit-counts.ts); null: in plain memory. */
  readonly arena: Arena | null;
}

export function createLatencyLog(limit: number = EXACT_LIMIT, arena: Arena | null = null): LatencyLog {
  return {
    limit,
    count: 0,
    exact: true,
    chunks: [],
    wide: { groups: [], values: [] },
    pageOf: new Int32Array(16 * PAGES),
    counts: new Float64Array(64 * SUBS),
    pages: 0,
    arena,
  };
}

/** Adds a value, a non-negative integer below 2^53, to its group. */
export function logLatency(log: LatencyLog, group: number, value: number): void {
  countLatency(log, group, bucketOf(value), 1);
  if (log.exact) keepValue(log, group, value);
}

function keepValue(log: LatencyLog, group: number, value: number): void {
  if (log.count === log.limit) dropValues(log);
  if (!log.exact) return;
  if (!fitsChunk(group, value)) {
    log.wide.groups.push(group);
    log.wide.values.push(value);
  } else {
    const at = inChunks(log) % CHUNK;
    const chunk = openChunk(log)!;
    chunk.groups[at] = group;
    chunk.values[at] = value;
  }
  log.count++;
}

function dropValues(log: LatencyLog): void {
  log.exact = false;
  log.chunks = [];
  log.wide = { groups: [], values: [] };
}

export const fitsChunk = (group: number, value: number) => group < 65536 && value < 4294967296;

/** Values that lie in chunks. */
export const inChunks = ({ count, wide }: LatencyLog) => count - wide.values.length;

export type Chunk = LatencyLog['chunks'][number];

/** The chunk that the next value goes to, at inChunks() % CHUNK; null, and values are no longer kept, if it is too many. */
export function openChunk(log: LatencyLog): Chunk | null {
  if (log.count === log.limit) dropValues(log);
  if (!log.exact) return null;
  if (inChunks(log) === log.chunks.length * CHUNK) log.chunks.push(createChunk(log.arena));
  return log.chunks[log.chunks.length - 1];
}

function createChunk(arena: Arena | null): Chunk {
  return arena === null
    ? { groups: new Uint16Array(CHUNK), values: new Uint32Array(CHUNK) }
    : { groups: allocateU16(arena, CHUNK), values: allocateU32(arena, CHUNK) };
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

/** Adds `count` values of a bucket. */
export function countLatency(log: LatencyLog, group: number, bucket: number, count: number): void {
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
    dropValues(log);
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
  let left = inChunks(log);
  for (const { groups, values } of log.chunks) {
    const n = Math.min(left, CHUNK);
    for (let i = 0; i < n; i++) visit(groups[i], values[i]);
    left -= n;
  }
  log.wide.values.forEach((value, i) => {
    visit(log.wide.groups[i], value);
  });
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
  const counts = new Float64Array(BUCKETS);
  const places = sets.map((set) => findPlaces(log, set, quantiles, counts));
  const kept = log.exact ? collectBuckets(log, places) : null;
  const grouped = sets.length > FEW_SETS ? new Map<number, GroupedValues>() : null;
  return sets.map((set, s) => {
    if (kept === null)
      return {
        values: places[s].map((place) => (place ? bucketMiddle(place.bucket) : Number.NaN)),
        errorPct: MIDDLE_ERROR_PCT,
      };
    const members = new Set(set);
    const valuesIn = (bucket: number): Float64Array => {
      const all = kept.get(bucket)!;
      if (grouped === null) return all.values.filter((_, i) => members.has(all.groups[i]));
      let byGroup = grouped.get(bucket);
      if (!byGroup) {
        byGroup = groupValues(all);
        grouped.set(bucket, byGroup);
      }
      return valuesOfGroups(byGroup, members);
    };
    const sorted = new Map<number, Float64Array>();
    const values = places[s].map((place) => {
      if (!place) return Number.NaN;
      let bucket = sorted.get(place.bucket);
      if (!bucket) {
        bucket = valuesIn(place.bucket).sort();
        sorted.set(place.bucket, bucket);
      }
      return bucket[place.rank - 1];
    });
    return { values, errorPct: 0 };
  });
}

/** `counts` are zeros, and are so again behind it. */
function findPlaces(
  log: LatencyLog,
  set: Uint32Array,
  quantiles: readonly number[],
  counts: Float64Array,
): (Place | null)[] {
  const pageTotals = new Float64Array(PAGES);
  for (const group of set)
    for (let page = 0; page < PAGES; page++) {
      const at = pageAt(log, group, page);
      if (at >= 0) pageTotals[page] += addCounts(counts, page * SUBS, log.counts, at);
    }
  const total = pageTotals.reduce((sum, pageTotal) => sum + pageTotal, 0);
  const places = quantiles.map((q) => {
    if (total === 0) return null;
    let rank = nearestRank(q, total);
    let page = 0;
    while (rank > pageTotals[page]) rank -= pageTotals[page++];
    let bucket = page * SUBS;
    while (rank > counts[bucket]) rank -= counts[bucket++];
    return { bucket, rank };
  });
  for (let page = 0; page < PAGES; page++)
    if (pageTotals[page] > 0) counts.fill(0, page * SUBS, (page + 1) * SUBS);
  return places;
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

/** So many sets look through all values of a bucket; for more (a set per thread) they are put in order first. */
const FEW_SETS = 16;

/** A bucket's values, group after group: where each group's begin and end. */
interface GroupedValues {
  readonly starts: ReadonlyMap<number, number>;
  readonly ends: ReadonlyMap<number, number>;
  readonly values: Float64Array;
}

function groupValues({ groups, values }: BucketValues): GroupedValues {
  const ends = new Map<number, number>();
  for (const group of groups) ends.set(group, (ends.get(group) ?? 0) + 1);
  const starts = new Map<number, number>();
  let start = 0;
  for (const [group, count] of ends) {
    starts.set(group, start);
    ends.set(group, start);
    start += count;
  }
  const ordered = new Float64Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const at = ends.get(groups[i])!;
    ordered[at] = values[i];
    ends.set(groups[i], at + 1);
  }
  return { starts, ends, values: ordered };
}

function valuesOfGroups({ starts, ends, values }: GroupedValues, groups: ReadonlySet<number>): Float64Array {
  let count = 0;
  for (const group of groups) count += (ends.get(group) ?? 0) - (starts.get(group) ?? 0);
  const found = new Float64Array(count);
  let at = 0;
  for (const group of groups) {
    const start = starts.get(group);
    if (start === undefined) continue;
    const part = values.subarray(start, ends.get(group));
    found.set(part, at);
    at += part.length;
  }
  return found;
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
  const collect = (groups: ArrayLike<number>, values: ArrayLike<number>, end: number) => {
    for (let i = nextWanted(values, listOf, 0, end); i < end; i = nextWanted(values, listOf, i + 1, end)) {
      const list = listOf[bucketOf(values[i])] - 1;
      const at = filled[list]++;
      lists[list].groups[at] = groups[i];
      lists[list].values[at] = values[i];
    }
  };
  for (let left = inChunks(log), chunk = 0; left > 0; left -= CHUNK, chunk++)
    collect(log.chunks[chunk].groups, log.chunks[chunk].values, Math.min(left, CHUNK));
  collect(log.wide.groups, log.wide.values, log.wide.values.length);
  return kept;
}

/** First of values[from … end) whose bucket has a list; `end` if there is none. */
function nextWanted(values: ArrayLike<number>, listOf: Uint32Array, from: number, end: number): number {
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
