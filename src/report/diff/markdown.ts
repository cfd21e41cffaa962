/** A comparison as Markdown with pipe tables. */

import type { Cell, TableData } from '../cells.ts';
import { markdownName, markdownText } from '../escape.ts';
import { formatCount } from '../units.ts';
import type { DiffModel } from './model.ts';
import type { DiffRenderOptions } from './renderers.ts';
import { changeLines, legendOf, reasonsTable, sidesTable, summaryOf, userspaceTable } from './tables.ts';

export function* render(model: DiffModel, { rows }: DiffRenderOptions): Generator<string> {
  yield `# KVM exits: what changed\n\n**${markdownText(summaryOf(model))}**\n`;
  yield* table(sidesTable(model));
  if (model.selection) yield `\nOnly ${model.selection.filters.map(markdownName).join('; ')}\n`;
  yield '\n## Exits by reason, by change of cost\n';
  if (model.reasons.length === 0) yield '\nNone recorded.\n';
  else yield* table(reasonsTable(model, rows));
  yield `\n${markdownText(legendOf(model))}\n`;
  const changes = changeLines(model);
  if (changes.length > 0) {
    yield '\n## What changed\n\n';
    for (const { name, untrusted, words } of rows > 0 ? changes.slice(0, rows) : changes)
      yield `- ${untrusted ? markdownName(name) : markdownText(name)}: ${markdownText(words)}\n`;
    if (rows > 0 && changes.length > rows) yield `- … and ${formatCount(changes.length - rows)} more\n`;
  }
  if (model.userspace.length > 0) {
    yield '\n## Escalations to user space\n';
    yield* table(userspaceTable(model, rows));
  }
  if (model.notes.length > 0) {
    yield '\n## Notes\n\n';
    for (const note of model.notes) yield `- ${markdownText(note)}\n`;
  }
}

function cellText(cell: Cell): string {
  const text = cell.untrusted ? markdownName(cell.text) : markdownText(cell.text.replace(/ {2,}/g, ' '));
  return text + markdownText(cell.mark ?? '');
}

function* table(data: TableData): Generator<string> {
  yield `\n| ${data.columns.map((column) => markdownText(column.title)).join(' | ')} |\n`;
  yield `|${data.columns.map((column) => (column.align === 'right' ? ' ---: |' : ' --- |')).join('')}\n`;
  for (const row of data.rows) yield `| ${row.map(cellText).join(' | ')} |\n`;
  for (const row of data.totals) yield `| ${row.map((cell) => `**${cellText(cell)}**`).join(' | ')} |\n`;
  if (data.hidden > 0) yield `\n… and ${formatCount(data.hidden)} more\n`;
}
