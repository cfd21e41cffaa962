/** The tables of a report for people, shared by text and Markdown: which columns, which cells, in words. */

import { formatNsShort, formatOffset, UNKNOWN_CELL } from '../core/units.ts';
import { shortUserspaceName } from '../isa/userspace-exits.ts';
import {
  type Cell,
  cell,
  count,
  foreign,
  left,
  pct,
  plain,
  right,
  share,
  type TableData,
  tableOf,
  time,
} from './cells.ts';
import { costliest } from './costliest.ts';
import type { GroupKey, ReasonModel, ReportModel, SlowModel, TotalModel, VcpuModel } from './model.ts';
import { shownReason } from './reason-identity.ts';
import type { Column } from './table.ts';

/** Marks exits whose time is mostly the guest's own idling. */
export const IDLE_MARK = '*';

function reasonCell(row: { isa: string; name: string; idle?: boolean }, showIsa: boolean): Cell {
  return {
    text: shownReason(row, showIsa),
    untrusted: true,
    ...(row.idle ? { mark: ` ${IDLE_MARK}` } : {}),
  };
}

export type RowKey = Exclude<GroupKey, 'reason'> | 'namelessVm';

const GROUP_COLUMNS: Readonly<Record<RowKey, (row: ReasonModel) => Cell[]>> = {
  vm: (row) => [foreign(row.vm ?? null), plain(row.pid)],
  namelessVm: (row) => [plain(row.pid)],
  vcpu: (row) => [plain(row.vcpu)],
  tid: (row) => [plain(row.tid)],
  cpu: (row) => [plain(row.cpu)],
  level: (row) => [cell(row.level ?? UNKNOWN_CELL)],
};
const GROUP_TITLES: Readonly<Record<RowKey, Column[]>> = {
  vm: [left('VM', { shrinkTo: 10 }), right('pid')],
  // No column of dashes where no recording has the names.
  namelessVm: [right('VM pid')],
  vcpu: [right('vCPU')],
  tid: [right('tid')],
  cpu: [right('CPU')],
  level: [left('level')],
};

/** What rows have columns for beside the reason. */
export function rowKeys({ by, reasons }: ReportModel): RowKey[] {
  const named = reasons.some(({ vm }) => typeof vm === 'string');
  return by
    .filter((key) => key !== 'reason')
    .map((key): RowKey => (key === 'vm' && !named ? 'namelessVm' : key));
}

/** What the rows are grouped by, in words: always by reason as well. */
export function groupingWords({ by }: ReportModel): string {
  const words: Partial<Record<GroupKey, string>> = { vm: 'VM', vcpu: 'vCPU', cpu: 'CPU' };
  return [...by.filter((key) => key !== 'reason').map((key) => words[key] ?? key), 'reason'].join(', ');
}

export function hasSeveralIsas(model: ReportModel): boolean {
  return new Set(model.reasons.map((row) => row.isa)).size > 1;
}

interface Statistic {
  readonly column: Column;
  readonly cell: (row: TotalModel) => Cell;
  /** Only where there is room for it. */
  readonly wide?: boolean;
}

/** Columns as users of perf kvm stat and perf-prof know them. */
const STATISTICS: readonly Statistic[] = [
  { column: right('exits'), cell: (row) => count(row.exits) },
  { column: right('%', { gap: 1, drop: 6 }), cell: (row) => pct(row.exitsPct) },
  { column: right('total'), cell: (row) => time(row.totalNs) },
  { column: right('%', { gap: 1, drop: 2 }), cell: (row) => pct(row.timePct) },
  { column: right('avg', { drop: 4 }), cell: (row) => time(row.avgNs) },
  { column: right('min', { drop: 7 }), cell: (row) => time(row.minNs), wide: true },
  { column: right('p50', { drop: 5 }), cell: (row) => time(row.p50Ns) },
  { column: right('p90', { drop: 9 }), cell: (row) => time(row.p90Ns), wide: true },
  { column: right('p99', { drop: 0 }), cell: (row) => time(row.p99Ns) },
  { column: right('p99.9', { drop: 8 }), cell: (row) => time(row.p999Ns), wide: true },
  { column: right('max', { drop: 1 }), cell: (row) => time(row.maxNs) },
  // The exact counts are in the escalation section.
  { column: right('user%', { drop: 3 }), cell: (row) => share(row.escalated, row.exits) },
];

/** Exits by reason and, with --by, by group. `wide`: also the columns that only wide pages have room for. */
export function reasonsTable(model: ReportModel, limit: number, wide = false): TableData {
  const groups = rowKeys(model);
  const showIsa = hasSeveralIsas(model);
  const statistics = STATISTICS.filter((statistic) => wide || !statistic.wide);
  const stats = (row: TotalModel): Cell[] => statistics.map(({ cell: of }) => of(row));
  const labels = groups.flatMap((key) => GROUP_TITLES[key]);
  const leading = [...labels, left('reason', { shrinkTo: 20 })];
  const totalRow = (label: string, row: TotalModel): Cell[] => [
    ...leading.map((_, i) => cell(i === leading.length - 1 ? label : '')),
    ...stats(row),
  ];
  const totals =
    model.busyTotals.exits === model.totals.exits
      ? [totalRow('all', model.totals)]
      : [totalRow('all', model.totals), totalRow('all but idle', model.busyTotals)];
  return {
    ...tableOf([...leading, ...statistics.map(({ column }) => column)], model.reasons, limit, (row) => [
      ...groups.flatMap((key) => GROUP_COLUMNS[key](row)),
      reasonCell(row, showIsa),
      ...stats(row),
    ]),
    totals: model.reasons.length > 1 ? totals : [],
  };
}

