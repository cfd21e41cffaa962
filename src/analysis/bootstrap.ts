/**
 * How far the figures of one recording would scatter if the same load were recorded again: circular block bootstrap
 * over time slices (Politis and Romano 1992). Blocks of neighbouring slices are drawn with replacement, because exits
 * come in bursts; how long the blocks are is what the slices themselves show: of 1, 2, 4, 8 and 16 the length at which
 * their sums scatter most, which only ever makes figures less certain.
 */
import { TWO_32 } from '../core/words.ts';
import { coarseBounds } from './coarse-histogram.ts';
import type { SliceReason } from './slices.ts';

export const REPLICATES = 300;
/** Fewer slices say nothing about scatter. */
export const LEAST_SLICES = 32;
const BLOCK_LENGTHS = [1, 2, 4, 8, 16] as const;
export const SPREAD_QUANTILES = [0.5, 0.9, 0.99] as const;
/** A quantile needs so many values beyond it. */
const LEAST_BEYOND = 5;

/** Slices of a recording: ns of it in each, and ns in the guest. */
export interface SliceTimes {
  readonly exposure: Float64Array;
  readonly guest: Float64Array;
}

/** Standard errors; NaN: the slices do not tell. */
export interface Spread {
  /** Relative to the figure: exits per time, exits per guest time; ns per time. */
  readonly rate: number;
  readonly guestRate: number;
  readonly cost: number;
  /** Absolute: escalated share (0–1) and quantiles in ns, the width of their buckets included. */
  readonly escalation: number;
  readonly quantiles: readonly number[];
  /** Independent blocks that the recording was cut into. */
  readonly blocks: number;
}

/** Small, fast, good enough for resampling (mulberry32). */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / TWO_32;
  };
}

/** Variance of the sum over all slices that blocks of `length` suggest. */
function varianceOfSum(values: Float64Array, length: number): number {
  const n = values.length;
  let mean = 0;
  for (const value of values) mean += value / n;
  let sum = 0;
  for (let i = 0; i < length; i++) sum += values[i] - mean;
  let squares = 0;
  for (let i = 0; i < n; i++) {
    squares += sum * sum;
    sum += values[(i + length) % n] - values[i];
  }
  return squares / length;
}

function blockLength(columns: readonly Float64Array[]): number {
  let longest = 1;
  for (const column of columns) {
    let most = 0;
    let best = 1;
    for (const length of BLOCK_LENGTHS) {
      if (column.length < 8 * length) break;
      const variance = varianceOfSum(column, length);
      if (variance > most) {
        most = variance;
        best = length;
      }
    }
    longest = Math.max(longest, best);
  }
  return longest;
}

/** How often each slice is in one replicate. */
function drawWeights(weights: Float64Array, length: number, random: () => number): void {
  const n = weights.length;
  weights.fill(0);
  for (let drawn = 0; drawn < n; drawn += length) {
    const start = Math.floor(random() * n);
    for (let i = 0; i < length && drawn + i < n; i++) weights[(start + i) % n]++;
  }
}

function weighted(values: Float64Array, weights: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] * weights[i];
  return sum;
}

/** Mean and standard deviation as they come in. */
function createScatter(): { add(value: number): void; deviation(): number; relative(): number } {
  let n = 0;
  let mean = 0;
  let squares = 0;
  const deviation = () => (n < REPLICATES * 0.9 ? Number.NaN : Math.sqrt(squares / (n - 1)));
  return {
    add(value) {
      if (!Number.isFinite(value)) return;
      n++;
      const delta = value - mean;
      mean += delta / n;
      squares += delta * (value - mean);
    },
    deviation,
    relative: () => (mean > 0 ? deviation() / mean : Number.NaN),
  };
}

const seedOf = ({ isa, code }: SliceReason) => Math.imul(code + 1, 0x9e3779b1) ^ isa;

