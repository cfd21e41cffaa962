/** What each CSV table holds: the columns carry the names of the JSON keys, integers are ns, unknown is empty. */
import type { ReasonModel, ReportModel } from './model.ts';
import { SECTION_TABLES } from './sections.ts';

export const CSV_TABLES = [
  'reasons',
  'vcpus',
  'slow',
  'escalation',
  'userspace',
  'quality',
  'events',
  'histogram',
] as const;
export type CsvTable = (typeof CSV_TABLES)[number];

export type CsvValue = string | number | bigint | boolean | null | undefined;

export interface CsvData {
  readonly headers: readonly string[];
  readonly rows: Iterable<readonly CsvValue[]>;
}

const REASON_ID = ['isa', 'code', 'name'] as const;
const REASON_STATS = [
  'idle',
  'exits',
  'paired',
  'totalNs',
  'minNs',
  'avgNs',
  'maxNs',
  'stddevNs',
  'stderrPct',
  'p50Ns',
  'p90Ns',
  'p99Ns',
  'p999Ns',
  'percentileErrorPct',
  'exitsPct',
  'timePct',
  'guestKernelTimePct',
  'escalated',
  'restarts',
] as const;
const LEVELS = ['L1', 'L2', 'L2-reflected'] as const;
const GROUPS = ['vm', 'pid', 'tid', 'vcpu', 'cpu', 'level'] as const;

/** Rows of objects whose keys are the columns. */
export function fromKeys<T extends object>(
  keys: readonly (keyof T & string)[],
  items: readonly T[],
): CsvData {
  return { headers: keys, rows: items.map((item) => keys.map((key) => item[key] as CsvValue)) };
}

function groupKeys(rows: readonly ReasonModel[]): (typeof GROUPS)[number][] {
  return GROUPS.filter((key) => rows.some((row) => row[key] !== undefined));
}

function reasons(model: ReportModel): CsvData {
  const keys = [...groupKeys(model.reasons), ...REASON_ID, ...REASON_STATS];
  return {
    headers: [...keys, ...LEVELS],
    rows: model.reasons.map((row) => [
      ...keys.map((key) => row[key] as CsvValue),
      ...LEVELS.map((level) => row.levels[level]),
    ]),
  };
}

function histogram(model: ReportModel): CsvData {
  const keys = [...groupKeys(model.reasons), ...REASON_ID];
  return {
    headers: [...keys, 'loNs', 'hiNs', 'count'],
    rows: model.reasons.flatMap((row) =>
      row.histogram.map((bucket) => [
        ...keys.map((key) => row[key] as CsvValue),
        bucket.loNs,
        bucket.hiNs,
        bucket.count,
      ]),
    ),
  };
}

/** Counters first, then the warnings by their code. */
function quality(model: ReportModel): CsvData {
  const { warnings, ...counters } = model.quality;
  return {
    headers: ['counter', 'count', 'severity', 'message'],
    rows: [
      ...Object.entries(counters).map(([key, value]) => [key, value, null, null]),
      ['lostEvents', model.capture.lost.events, null, null],
      ['lostRegions', model.capture.lost.regions, null, null],
      ...warnings.map((warning) => [warning.code, warning.count, warning.severity, warning.message]),
    ],
  };
}

/** Names of all tables: the report's own and those of sections. */
export function csvTableNames(): readonly string[] {
  return [...CSV_TABLES, ...Object.keys(SECTION_TABLES)];
}

export function csvData(model: ReportModel, table: string): CsvData {
  const section = SECTION_TABLES[table];
  return section ? section(model) : ownTable(model, table as CsvTable);
}

function ownTable(model: ReportModel, table: CsvTable): CsvData {
  switch (table) {
    case 'reasons':
      return reasons(model);
    case 'histogram':
      return histogram(model);
    case 'quality':
      return quality(model);
    case 'events':
      return { headers: ['event', 'count'], rows: Object.entries(model.capture.events) };
    case 'vcpus':
      return fromKeys(
        ['pid', 'tid', 'comm', 'vcpu', 'vm', 'exits', 'paired', 'totalNs', 'idleNs'],
        model.vcpus,
      );
    case 'escalation':
      return fromKeys(
        ['isa', 'code', 'name', 'exits', 'escalated', 'ratio', 'kernelNs', 'userspaceNs'],
        model.escalation.byReason,
      );
    case 'userspace':
      return fromKeys(['code', 'name', 'count', 'userspaceNs'], model.escalation.byUserspaceReason);
    case 'slow':
      return fromKeys(
        [
          'exitNs',
          'entryNs',
          'latencyNs',
          'pid',
          'tid',
          'vcpu',
          'comm',
          'exitCpu',
          'entryCpu',
          'isa',
          'code',
          'name',
          'level',
          'rip',
          'escalated',
          'userspaceReason',
        ],
        model.slow,
      );
  }
}
