/** Section `detail`: what exits were about, each joined to the latency and escalation of its own exit. */

import type { AccessResult } from '../analysis/accesses.ts';
import {
  D_CODE,
  D_EVENT,
  D_FLAGS,
  D_HIGH,
  D_ISA,
  D_LOW,
  DETAIL_CAPACITY,
  type DetailResult,
  DIRECTION_MASK,
  P_HIGH,
  P_LOW,
} from '../analysis/exit-detail.ts';
import type { ExitTableResult } from '../analysis/exit-table.ts';
import { EV_EOI, EV_INJ_VIRQ, EV_PV_EOI } from '../core/events.ts';
import { ISA_ARM64 } from '../core/isa-codes.ts';
import type { TraceContext } from '../core/trace-context.ts';
import { formatCount, plural } from '../core/units.ts';
import { vectorName } from '../isa/vector-names.ts';
import { cell, count, foreign, left, plain, right, share, tableOf, time } from './cells.ts';
import { csvOf } from './csv-data.ts';
import {
  DETAIL_EVENTS,
  type DetailKind,
  detailAddress,
  detailKind,
  detailName,
  directionName,
} from './detail-names.ts';
import { type ExitFigures, exitFigures, groupRows } from './exit-figures.ts';
import { reasonFiltersUnused } from './filters.ts';
import { sum } from './group-sums.ts';
import type { ReportModel } from './model.ts';
import { orderBy } from './order.ts';
import { reasonIdentity } from './reason-identity.ts';
import { type Known, knowledge, NONE_SELECTED, selectsNoExit, whyNoneAround } from './recorded.ts';
import type { Block, Section, SectionInput } from './sections.ts';

export interface DetailRowModel extends ExitFigures {
  isa: string;
  code: number | null;
  /** Exit reason. */
  name: string;
  kind: DetailKind;
  direction: 'read' | 'write' | null;
  /** Number or address, hexadecimal; of page faults the 2 MiB region. */
  address: string;
  /** What is known to be there: register, device, leaf. */
  what: string | null;
  /** Exits that may be missing from this row: it came into a full table late. 0: exact. */
  mayMiss: number;
}

export interface VectorModel extends ExitFigures {
  vector: number;
  what: string | null;
}

export interface DetailModel {
  /** False: no detail event was recorded, nothing is known. */
  known: boolean;
  /** Detail events that were recorded. */
  events: string[];
  exits: number;
  /** Exits with a detail; the others had none recorded. */
  withDetail: number;
  rows: DetailRowModel[];
  /** Pages (4 KiB) of page faults without a device behind them. */
  pages: (ExitFigures & { address: string; mayMiss: number })[];
  /** Exits by the vector injected before their entry; null: kvm_inj_virq was not recorded. */
  injected: VectorModel[] | null;
  /** Exits for a host interrupt by its vector; null: not recorded (VMX only, --section detail). */
  hostVectors: VectorModel[] | null;
  /** Acknowledged vectors (kvm_eoi; kvm_pv_eoi where it alone was recorded); null: not recorded. */
  eoi: { vector: number; what: string | null; count: number }[] | null;
  /** A detail that is in no row has at most so many exits: 0 when all have a row. */
  floor: number;
}

function build(input: SectionInput): Partial<ReportModel> | null {
  const { context, analysis } = input;
  const result = analysis.passes.detail as DetailResult | undefined;
  if (result === undefined) return null;
  const known = knowledge(input);
  const { counts } = analysis.summary;
  const access = analysis.passes.accesses as AccessResult | undefined;
  const hostVectors = analysis.passes['host-vectors'] as ExitTableResult | undefined;
  const rows = detailRows(context, result.details, known).sort(byWeight);
  const events = DETAIL_EVENTS.filter((event) => counts[event] > 0).map(
    (event) => context.events.names[event],
  );
  const detail: DetailModel = {
    known: events.length > 0,
    events,
    exits: result.details.all.exits[0],
    withDetail: rows.reduce((sum, row) => sum + row.exits, 0),
    rows,
    pages: pageRows(result.pages, known),
    injected: counts[EV_INJ_VIRQ] > 0 ? vectorRows(result.vectors, known) : null,
    hostVectors: hostVectors && hostVectors.rows > 0 ? vectorRows(hostVectors, known) : null,
    eoi:
      counts[EV_EOI] + counts[EV_PV_EOI] > 0 && access
        ? eoiRows(access, counts[EV_EOI] > 0 ? EV_EOI : EV_PV_EOI)
        : null,
    floor: result.details.floor,
  };
  return { detail };
}

