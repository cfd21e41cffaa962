/** Cells and columns of the sections' tables. */
import type { CsvData, CsvValue } from './csv-tables.ts';
import type { Column } from './table.ts';
import type { Cell, TableData } from './tables.ts';
import { formatCount, formatNsCell, formatPct, UNKNOWN_CELL } from './units.ts';

export const cell = (text: string): Cell => ({ text });
/** Text from the recording. */
export const foreign = (text: string | null): Cell =>
  text === null || text === '' ? cell(UNKNOWN_CELL) : { text, untrusted: true };
export const count = (value: number | bigint | null): Cell => cell(formatCount(value));
export const time = (value: number | bigint | null): Cell => cell(formatNsCell(value));
export const plain = (value: number | string | null): Cell =>
  cell(value === null ? UNKNOWN_CELL : String(value));
/** `part` of `whole` in percent, without the sign. */
export const share = (part: number | null, whole: number): Cell =>
  cell(formatPct(part === null || whole === 0 ? null : (100 * part) / whole).replace('%', ''));

export const left = (title: string, rest: Partial<Column> = {}): Column => ({
  title,
  align: 'left',
  ...rest,
});
export const right = (title: string, rest: Partial<Column> = {}): Column => ({
  title,
  align: 'right',
  ...rest,
});

/** A table of at most `limit` rows (0: all). */
export function tableOf<T>(
  columns: readonly Column[],
  items: readonly T[],
  limit: number,
  cells: (item: T) => readonly Cell[],
): TableData {
  const shown = limit > 0 ? items.slice(0, limit) : items;
  return { columns, rows: shown.map(cells), totals: [], hidden: items.length - shown.length };
}

/** CSV rows of objects whose keys are the columns; undefined and null are empty. */
export function csvOf<T extends object>(
  keys: readonly (keyof T & string)[],
  items: readonly T[] | undefined,
): CsvData {
  return { headers: keys, rows: (items ?? []).map((item) => keys.map((key) => item[key] as CsvValue)) };
}

/** What is said of figures over all of a thread's time, from which filters of exits take nothing away. */
export function exitFiltersUnused(filters: readonly string[] | undefined): string[] {
  return filters?.some((filter) => /^(CPU|reason|level) /.test(filter))
    ? ['Filters by reason, level and CPU do not apply here.']
    : [];
}
