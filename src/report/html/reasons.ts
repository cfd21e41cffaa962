/** Exits by reason and, with --by, by group: the table that people sort. */
import { reasonsLegend } from '../figure-words.ts';
import type { ReasonModel, ReportModel, TotalModel } from '../model.ts';
import { shownReason } from '../reason-identity.ts';
import { whyNoExits } from '../recorded.ts';
import { groupingWords, hasSeveralIsas, IDLE_MARK, type RowKey, rowKeys } from '../tables.ts';
import { type Markup, markup } from './markup.ts';
import { limited, type Part } from './part.ts';
import {
  countCell,
  type HtmlCell,
  type HtmlColumn,
  htmlTable,
  idCell,
  moreRows,
  pctCell,
  textCell,
  timeCell,
} from './table.ts';

const GROUP_COLUMNS: Readonly<Record<RowKey, readonly HtmlColumn[]>> = {
  vm: [{ title: 'VM' }, { title: 'pid', number: true }],
  namelessVm: [{ title: 'VM pid', number: true }],
  vcpu: [{ title: 'vCPU', number: true }],
  tid: [{ title: 'tid', number: true }],
  cpu: [{ title: 'CPU', number: true }],
  level: [{ title: 'level' }],
};

const GROUP_CELLS: Readonly<Record<RowKey, (row: ReasonModel) => HtmlCell[]>> = {
  vm: (row) => [textCell(row.vm ?? null), idCell(row.pid)],
  namelessVm: (row) => [idCell(row.pid)],
  vcpu: (row) => [idCell(row.vcpu)],
  tid: (row) => [idCell(row.tid)],
  cpu: (row) => [idCell(row.cpu)],
  level: (row) => [textCell(row.level ?? null)],
};

const STATS: readonly HtmlColumn[] = [
  { title: 'exits', number: true },
  { title: 'exits %', number: true },
  { title: 'total', number: true },
  { title: 'time %', number: true },
  { title: 'avg', number: true },
  { title: 'p50', number: true },
  { title: 'p99', number: true },
  { title: 'max', number: true },
  { title: 'to user %', number: true },
];

function stats(row: TotalModel): HtmlCell[] {
  return [
    countCell(row.exits),
    pctCell(row.exitsPct),
    timeCell(row.totalNs),
    pctCell(row.timePct),
    timeCell(row.avgNs),
    timeCell(row.p50Ns),
    timeCell(row.p99Ns),
    timeCell(row.maxNs),
    pctCell(row.escalated === null || row.exits === 0 ? null : (100 * row.escalated) / row.exits),
  ];
}

function reasonCell(row: ReasonModel, showIsa: boolean): HtmlCell {
  const name = shownReason(row, showIsa);
  return { content: row.idle ? [name, markup` <span class="dim">${IDLE_MARK}</span>`] : name };
}

function legend(model: ReportModel): string {
  return `${['times are from exit to entry', ...reasonsLegend(model, 'to user %')].join('; ')}.`;
}

export function reasonsTable(model: ReportModel, rows: number): Markup {
  const groups = rowKeys(model);
  const showIsa = hasSeveralIsas(model);
  const leading = [...groups.flatMap((key) => GROUP_COLUMNS[key]), { title: 'reason' }];
  const { shown, hidden } = limited(model.reasons, rows);
  const total = (label: string, row: TotalModel): HtmlCell[] => [
    ...leading.map((_, i) => ({ content: i === leading.length - 1 ? label : '' })),
    ...stats(row),
  ];
  return markup`${htmlTable(
    `Exits by ${groupingWords(model)}`,
    [...leading, ...STATS],
    shown.map((row) => [
      ...groups.flatMap((key) => GROUP_CELLS[key](row)),
      reasonCell(row, showIsa),
      ...stats(row),
    ]),
    model.reasons.length > 1
      ? [
          total('all', model.totals),
          ...(model.busyTotals.exits === model.totals.exits ? [] : [total('all but idle', model.busyTotals)]),
        ]
      : [],
  )}${moreRows(hidden)}`;
}

export const reasonsPart: Part = {
  id: 'reasons',
  title: 'Exits by reason',
  render: (model, { rows }) =>
    model.reasons.length === 0
      ? markup`<p>${whyNoExits(model)}</p>`
      : markup`<p class="note">${legend(model)} <span class="hint" hidden>Click a title to sort.</span></p>${reasonsTable(model, rows)}`,
};
