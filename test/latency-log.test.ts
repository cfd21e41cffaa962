/** Percentiles and histograms beside a plain sort, for logs that are small, kept and beyond what is kept. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createLatencyLog, log2Counts, logLatency, quantilesOf } from '../src/analysis/latency-log.ts';

const QUANTILES = [0, 0.5, 0.9, 0.99, 0.999, 1];
const GROUPS = 5;

/** Latencies of every magnitude; group 3 stays empty, rows of group −1 do not count. */
function sample(rows: number) {
  const groups = new Int32Array(rows);
  const values = new Float64Array(rows);
  for (let row = 0, seed = 7; row < rows; row++) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    groups[row] = [0, 1, 2, 4, -1][seed % 5];
    values[row] = Math.floor((seed / 2 ** 32) * 2 ** (row % 45));
  }
  return { groups, values };
}

const SETS = [[0], [1], [2], [3], [4], [0, 1, 2, 3, 4], [1, 3]];
/** Sets of more than a few are looked up in another way. */
const MANY_SETS = [...SETS, ...SETS, ...SETS, [4, 0], [], [3, 2, 1]];

test.each([
  ['few values', 3000, 1 << 20],
  ['many values', 60_000, 1 << 20],
  ['more values than are kept', 60_000, 40_000],
])('%s', (_, rows, limit) => {
  const { groups, values } = sample(rows);
  const log = createLatencyLog(limit);
  for (let row = 0; row < rows; row++) if (groups[row] >= 0) logLatency(log, groups[row], values[row]);
  const found = quantilesOf(
    log,
    SETS.map((set) => Uint32Array.from(set)),
    QUANTILES,
  );
  const more = quantilesOf(
    log,
    MANY_SETS.map((set) => Uint32Array.from(set)),
    QUANTILES,
  );
  expect(more.slice(SETS.length, 2 * SETS.length)).toEqual(found);
  expect(more.slice(0, SETS.length)).toEqual(found);
  for (const [s, set] of SETS.entries()) {
    const sorted = values.filter((_value, row) => set.includes(groups[row])).sort();
    const wanted = QUANTILES.map((q) => sorted[Math.max(1, Math.ceil(q * sorted.length)) - 1] ?? Number.NaN);
    if (found[s].errorPct === 0) expect(found[s].values).toEqual(wanted);
    else
      for (const [i, value] of found[s].values.entries())
        if (sorted.length > 0) expect(Math.abs(value - wanted[i])).toBeLessThanOrEqual(wanted[i] / 256);
  }
  expect(found[0].errorPct === 0).toBe(limit > rows);
  const counts = log2Counts(log, GROUPS);
  for (let group = 0; group < GROUPS; group++) {
    const wanted = new Float64Array(53);
    for (let row = 0; row < rows; row++)
      if (groups[row] === group) wanted[values[row] < 2 ? 0 : Math.floor(Math.log2(values[row]))]++;
    expect(counts[group]).toEqual(wanted);
  }
});

test('a set per thread: the time does not grow with both', () => {
  const threads = 20_000;
  const log = createLatencyLog();
  for (let i = 0; i < 2 * threads; i++) logLatency(log, i % threads, 300);
  const start = performance.now();
  const found = quantilesOf(
    log,
    Array.from({ length: threads }, (_, i) => Uint32Array.of(i)),
    [0.5, 0.99],
  );
  expect(found.every(({ values }) => values[0] === 300 && values[1] === 300)).toBe(true);
  expect(performance.now() - start).toBeLessThan(3000);
});

test('a quantile is the least of the values that at least so many are not above, also of very few', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 2 ** 40 }), { minLength: 1, maxLength: 12 }),
      fc.constantFrom(1, 2, 3, 4, 8, 10, 100, 1000),
      fc.nat(1000),
      (values, of, part) => {
        const q = Math.min(part, of) / of;
        const log = createLatencyLog();
        for (const value of values) logLatency(log, 0, value);
        const enough = [...values]
          .sort((a, b) => a - b)
          // In whole numbers: q · n may be a little more than it is.
          .find(
            (value) =>
              values.filter((other) => other <= value).length * of >= Math.min(part, of) * values.length,
          );
        expect(quantilesOf(log, [Uint32Array.of(0)], [q])[0].values).toEqual([enough]);
      },
    ),
  );
});
