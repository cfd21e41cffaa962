/** Buckets of a time axis: analysis/time-axis.ts. */
import { AX_BUCKET, AX_END, AX_FROM, AX_ORIGIN, AX_TO, AX_WIDTH } from '../analysis/time-axis-layout.ts';
import { since } from './sums.ts';

/** No bucket: the axis has to be changed first, or it has none for such a time. */
export const NO_BUCKET: i32 = -1;
/** What lies below it can be told from the bucket by integers. */
const EXACT: f64 = 4503599627370496;

/** Bucket of a time; most lie in the same one as the time before. */
export function bucketAt(axis: usize, time: i64): i32 {
  if (time >= load<i64>(axis, AX_FROM) && time < load<i64>(axis, AX_TO)) return load<i32>(axis, AX_BUCKET);
  return findBucket(axis, time);
}

export function findBucket(axis: usize, time: i64): i32 {
  const origin = load<i64>(axis, AX_ORIGIN);
  const width = load<f64>(axis, AX_WIDTH);
  const bucket = floor(since(time, origin) / width);
  if (bucket < 0) return 0;
  if (bucket >= load<f64>(axis, AX_END)) return NO_BUCKET;
  const start = bucket * width;
  if (start + width < EXACT && floor(width) === width) {
    store<i64>(axis, origin + <i64>start, AX_FROM);
    store<i64>(axis, origin + <i64>(start + width), AX_TO);
    store<i32>(axis, <i32>bucket, AX_BUCKET);
  }
  return <i32>bucket;
}
