/** Intervals and heatmap against plain maps over the decided exits of real captures; parts merge to one pass. */

import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { exactToBigInt } from '../src/analysis/exact-sum.ts';
import { type ExitBatch, PAIRED } from '../src/analysis/exit-batch.ts';
import { KEY_CODE, KEY_INTS, KEY_ISA, KEY_TID } from '../src/analysis/groups.ts';
import { heatmapPass, rowStart } from '../src/analysis/heatmap.ts';
import {
  AUTO_INTERVALS,
  type IntervalOptions,
  type IntervalResult,
  intervalPass,
} from '../src/analysis/intervals.ts';
import { heatmapLinesPass } from '../src/commands/heatmap-pass.ts';
import { EV_ENTRY, EV_EXIT } from '../src/core/events.ts';
import { HAS_SHARED, listCaptures, SAMPLES, SHARED } from './support/corpus.ts';
import { ALL, eventBatch, isReadable, readEvents, type TestEvent, timeOf } from './support/events.ts';
import { exitNs, exitsOf, sliceExits } from './support/exits.ts';
import { withKernels } from './support/feed.ts';

const BY_TID = { pid: false, tid: true, vcpu: false, cpu: false, level: false };
const PLAIN = { ...BY_TID, tid: false };

function options(origin: bigint, rest: Partial<IntervalOptions> = {}): IntervalOptions {
  const words = [Number(BigInt.asUintN(32, origin)), Number(BigInt.asUintN(32, origin >> 32n))] as const;
  return { widthNs: null, limit: AUTO_INTERVALS, grouping: BY_TID, origin: words, ...rest };
}

function run(exits: ExitBatch, given: IntervalOptions, cuts: readonly number[] = []): IntervalResult {
  const edges = [0, ...cuts, exits.length];
  const states = edges.slice(1).map((end, i) => {
    const { state, exits: add } = withKernels(intervalPass, (arena) =>
      intervalPass.create(given, ALL, arena),
    );
    add(sliceExits(exits, edges[i], end));
    return state;
  });
  for (const later of states.slice(1)) intervalPass.merge(states[0], later);
  return intervalPass.result(states[0]);
}

/** `bucket isa code tid` → exits, paired, total, max and all latencies. */
function oracle(exits: ExitBatch, origin: bigint, width: bigint) {
  const cells = new Map<string, { exits: number; values: number[] }>();
  for (let row = 0; row < exits.length; row++) {
    const key = `${(exitNs(exits, row) - origin) / width} ${exits.isa[row]} ${exits.code[row]} ${exits.tid[row]}`;
    const cell = cells.get(key) ?? { exits: 0, values: [] };
    cells.set(key, cell);
    cell.exits++;
    if (exits.state[row] === PAIRED) cell.values.push(exits.latency[row]);
  }
  return cells;
}

function check(result: IntervalResult, exits: ExitBatch, origin: bigint) {
  const expected = oracle(exits, origin, BigInt(result.widthNs));
  expect(result.group.length).toBe(expected.size);
  for (let i = 0; i < result.group.length; i++) {
    const at = result.group[i] * KEY_INTS;
    const key = `${result.bucket[i]} ${result.keys[at + KEY_ISA]} ${result.keys[at + KEY_CODE] >>> 0} ${result.keys[at + KEY_TID]}`;
    const cell = expected.get(key);
    expect(cell, key).toBeDefined();
    const sorted = cell!.values.sort((a, b) => a - b);
    expect(result.exits[i]).toBe(cell!.exits);
    expect(result.paired[i]).toBe(sorted.length);
    expect(exactToBigInt(result.total, i)).toBe(sorted.reduce((sum, value) => sum + BigInt(value), 0n));
    if (sorted.length === 0) {
      expect(result.p99[i]).toBeNaN();
      continue;
    }
    expect(result.max[i]).toBe(sorted[sorted.length - 1]);
    const p99 = sorted[Math.max(1, Math.ceil(0.99 * sorted.length)) - 1];
    expect(Math.abs(result.p99[i] - p99)).toBeLessThanOrEqual(
      Math.max(4, (p99 * result.percentileErrorPct) / 100),
    );
  }
}

const captures = [
  ...listCaptures(SAMPLES),
  ...(HAS_SHARED ? listCaptures(join(SHARED, 'corpus')) : []),
].filter(({ path }) => isReadable(path));

