/** `--from` and `--to`: the moments that they count from. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, describe, expect, test } from 'vitest';
import { createCaptureWriter } from '../src/capture/writer.ts';
import { startHeatmap } from '../src/commands/heatmap-file.ts';
import type { Filters, TimeBound } from '../src/commands/options.ts';
import { parseTimeBound } from '../src/commands/parse-duration.ts';
import { runConvert, runReport } from '../src/commands/pipeline.ts';
import { guessSpan, readSpan } from '../src/commands/resolve-selection.ts';
import { EV_ENTRY, EV_EXIT } from '../src/core/events.ts';
import { createTraceContext } from '../src/core/trace-context.ts';
import { sectionRequests } from '../src/report/sections.ts';
import { render as renderText } from '../src/report/text.ts';
import { listCaptures, SAMPLES, SHARED } from './support/corpus.ts';
import { eventBatch } from './support/events.ts';
import { defaultReportOptions } from './support/options.ts';

const folder = mkdtempSync(join(tmpdir(), 'kvmtrace-time-'));
afterAll(() => rmSync(folder, { recursive: true }));

const base = defaultReportOptions();
const start = (ns: bigint): TimeBound => ({ ns, origin: 'start' });
const end = (ns: bigint): TimeBound => ({ ns, origin: 'end' });
const filtersOf = (from: TimeBound | null, to: TimeBound | null): Filters => ({
  ...base.filters,
  from,
  to,
  words: [{ kind: 'time', words: 'times' }],
});

const samples = listCaptures(SAMPLES);
const corpus = listCaptures(join(SHARED, 'corpus'));

describe('the ends of a recording, found with little reading, are those that reading all of it finds', () => {
  test.each([...samples, ...corpus])('$id', async ({ path }) => {
    const whole = await readSpan([path], base);
    expect(await guessSpan([path], filtersOf(start(0n), null), base)).toEqual({
      first: whole.first,
      last: null,
    });
    expect((await guessSpan([path], filtersOf(null, end(0n)), base)).last).toBe(whole.last);
  });

  test.each(samples)('of the capture of $id', async ({ path }) => {
    const capture = join(folder, 'capture.arrow');
    await runConvert([path], capture, base);
    const whole = await readSpan([path], base);
    expect(await guessSpan([capture], filtersOf(start(0n), end(0n)), base)).toEqual(whole);
  });
});

/** A pair of 10 ns at each of the times, the threads taking turns, all in a batch of their own, written in the order given. */
function writePairs(path: string, batches: readonly (readonly number[])[], threads = 1): void {
  const writer = createCaptureWriter(path, createTraceContext(), 'test');
  for (const times of batches) {
    writer.write(
      eventBatch(
        times.flatMap((time, i) => [
          { time, event: EV_EXIT, tid: 7 + (i % threads), isa: 1, code: 12 },
          { time: time + 10, event: EV_ENTRY, tid: 7 + (i % threads) },
        ]),
      ),
    );
    writer.flush();
  }
  writer.finish();
}

async function countExits(path: string, from: TimeBound | null, to: TimeBound | null): Promise<number> {
  return (await runReport([path], { ...base, filters: filtersOf(from, to) })).totals.exits;
}

test.skipIf(corpus.length === 0)('moments on the clock are those that perf script prints', async () => {
  const folder = join(SHARED, 'corpus/x86/pf-min');
  const script = gunzipSync(readFileSync(join(folder, 'script-ns.txt.gz'))).toString('latin1');
  const times = [...script.matchAll(/ (\d+\.\d{9}): +kvm:kvm_exit:/g)].map((match) => match[1]);
  expect(times.length).toBeGreaterThan(500);
  const count = (from: string, to: string) =>
    countExits(join(folder, 'perf.data'), parseTimeBound(`@${from}`), parseTimeBound(`@${to}`));
  for (const [first, end] of [
    [0, 100],
    [100, 400],
    [400, times.length - 1],
  ])
    expect(await count(times[first], times[end])).toBe(end - first);
  const [whole, fraction] = times[times.length - 1].split('.');
  expect(await count(`${Number(whole) + 1}.${fraction}`, `${Number(whole) + 2}`)).toBe(0);
});

