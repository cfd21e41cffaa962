/** Tables for people, as data: the cells and columns that all renderers of tables understand. */

import { formatCount, formatNsCell, formatPct, UNKNOWN_CELL } from '../core/units.ts';
import type { Column } from './table.ts';

/** `untrusted`: text from the recording, which the renderer has to escape. */
export interface Cell {
  readonly text: string;
  readonly untrusted?: boolean;
  /** Added after the escaped text: the mark of idle exits. */
  readonly mark?: string;
}

export interface TableData {
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly Cell[])[];
  /** Rows set apart below the others. */
  readonly totals: readonly (readonly Cell[])[];
  /** Rows that the limit left out. */
  readonly hidden: number;
  /** What the shown ones have most of, where they are not the first: `time in exits`. */
  readonly hiddenBy?: string;
}

export const cell = (text: string): Cell => ({ text });
/** Text from the recording. */
export const foreign = (text: string | null): Cell =>
  text === null || text === '' ? cell(UNKNOWN_CELL) : { text, untrusted: true };
export const count = (value: number | bigint | null): Cell => cell(formatCount(value));
export const time = (value: number | bigint | null): Cell => cell(formatNsCell(value));
/** Words of our own, or numbers that name something (tid, CPU) and so have no thousands separators. */
export const plain = (value: number | string | null | undefined): Cell =>
  cell(value == null ? UNKNOWN_CELL : String(value));
/** 0–100, without the sign: the title of the column has it. */
export const pct = (value: number | null): Cell => cell(formatPct(value).replace('%', ''));
/** `part` of `whole` in percent. */
export const share = (part: number | null, whole: number): Cell =>
  pct(part === null || whole === 0 ? null : (100 * part) / whole);

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

/** `none with more time in exits`, or nothing, to stand behind `… and N more`. */
export function hiddenWords({ hiddenBy }: TableData): string {
  return hiddenBy === undefined ? '' : `, none with more ${hiddenBy}`;
}
