/** Slow exits for the Perfetto UI, and stacks for flame graphs: exact, well-formed, bounded. */
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { runReport } from '../src/commands/pipeline.ts';
import { formatForPath } from '../src/commands/targets.ts';
import { renderCounts, render as renderFolded } from '../src/report/folded.ts';
import type { ReportModel } from '../src/report/model.ts';
import { render as renderPerfetto } from '../src/report/perfetto.ts';
import { RENDERERS } from '../src/report/renderers.ts';
import { SECTION_IDS } from '../src/report/section-ids.ts';
import { sectionRequests } from '../src/report/sections.ts';
import { HOSTILE_NAMES } from './fixtures/hostile-names.ts';
import { renamed } from './fixtures/renamed-model.ts';
import { emptyModel, plausibleModel } from './fixtures/report-models.ts';
import { SAMPLES } from './support/corpus.ts';
import { defaultReportOptions } from './support/options.ts';

interface TraceEvent {
  ph: string;
  name: string;
  pid: number;
  tid: number;
  ts: number;
  dur: number;
  args: Record<string, unknown>;
}

const parse = (model: ReportModel) =>
  JSON.parse([...renderPerfetto(model)].join('')) as { traceEvents: TraceEvent[] };

let real: ReportModel;
beforeAll(async () => {
  const slow = { slowLimit: 1000, thanNs: 0, includeIdle: true };
  real = await runReport([join(SAMPLES, 'intel-perf/perf.data')], {
    ...defaultReportOptions(),
    ...slow,
    passes: sectionRequests(SECTION_IDS, slow),
  });
});

describe('perfetto', () => {
  test('has a slice for each slow exit, to the ns', () => {
    const slices = parse(real).traceEvents.filter(({ ph }) => ph === 'X');
    expect(slices.length).toBe(real.slow.length);
    expect(slices.length).toBe(1000);
    const byTime = [...real.slow].sort((a, b) => Number(a.exitNs - b.exitNs) || a.tid - b.tid);
    slices.forEach((slice, i) => {
      expect(Math.round(slice.ts * 1000)).toBe(Number(byTime[i].exitNs - real.capture.firstNs!));
      expect(Math.round(slice.dur * 1000)).toBe(byTime[i].latencyNs);
      expect(slice).toMatchObject({ name: byTime[i].name, tid: byTime[i].tid, pid: byTime[i].pid });
    });
  });

  test('the rate falls to 0 where an interval has no exits', () => {
    const totals = real
      .intervals!.totals.slice(0, 1)
      .flatMap((row) =>
        [0, 1, 4].map((i) => ({ ...row, fromNs: BigInt(i) * 1000n, lengthNs: 1000, perSecond: 10 + i })),
      );
    const model = {
      ...real,
      capture: { ...real.capture, firstNs: 0n, lastNs: 9000n },
      intervals: { ...real.intervals!, widthNs: 1000, totals },
    };
    const counters = parse(model).traceEvents.filter(({ ph }) => ph === 'C');
    expect(counters.map(({ ts, args }) => [ts, args.exits])).toEqual([
      [0, 10],
      [1, 11],
      [2, 0],
      [4, 14],
      [5, 0],
    ]);
  });

  test('names each track once, in the order of vCPUs', () => {
    const names = parse(real).traceEvents.filter(({ name }) => name === 'thread_name');
    expect(names.map(({ args }) => args.name)).toEqual(['vCPU 0', 'vCPU 1']);
  });

  test('instants lie in the slice of their exit', () => {
    const { traceEvents } = parse(real);
    const slices = traceEvents.filter(({ ph }) => ph === 'X');
    const instants = traceEvents.filter(({ ph }) => ph === 'i');
    expect(instants.length).toBeGreaterThan(0);
    for (const { ts, tid } of instants)
      expect(
        slices.some(
          (slice) => slice.tid === tid && slice.ts <= ts + 1e-3 && ts <= slice.ts + slice.dur + 1e-3,
        ),
      ).toBe(true);
  });

  test('stays JSON whatever names there are, and without slow exits', () => {
    const hostile = renamed(real, (index) => HOSTILE_NAMES[index % HOSTILE_NAMES.length]);
    expect(parse(hostile).traceEvents.length).toBe(parse(real).traceEvents.length);
    expect(parse(emptyModel()).traceEvents).toEqual([]);
  });
});

/** `a;b;c 12` → stack and figure. */
const lines = (pieces: Iterable<string>) =>
  [...pieces]
    .join('')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const match = /^(.*) (\d+)$/.exec(line)!;
      return { frames: match[1].split(';'), value: BigInt(match[2]) };
    });

describe('folded', () => {
  test.each([
    ['time', renderFolded, (model: ReportModel) => model.totals.totalNs],
    ['counts', renderCounts, (model: ReportModel) => model.totals.exits],
  ])('%s of all stacks add up to the total', (_, render, total) => {
    const sum = lines(render(real)).reduce((all, { value }) => all + value, 0n);
    expect(sum).toBe(BigInt(total(real)!));
  });

  test('count exits where no time is known, whatever the clock', () => {
    const untimed = {
      ...real,
      totals: { ...real.totals, totalNs: null },
      reasons: real.reasons.map((row) => ({ ...row, totalNs: null })),
    };
    expect([...renderFolded(untimed)]).toEqual([...renderCounts(untimed)]);
    expect(lines(renderFolded(untimed)).length).toBeGreaterThan(5);
  });

  test('leave idle exits out unless asked', () => {
    const busy = { ...real, slowSelection: { ...real.slowSelection, includesIdle: false } };
    const sum = lines(renderCounts(busy)).reduce((all, { value }) => all + value, 0n);
    expect(sum).toBe(BigInt(real.busyTotals.exits));
  });

  test('are reason, half and address where hot spots are known', () => {
    const stacks = lines(renderCounts(real));
    expect(stacks.some(({ frames }) => frames.length === 3 && /^0x/.test(frames[2]))).toBe(true);
    expect(lines(renderCounts(plausibleModel())).every(({ frames }) => frames.length === 1)).toBe(true);
  });

  test('no name adds a frame or a line', () => {
    const frames = (model: ReportModel) => lines(renderCounts(model)).map((line) => line.frames.length);
    // Numbered so that names do not become the same by the renaming.
    const hostile = renamed(
      real,
      (_i, original) => `${HOSTILE_NAMES[original.length % HOSTILE_NAMES.length]};${original}`,
    );
    const harmless = renamed(real, (_i, original) => `n${original}`);
    expect(frames(hostile)).toEqual(frames(harmless));
  });
});

test('endings choose the format', () => {
  const formatOf = (path: string) => formatForPath(path, RENDERERS);
  expect(formatOf('a/b.trace.json')?.id).toBe('perfetto');
  expect(formatOf('a/b.json')?.id).toBe('json');
  expect(formatOf('b.folded')?.id).toBe('folded');
  expect(formatOf('b.HTML')?.id).toBe('html');
});
