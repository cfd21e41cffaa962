/** Of hundreds of vCPUs, tables and charts show those that matter, not the first ones. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { costliest } from '../src/report/costliest.ts';
import { render as renderMarkdown } from '../src/report/markdown.ts';
import { render as renderText } from '../src/report/text.ts';
import { emptyModel, vcpu } from './fixtures/report-models.ts';

const OPTIONS = { color: false, width: null, rows: 3, histogram: false, table: 'reasons' };

test('none left out has cost more than one that is shown, and the order stays', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(20)), fc.nat(10), (costs, most) => {
      const rows = costs.map((cost, place) => ({ cost, place }));
      const { shown, hidden } = costliest(rows, most, ({ cost }) => cost);
      expect(shown.length + hidden).toBe(rows.length);
      expect(shown.length).toBe(most === 0 ? rows.length : Math.min(most, rows.length));
      expect(shown.map(({ place }) => place)).toEqual(
        shown.map(({ place }) => place).toSorted((a, b) => a - b),
      );
      const least = Math.min(...shown.map(({ cost }) => cost));
      for (const row of rows) if (!shown.includes(row)) expect(row.cost).toBeLessThanOrEqual(least);
    }),
  );
});

test('the busy vCPU of the last VM is in the table, an idling one is not', async () => {
  const vcpus = Array.from({ length: 40 }, (_, i) => ({
    ...vcpu(),
    pid: 100 + i,
    tid: 5000 + i,
    totalNs: i === 39 ? 9_000_000 : 5_000_000,
    idleNs: i === 20 ? 5_000_000 : 4_000_000,
  }));
  const model = { ...emptyModel(), vcpus };
  const text = renderText(model, OPTIONS);
  expect(text).toMatch(/^ +\d* +5039 /m);
  expect(text).not.toMatch(/^ +\d* +5020 /m);
  expect(text).toContain('… and 37 more, none with more ');
  let markdown = '';
  for await (const part of renderMarkdown(model, OPTIONS)) markdown += part;
  expect(markdown).toContain('| 5039 |');
});