describe('filters of a recording whose clock went backwards count from its earliest and latest event', () => {
  const path = join(folder, 'backwards.arrow');
  // From 500 to 3010; neither is where the rows begin or end.
  writePairs(path, [
    [1000, 2000, 3000],
    [500, 600, 700],
  ]);

  test.each([
    ['all', start(0n), null, 6],
    ['from just behind the earliest', start(1n), null, 5],
    ['up to 100 ns behind it', null, start(100n), 1],
    ['the last 10 ns', end(10n), null, 1],
    ['the last 9 ns', end(9n), null, 0],
    ['between both', start(500n), end(10n), 2],
  ])('%s', async (_, from, to, exits) => {
    expect(await countExits(path, from, to)).toBe(exits);
  });
});

test('--heatmap has each pair once, though such a recording is read again', async () => {
  const path = join(folder, 'twice.arrow');
  const lines = join(folder, 'lines.lat');
  writePairs(path, [
    [1000, 2000, 3000],
    [500, 600, 700],
  ]);
  const heatmap = startHeatmap(lines, [path]);
  await runReport([path], { ...base, filters: filtersOf(start(1n), null), passes: heatmap.passes });
  heatmap.commit();
  expect(readFileSync(lines, 'latin1')).toBe('1000 10\n2000 10\n3000 10\n600 10\n700 10\n');
});

test('a clock without unit has no seconds to count', async () => {
  const path = join(folder, 'ticks.arrow');
  const writer = createCaptureWriter(path, Object.assign(createTraceContext(), { timeIsNs: false }), 'test');
  writer.write(eventBatch([{ time: 1, event: EV_EXIT, tid: 7, isa: 1, code: 12 }]));
  writer.finish();
  expect(await countExits(path, null, null)).toBe(1);
  await expect(countExits(path, start(0n), null)).rejects.toThrow('no known unit');
  await expect(countExits(path, null, end(1n))).rejects.toThrow('no known unit');
});

describe('what comes after --to is no part of the time that is looked at', () => {
  const path = join(folder, 'steady.arrow');
  const times = Array.from({ length: 5000 }, (_, i) => 1_000_000 + i * 200_000);
  const sections = ['storms', 'intervals'];
  const section = { slowLimit: 0, thanNs: 0, includeIdle: false, intervalNs: 300_000_000 };
  const report = async (to: TimeBound | null) => {
    writePairs(path, [times], 2);
    const passes = sectionRequests(sections, section);
    return await runReport([path], { ...base, filters: filtersOf(null, to), passes, sections });
  };

  test('an exit every 200 us goes on until then', async () => {
    const { storms, intervals } = await report(start(500_000_000n));
    expect(storms!.changes).toEqual([]);
    expect(storms!.buckets).toBe(500);
    expect(storms!.simultaneous!.windows).toBe(50_000);
    expect(intervals!.totals.map(({ lengthNs, perSecond }) => [lengthNs, perSecond])).toEqual([
      [300_000_000, 5000],
      [200_000_000, 5000],
    ]);
  });

  test('the ledger says what its time is, and which filters it cannot follow', async () => {
    writePairs(path, [times], 2);
    const sections = ['ledger'];
    const passes = sectionRequests(sections, section);
    const textOf = async (filters: Filters) => {
      const model = await runReport([path], { ...base, filters, passes, sections });
      const options = { color: false, width: 100, rows: 0, histogram: false, table: 'reasons', sections };
      return renderText(model, options).replace(/\s+/g, ' ');
    };
    const until = await textOf({
      ...filtersOf(null, start(500_000_000n)),
      words: [{ kind: 'time', words: 'to 500ms' }],
    });
    expect(until).toContain('The time that was asked for: 500.0 ms per thread.');
    expect(until).not.toContain('do not apply here');
    const onCpu = await textOf({ ...base.filters, cpus: [0], words: [{ kind: 'cpu', words: 'CPU 0' }] });
    expect(onCpu).toContain('From the first event to the last: 999.8 ms per thread.');
    expect(onCpu).toContain('Filters by reason, level and CPU do not apply here.');
  });

  test('without it the recording ends it', async () => {
    const { storms, intervals } = await report(null);
    expect(storms!.simultaneous!.windows).toBe(99_981);
    expect(intervals!.totals.at(-1)!.lengthNs).toBe(99_800_010);
  });
});

test('filters of a recording without events find nothing', async () => {
  const path = join(folder, 'empty.arrow');
  writePairs(path, []);
  expect(await countExits(path, start(0n), end(0n))).toBe(0);
});