/** Time in exits that are not idle; their number where times are not known. */
export function busyCost(row: VcpuModel): number {
  return row.totalNs === null ? row.exits : Number(row.totalNs) - Number(row.idleNs ?? 0);
}

export function vcpusTable(model: ReportModel, limit: number): TableData {
  const { shown, hidden } = costliest(model.vcpus, limit, busyCost);
  const showVm = model.vcpus.some((row) => row.vm !== null);
  return {
    columns: [
      right('vCPU'),
      right('tid'),
      right('pid', { drop: 3 }),
      left('thread', { shrinkTo: 12, drop: 0 }),
      ...(showVm ? [left('VM', { shrinkTo: 10 })] : []),
      right('exits'),
      right('paired', { drop: 2 }),
      right('exit to entry'),
      right('of it idle', { drop: 1 }),
    ],
    rows: shown.map((row) => [
      plain(row.vcpu),
      plain(row.tid),
      plain(row.pid),
      foreign(row.comm),
      ...(showVm ? [foreign(row.vm)] : []),
      count(row.exits),
      count(row.paired),
      time(row.totalNs),
      time(row.idleNs),
    ]),
    totals: [],
    hidden,
    hiddenBy: model.totals.totalNs === null ? 'exits' : 'time in exits, idle ones left out',
  };
}

/** Only the reasons that escalate; the table of all exits shows the others. */
export function escalationByReason(model: ReportModel, limit: number): TableData {
  const escalating = model.escalation.byReason.filter((row) => row.escalated > 0);
  const showIsa = hasSeveralIsas(model);
  return tableOf(
    [
      left('exit reason', { shrinkTo: 18 }),
      right('exits'),
      right('escalated'),
      right('%', { gap: 1, drop: 1 }),
      right('in kernel', { drop: 2 }),
      right('in user space'),
    ],
    escalating,
    limit,
    (row) => [
      reasonCell(row, showIsa),
      count(row.exits),
      count(row.escalated),
      pct(100 * row.ratio),
      time(row.kernelNs),
      time(row.userspaceNs),
    ],
  );
}

export function escalationByUserspaceReason(model: ReportModel, limit: number): TableData {
  return tableOf(
    [left('KVM_RUN returned with', { shrinkTo: 18 }), right('code'), right('count'), right('in user space')],
    model.escalation.byUserspaceReason,
    limit,
    (row) => [foreign(row.name), plain(row.code), count(row.count), time(row.userspaceNs)],
  );
}

function cpuMove(row: SlowModel): string {
  const from = row.exitCpu === null ? '?' : String(row.exitCpu);
  const to = row.entryCpu === null ? '?' : String(row.entryCpu);
  return from === to ? (from === '?' ? UNKNOWN_CELL : from) : `${from}>${to}`;
}

function userspaceCell(row: SlowModel): Cell {
  if (row.escalated === null) return cell(UNKNOWN_CELL);
  return row.escalated ? foreign(shortUserspaceName(row.userspaceReason ?? 'yes')) : cell('no');
}

export function slowTitle({ slowSelection: { thanNs, includesIdle } }: ReportModel): string {
  const over = thanNs > 0 ? ` longer than ${formatNsShort(thanNs)}` : '';
  return `Slowest exits${over}${includesIdle ? '' : ', idle left out'}`;
}

/** Times count from the first event, as --from and --to take them. The model holds as many as --slow asks for. */
export function slowTable(model: ReportModel): TableData {
  const showIsa = hasSeveralIsas(model);
  const nested = model.slow.some((row) => row.level !== 'L1');
  return tableOf(
    [
      right('latency'),
      left('reason', { shrinkTo: 20 }),
      ...(nested ? [left('level', { drop: 3 })] : []),
      right('at second'),
      right('vCPU'),
      right('tid'),
      left('thread', { shrinkTo: 8, drop: 1 }),
      right('CPU', { drop: 4 }),
      left('to user', { shrinkTo: 10 }),
      left('guest RIP', { drop: 2 }),
    ],
    model.slow,
    0,
    (row) => [
      time(row.latencyNs),
      reasonCell(row, showIsa),
      ...(nested ? [cell(row.level)] : []),
      cell(formatOffset(row.exitNs, model.capture.firstNs)),
      plain(row.vcpu),
      plain(row.tid),
      foreign(row.comm),
      cell(cpuMove(row)),
      userspaceCell(row),
      foreign(row.rip),
    ],
  );
}
