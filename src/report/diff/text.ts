/** A comparison as plain text of at most 100 columns; on wider terminals tables take what they need. */
import { append } from '../../core/lists.ts';
import { plainText } from '../../core/plain-text.ts';
import { formatCount } from '../../core/units.ts';
import { COLOR, PLAIN } from '../style.ts';
import { wrapText } from '../table.ts';
import { tableLines } from '../text-table.ts';
import type { DiffModel } from './model.ts';
import type { DiffRenderOptions } from './renderers.ts';
import {
  changeLines,
  comparesQemuOnly,
  legendOf,
  qemuTable,
  reasonsTable,
  sidesTable,
  summaryOf,
  USER_TITLE,
  userspaceTable,
} from './tables.ts';

const MAX_WIDTH = 100;
const MIN_WIDTH = 40;

export function render(model: DiffModel, { color, width, rows }: DiffRenderOptions): string {
  const style = color ? COLOR : PLAIN;
  const columns = Math.max(MIN_WIDTH, Math.min(MAX_WIDTH, width ?? MAX_WIDTH));
  const page = { style, width: columns, tableWidth: Math.max(columns, width ?? 0) };
  const lines: string[] = [style.bold(`kvmtrace ${plainText(model.tool.version)} diff`)];
  const paragraph = (text: string, indent: number, hanging = indent) =>
    wrapText(text, columns - hanging).forEach((line, i) => {
      lines.push(' '.repeat(i ? hanging : indent) + line);
    });
  const title = (text: string) => lines.push('', style.bold(text));
  append(lines, tableLines(sidesTable(model), page));
  if (model.selection) paragraph(`only ${plainText(model.selection.filters.join('; '))}`, 2);
  lines.push('');
  paragraph(summaryOf(model), 0);
  const legend = (head = '') => {
    const words = legendOf(model, head.includes(USER_TITLE));
    for (const line of wrapText(words, columns - 2)) lines.push(style.dim(`  ${line}`));
  };
  const qemuOnly = comparesQemuOnly(model);
  if (!qemuOnly) {
    title('Exits by reason, by change of cost');
    const table =
      model.reasons.length === 0 ? ['  None recorded.'] : tableLines(reasonsTable(model, rows), page);
    append(lines, table);
    legend(table[0]);
  }
  const changes = changeLines(model);
  if (changes.length > 0) {
    title('What changed');
    for (const { name, words } of rows > 0 ? changes.slice(0, rows) : changes)
      paragraph(`${plainText(name)}: ${words}`, 2, 4);
    if (rows > 0 && changes.length > rows)
      lines.push(`  … and ${formatCount(changes.length - rows)} more (--rows 0 shows all)`);
  }
  if (model.userspace.length > 0) {
    title('Escalations to user space');
    append(lines, tableLines(userspaceTable(model, rows), page));
  }
  if (model.qemu.length > 0) {
    title("QEMU's side");
    append(lines, tableLines(qemuTable(model, rows), page));
    if (qemuOnly) legend();
  }
  if (model.notes.length > 0) {
    title('Notes');
    for (const note of model.notes) paragraph(plainText(note), 2, 4);
  }
  return `${lines.join('\n')}\n`;
}
