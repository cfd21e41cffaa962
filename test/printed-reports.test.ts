/**
 * The printed forms of the corpus' recordings (trace-cmd report, perf script) give the numbers of the recordings
 * themselves, as an independent program computed them: exactly where the text has ns, else to its microsecond.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, describe, expect, test } from 'vitest';
import { runReport } from '../src/commands/pipeline.ts';
import { traceCmdText } from '../src/parsers/trace-cmd-text/index.ts';
import type { ReportModel } from '../src/report/model.ts';
import { type Expected, HAS_SHARED, listCaptures, SHARED } from './support/corpus.ts';
import { readText } from './support/ftrace-text.ts';
import { defaultReportOptions } from './support/options.ts';

const PRINTED = /^(report|report-raw|script-ns|script-pipe-ns|stream)\.txt\.gz$/;

interface Printed {
  readonly id: string;
  readonly path: string;
  readonly expected: Expected;
  readonly format: string;
  /** Times have ns. */
  readonly exact: boolean;
}

/** Every printed text beside a capture that has an expected.json. */
function listPrinted(): Printed[] {
  const printed: Printed[] = [];
  for (const { id, path, expected } of listCaptures(join(SHARED, 'corpus'))) {
    const folder = dirname(path);
    for (const name of readdirSync(folder).filter((file) => PRINTED.test(file))) {
      const isPerf = name.startsWith('script');
      printed.push({
        id: `${dirname(id)}/${name}`,
        path: join(folder, name),
        expected,
        format: isPerf ? 'perf-script' : 'trace-cmd-text',
        exact: isPerf || name.startsWith('report-raw'),
      });
    }
  }
  return printed;
}

const scratch = mkdtempSync(join(tmpdir(), 'kvmtrace-test-'));
afterAll(() => rmSync(scratch, { recursive: true }));

/**
 * perf script prints losses only when asked to: the corpus keeps them in a file of their own, which is put where
 * `--show-lost-events` would have printed it.
 */
function withLosses(path: string): string {
  const records = join(dirname(path), 'script-records.txt');
  if (!existsSync(records)) return path;
  const losses = readFileSync(records, 'latin1')
    .split('\n')
    .filter((line) => line.includes('PERF_RECORD_LOST lost'));
  if (losses.length === 0) return path;
  const time = (line: string) => BigInt((/\] +(\d+\.\d{9}):/.exec(line)?.[1] ?? '0').replace('.', ''));
  const lines = gunzipSync(readFileSync(path)).toString('latin1').trimEnd().split('\n');
  const merged: string[] = [];
  let next = 0;
  for (const line of lines) {
    while (next < losses.length && time(losses[next]) <= time(line)) merged.push(losses[next++]);
    merged.push(line);
  }
  const target = join(scratch, `${path.replaceAll('/', '_')}.txt`);
  writeFileSync(target, Buffer.from(`${[...merged, ...losses.slice(next)].join('\n')}\n`, 'latin1'));
  return target;
}