type Weighed = ExitFigures & { address: string } & Partial<DetailRowModel>;

const byIdentity = orderBy<Weighed>('address', 'kind', 'direction', 'isa', 'code', 'name');

function byWeight(a: Weighed, b: Weighed): number {
  return b.exits - a.exits || byIdentity(a, b);
}

/** Exits by what they were about, whatever became of them in user space. */
function detailRows(
  context: TraceContext,
  { keys, keyInts, rows, sums, missed }: ExitTableResult,
  known: Known,
): DetailRowModel[] {
  const key = (row: number, i: number) => keys[row * keyInts + i];
  const groups = groupRows(rows, (row) =>
    key(row, D_EVENT) === 0
      ? null
      : [
          key(row, D_FLAGS) & DIRECTION_MASK,
          ...[D_ISA, D_CODE, D_EVENT, D_LOW, D_HIGH].map((i) => key(row, i)),
        ].join(),
  );
  return [...groups.values()].map((members) => {
    const [row] = members;
    const isa = key(row, D_ISA);
    const code = key(row, D_CODE) >>> 0;
    const kind = detailKind(key(row, D_EVENT));
    return {
      ...reasonIdentity(context, isa, code),
      kind,
      direction: directionName(key(row, D_FLAGS) & DIRECTION_MASK),
      address: detailAddress(key(row, D_LOW), key(row, D_HIGH)),
      what: detailName(kind, key(row, D_LOW), key(row, D_HIGH), isa === ISA_ARM64),
      ...exitFigures(sums, members, known),
      mayMiss: sum(missed, members),
    };
  });
}

function pageRows({ keys, rows, sums, missed }: ExitTableResult, known: Known): DetailModel['pages'] {
  return [...Array(rows).keys()]
    .map((row) => ({
      address: detailAddress(keys[2 * row + P_LOW], keys[2 * row + P_HIGH]),
      ...exitFigures(sums, [row], known),
      mayMiss: missed[row],
    }))
    .sort(byWeight);
}

function vectorRows({ keys, rows, sums }: ExitTableResult, known: Known): VectorModel[] {
  return [...Array(rows).keys()]
    .map((row) => ({ vector: keys[row], what: vectorName(keys[row]), ...exitFigures(sums, [row], known) }))
    .sort((a, b) => b.exits - a.exits || a.vector - b.vector);
}

/** Of `event` alone: KVM tells of a paravirtual EOI by kvm_eoi as well, which counted together would be two. */
function eoiRows({ eois }: AccessResult, event: number): NonNullable<DetailModel['eoi']> {
  return [...Array(eois.rows).keys()]
    .filter((row) => eois.keys[2 * row] === event)
    .map((row) => ({ vector: eois.keys[2 * row + 1], count: eois.counts[row] }))
    .map(({ vector, count }) => ({ vector, what: vectorName(vector), count }))
    .sort((a, b) => b.count - a.count || a.vector - b.vector);
}

/** Rows of a short table in a report that did not ask for details. */
const BRIEF_ROWS = 8;

const FIGURE_COLUMNS = [
  right('exits'),
  right('total', { drop: 2 }),
  right('avg'),
  right('max', { drop: 3 }),
  right('user%', { drop: 1 }),
];
const figures = (row: ExitFigures) => [
  count(row.exits),
  time(row.totalNs),
  time(row.avgNs),
  time(row.maxNs),
  share(row.escalated, row.exits),
];

