/** Our numbers are those of `perf kvm stat report`, but for exits before a thread's first entry, which it leaves out. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { runReport } from '../src/commands/pipeline.ts';
import { HAS_SHARED, listCaptures, SHARED } from './support/corpus.ts';
import { defaultReportOptions } from './support/options.ts';
import { readPerf } from './support/perf-data.ts';

interface Line {
  name: string;
  samples: number;
  min: string;
  max: string;
  avg: string;
}

const LINE =
  /^ *(\S.*?) +(\d+) +[\d.]+% +[\d.]+% +([\d.]+)us +([\d.]+)us +([\d.]+)us \( ?\+- +(?:[\d.]+|-?nan)% ?\) *$/;

function readTable(path: string): Line[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .flatMap((line) => {
      const match = LINE.exec(line);
      return match
        ? [{ name: match[1], samples: Number(match[2]), min: match[3], max: match[4], avg: match[5] }]
        : [];
    });
}

/** Exits that pair with their thread's first entry: perf starts a thread at its first entry. */
function beforeFirstEntry(bytes: Uint8Array): { isa: number; code: number; ns: number }[] {
  const open = new Map<string, { isa: number; code: number; time: bigint }>();
  const entered = new Set<string>();
  const left: { isa: number; code: number; ns: number }[] = [];
  for (const row of readPerf(bytes, { coreOnly: true }).rows) {
    const [time, , tid, , event, , isa, code] = row.split(' ');
    if (entered.has(tid)) continue;
    if (event === 'kvm_exit') open.set(tid, { isa: Number(isa), code: Number(code), time: BigInt(time) });
    else if (event === 'kvm_entry') {
      entered.add(tid);
      const exit = open.get(tid);
      if (exit) left.push({ ...exit, ns: Number(BigInt(time) - exit.time) });
    }
  }
  return left;
}

const captures = (HAS_SHARED ? listCaptures(join(SHARED, 'corpus')) : []).filter(
  ({ path, expected }) =>
    /perf\.data(\.gz)?$/.test(path) &&
    existsSync(join(dirname(path), 'kvmstat-vmexit.txt')) &&
    // perf prints an empty table for a group whose leader alone was sampled.
    !/pf-threads|pf-group/.test(path) &&
    // A pair that a loss cuts has no latency for us.
    expected.quality.invalidatedByLoss === 0,
);

test.each(captures.map((capture) => [capture.id, capture] as const))('%s', async (_, { path }) => {
  const table = readTable(join(dirname(path), 'kvmstat-vmexit.txt'));
  const stored = readFileSync(path);
  const excluded = beforeFirstEntry(stored[0] === 0x1f ? gunzipSync(stored) : stored);
  const model = await runReport([path], defaultReportOptions());
  const isaCode = { vmx: 1, svm: 2 } as Record<string, number>;
  const rows = model.reasons.flatMap((reason) => {
    const mine = excluded.filter(({ isa, code }) => isa === isaCode[reason.isa] && code === reason.code);
    const paired = reason.paired - mine.length;
    if (paired === 0) return [];
    const total = Number(reason.totalNs) - mine.reduce((sum, { ns }) => sum + ns, 0);
    // null: the extreme may be one of those that perf left out.
    const edge = (value: unknown) => (mine.some(({ ns }) => ns === value) ? null : Number(value));
    return [
      {
        name: reason.name,
        samples: paired,
        min: edge(reason.minNs),
        max: edge(reason.maxNs),
        avg: total / paired,
      },
    ];
  });
  expect(rows.map(({ name, samples }) => `${name} ${samples}`).sort()).toEqual(
    table.map(({ name, samples }) => `${name} ${samples}`).sort(),
  );
  expect(table.length).toBeGreaterThan(2);
  for (const line of table) {
    const row = rows.find(({ name, samples }) => name === line.name && samples === line.samples)!;
    // perf prints two digits of a microsecond; its mean is a running one in doubles.
    for (const [mine, printed] of [
      [row.min, line.min],
      [row.max, line.max],
      [row.avg, line.avg],
    ] as const)
      if (mine !== null) expect(Math.abs(mine / 1000 - Number(printed))).toBeLessThan(0.0051);
  }
});

test('there are tables to compare with', () => {
  if (HAS_SHARED) expect(captures.length).toBeGreaterThan(10);
});
