/** CSV tables as data, before csv.ts quotes them. */
export type CsvValue = string | number | bigint | boolean | null | undefined;

export interface CsvData {
  readonly headers: readonly string[];
  readonly rows: Iterable<readonly CsvValue[]>;
}

/** Rows of objects whose keys are the columns; undefined and null are empty. */
export function csvOf<T extends object>(
  keys: readonly (keyof T & string)[],
  items: readonly T[] | undefined,
): CsvData {
  return { headers: keys, rows: (items ?? []).map((item) => keys.map((key) => item[key] as CsvValue)) };
}
