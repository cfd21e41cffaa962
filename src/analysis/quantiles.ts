/**
 * Quantiles by nearest rank: the k-th smallest value with k = ceil(q·n), so that a percentile is a latency that was
 * really measured.
 */

/** Rank (1-based) of quantile q in n values. */
export function nearestRank(q: number, n: number): number {
  return Math.min(n, Math.max(1, Math.ceil(q * n)));
}
