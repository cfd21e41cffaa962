/** A table of cells as lines of plain text. */

import { plainText } from '../core/plain-text.ts';
import { formatCount } from '../core/units.ts';
import { type Cell, hiddenWords, type TableData } from './cells.ts';
import type { Style } from './style.ts';
import { renderTable, wrapText } from './table.ts';

function cellText(cell: Cell): string {
  return (cell.untrusted ? plainText(cell.text) : cell.text) + (cell.mark ?? '');
}

export interface TextTableLayout {
  readonly style: Style;
  /** Columns that sentences may take. */
  readonly width: number;
  /** Columns that the table may take. */
  readonly tableWidth: number;
}

/** `more`: how to get the rows that were left out. */
export function tableLines(
  data: TableData,
  { style, width, tableWidth }: TextTableLayout,
  more = '--rows 0 shows all',
): string[] {
  const rows = [...data.rows, ...data.totals].map((row) => row.map(cellText));
  const [head, ...lines] = renderTable(data.columns, rows, { width: tableWidth, indent: 2 });
  const hidden = `… and ${formatCount(data.hidden)} more${hiddenWords(data)} (${more})`;
  return [
    style.dim(head),
    ...lines.slice(0, data.rows.length),
    ...(data.hidden > 0 ? wrapText(hidden, width - 2).map((line) => `  ${line}`) : []),
    ...lines.slice(data.rows.length).map((line) => style.bold(line)),
  ];
}