/** The scatter of one reason's figures. The same slices give the same numbers, everywhere and always. */
export function spreadOf(reason: SliceReason, times: SliceTimes): Spread {
  const n = reason.exits.length;
  const unknown: Spread = {
    rate: Number.NaN,
    guestRate: Number.NaN,
    cost: Number.NaN,
    escalation: Number.NaN,
    quantiles: SPREAD_QUANTILES.map(() => Number.NaN),
    blocks: n,
  };
  if (n < LEAST_SLICES) return unknown;
  const length = blockLength([reason.exits, reason.ns]);
  const random = createRandom(seedOf(reason));
  const weights = new Float64Array(n);
  const rate = createScatter();
  const guestRate = createScatter();
  const cost = createScatter();
  const escalation = createScatter();
  const quantiles = SPREAD_QUANTILES.map(createScatter);
  const histogram = new Float64Array(reason.buckets.length);
  for (let replicate = 0; replicate < REPLICATES; replicate++) {
    drawWeights(weights, length, random);
    const exits = weighted(reason.exits, weights);
    const exposure = weighted(times.exposure, weights);
    rate.add(exits / exposure);
    guestRate.add(exits / weighted(times.guest, weights));
    cost.add(weighted(reason.ns, weights) / exposure);
    escalation.add(weighted(reason.escalated, weights) / exits);
    const paired = weightedHistogram(reason, weights, histogram);
    for (const [i, q] of SPREAD_QUANTILES.entries())
      quantiles[i].add(quantileOf(reason.buckets, histogram, q, paired));
  }
  const paired = weightedHistogram(reason, weights.fill(1), histogram);
  return {
    rate: rate.relative(),
    guestRate: guestRate.relative(),
    cost: cost.relative(),
    escalation: escalation.deviation(),
    quantiles: SPREAD_QUANTILES.map((q, i) =>
      paired * (1 - q) < LEAST_BEYOND
        ? Number.NaN
        : Math.hypot(quantiles[i].deviation(), bucketWidth(reason.buckets, histogram, q, paired)),
    ),
    blocks: Math.floor(n / length),
  };
}

/** Sums the slices' histograms; returns the sum of all counts. */
function weightedHistogram(
  { histogram, buckets }: SliceReason,
  weights: Float64Array,
  target: Float64Array,
): number {
  const width = buckets.length;
  let total = 0;
  target.fill(0);
  for (let slice = 0; slice < weights.length; slice++) {
    const weight = weights[slice];
    if (weight === 0) continue;
    const at = slice * width;
    for (let i = 0; i < width; i++) target[i] += weight * histogram[at + i];
  }
  for (let i = 0; i < width; i++) total += target[i];
  return total;
}

/** Index of the bucket that holds a quantile, and the rank in it (0–1). */
function placeOf(histogram: Float64Array, q: number, total: number): [number, number] {
  let rank = q * total;
  let i = 0;
  while (i < histogram.length - 1 && rank > histogram[i]) rank -= histogram[i++];
  return [i, histogram[i] > 0 ? Math.min(1, rank / histogram[i]) : 0];
}

/** Between the bucket's limits by rank: as a bucket's middle, replicates would not scatter within it. */
function quantileOf(buckets: Uint16Array, histogram: Float64Array, q: number, total: number): number {
  if (total === 0) return Number.NaN;
  const [i, part] = placeOf(histogram, q, total);
  const [from, to] = coarseBounds(buckets[i]);
  return from + part * (to - from);
}

/** What the bucket hides: the standard deviation of a value that may be anywhere in it. */
function bucketWidth(buckets: Uint16Array, histogram: Float64Array, q: number, total: number): number {
  const [from, to] = coarseBounds(buckets[placeOf(histogram, q, total)[0]]);
  return (to - from) / Math.sqrt(12);
}

/** Several reasons as one. */
export function sumReasons(reasons: readonly SliceReason[], slices: number): SliceReason {
  const buckets = Uint16Array.from(new Set(reasons.flatMap((reason) => [...reason.buckets]))).sort();
  const indexOf = new Map([...buckets].map((bucket, i) => [bucket, i]));
  const sum = {
    isa: 0,
    code: reasons.length,
    exits: new Float64Array(slices),
    paired: new Float64Array(slices),
    escalated: new Float64Array(slices),
    ns: new Float64Array(slices),
    buckets,
    histogram: new Float64Array(slices * buckets.length),
  };
  for (const reason of reasons)
    for (let slice = 0; slice < slices; slice++) {
      for (const name of ['exits', 'paired', 'escalated', 'ns'] as const)
        sum[name][slice] += reason[name][slice];
      for (const [i, bucket] of reason.buckets.entries())
        sum.histogram[slice * buckets.length + indexOf.get(bucket)!] +=
          reason.histogram[slice * reason.buckets.length + i];
    }
  return sum;
}
