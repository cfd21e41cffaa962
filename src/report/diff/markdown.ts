/** A comparison as Markdown with pipe tables. */

import { formatCount } from '../../core/units.ts';
import { markdownName, markdownText } from '../escape.ts';
import { markdownTable } from '../markdown-table.ts';
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
  userspaceTable,
} from './tables.ts';

export function* render(model: DiffModel, { rows }: DiffRenderOptions): Generator<string> {
  yield `# KVM exits: what changed\n\n**${markdownText(summaryOf(model))}**\n`;
  yield* markdownTable(sidesTable(model));
  if (model.selection) yield `\nOnly ${model.selection.filters.map(markdownName).join('; ')}\n`;
  const legend = `\n${markdownText(legendOf(model))}\n`;
  const qemuOnly = comparesQemuOnly(model);
  if (!qemuOnly) {
    yield '\n## Exits by reason, by change of cost\n';
    if (model.reasons.length === 0) yield '\nNone recorded.\n';
    else yield* markdownTable(reasonsTable(model, rows));
    yield legend;
  }
  const changes = changeLines(model);
  if (changes.length > 0) {
    yield '\n## What changed\n\n';
    for (const { name, untrusted, words } of rows > 0 ? changes.slice(0, rows) : changes)
      yield `- ${untrusted ? markdownName(name) : markdownText(name)}: ${markdownText(words)}\n`;
    if (rows > 0 && changes.length > rows) yield `- … and ${formatCount(changes.length - rows)} more\n`;
  }
  if (model.userspace.length > 0) {
    yield '\n## Escalations to user space\n';
    yield* markdownTable(userspaceTable(model, rows));
  }
  if (model.qemu.length > 0) {
    yield "\n## QEMU's side\n";
    yield* markdownTable(qemuTable(model, rows));
    if (qemuOnly) yield legend;
  }
  if (model.notes.length > 0) {
    yield '\n## Notes\n\n';
    for (const note of model.notes) yield `- ${markdownText(note)}\n`;
  }
}
