/**
 * Quantiles of few values: sorting all of them takes a tenth of what it takes to look through the thousands of buckets of
 * every group, in code that V8 has not compiled yet.
 */
import type { Quantiles } from './latency-log.ts';
import { nearestRank } from './quantiles.ts';

/** As quantilesOf(), of the values of each group. */
export function smallQuantiles(
  groups: readonly (readonly number[] | undefined)[],
  sets: readonly Uint32Array[],
  quantiles: readonly number[],
): Quantiles[] {
  return sets.map((set) => {
    const sorted = Float64Array.from(Array.from(set, (group) => groups[group] ?? []).flat()).sort();
    const { length } = sorted;
    const values = quantiles.map((q) => (length === 0 ? Number.NaN : sorted[nearestRank(q, length) - 1]));
    return { values, errorPct: 0 };
  });
}
