/**
 * The report as plain text of at most 100 columns: what people read in a terminal and paste into tickets. Only tables
 * take more of a terminal that is wider.
 */

import { append } from '../core/lists.ts';
import { plainText } from '../core/plain-text.ts';
import { formatCount } from '../core/units.ts';
import type { TableData } from './cells.ts';
import { captureFacts, type Fact, qualityCounters } from './facts.ts';
import { escalationFacts, reasonsLegend, whyNoEscalations } from './figure-words.ts';
import { histogramLines } from './histogram.ts';
import type { ReportModel } from './model.ts';
import { whyNoExits, whyNoneSlow } from './recorded.ts';
import type { RenderOptions } from './renderers.ts';
import { SECTIONS, shownBlocks } from './sections.ts';
import { COLOR, PLAIN, type Style } from './style.ts';
import { displayWidth, renderTable, wrapText } from './table.ts';
import {
  escalationByReason,
  escalationByUserspaceReason,
  groupingWords,
  reasonsTable,
  slowTable,
  slowTitle,
  vcpusTable,
} from './tables.ts';
import { tableLines } from './text-table.ts';
import { assessTrust } from './trust.ts';
import { holdsQemuOnly, VERDICT_TITLE, verdictWords } from './verdict-words.ts';

const MAX_WIDTH = 100;
const MAX_TABLE_WIDTH = 160;
const MIN_WIDTH = 40;

export function render(model: ReportModel, options: RenderOptions): string {
  if (model.view) return model.view.text;
  const style = options.color ? COLOR : PLAIN;
  const width = Math.max(MIN_WIDTH, Math.min(MAX_WIDTH, options.width ?? MAX_WIDTH));
  const tableWidth = Math.max(width, Math.min(MAX_TABLE_WIDTH, options.width ?? width));
  const page: Page = { style, width, tableWidth, lines: [] };
  header(page, model);
  verdict(page, model);
  // A recording of QEMU's side alone: what there is, before what there is not.
  const early = holdsQemuOnly(model);
  if (early) sections(page, model, options);
  reasons(page, model, options.rows);
  if (options.histogram) page.lines.push('', ...histogramLines(model, width, style));
  escalation(page, model, options.rows);
  slow(page, model);
  if (!early) sections(page, model, options);
  vcpus(page, model, options.rows);
  quality(page, model);
  return `${page.lines.join('\n')}\n`;
}

interface Page {
  readonly style: Style;
  readonly width: number;
  readonly tableWidth: number;
  readonly lines: string[];
}

function title(page: Page, text: string): void {
  page.lines.push('', ...wrapText(text, page.width).map((line) => page.style.bold(line)));
}

function paragraph(page: Page, text: string, indent = 2): void {
  for (const line of wrapText(text, page.width - indent)) page.lines.push(' '.repeat(indent) + line);
}

/** `key   value` lines, the value broken at blanks under itself. */
export function factLines(facts: readonly Fact[], width: number, indent = 2): string[] {
  const keys = facts.map((fact) => plainText(fact.key));
  const keyWidth = Math.max(...keys.map((key) => Math.min(LONGEST_KEY, displayWidth(key))));
  const pad = ' '.repeat(indent);
  return facts.flatMap((fact, i) => {
    const value = fact.parts.map((part) => (part.untrusted ? plainText(part.text) : part.text)).join('');
    // A key that names a file: cut off it would not tell which one.
    const own = displayWidth(keys[i]) > LONGEST_KEY;
    return [
      ...(own ? wrapText(keys[i], width - indent).map((line) => pad + line) : []),
      ...wrapText(value, width - indent - keyWidth - 2).map(
        (line, n) => `${pad}${(n || own ? '' : keys[i]).padEnd(keyWidth)}  ${line}`,
      ),
    ];
  });
}

/** Columns of a key beside its value; a longer one has lines of its own. */
const LONGEST_KEY = 20;

function header(page: Page, model: ReportModel): void {
  const { style } = page;
  page.lines.push(style.bold(`kvmtrace ${plainText(model.tool.version)} report`));
  page.lines.push(...factLines(captureFacts(model.capture, model.selection), page.width));
  const trust = assessTrust(model);
  const verdict = trust.ok ? style.good('OK  ') : style.warn('WARN');
  page.lines.push('');
  wrapText(trust.reasons.join('; '), page.width - 6).forEach((line, i) => {
    page.lines.push(i ? `      ${line}` : `${verdict}  ${line}`);
  });
}

