/** What each CSV table holds: the columns carry the names of the JSON keys, integers are ns, unknown is empty. */

import { type CsvData, type CsvValue, csvOf } from './csv-data.ts';
import { byCount } from './event-order.ts';
import type { ReasonModel, ReportModel } from './model.ts';
import {
  ESCALATED_REASON_KEYS,
  GROUP_KEYS,
  LEVEL_KEYS,
  REASON_ID_KEYS,
  REASON_KEYS,
  SLOW_KEYS,
  USERSPACE_REASON_KEYS,
  VCPU_KEYS,
} from './row-keys.ts';
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

function groupKeys(rows: readonly ReasonModel[]): (typeof GROUP_KEYS)[number][] {
  return GROUP_KEYS.filter((key) => rows.some((row) => row[key] !== undefined));
}

function reasons(model: ReportModel): CsvData {
  const keys = [...groupKeys(model.reasons), ...REASON_ID_KEYS, ...REASON_KEYS];
  return {
    headers: [...keys, ...LEVEL_KEYS],
    rows: model.reasons.map((row) => [
      ...keys.map((key) => row[key] as CsvValue),
      ...LEVEL_KEYS.map((level) => row.levels[level]),
    ]),
  };
}

function histogram(model: ReportModel): CsvData {
  const keys = [...groupKeys(model.reasons), ...REASON_ID_KEYS];
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
      ['uncountedLostRegions', model.capture.lost.uncountedRegions, null, null],
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
      return { headers: ['event', 'count'], rows: byCount(model.capture.events) };
    case 'vcpus':
      return csvOf(VCPU_KEYS, model.vcpus);
    case 'escalation':
      return csvOf(ESCALATED_REASON_KEYS, model.escalation.byReason);
    case 'userspace':
      return csvOf(USERSPACE_REASON_KEYS, model.escalation.byUserspaceReason);
    case 'slow':
      return csvOf(SLOW_KEYS, model.slow);
  }
}