describe.each(captures.map((capture) => [capture.id, capture] as const))('%s', (_, { path, expected }) => {
  test('intervals and heatmap hold every exit once, in parts as well', async () => {
    const { batch } = await readEvents(path);
    const exits = exitsOf(batch);
    const origin = timeOf(batch, 0);
    const auto = run(exits, options(origin));
    check(auto, exits, origin);
    const last = [...Array(exits.length).keys()].reduce(
      (most, row) => (exitNs(exits, row) > most ? exitNs(exits, row) : most),
      origin,
    );
    expect(Number((last - origin) / BigInt(auto.widthNs))).toBeLessThan(AUTO_INTERVALS);
    // The finest width that does.
    if (auto.widthNs > 1e6)
      expect(Number((2n * (last - origin)) / BigInt(auto.widthNs))).toBeGreaterThanOrEqual(AUTO_INTERVALS);
    check(run(exits, options(origin, { widthNs: 7_300_001 })), exits, origin);
    const cuts = [Math.floor(exits.length / 3), Math.floor(exits.length / 2)];
    expect(run(exits, options(origin), cuts)).toEqual(auto);
    const plain = run(exits, options(origin, { grouping: PLAIN }));
    expect(plain.exits.reduce((a, b) => a + b, 0)).toBe(expected.quality.exits);

    const { state: heatmap, exits: add } = withKernels(heatmapPass, (arena) =>
      heatmapPass.create({ origin: options(origin).origin }, ALL, arena),
    );
    add(exits);
    const { columns, columnNs, counts, rowStarts } = heatmapPass.result(heatmap);
    const wanted = new Float64Array(counts.length);
    const rows = Math.max(0, rowStarts.length - 1);
    for (let row = 0; row < exits.length; row++) {
      if (exits.state[row] !== PAIRED) continue;
      const column = Number((exitNs(exits, row) - origin) / BigInt(columnNs));
      wanted[column * rows + rowStarts.findLastIndex((start) => start <= exits.latency[row])]++;
    }
    expect(counts).toEqual(wanted);
    expect(columns).toBeLessThanOrEqual(256);
  });
});

test('merging at any cuts equals one pass, also when cells run out', () => {
  const exitAt = fc.record({
    gap: fc.integer({ min: 1, max: 3e8 }),
    latency: fc.integer({ min: 0, max: 2e6 }),
    tid: fc.integer({ min: 1, max: 3 }),
    code: fc.constantFrom(1, 12, 30),
  });
  fc.assert(
    fc.property(
      fc.array(exitAt, { minLength: 1, maxLength: 60 }),
      fc.array(fc.nat(60), { maxLength: 3 }),
      fc.constantFrom(20, 1000),
      (items, at, maxCells) => {
        let time = 5_000_000_000n;
        const events = items.flatMap(({ gap, latency, tid, code }): TestEvent[] => {
          time += BigInt(gap);
          const exit = { time, event: EV_EXIT, tid, isa: 1, code };
          time += BigInt(latency);
          return [exit, { time, event: EV_ENTRY, tid }];
        });
        const exits = exitsOf(eventBatch(events));
        const cuts = at.map((cut) => Math.min(cut, exits.length)).sort((a, b) => a - b);
        const given = options(5_000_000_000n, { maxCells });
        const whole = run(exits, given);
        expect(run(exits, given, cuts)).toEqual(whole);
        check(whole, exits, 5_000_000_000n);
        expect(whole.group.length).toBeLessThanOrEqual(maxCells);
        expect(whole.omitted).toBe(0);
      },
    ),
    { numRuns: 300 },
  );
});

test('a fixed axis never changes its width; what it has no room for is counted', () => {
  const events = Array.from({ length: 100 }, (_, i): TestEvent[] => [
    { time: i * 1000, event: EV_EXIT, tid: 1, isa: 1, code: 1 },
    { time: i * 1000 + 10, event: EV_ENTRY, tid: 1 },
  ]).flat();
  const result = run(exitsOf(eventBatch(events)), options(0n, { widthNs: 1000, maxCells: 30 }));
  expect(result.widthNs).toBe(1000);
  expect(result.omitted).toBe(70);
  expect(result.exits.reduce((a, b) => a + b, 0)).toBe(30);
});

test('heatmap rows are four per power of two and contiguous', () => {
  for (let row = 16; row < 150; row += 4) expect(rowStart(row + 4)).toBe(2 * rowStart(row));
});

test('heatmap lines are exit time and latency of every pair', () => {
  const folder = mkdtempSync(join(tmpdir(), 'kvmtrace-heatmap-'));
  try {
    const file = join(folder, 'lines');
    const fd = openSync(file, 'w');
    const state = heatmapLinesPass.create({ fd, path: file, start: 0 }, ALL);
    const base = 1_700_000_000_123_456_789n;
    const events: TestEvent[] = [
      { time: base, event: EV_EXIT, tid: 1, isa: 1, code: 1 },
      { time: base + 77n, event: EV_ENTRY, tid: 1 },
      { time: base + 100n, event: EV_EXIT, tid: 1, isa: 1, code: 1 },
    ];
    heatmapLinesPass.exits!(state, exitsOf(eventBatch(events)), null);
    closeSync(fd);
    expect(readFileSync(file, 'utf8')).toBe('1700000000123456789 77\n');
    expect(heatmapLinesPass.result(state)).toEqual({ lines: 1 });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
