/** Charts: what stands out in the numbers stands out in the picture, whatever the width and the number of values. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { envelope } from '../src/report/svg/envelope.ts';
import { flow } from '../src/report/svg/flow.ts';
import { fitHeatmap, heatmap, SHADES, shadeOf } from '../src/report/svg/heatmap.ts';
import { HISTOGRAM_HEIGHT, histogram } from '../src/report/svg/histogram.ts';
import { linearScale, logScale } from '../src/report/svg/scale.ts';
import { series } from '../src/report/svg/series.ts';
import { stackedBars } from '../src/report/svg/stacked-bars.ts';

const text = { id: 'c', title: 'title', description: 'description' };
const axes = {
  x: linearScale(0, 1),
  y: linearScale(0, 1000),
  formatX: String,
  formatY: String,
  labelX: 'x',
};

describe('down-sampling', () => {
  test('keeps the lowest and the highest value of every column, and invents none', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 1e9 }), { minLength: 1, maxLength: 3000 }),
        fc.integer({ min: 1, max: 700 }),
        (values, columns) => {
          const { low, high } = envelope(values, columns);
          expect(low.length).toBe(Math.min(columns, values.length));
          expect(Math.max(...high)).toBe(Math.max(...values));
          expect(Math.min(...low)).toBe(Math.min(...values));
          const known = new Set(values);
          for (const value of [...low, ...high]) expect(known.has(value)).toBe(true);
          values.forEach((value, i) => {
            const column = Math.floor((i * low.length) / values.length);
            expect(low[column]).toBeLessThanOrEqual(value);
            expect(high[column]).toBeGreaterThanOrEqual(value);
          });
        },
      ),
    );
  });

  test('values that were not recorded are a gap', () => {
    const { high } = envelope([1, Number.NaN, 3], 3);
    expect([...high]).toEqual([1, Number.NaN, 3]);
    expect(envelope([Number.NaN, 5], 1).high[0]).toBe(5);
  });

  test('one spike among a million values reaches the top of the chart', () => {
    const values = new Float64Array(1_000_000).fill(1);
    values[654_321] = 1000;
    const { markup } = series(text, values, [], axes);
    expect(markup).toMatch(/M392 0h1/);
    expect(markup.length).toBeLessThan(40_000);
  });
});

describe('histogram', () => {
  test('a single exit among a million is seen, the fullest bucket is as high as the chart', () => {
    const { markup } = histogram(
      text,
      [
        { loNs: 1024, hiNs: 2047, count: 1_000_000 },
        { loNs: 1_048_576, hiNs: 2_097_151, count: 1 },
        { loNs: 2048, hiNs: 4095, count: 0 },
      ],
      logScale(1024, 2_097_152),
      [],
    );
    const heights = [...markup.matchAll(/<rect [^>]*height="([\d.]+)"/g)].map((match) => Number(match[1]));
    expect(heights).toEqual([HISTOGRAM_HEIGHT, 1.5]);
  });
});

describe('heatmap', () => {
  const scale = linearScale(0, 1);
  const options = { x: scale, y: scale, formatX: String, formatY: String, labelX: 'x' };

  test('draws every cell, a single exit too', () => {
    const { markup } = heatmap(
      text,
      {
        columns: 3,
        rows: 2,
        cells: [
          { column: 2, row: 1, count: 1 },
          { column: 0, row: 0, count: 900 },
        ],
      },
      options,
    );
    expect(markup).toContain(`<path class="h0" d="M2 0h1v1h-1z"/>`);
    expect(markup).toContain(`<path class="h${SHADES - 1}" d="M0 1h1v1h-1z"/>`);
  });

  test('leaves out labels that would lie upon each other', () => {
    const at = (value: number) => (value < 100 ? value / 10_000 : value / 1000);
    const y = { at, ticks: [1, 10, 100, 1000] };
    const { markup } = heatmap(text, { columns: 1, rows: 20, cells: [] }, { ...options, y });
    const labels = [...markup.matchAll(/<text x="-8"[^>]*>([^<]*)</g)].map(([, label]) => label);
    expect(labels).toEqual(['1', '100', '1000']);
  });

  test('stays small when every cell is another shade, and loses no column', () => {
    const cells = Array.from({ length: 512 * 80 }, (_, i) => ({
      column: i % 512,
      row: Math.floor(i / 512),
      count: 1 + ((i * 7919) % 5000),
    }));
    const { data, joined } = fitHeatmap({ columns: 512, rows: 80, cells });
    expect(joined).toBe(8);
    const sum = (list: readonly { count: number }[]) => list.reduce((total, { count }) => total + count, 0);
    expect(sum(data.cells)).toBe(sum(cells));
    expect(new Set(data.cells.map(({ column }) => column)).size).toBe(64);
    const { markup } = heatmap(text, data, options);
    expect(markup.length).toBeLessThan(120_000);
    expect(markup).toContain('viewBox="0 0 64 80"');
  });

  test('shades grow with the count', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e9 }), fc.integer({ min: 1, max: 1e9 }), (a, b) => {
        const [low, high] = [Math.min(a, b), Math.max(a, b)];
        expect(shadeOf(low, high)).toBeLessThanOrEqual(shadeOf(high, high));
        expect(shadeOf(high, high)).toBe(SHADES - 1);
        expect(shadeOf(1, Math.max(2, high))).toBe(0);
      }),
    );
  });
});

describe('bars and flows', () => {
  test('parts that add up fill the bar and no more', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 1e12 }), { minLength: 1, maxLength: 9 }), (parts) => {
        const whole = parts.reduce((sum, part) => sum + part, 0);
        const { markup } = stackedBars(
          text,
          [{ label: 'a', parts }],
          parts.map(() => 'k'),
          whole,
        );
        const widths = [...markup.matchAll(/class="k" x="([\d.]+)%" width="([\d.]+)%"/g)].map((m) =>
          Number(m[2]),
        );
        expect(widths.reduce((sum, width) => sum + width, 0)).toBeCloseTo(100, 0);
      }),
    );
  });

  test('every flow is drawn, however small', () => {
    const { markup } = flow(
      text,
      [
        [
          { label: 'a', kind: 'kernel', value: 1_000_000 },
          { label: 'b', kind: 'user', value: 1 },
        ],
        [
          { label: 'c', kind: 'kernel', value: 1_000_000 },
          { label: 'd', kind: 'user', value: 1 },
        ],
      ],
      [
        { column: 0, from: 0, to: 0, value: 1_000_000 },
        { column: 0, from: 1, to: 1, value: 1 },
      ],
    );
    expect((markup.match(/<path /g) ?? []).length).toBe(2);
    expect(markup).not.toContain('NaN');
    const heights = [...markup.matchAll(/<rect [^>]*height="([\d.]+)"/g)].map((match) => Number(match[1]));
    for (const height of heights) expect(height).toBeGreaterThanOrEqual(1.5);
  });
});

describe('scales', () => {
  test('ticks lie on the axis and positions between 0 and 1', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e12 }), fc.integer({ min: 1, max: 1e12 }), (a, b) => {
        const [low, high] = [Math.min(a, b), Math.max(a, b)];
        for (const scale of [linearScale(low, high), logScale(low, high)])
          for (const tick of scale.ticks) {
            expect(tick).toBeGreaterThanOrEqual(low);
            expect(tick).toBeLessThanOrEqual(high);
            expect(scale.at(tick)).toBeGreaterThanOrEqual(0);
            expect(scale.at(tick)).toBeLessThanOrEqual(1);
          }
      }),
    );
  });
});
