/** Of hundreds of vCPUs, those that matter: the first ones alone may all belong to a VM that idles. */

export interface Costliest<T> {
  /** In the order of all. */
  readonly shown: readonly T[];
  readonly hidden: number;
}

/** The `most` rows (0: all) that cost most; of equal ones the first. */
export function costliest<T>(rows: readonly T[], most: number, cost: (row: T) => number): Costliest<T> {
  if (most === 0 || rows.length <= most) return { shown: rows, hidden: 0 };
  const chosen = rows
    .map((row, place) => ({ place, cost: cost(row) }))
    .sort((a, b) => b.cost - a.cost || a.place - b.place)
    .slice(0, most)
    .sort((a, b) => a.place - b.place);
  return { shown: chosen.map(({ place }) => rows[place]), hidden: rows.length - most };
}
