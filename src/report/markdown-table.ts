/** A table of cells as a Markdown pipe table. */

import { formatCount } from '../core/units.ts';
import { type Cell, hiddenWords, type TableData } from './cells.ts';
import { markdownName, markdownText } from './escape.ts';

function cellText(cell: Cell): string {
  // Blanks that line numbers up in plain text.
  const text = cell.untrusted ? markdownName(cell.text) : markdownText(cell.text.replace(/ {2,}/g, ' '));
  return text + markdownText(cell.mark ?? '');
}

export function* markdownTable(data: TableData): Generator<string> {
  yield `\n| ${data.columns.map((column) => markdownText(column.title)).join(' | ')} |\n`;
  yield `|${data.columns.map((column) => (column.align === 'right' ? ' ---: |' : ' --- |')).join('')}\n`;
  for (const row of data.rows) yield `| ${row.map(cellText).join(' | ')} |\n`;
  for (const row of data.totals)
    yield `| ${row.map((cell) => (cell.text === '' ? '' : `**${cellText(cell)}**`)).join(' | ')} |\n`;
  if (data.hidden > 0) yield `\n… and ${formatCount(data.hidden)} more${hiddenWords(data)}\n`;
}