/** Reasons by identity, as both sides count them. */
function reasonsOf(rows: readonly { isa: string; code: number | null; name: string; exits: number }[]) {
  return Object.fromEntries(
    rows
      .map((row) => [`${row.isa} ${row.code ?? row.name}`, row] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}

/** The corpus counts what QEMU's ftrace backend wrote as `print`; we name the events in it. */
function foldMarkers(events: Readonly<Record<string, number>>, expected: Readonly<Record<string, number>>) {
  const folded = { ...events };
  for (const name of Object.keys(events))
    if (expected.print && !(name in expected)) {
      folded.print = (folded.print ?? 0) + events[name];
      delete folded[name];
    }
  return folded;
}

function warningsOf(model: ReportModel): string[] {
  return model.quality.warnings.map(({ code }) => code).sort();
}

const printed = HAS_SHARED ? listPrinted() : [];

test.runIf(HAS_SHARED)('there are printed reports to compare with', () => {
  expect(printed.length).toBeGreaterThanOrEqual(50);
});

describe.each(printed.map((one) => [one.id, one] as const))('%s', (_, { path, expected, format, exact }) => {
  test('equals expected.json', async () => {
    const model = await runReport([withLosses(path)], {
      ...defaultReportOptions(),
      slowLimit: 10,
      includeIdle: true,
    });
    expect(model.capture.sources[0].format).toBe(format);
    expect(foldMarkers(model.capture.events, expected.events)).toEqual(expected.events);
    if (model.capture.lost.events !== null || expected.lost.marks === 0)
      expect(model.capture.lost.events ?? 0).toBe(expected.lost.events);
    expect(model.capture.lost.regions).toBe(expected.lost.marks);
    const { escalated, restarts, ...quality } = expected.quality;
    expect(model.quality).toMatchObject(quality);
    if (model.escalation.known) {
      expect(model.escalation.escalated).toBe(escalated);
      expect(model.escalation.restarts).toBe(restarts);
    }
    const got = reasonsOf(model.reasons) as Record<string, ReportModel['reasons'][number]>;
    const wanted = reasonsOf(expected.reasons) as Record<string, Expected['reasons'][number]>;
    expect(Object.keys(got)).toEqual(Object.keys(wanted));
    for (const [key, reason] of Object.entries(wanted)) {
      const { exits, paired, totalNs, minNs, maxNs } = got[key];
      const levels = got[key].levels;
      expect([key, exits, paired, got[key].escalated ?? 0, got[key].restarts ?? 0]).toEqual([
        key,
        reason.exits,
        reason.paired,
        reason.escalated,
        reason.restarts,
      ]);
      expect(levels.L2 + levels['L2-reflected']).toBe(reason.l2);
      // Each of two rounded times is at most half a microsecond off.
      const slack = exact ? 0 : 1000;
      expect(Math.abs(Number(totalNs) - reason.totalNs)).toBeLessThanOrEqual(slack * reason.paired);
      if (reason.minNs === null || reason.maxNs === null) continue;
      expect(Math.abs(Number(minNs) - reason.minNs)).toBeLessThanOrEqual(slack);
      expect(Math.abs(Number(maxNs) - reason.maxNs)).toBeLessThanOrEqual(slack);
    }
    const threads = model.vcpus.map(({ tid, exits }) => [tid, exits]).sort((a, b) => a[0] - b[0]);
    expect(threads).toEqual(
      expected.threads.map(({ tid, exits }) => [tid, exits]).sort((a, b) => a[0] - b[0]),
    );
    if (exact)
      expect(model.slow.map(({ latencyNs, exitNs, tid }) => [latencyNs, Number(exitNs), tid])).toEqual(
        expected.slowest
          .filter(({ latencyNs }) => latencyNs > 0)
          .map(({ latencyNs, exitNs, tid }) => [latencyNs, exitNs, tid]),
      );
    // Everything was understood; what cannot be known from print is said.
    const told = warningsOf(model).filter((code) => code !== 'lost-events');
    const doubtful = !path.includes('report-raw') && 'kvm_userspace_exit' in expected.events;
    expect(told).toEqual(doubtful ? ['restarts-not-printed'] : []);
  });
});

/** What both forms of a report print of an event: -R has every field, plugins leave some out. */
const COMPARED = ['time', 'cpu', 'tid', 'event', 'vcpu', 'isa', 'code', 'address', 'arg0'] as const;

describe.runIf(HAS_SHARED)('trace-cmd report -R', () => {
  test.each(
    printed.filter(({ id }) => id.endsWith('report-raw.txt.gz')).map(({ id, path }) => [id, path] as const),
  )('%s has the values of the report beside it', (_, path) => {
    const read = (file: string) => readText(gunzipSync(readFileSync(file)), Infinity, traceCmdText).rows;
    const raw = read(path);
    const plain = read(path.replace('report-raw', 'report'));
    expect(raw.length).toBe(plain.length);
    let compared = 0;
    raw.forEach((row, i) => {
      const other = plain[i];
      const microseconds = ((row.time + 500n) / 1000n) * 1000n;
      for (const column of COMPARED) {
        const a = column === 'time' ? microseconds : row[column];
        const b = other[column];
        // Plugins of trace-cmd 3.1.6 print nothing of these.
        if (a === null || b === null || row.event === '(lost)') continue;
        if (row.event === 'kvm_userspace_exit' && row.arg0 !== other.arg0) continue;
        compared++;
        if (a !== b) expect([i, row.event, column, a]).toEqual([i, row.event, column, b]);
      }
    });
    expect(compared).toBeGreaterThan(5 * raw.length);
  });
});
