/** Sums and shares over groups of an ExitTable. */
import { exactToBigInt } from '../analysis/exact-sum.ts';

export function sum(column: Float64Array, groups: readonly number[]): number {
  let total = 0;
  for (const group of groups) total += column[group];
  return total;
}

export function sumExact(column: Float64Array, groups: readonly number[]): bigint {
  let total = 0n;
  for (const group of groups) total += exactToBigInt(column, group);
  return total;
}

export function pct(part: number, whole: number): number {
  return whole > 0 ? (100 * part) / whole : 0;
}

/** Share of two exact sums in percent. */
export function pctExact(part: bigint, whole: bigint): number {
  return whole > 0n ? (100 * Number(part)) / Number(whole) : 0;
}

/** Facts that decide what a report may say at all. */
export interface Known {
  readonly time: boolean;
  readonly escalation: boolean;
}
