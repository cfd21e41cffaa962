/** Sums, means and shares over rows of an analysis' columns. */
import { exactToBigInt } from '../analysis/exact-sum.ts';

export { mean } from '../analysis/exact-sum.ts';

export function sum(column: Float64Array, rows: readonly number[]): number {
  let total = 0;
  for (const row of rows) total += column[row];
  return total;
}

export function sumExact(column: Float64Array, rows: readonly number[]): bigint {
  let total = 0n;
  for (const row of rows) total += exactToBigInt(column, row);
  return total;
}

export function pct(part: number, whole: number): number {
  return whole > 0 ? (100 * part) / whole : 0;
}

/** Share of two exact sums in percent. */
export function pctExact(part: bigint, whole: bigint): number {
  return whole > 0n ? (100 * Number(part)) / Number(whole) : 0;
}
