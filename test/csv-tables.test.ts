/** CSV tables hold what JSON holds: each row of the list, each key of a row that is no list or object itself. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { csvData } from '../src/report/csv-tables.ts';
import type { ReportModel } from '../src/report/model.ts';
import { SECTION_TABLES } from '../src/report/sections.ts';
import { emptyModel, manyVcpusModel, plausibleModel } from './fixtures/report-models.ts';
import { eventsOfExits, madeExit } from './support/made-up-exits.ts';
import { madeUp } from './support/made-up-report.ts';

type Row = Readonly<Record<string, unknown>>;

const report = await madeUp(['detail', 'devices', 'hotspots']);
const exits = fc.sample(madeExit, { numRuns: 300, seed: 1 });
const sections = report(eventsOfExits(exits), ['kvm_userspace_exit']);

const isCell = (value: unknown) => typeof value !== 'object' || value === null;
const rowsOf = (model: ReportModel, table: string): Row[] => {
  const { headers, rows } = csvData(model, table);
  expect(new Set(headers).size).toBe(headers.length);
  return [...rows].map((cells) => {
    expect(cells).toHaveLength(headers.length);
    return Object.fromEntries(headers.map((header, i) => [header, cells[i]]));
  });
};
const cellsOf = (rows: readonly object[], leftOut: readonly string[] = []): Row[] =>
  rows.map((row) =>
    Object.fromEntries(Object.entries(row).filter(([key, value]) => isCell(value) && !leftOut.includes(key))),
  );

describe('of sections', () => {
  const { detail, devices, hotspots } = sections;
  const LISTS: Readonly<Record<string, readonly [readonly object[], ...string[]]>> = {
    detail: [detail!.rows],
    pages: [detail!.pages],
    vectors: [detail!.injected!],
    devices: [devices!.rows],
    escalations: [devices!.escalations],
    accesses: [devices!.accesses],
    // How escalated exits split their time is told of details, not of addresses.
    hotspots: [hotspots!.rows, 'errors', 'kernelNs', 'userspaceNs'],
  };

  test.each(Object.entries(LISTS))('%s', (table, [rows, ...leftOut]) => {
    expect(rows.length).toBeGreaterThan(1);
    expect(rowsOf(sections, table)).toEqual(cellsOf(rows, leftOut));
  });

  test.each(Object.keys(SECTION_TABLES))('%s: without its section only the header line', (table) => {
    expect(rowsOf(emptyModel(), table)).toEqual([]);
    expect(csvData(emptyModel(), table).headers.length).toBeGreaterThan(1);
  });
});

describe("the report's own", () => {
  const models = [plausibleModel(), manyVcpusModel(3), emptyModel()];
  const LISTS: Readonly<Record<string, (model: ReportModel) => readonly object[]>> = {
    vcpus: ({ vcpus }) => vcpus,
    slow: ({ slow }) => slow,
    escalation: ({ escalation }) => escalation.byReason,
    userspace: ({ escalation }) => escalation.byUserspaceReason,
    reasons: ({ reasons }) => reasons.map(({ levels, ...row }) => ({ ...row, ...levels })),
    histogram: ({ reasons }) =>
      reasons.flatMap(({ vm, pid, tid, vcpu, cpu, level, isa, code, name, histogram }) =>
        histogram.map((bucket) => {
          const group = Object.entries({ vm, pid, tid, vcpu, cpu, level });
          const grouping = Object.fromEntries(group.filter(([, value]) => value !== undefined));
          return { ...grouping, isa, code, name, ...bucket };
        }),
      ),
    events: ({ capture }) => Object.entries(capture.events).map(([event, count]) => ({ event, count })),
  };

  test.each(Object.entries(LISTS))('%s', (table, list) => {
    for (const model of models) expect(rowsOf(model, table)).toEqual(cellsOf(list(model)));
  });

  test('quality: counters, losses, then warnings', () => {
    const model = plausibleModel();
    const warning = { code: 'c', severity: 'info' as const, message: 'm', count: 3 };
    const { warnings: _none, ...counters } = model.quality;
    const given: ReportModel = {
      ...model,
      quality: { ...model.quality, warnings: [warning] },
      capture: {
        ...model.capture,
        lost: { ...model.capture.lost, events: 7, regions: 2, uncountedRegions: 1 },
      },
    };
    const plain = { ...counters, lostEvents: 7, lostRegions: 2, uncountedLostRegions: 1 };
    expect(rowsOf(given, 'quality')).toEqual([
      ...Object.entries(plain).map(([counter, count]) => ({ counter, count, severity: null, message: null })),
      { counter: 'c', count: 3, severity: 'info', message: 'm' },
    ]);
  });

  test('a column of a grouping is there as soon as any row has it', () => {
    const [first, ...rest] = plausibleModel().reasons;
    const model = plausibleModel({ reasons: [first, { ...rest[0], cpu: 3 }] });
    for (const table of ['reasons', 'histogram'])
      expect(csvData(model, table).headers.slice(0, 4)).toEqual(['cpu', 'isa', 'code', 'name']);
    expect(rowsOf(model, 'reasons').map(({ cpu }) => cpu)).toEqual([undefined, 3]);
  });
});
