/**
 * Stable natural merge sort of (key, value) columns. perf writes one time-ordered run per CPU ring and round, so
 * merging the few runs that are there costs n·log2(runs) and nothing when the data is in order already.
 */

export interface RunBuffers {
  keys: Float64Array;
  values: Uint32Array;
}

/**
 * Sorts the first `length` rows of `buffers` by key, equal keys in their given order. `spare` must be as large; the
 * sorted columns may end up in either, so both are returned swapped as needed.
 */
export function mergeRuns(buffers: RunBuffers, spare: RunBuffers, length: number): void {
  let bounds = findRuns(buffers.keys, length);
  while (bounds.length > 2) {
    const merged: number[] = [0];
    for (let i = 0; i + 1 < bounds.length; i += 2) {
      const start = bounds[i]!;
      const middle = bounds[i + 1]!;
      const end = bounds[i + 2] ?? middle;
      mergePair(buffers, spare, start, middle, end);
      merged.push(end);
    }
    const { keys, values } = buffers;
    buffers.keys = spare.keys;
    buffers.values = spare.values;
    spare.keys = keys;
    spare.values = values;
    bounds = merged;
  }
}

/** Start of every non-decreasing run, and the end. */
function findRuns(keys: Float64Array, length: number): number[] {
  const bounds = [0];
  for (let i = 1; i < length; i++) if (keys[i]! < keys[i - 1]!) bounds.push(i);
  bounds.push(length);
  return bounds;
}

function mergePair(from: RunBuffers, to: RunBuffers, start: number, middle: number, end: number): void {
  const { keys, values } = from;
  const outKeys = to.keys;
  const outValues = to.values;
  let left = start;
  let right = middle;
  let out = start;
  while (left < middle && right < end) {
    if (keys[right]! < keys[left]!) {
      outKeys[out] = keys[right]!;
      outValues[out++] = values[right++]!;
    } else {
      outKeys[out] = keys[left]!;
      outValues[out++] = values[left++]!;
    }
  }
  if (left < middle) {
    outKeys.set(keys.subarray(left, middle), out);
    outValues.set(values.subarray(left, middle), out);
  } else if (right < end) {
    outKeys.set(keys.subarray(right, end), out);
    outValues.set(values.subarray(right, end), out);
  }
}