/** What a reader who reads no further should know. */
function verdict(page: Page, model: ReportModel): void {
  const words = verdictWords(model);
  if (words === null) return;
  title(page, VERDICT_TITLE);
  paragraph(page, plainText(words.summary));
  words.costliest.forEach((line, i) => {
    paragraph(page, plainText(`${i + 1}. ${line}`));
  });
}

function table(page: Page, data: TableData, more?: string): void {
  append(page.lines, tableLines(data, page, more));
}

/** Title of the column with the share of exits that went to user space. */
const USER_COLUMN = 'user%';

function reasons(page: Page, model: ReportModel, rows: number): void {
  const by = model.by.filter((key) => key !== 'reason');
  title(page, `Exits by ${groupingWords(model)}, time from exit to entry`);
  if (model.reasons.length === 0) {
    paragraph(page, whyNoExits(model));
    return;
  }
  const start = page.lines.length;
  table(
    page,
    reasonsTable(model, rows, page.tableWidth > MAX_WIDTH),
    by.length ? '--rows 0 or --format csv' : undefined,
  );
  // A narrow terminal has no room for the column.
  const isShown = page.lines.slice(start).some((line) => line.includes(USER_COLUMN));
  const legend = reasonsLegend(model, isShown ? USER_COLUMN : null);
  if (legend.length)
    page.lines.push(...wrapText(legend.join('; '), page.width - 2).map((l) => page.style.dim(`  ${l}`)));
}

function escalation(page: Page, model: ReportModel, rows: number): void {
  const { escalation: data } = model;
  title(page, 'Escalation to user space');
  const nothing = whyNoEscalations(model);
  if (nothing !== null) {
    paragraph(page, nothing);
    return;
  }
  paragraph(page, escalationFacts(data).join('; '));
  if (data.byReason.some((row) => row.escalated > 0)) {
    page.lines.push('');
    table(page, escalationByReason(model, rows));
  }
  if (data.byUserspaceReason.length) {
    page.lines.push('');
    table(page, escalationByUserspaceReason(model, rows));
  }
}

function slow(page: Page, model: ReportModel): void {
  const { slowSelection, slow: exits } = model;
  title(page, slowTitle(model));
  if (exits.length === 0) {
    paragraph(page, whyNoneSlow(model));
    return;
  }
  const data = slowTable(model);
  table(
    page,
    { ...data, hidden: Math.max(0, (slowSelection.qualified ?? 0) - exits.length) },
    '--slow N lists more',
  );
}

function sections(page: Page, model: ReportModel, options: RenderOptions): void {
  for (const section of SECTIONS)
    for (const block of shownBlocks(
      section,
      model,
      options.rows,
      options.sections?.includes(section.id) ?? false,
    )) {
      if (block.title !== null) title(page, block.title);
      else if (block.table) page.lines.push('');
      for (const sentence of block.sentences) paragraph(page, sentence);
      if (block.table) table(page, block.table);
    }
}

function vcpus(page: Page, model: ReportModel, rows: number): void {
  if (model.vcpus.length === 0) return;
  title(page, 'vCPU threads');
  table(page, vcpusTable(model, rows));
}

function quality(page: Page, model: ReportModel): void {
  title(page, 'Quality of the data');
  const lines = renderTable(
    [
      { title: '', align: 'left' },
      { title: '', align: 'right' },
      { title: '', align: 'left', shrinkTo: 20 },
    ],
    qualityCounters(model.quality, model.capture).map(({ label, value, meaning }) => [
      label,
      value === null ? 'unknown' : formatCount(value),
      meaning,
    ]),
    { width: page.width, indent: 2 },
  );
  append(page.lines, lines.slice(1));
  page.lines.push(...warningLines(model.quality.warnings, page.width, page.style));
  for (const note of model.notes) {
    const [first, ...rest] = wrapText(plainText(note), page.width - 8);
    page.lines.push(`  note  ${first}`, ...rest.map((line) => `        ${line}`));
  }
}

/** `warn  message [code, 3 times]`, in the model's order. */
export function warningLines(
  warnings: ReportModel['quality']['warnings'],
  width: number,
  style: Style,
): string[] {
  const tags = { info: 'info', suspect: 'warn', 'data-loss': 'LOSS' } as const;
  return warnings.flatMap((warning) => {
    const tag = tags[warning.severity] ?? 'warn';
    const text = `${plainText(warning.message)} [${plainText(warning.code)}${warning.count > 1 ? `, ${formatCount(warning.count)} times` : ''}]`;
    const [first, ...rest] = wrapText(text, width - 8);
    const shown = warning.severity === 'info' ? tag : style.warn(tag);
    return [`  ${shown}  ${first}`, ...rest.map((line) => `        ${line}`)];
  });
}
