/** JSON and CSV: for programs, so every digit and every key counts. */
import { parseString } from 'fast-csv';
import { describe, expect, test } from 'vitest';
import { render as renderCsv } from '../src/report/csv.ts';
import { CSV_TABLES, type CsvTable } from '../src/report/csv-tables.ts';
import { renderJson as renderInfoJson, render as renderJson } from '../src/report/json.ts';
import type { ReportModel } from '../src/report/model.ts';
import { HOSTILE_NAMES } from './fixtures/hostile-names.ts';
import {
  emptyModel,
  infoModel,
  manyVcpusModel,
  oneRowModel,
  plausibleModel,
  reason,
  vcpu,
} from './fixtures/report-models.ts';

const json = (model: ReportModel) => [...renderJson(model)].join('');

/** The contract's keys (docs/json.md), written down apart from the code. */
const CONTRACT = {
  '': ['schema', 'schemaVersion', 'capture', 'quality', 'vcpus', 'reasons', 'escalation', 'slow'],
  capture: [
    'sources',
    'arch',
    'isa',
    'kernel',
    'host',
    'clock',
    'firstNs',
    'lastNs',
    'durationNs',
    'events',
    'lost',
  ],
  'capture.sources.0': ['path', 'format', 'bytes'],
  'capture.lost': ['events', 'regions'],
  quality: [
    'exits',
    'entries',
    'paired',
    'exitWithoutEntry',
    'entryWithoutExit',
    'openAtEnd',
    'invalidatedByLoss',
    'warnings',
  ],
  'quality.warnings.0': ['code', 'message', 'count'],
  'vcpus.0': ['pid', 'tid', 'comm', 'vcpu', 'exits', 'paired', 'totalNs'],
  'reasons.0': [
    'isa',
    'code',
    'name',
    'exits',
    'paired',
    'totalNs',
    'minNs',
    'avgNs',
    'maxNs',
    'stddevNs',
    'p50Ns',
    'p90Ns',
    'p99Ns',
    'p999Ns',
    'exitsPct',
    'timePct',
    'guestKernelTimePct',
    'escalated',
    'restarts',
    'levels',
    'histogram',
  ],
  'reasons.0.levels': ['L1', 'L2', 'L2-reflected'],
  'reasons.0.histogram.0': ['loNs', 'hiNs', 'count'],
  escalation: [
    'known',
    'exits',
    'escalated',
    'ratio',
    'restarts',
    'kernelNs',
    'userspaceNs',
    'byReason',
    'byUserspaceReason',
  ],
  'escalation.byReason.0': ['isa', 'code', 'name', 'exits', 'escalated', 'ratio', 'kernelNs', 'userspaceNs'],
  'escalation.byUserspaceReason.0': ['code', 'name', 'count', 'userspaceNs'],
  'slow.0': [
    'exitNs',
    'entryNs',
    'latencyNs',
    'pid',
    'tid',
    'vcpu',
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
} as const;

function at(value: unknown, path: string): Record<string, unknown> {
  const steps = path === '' ? [] : path.split('.');
  return steps.reduce<unknown>((part, key) => (part as Record<string, unknown>)[key], value) as Record<
    string,
    unknown
  >;
}

describe('JSON', () => {
  test.each(Object.entries(CONTRACT))('%s has the keys of the contract', (path, keys) => {
    expect(Object.keys(at(JSON.parse(json(manyVcpusModel(2))), path))).toEqual(
      expect.arrayContaining([...keys]),
    );
  });

  test('nothing is renamed, dropped or made up: what is written is the model', () => {
    for (const model of [plausibleModel(), emptyModel(), oneRowModel(), manyVcpusModel(3)]) {
      const asNumbers = JSON.parse(
        JSON.stringify(model, (_, value) => (typeof value === 'bigint' ? Number(value) : value)),
      );
      expect(JSON.parse(json(model))).toEqual(asNumbers);
    }
  });

  test('integers beyond 2^53 keep every digit', () => {
    const model = plausibleModel();
    const text = json({
      ...model,
      capture: { ...model.capture, firstNs: 9_223_372_036_854_775_807n, durationNs: 9_007_199_254_740_993n },
      vcpus: [vcpu({ totalNs: 123_456_789_012_345_678_901_234_567_890n })],
    });
    expect(text).toContain('"firstNs": 9223372036854775807,');
    expect(text).toContain('"durationNs": 9007199254740993,');
    expect(text).toContain('"totalNs": 123456789012345678901234567890,');
    expect(text).not.toMatch(/\de[+-]?\d/);
  });

  test('the order of keys does not depend on how the model was built', () => {
    const shuffle = (value: unknown): unknown => {
      if (Array.isArray(value)) return value.map(shuffle);
      if (typeof value !== 'object' || value === null) return value;
      return Object.fromEntries(
        Object.entries(value)
          .reverse()
          .map(([key, item]) => [key, shuffle(item)]),
      );
    };
    const model = plausibleModel();
    const shuffled = shuffle(model) as ReportModel;
    const { events, facts } = model.capture;
    expect(json({ ...shuffled, capture: { ...shuffled.capture, events, facts } })).toBe(json(model));
  });

  test('events stay in the order of the model, hostile keys and all', () => {
    const model = plausibleModel();
    const events = Object.fromEntries([
      ['z', 9],
      ['\x1b[2J', 8],
      ['a', 7],
    ]);
    const text = json({ ...model, capture: { ...model.capture, events } });
    expect(Object.entries(JSON.parse(text).capture.events)).toEqual(Object.entries(events));
    expect(text).not.toContain('\x1b');
  });

  test('numbers that JSON cannot write are unknown', () => {
    const text = json(
      plausibleModel({
        reasons: [reason({ name: 'x', exits: 1, avgNs: Number.NaN, exitsPct: Number.POSITIVE_INFINITY })],
      }),
    );
    expect(JSON.parse(text).reasons[0]).toMatchObject({ avgNs: null, exitsPct: null });
  });

  test('ends in one line feed, rows of lists on lines of their own', () => {
    const text = json(manyVcpusModel(20));
    expect(text.endsWith('}\n')).toBe(true);
    expect(text.match(/^ {4}\{ "vm": "guest/gm)).toHaveLength(20);
  });

  test.each(HOSTILE_NAMES)('%j comes back as it was', (name) => {
    const text = json(plausibleModel({ vcpus: [vcpu({ comm: name })], notes: [name] }));
    expect(JSON.parse(text).vcpus[0].comm).toBe(name);
    expect(JSON.parse(text).notes).toEqual([name]);
    expect(text.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\u202e]/u);
  });

  test('info too', () => {
    const model = infoModel();
    expect(JSON.parse([...renderInfoJson(model)].join(''))).toEqual(
      JSON.parse(JSON.stringify(model, (_, value) => (typeof value === 'bigint' ? Number(value) : value))),
    );
  });
});

async function csv(model: ReportModel, table: CsvTable): Promise<string> {
  let text = '';
  for await (const piece of renderCsv(model, { color: false, width: null, rows: 1, histogram: false, table }))
    text += piece;
  return text;
}

/** Rows as a reader of RFC 4180 sees them, by hand: the writer's library must not be its own judge. */
function readCsv(text: string): string[][] {
  const rows: string[][] = [];
  for (let i = 0; i < text.length; i++) {
    const row: string[] = [];
    for (; ; i++) {
      let cell = '';
      if (text[i] === '"') {
        for (i++; text[i] !== '"' || text[i + 1] === '"'; i++) {
          if (i >= text.length) throw new Error('quote without end');
          cell += text[i] === '"' ? text[i++] : text[i];
        }
        i++;
      } else for (; i < text.length && text[i] !== ',' && text[i] !== '\n'; i++) cell += text[i];
      row.push(cell);
      if (text[i] !== ',') break;
    }
    rows.push(row);
  }
  return rows;
}

describe('CSV', () => {
  test.each(CSV_TABLES)(
    '%s: every row has a cell for every column, and fast-csv reads the same',
    async (table) => {
      const text = await csv(manyVcpusModel(5), table);
      const [head, ...rows] = readCsv(text);
      expect(rows.length).toBeGreaterThan(0);
      for (const row of rows) expect(row).toHaveLength(head.length);
      const parsed = await new Promise<string[][]>((done, failed) => {
        const all: string[][] = [];
        parseString(text)
          .on('data', (row) => all.push(row))
          .on('error', failed)
          .on('end', () => done(all));
      });
      expect(parsed).toEqual([head, ...rows]);
    },
  );

  test.each(CSV_TABLES)('%s of an empty capture has its header line', async (table) => {
    const lines = (await csv(emptyModel(), table)).split('\n');
    expect(lines[0]).toContain(',');
    expect(lines.at(-1)).toBe('');
  });

  test('reasons carry the integers of the model, unknown is empty', async () => {
    const [head, first] = readCsv(await csv(manyVcpusModel(1), 'reasons'));
    expect(head.slice(0, 6)).toEqual(['vm', 'pid', 'vcpu', 'isa', 'code', 'name']);
    expect(first[head.indexOf('totalNs')]).toBe('123456789012345');
    const [names, row] = readCsv(await csv(oneRowModel(), 'reasons'));
    expect(row[names.indexOf('totalNs')]).toBe('');
    expect(row[names.indexOf('exits')]).toBe('1');
  });

  test.each(HOSTILE_NAMES)('%j is one cell and no formula', async (name) => {
    const rows = readCsv(
      await csv(plausibleModel({ vcpus: [vcpu({ comm: name, vm: name }), vcpu()] }), 'vcpus'),
    );
    expect(rows).toHaveLength(3);
    const cell = rows[1][rows[0].indexOf('comm')];
    expect(cell).not.toMatch(/^[=+\-@\t\r\n]/);
    expect(cell).not.toMatch(/\p{Cc}/u);
  });

  test('negative numbers are numbers', async () => {
    const model = plausibleModel();
    const [head, row] = readCsv(await csv({ ...model, slow: [{ ...model.slow[0], exitNs: -5n }] }, 'slow'));
    expect(row[head.indexOf('exitNs')]).toBe('-5');
  });
});
