/** Interned strings of a capture: the `text` column holds codes into this table. */

/** Most distinct strings that a capture keeps; hostile input must not grow it without bound. */
export const MAX_STRINGS = 65536;

export interface StringTable {
  readonly values: string[];
  readonly codes: Map<string, number>;
}

export function createStringTable(): StringTable {
  return { values: [], codes: new Map() };
}

/** Code of a string, −1 when the table is full. */
export function internString(table: StringTable, value: string): number {
  const known = table.codes.get(value);
  if (known !== undefined) return known;
  if (table.values.length >= MAX_STRINGS) return -1;
  table.codes.set(value, table.values.length);
  return table.values.push(value) - 1;
}
