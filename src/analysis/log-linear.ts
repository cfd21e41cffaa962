/**
 * Log-linear buckets of durations (as HdrHistogram has them): 128 equal steps per power of two, so that a bucket is
 * at most 1/128 of its value wide and its middle is at most 0.4 % off.
 */
export const SUB_BITS = 7;
export const SUBS = 1 << SUB_BITS;
/** Buckets for values below 2^53. */
export const BUCKETS = (53 - SUB_BITS + 1) * SUBS;
/** Largest relative error in percent of a bucket's middle. */
export const MIDDLE_ERROR_PCT = 100 / (2 * SUBS);

/** floor(log2(value)), 0 for 0. */
export function log2Floor(value: number): number {
  return value < 4294967296 ? 31 - Math.clz32(value | 1) : 63 - Math.clz32(value / 4294967296);
}

/** Bucket of a non-negative integer below 2^53. */
export function bucketOf(value: number): number {
  if (value < SUBS) return value;
  const exponent = log2Floor(value);
  const step =
    value < 4294967296 ? value >>> (exponent - SUB_BITS) : Math.floor(value / 2 ** (exponent - SUB_BITS));
  return (exponent - SUB_BITS) * SUBS + step;
}

/** Middle of a bucket, rounded down to an integer. */
export function bucketMiddle(bucket: number): number {
  if (bucket < 2 * SUBS) return bucket;
  const exponent = (bucket >> SUB_BITS) - 1;
  const width = 2 ** exponent;
  return (SUBS + (bucket & (SUBS - 1))) * width + Math.floor(width / 2);
}
