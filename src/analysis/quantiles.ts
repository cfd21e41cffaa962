/**
 * Quantiles by nearest rank: the k-th smallest value with k = ceil(q·n), so that a percentile is a latency that was
 * really measured. Exact; sorting is limited to the buckets that hold the wanted ranks.
 */
import { BUCKETS, bucketOf } from './log-linear.ts';

const SORT_LIMIT = 2048;
const counts = new Uint32Array(BUCKETS);

/** Rank (1-based) of quantile q in n values. */
export function nearestRank(q: number, n: number): number {
  return Math.min(n, Math.max(1, Math.ceil(q * n)));
}

/** The values of the given ranks (1-based, ascending) among `values` (non-negative integers, in any order). */
export function selectRanks(values: Float64Array, ranks: readonly number[]): number[] {
  if (values.length === 0) return ranks.map(() => Number.NaN);
  if (values.length <= SORT_LIMIT) {
    const sorted = values.slice().sort();
    return ranks.map((rank) => sorted[rank - 1]!);
  }
  counts.fill(0);
  for (let i = 0; i < values.length; i++) counts[bucketOf(values[i]!)]!++;
  const result: number[] = [];
  let below = 0;
  let bucket = 0;
  let sorted: Float64Array | null = null;
  for (const rank of ranks) {
    while (below + counts[bucket]! < rank) {
      below += counts[bucket++]!;
      sorted = null;
    }
    sorted ??= collect(values, bucket, counts[bucket]!).sort();
    result.push(sorted[rank - below - 1]!);
  }
  return result;
}

function collect(values: Float64Array, bucket: number, count: number): Float64Array {
  const found = new Float64Array(count);
  let n = 0;
  for (let i = 0; i < values.length; i++) if (bucketOf(values[i]!) === bucket) found[n++] = values[i]!;
  return found;
}