function blocks(model: ReportModel, rows: number, asked: boolean): Block[] {
  const { detail } = model;
  if (!detail || (!asked && detail.rows.length === 0)) return [];
  const title = 'What exits were about';
  if (!detail.known)
    return [
      {
        title,
        sentences: [
          'Not recorded: none of the events that tell (kvm_pio, kvm_mmio, kvm_msr, kvm_cpuid, kvm_page_fault, kvm_sys_access …) is in the capture.',
        ],
        table: null,
      },
    ];
  if (selectsNoExit(model)) return asked ? [{ title, sentences: [NONE_SELECTED], table: null }] : [];
  const sentences = [
    detail.exits === 0
      ? `${whyNoneAround(model, detail.events.join(', '))}.`
      : `Recorded for ${formatCount(detail.withDetail)} of ${plural(detail.exits, 'exit')}, from ${detail.events.join(', ')}.`,
    ...(detail.floor > 0
      ? [`More distinct details than the table holds: one without a row has at most ${detail.floor} exits.`]
      : []),
  ];
  const main: Block = {
    title,
    sentences,
    table: tableOf(
      [
        left('exit reason', { shrinkTo: 14 }),
        left('kind'),
        left('number'),
        left('what', { shrinkTo: 12 }),
        ...FIGURE_COLUMNS,
      ],
      detail.rows,
      asked ? rows : BRIEF_ROWS,
      (row) => [
        foreign(row.name),
        cell(row.direction === null ? row.kind : `${row.kind} ${row.direction}`),
        cell(row.address),
        plain(row.what),
        ...figures(row),
      ],
    ),
  };
  return asked ? [main, ...moreBlocks(model, detail, rows)] : [main];
}

function moreBlocks(model: ReportModel, detail: DetailModel, rows: number): Block[] {
  const list: Block[] = [];
  const add = (sentence: string, columns: Parameters<typeof tableOf>[0], items: readonly VectorModel[]) =>
    list.push({
      title: null,
      sentences: [sentence],
      table: tableOf(columns, items, rows, (row) => [
        plain(`0x${row.vector.toString(16)}`),
        plain(row.what),
        ...figures(row),
      ]),
    });
  const vectorColumns = [right('vector'), left('in Linux'), ...FIGURE_COLUMNS];
  if (detail.pages.length > 0)
    list.push({
      title: null,
      sentences: ['Page faults without a device behind them, by page of 4 KiB:'],
      table: tableOf([left('page'), ...FIGURE_COLUMNS], detail.pages, rows, (row) => [
        cell(row.address),
        ...figures(row),
      ]),
    });
  if (detail.injected?.length)
    add('Exits during which an interrupt was injected, by vector:', vectorColumns, detail.injected);
  if (detail.hostVectors?.length)
    add('Exits for a host interrupt, by its vector:', vectorColumns, detail.hostVectors);
  if (detail.eoi?.length)
    list.push({
      title: null,
      sentences: [
        ...reasonFiltersUnused(model.selection),
        'End-of-interrupt signals of the guest, by vector:',
      ],
      table: tableOf([right('vector'), left('in Linux'), right('count')], detail.eoi, rows, (row) => [
        plain(`0x${row.vector.toString(16)}`),
        plain(row.what),
        count(row.count),
      ]),
    });
  return list;
}

const FIGURE_KEYS = [
  'exits',
  'paired',
  'totalNs',
  'minNs',
  'avgNs',
  'maxNs',
  'escalated',
  'restarts',
  'errors',
  'kernelNs',
  'userspaceNs',
] as const;

export const detailSection: Section = {
  id: 'detail',
  byDefault: true,
  requests: (_options, asked) => [
    { name: 'detail', options: { capacity: DETAIL_CAPACITY } },
    { name: 'accesses', options: null },
    ...(asked ? [{ name: 'host-vectors', options: null }] : []),
  ],
  build,
  blocks,
  csv: {
    detail: (model) =>
      csvOf(
        ['isa', 'code', 'name', 'kind', 'direction', 'address', 'what', ...FIGURE_KEYS, 'mayMiss'],
        model.detail?.rows,
      ),
    pages: (model) => csvOf(['address', ...FIGURE_KEYS, 'mayMiss'], model.detail?.pages),
    vectors: (model) => csvOf(['vector', 'what', ...FIGURE_KEYS], model.detail?.injected ?? undefined),
  },
};
