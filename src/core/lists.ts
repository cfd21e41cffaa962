/** Lists of any length: a call takes some 100,000 arguments, and reports may have more rows (a row per thread, --rows 0). */

/** Appends without `push(...more)`. */
export function append<T>(list: T[], more: readonly T[]): void {
  for (const item of more) list.push(item);
}

/** Largest number and `least`, without `Math.max(...)`. */
export function largest<T>(list: readonly T[], least: number, numberOf: (item: T) => number): number {
  let result = least;
  for (const item of list) result = Math.max(result, numberOf(item));
  return result;
}

/** Smallest number and `most`. */
export function smallest<T>(list: readonly T[], most: number, numberOf: (item: T) => number): number {
  let result = most;
  for (const item of list) result = Math.min(result, numberOf(item));
  return result;
}
