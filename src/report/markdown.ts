/** The report as Markdown with pipe tables, as GitHub, GitLab and Jira render them: no HTML, no footnotes. */

import { formatCount } from '../core/units.ts';
import type { TableData } from './cells.ts';
import { markdownName, markdownText } from './escape.ts';
import { captureFacts, type Fact, qualityCounters } from './facts.ts';
import { escalationFacts, reasonsLegend, whyNoEscalations } from './figure-words.ts';
import { histogramLines } from './histogram.ts';
import { markdownTable } from './markdown-table.ts';
import type { ReportModel } from './model.ts';
import { whyNoExits, whyNoneSlow } from './recorded.ts';
import type { RenderOptions } from './renderers.ts';
import { SECTIONS, shownBlocks } from './sections.ts';
import { PLAIN } from './style.ts';
import {
  escalationByReason,
  escalationByUserspaceReason,
  groupingWords,
  reasonsTable,
  slowTable,
  slowTitle,
  vcpusTable,
} from './tables.ts';
import { assessTrust } from './trust.ts';
import { holdsQemuOnly, VERDICT_TITLE, verdictWords } from './verdict-words.ts';

const HISTOGRAM_WIDTH = 100;

export function* render(model: ReportModel, options: RenderOptions): Generator<string> {
  if (model.view) {
    yield `\`\`\`text\n${fenced(model.view.text.trimEnd().split('\n'))}\n\`\`\`\n`;
    return;
  }
  yield `# KVM exits: ${model.capture.sources.map((source) => markdownName(source.path)).join(', ') || 'report'}\n`;
  const trust = assessTrust(model);
  yield `\n**${trust.ok ? 'OK' : 'WARNING'}**: ${markdownText(trust.reasons.join('; '))}\n\n`;
  yield* factList(captureFacts(model.capture, model.selection));
  yield* verdict(model);
  // A recording of QEMU's side alone: what there is, before what there is not.
  const early = holdsQemuOnly(model);
  if (early) yield* sections(model, options);
  yield* reasons(model, options.rows);
  if (options.histogram)
    yield `\n\`\`\`text\n${fenced(histogramLines(model, HISTOGRAM_WIDTH, PLAIN))}\n\`\`\`\n`;
  yield* escalation(model, options.rows);
  yield* slow(model);
  if (!early) yield* sections(model, options);
  if (model.vcpus.length) yield* section('vCPU threads', vcpusTable(model, options.rows));
  yield* quality(model);
}

/** A name must not end the code block: its fence would stand alone on a line. */
function fenced(lines: readonly string[]): string {
  return lines.map((line) => line.replaceAll('```', "'''")).join('\n');
}

function* factList(facts: readonly Fact[]): Generator<string> {
  for (const fact of facts)
    yield `- ${markdownText(fact.key)}: ${fact.parts.map((part) => (part.untrusted ? markdownName(part.text) : part.text)).join('')}\n`;
}

function* section(title: string, data: TableData): Generator<string> {
  yield `\n## ${title}\n`;
  yield* markdownTable(data);
}

function* verdict(model: ReportModel): Generator<string> {
  const words = verdictWords(model);
  if (words === null) return;
  yield `\n## ${VERDICT_TITLE}\n\n${markdownText(words.summary)}\n`;
  if (words.costliest.length > 0) yield '\n';
  for (const [i, line] of words.costliest.entries()) yield `${i + 1}. ${markdownText(line)}\n`;
}

function* reasons(model: ReportModel, rows: number): Generator<string> {
  yield `\n## Exits by ${groupingWords(model)}\n`;
  if (model.reasons.length === 0) {
    yield `\n${whyNoExits(model)}\n`;
    return;
  }
  yield* markdownTable(reasonsTable(model, rows));
  yield `\n${markdownText(['times are from exit to entry', ...reasonsLegend(model, 'user%')].join('; '))}\n`;
}

function* escalation(model: ReportModel, rows: number): Generator<string> {
  const { escalation: data } = model;
  yield '\n## Escalation to user space\n\n';
  const nothing = whyNoEscalations(model);
  if (nothing !== null) {
    yield `${nothing}\n`;
    return;
  }
  yield `${markdownText(escalationFacts(data).join('; '))}\n`;
  if (data.byReason.some((row) => row.escalated > 0)) yield* markdownTable(escalationByReason(model, rows));
  if (data.byUserspaceReason.length) yield* markdownTable(escalationByUserspaceReason(model, rows));
}

function* slow(model: ReportModel): Generator<string> {
  const { slowSelection, slow: exits } = model;
  yield `\n## ${slowTitle(model)}\n`;
  if (exits.length === 0) {
    yield `\n${whyNoneSlow(model)}\n`;
    return;
  }
  const data = slowTable(model);
  yield* markdownTable({ ...data, hidden: Math.max(0, (slowSelection.qualified ?? 0) - exits.length) });
}

function* sections(model: ReportModel, options: RenderOptions): Generator<string> {
  for (const section of SECTIONS)
    for (const block of shownBlocks(
      section,
      model,
      options.rows,
      options.sections?.includes(section.id) ?? false,
    )) {
      if (block.title !== null) yield `\n## ${markdownText(block.title)}\n`;
      for (const sentence of block.sentences) yield `\n${markdownText(sentence)}\n`;
      if (block.table) yield* markdownTable(block.table);
    }
}

function* quality(model: ReportModel): Generator<string> {
  yield '\n## Quality of the data\n\n| counter | count | meaning |\n| --- | ---: | --- |\n';
  for (const { label, value, meaning } of qualityCounters(model.quality, model.capture))
    yield `| ${label} | ${value === null ? 'unknown' : formatCount(value)} | ${markdownText(meaning)} |\n`;
  if (model.quality.warnings.length || model.notes.length) yield '\n';
  for (const warning of model.quality.warnings) {
    const times = warning.count > 1 ? `, ${formatCount(warning.count)} times` : '';
    yield `- **${warning.severity}**: ${markdownText(warning.message)} (${markdownName(warning.code)}${times})\n`;
  }
  for (const note of model.notes) yield `- ${markdownText(note)}\n`;
}
