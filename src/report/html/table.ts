/** Tables of an HTML report. Titles become buttons that sort where scripts run. */

import { formatCount, formatNs, formatPct, UNKNOWN_CELL } from '../../core/units.ts';
import { type Cell, hiddenWords, type TableData } from '../cells.ts';
import type { Exact } from '../model.ts';
import { type Content, type Markup, markup } from './markup.ts';

export interface HtmlColumn {
  readonly title: string;
  readonly number?: boolean;
  /** May take several lines. */
  readonly wrap?: boolean;
}

export interface HtmlCell {
  readonly content: Content;
  /** Exact value for sorting, where the content is rounded. */
  readonly value?: Exact | null;
}

export const textCell = (text: string | null): HtmlCell => ({
  content: text === null || text === '' ? UNKNOWN_CELL : text,
});
export const countCell = (count: Exact | null): HtmlCell => ({ content: formatCount(count), value: count });
/** ns. */
export const timeCell = (ns: Exact | null): HtmlCell => ({ content: formatNs(ns), value: ns });
/** 0–100. */
export const pctCell = (pct: number | null): HtmlCell => ({
  content: formatPct(pct).replace('%', ''),
  value: pct,
});
export const idCell = (id: number | null | undefined): HtmlCell => ({
  content: id == null ? UNKNOWN_CELL : String(id),
});

function renderCell({ content, value }: HtmlCell, column: HtmlColumn): Markup {
  const exact = value === undefined || value === null ? null : markup` data-v="${String(value)}"`;
  const kind = column.number ? markup` class="n"` : column.wrap ? markup` class="w"` : null;
  return markup`<td${kind}${exact}>${content}</td>`;
}

const MOST_UNSORTED = 2;
/** Tables with more columns take the whole width; in narrower ones numbers would stand far from their names. */
const WIDE = 6;

export function htmlTable(
  caption: string,
  columns: readonly HtmlColumn[],
  rows: readonly (readonly HtmlCell[])[],
  totals: readonly (readonly HtmlCell[])[] = [],
): Markup {
  const line = (row: readonly HtmlCell[]) =>
    markup`<tr>${row.map((cell, i) => renderCell(cell, columns[i]))}</tr>\n`;
  const kind = [rows.length > MOST_UNSORTED && 'sort', columns.length > WIDE && 'full']
    .filter((name) => name !== false)
    .join(' ');
  return markup`<div class="scroll" tabindex="0" role="region" aria-label="${caption}"><table${kind !== '' && markup` class="${kind}"`}><thead><tr>${columns.map(
    ({ title, number, wrap }) =>
      markup`<th scope="col"${number ? markup` class="n"` : wrap ? markup` class="w"` : null}>${title}</th>`,
  )}</tr></thead><tbody>
${rows.map(line)}</tbody>${totals.length > 0 && markup`<tfoot>${totals.map(line)}</tfoot>`}</table></div>`;
}

const sharedCell = (cell: Cell): HtmlCell => ({
  content: [cell.text.replace(/ {2}s$/, ' s'), cell.mark ?? ''],
});

/** A table that text and Markdown show as well. */
export function sharedTable(caption: string, data: TableData): Markup | null {
  if (data.rows.length === 0) return null;
  const columns = data.columns.map(({ title, align }) => ({ title, number: align === 'right' }));
  return markup`${htmlTable(
    caption,
    columns,
    data.rows.map((row) => row.map(sharedCell)),
    data.totals.map((row) => row.map(sharedCell)),
  )}${moreRows(data.hidden, hiddenWords(data))}`;
}

/** Says that rows were left out, and where they are. */
export function moreRows(hidden: number, words = ''): Markup | null {
  return hidden > 0
    ? markup`<p class="note">… and ${formatCount(hidden)} more${words}: --rows 0, --format csv and --format json have them.</p>`
    : null;
}

/** A table that repeats a chart's numbers for those who cannot see it, closed. */
export function dataTable(
  caption: string,
  columns: readonly HtmlColumn[],
  rows: readonly HtmlCell[][],
): Markup {
  return markup`<details><summary>${caption}</summary>${htmlTable(caption, columns, rows)}</details>`;
}
