/**
 * Exact sums of ns. A double holds integers below 2^53 (104 days of ns), which the sum over many vCPUs exceeds, so a
 * sum is two doubles: value = low + high·2^52, low kept below 2^52. Adding is two operations, merging stays exact.
 */
const CARRY = 2 ** 52;

/** The largest number that can be added at once. Longer times (52 days) are wrong, and count as this one. */
export const LARGEST_ADDED = CARRY - 1;

/** Adds a non-negative integer below 2^52 to sum `index` of `sums` (two doubles each). */
export function addExact(sums: Float64Array, index: number, value: number): void {
  const low = sums[2 * index] + value;
  if (low >= CARRY) {
    sums[2 * index] = low - CARRY;
    sums[2 * index + 1]++;
  } else sums[2 * index] = low;
}

/** Adds an integer of 64 bits, given as words. */
export function addExactWords(sums: Float64Array, index: number, low: number, high: number): void {
  addExact(sums, index, (high & 0xfffff) * 4294967296 + low);
  sums[2 * index + 1] += high >>> 20;
}

/** Adds one sum to another. */
export function mergeExact(sums: Float64Array, index: number, from: Float64Array, fromIndex: number): void {
  addExact(sums, index, from[2 * fromIndex]);
  sums[2 * index + 1] += from[2 * fromIndex + 1];
}

export function exactToBigInt(sums: Float64Array, index: number): bigint {
  return BigInt(sums[2 * index]) + (BigInt(sums[2 * index + 1]) << 52n);
}

/** The sum as a number where that is exact, else as a BigInt. */
export function exactValue(sums: Float64Array, index: number): number | bigint {
  return toExact(exactToBigInt(sums, index));
}

export function toExact(value: bigint): number | bigint {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) && value >= -BigInt(Number.MAX_SAFE_INTEGER)
    ? Number(value)
    : value;
}

/** Mean of `count` values, rounded to whole ns: machine formats hold integers only. */
export function mean(total: bigint, count: number): number {
  const n = BigInt(count);
  return Number((2n * total + n) / (2n * n));
}
