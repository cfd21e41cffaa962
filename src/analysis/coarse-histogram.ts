/**
 * Many small distributions of durations side by side (one per interval and reason): log-linear buckets with 16 steps
 * per power of two, in pages that are made when used. A percentile is the middle of its bucket: at most 3.2 % off (or
 * 4 ns, below 128 ns).
 */
import type { Arena } from '../core/arena.ts';
import { float64s, int32s, widened } from '../core/columns.ts';
import { COARSE_BLOCK_BITS, COARSE_STEP_BITS, COARSE_PAGES as PAGES } from './exits-view-layout.ts';
import { bucketOf, SUB_BITS, SUBS } from './log-linear.ts';
import { nearestRank } from './quantiles.ts';

/** Buckets of a page; fine buckets (log-linear.ts) that one of these takes together: 8. */
const STEPS = 1 << COARSE_STEP_BITS;
const SHIFT = SUB_BITS - COARSE_STEP_BITS;
/** Pages are allocated so many at a time: they never move. */
const BLOCK = 1 << COARSE_BLOCK_BITS;
export const COARSE_ERROR_PCT = 100 / (2 * STEPS);

export interface CoarseHistograms {
  /** Page + 1 by cell · PAGES + power of two; 0 = not made. */
  pageOf: Int32Array;
  readonly blocks: Float64Array[];
  /** Addresses of the blocks, if they lie in an arena. */
  addresses: Int32Array;
  pages: number;
  readonly arena: Arena | null;
}

export function createCoarseHistograms(arena: Arena | null = null): CoarseHistograms {
  return { pageOf: int32s(arena, 64 * PAGES), blocks: [], addresses: int32s(arena, 64), pages: 0, arena };
}

/** The histograms in memory of their own. */
export function plainCoarse(histograms: CoarseHistograms): CoarseHistograms {
  const { pageOf, blocks } = histograms;
  return { ...histograms, pageOf: pageOf.slice(), blocks: blocks.map((block) => block.slice()), arena: null };
}

/** Makes all cells empty. */
export function clearCoarse(histograms: CoarseHistograms): void {
  histograms.pageOf.fill(0);
  for (const block of histograms.blocks) block.fill(0);
  histograms.pages = 0;
}

/** Counts a value; also any cell beyond those seen so far. */
export function countCoarse(histograms: CoarseHistograms, cell: number, value: number): void {
  const bucket = bucketOf(value);
  addCoarse(histograms, cell, bucket >> SUB_BITS, (bucket & (SUBS - 1)) >> SHIFT, 1);
}

function addCoarse(
  histograms: CoarseHistograms,
  cell: number,
  power: number,
  step: number,
  count: number,
): void {
  const entry = cell * PAGES + power;
  if (entry >= histograms.pageOf.length) {
    const length = 2 * Math.max(entry, histograms.pageOf.length);
    histograms.pageOf = widened(int32s, histograms.arena, length, histograms.pageOf);
  }
  let page = histograms.pageOf[entry];
  if (page === 0) {
    page = ++histograms.pages;
    histograms.pageOf[entry] = page;
    if (page > BLOCK * histograms.blocks.length) addBlock(histograms);
  }
  histograms.blocks[(page - 1) >> COARSE_BLOCK_BITS][placeOf(page) + step] += count;
}

/** Where the counts of a page begin in its block. */
function placeOf(page: number): number {
  return ((page - 1) & (BLOCK - 1)) * STEPS;
}

function addBlock(histograms: CoarseHistograms): void {
  const { blocks, arena } = histograms;
  const block = float64s(arena, BLOCK * STEPS);
  if (blocks.length === histograms.addresses.length)
    histograms.addresses = widened(int32s, arena, 2 * blocks.length, histograms.addresses);
  histograms.addresses[blocks.length] = block.byteOffset;
  blocks.push(block);
}

/** Adds the other's cell to this one's. */
export function mergeCoarse(
  histograms: CoarseHistograms,
  cell: number,
  other: CoarseHistograms,
  from: number,
): void {
  for (let power = 0; power < PAGES; power++) {
    const page = other.pageOf[from * PAGES + power] ?? 0;
    if (page === 0) continue;
    for (let step = 0; step < STEPS; step++) {
      const count = other.blocks[(page - 1) >> COARSE_BLOCK_BITS][placeOf(page) + step];
      if (count > 0) addCoarse(histograms, cell, power, step, count);
    }
  }
}

/** Quantile (nearest rank) of all the cells' values together, of which there are `n` > 0; `max` is their largest. */
export function coarseQuantile(
  histograms: CoarseHistograms,
  cells: readonly number[],
  q: number,
  n: number,
  max: number,
): number {
  const wanted = nearestRank(q, n);
  if (wanted === n) return max;
  let rank = wanted;
  for (let power = 0; power < PAGES; power++)
    for (let step = 0; step < STEPS; step++) {
      for (const cell of cells) {
        const page = histograms.pageOf[cell * PAGES + power] ?? 0;
        if (page > 0) rank -= histograms.blocks[(page - 1) >> COARSE_BLOCK_BITS][placeOf(page) + step];
      }
      if (rank <= 0) return Math.min(max, middle(power, step));
    }
  return max;
}

/** Middle of 8 fine buckets (log-linear.ts), an integer. */
function middle(power: number, step: number): number {
  const sub = (step << SHIFT) + (1 << (SHIFT - 1));
  return power < 2 ? (power << SUB_BITS) + sub : (SUBS + sub) * 2 ** (power - 1);
}

/** Lower limits, inclusive, of the bucket and of the next one (see coarseCounts). */
export function coarseBounds(bucket: number): [number, number] {
  return [lowerBound(bucket), lowerBound(bucket + 1)];
}

function lowerBound(bucket: number): number {
  const power = Math.floor(bucket / STEPS);
  const sub = (bucket % STEPS) << SHIFT;
  return power === 0 ? sub : (SUBS + sub) * 2 ** (power - 1);
}

/**
 * Counts of `count` cells from `first` on: numbers of the buckets in use by any of them, ascending, and the counts by
 * cell · buckets.length + index.
 */
export function coarseCounts(
  histograms: CoarseHistograms,
  first: number,
  count: number,
): { buckets: Uint16Array; histogram: Float64Array } {
  const used = new Set<number>();
  const visit = (take: (cell: number, bucket: number, n: number) => void) => {
    for (let cell = 0; cell < count; cell++)
      for (let power = 0; power < PAGES; power++) {
        const page = histograms.pageOf[(first + cell) * PAGES + power] ?? 0;
        for (let step = 0; page > 0 && step < STEPS; step++) {
          const n = histograms.blocks[(page - 1) >> COARSE_BLOCK_BITS][placeOf(page) + step];
          if (n > 0) take(cell, power * STEPS + step, n);
        }
      }
  };
  visit((_, bucket) => used.add(bucket));
  const buckets = Uint16Array.from(used).sort();
  const indexOf = new Map([...buckets].map((bucket, i) => [bucket, i]));
  const histogram = new Float64Array(count * buckets.length);
  visit((cell, bucket, n) => {
    histogram[cell * buckets.length + indexOf.get(bucket)!] = n;
  });
  return { buckets, histogram };
}
