/**
 * Changes and bursts in a series of counts per bucket, with a bound on false alarms. docs/storms.md explains the method
 * to readers; in short:
 *
 * Changes of level: binary segmentation with Pettitt's rank test (Applied Statistics 28, 1979), which supposes nothing
 * of how the counts are distributed: p ≈ 2·exp(−6K²/(T³+T²)). Counts that follow each other are often alike, which the
 * test takes for a change; so the exponent is divided by 1 + 2·Σρ(k), ρ(k) the correlations at near lags. Each half of
 * a split is tested at half the level.
 *
 * Bursts: buckets far above the median of their segment, in steps of its spread: counts c become 2√(c+3/8), whose
 * spread is 1 for random arrivals (Anscombe), and at least the segment's own: root of the mean square of the deviations,
 * and 1.4826 times their median.
 */

/** Buckets that a segment must have. */
const MIN_SEGMENT = 5;
const MIN_SERIES = 20;
/** A change is worth telling from this ratio of rates on. */
const MIN_RATIO = 1.5;
/** Exits per bucket that one of the sides must have on average. */
const MIN_MEAN = 2;
/** Lags that tell correlation, and those that stand for none. */
const NEAR_LAGS = [1, 2, 3, 4, 5, 6];
const FAR_LAGS = [7, 8, 9, 10];
/** Series with more unusual buckets than this share are uneven by nature. */
const MAX_BURST_SHARE = 0.05;

export interface Change {
  /** First bucket after the change. */
  readonly bucket: number;
  /** Probability of such a split in a series without change. */
  readonly p: number;
}

export function median(values: readonly number[]): number {
  if (values.length === 0) return 0;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Changes of level, ascending; `alpha`: probability of any in a series without one. */
export function findChanges(counts: ArrayLike<number>, alpha: number): Change[] {
  const changes: Change[] = [];
  if (counts.length >= MIN_SERIES) split(Array.from(counts), 0, alpha, changes);
  changes.sort((a, b) => a.bucket - b.bucket);
  return changes;
}

function split(counts: readonly number[], offset: number, alpha: number, changes: Change[]): void {
  if (counts.length < 2 * MIN_SEGMENT) return;
  const { at, p } = pettitt(counts);
  if (p > alpha) return;
  const left = counts.slice(0, at);
  const right = counts.slice(at);
  if (isWorthTelling(left, right)) changes.push({ bucket: offset + at, p });
  else return;
  split(left, offset, alpha / 2, changes);
  split(right, offset + at, alpha / 2, changes);
}

function isWorthTelling(left: readonly number[], right: readonly number[]): boolean {
  const [a, b] = [mean(left), mean(right)].sort((x, y) => x - y);
  return b >= MIN_MEAN && b >= MIN_RATIO * a;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The best place for one change of level and how likely that is by chance. */
function pettitt(counts: readonly number[]): { at: number; p: number } {
  const n = counts.length;
  const ranks = ranksOf(counts);
  let sum = 0;
  let best = 0;
  let at = MIN_SEGMENT;
  for (let t = 1; t <= n - MIN_SEGMENT; t++) {
    sum += ranks[t - 1];
    const k = Math.abs(2 * sum - t * (n + 1));
    if (t >= MIN_SEGMENT && k > best) {
      best = k;
      at = t;
    }
  }
  const exponent = (6 * best * best) / (n ** 3 + n ** 2) / inflation(counts, at);
  return { at, p: Math.min(1, 2 * Math.exp(-exponent)) };
}

/** Ranks from 1; equal values share the mean of theirs. */
function ranksOf(counts: readonly number[]): Float64Array {
  const order = counts.map((_, i) => i).sort((a, b) => counts[a] - counts[b]);
  const ranks = new Float64Array(counts.length);
  for (let from = 0; from < order.length; ) {
    let to = from;
    while (to < order.length && counts[order[to]] === counts[order[from]]) to++;
    for (let i = from; i < to; i++) ranks[order[i]] = (from + to + 1) / 2;
    from = to;
  }
  return ranks;
}

/**
 * By how much likeness of neighbours widens the spread of rank sums: 1 + 2·Σρ(k). The correlations come from the ranks
 * of what is left when each side's median is taken out, by how much differences of near buckets are smaller than those
 * of farther ones (a variogram): changes that were not found yet hardly disturb that.
 */
function inflation(counts: readonly number[], at: number): number {
  const [left, right] = [median(counts.slice(0, at)), median(counts.slice(at))];
  const rest = ranksOf(counts.map((count, i) => count - (i < at ? left : right)));
  const difference = (lag: number) => {
    let sum = 0;
    for (let i = lag; i < rest.length; i++) sum += (rest[i] - rest[i - lag]) ** 2;
    return rest.length > lag ? sum / (rest.length - lag) : 0;
  };
  const far = FAR_LAGS.reduce((sum, lag) => sum + difference(lag), 0) / FAR_LAGS.length;
  if (far === 0) return 1;
  return Math.max(1, 1 + 2 * NEAR_LAGS.reduce((sum, lag) => sum + (1 - difference(lag) / far), 0));
}

export interface Burst {
  /** Buckets [from, to). */
  readonly from: number;
  readonly to: number;
  readonly count: number;
  /** Median count of a bucket in the segment. */
  readonly usual: number;
}

/** Runs of unusual buckets; `alpha`: probability of any in a series of random arrivals. */
export function findBursts(counts: ArrayLike<number>, changes: readonly Change[], alpha: number): Burst[] {
  const n = counts.length;
  if (n < MIN_SERIES) return [];
  // Upper bound of the normal tail: P(> z) < exp(−z²/2)/2.
  const threshold = Math.sqrt(-2 * Math.log((2 * alpha) / n));
  const bursts: Burst[] = [];
  let unusual = 0;
  const edges = [0, ...changes.map(({ bucket }) => bucket), n];
  for (let s = 1; s < edges.length; s++) {
    const values = Array.from({ length: edges[s] - edges[s - 1] }, (_, i) => counts[edges[s - 1] + i]);
    const steps = values.map((count) => 2 * Math.sqrt(count + 3 / 8));
    const middle = median(steps);
    const deviation = Math.sqrt(mean(steps.map((step) => (step - middle) ** 2)));
    const spread = Math.max(1, deviation, 1.4826 * median(steps.map((step) => Math.abs(step - middle))));
    for (let i = 0; i < values.length; i++) {
      if ((steps[i] - middle) / spread <= threshold) continue;
      unusual++;
      const bucket = edges[s - 1] + i;
      const before = bursts[bursts.length - 1];
      if (before && before.to === bucket)
        bursts[bursts.length - 1] = { ...before, to: bucket + 1, count: before.count + values[i] };
      else bursts.push({ from: bucket, to: bucket + 1, count: values[i], usual: median(values) });
    }
  }
  return unusual > MAX_BURST_SHARE * n ? [] : bursts;
}
