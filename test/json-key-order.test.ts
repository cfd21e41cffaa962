/** JSON: the order of keys is the one in which the documentation lists them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { render, renderJson } from '../src/report/json.ts';
import { infoModel, manyVcpusModel, plausibleModel, slowExit } from './fixtures/report-models.ts';
import { REPO } from './support/corpus.ts';

type Plain = Record<string, unknown>;

/** A report with something in every list. */
const model = {
  ...manyVcpusModel(1),
  escalation: plausibleModel().escalation,
  selection: { filters: ['tid 1'], kinds: ['tid' as const] },
  slow: [slowExit()],
  quality: {
    ...plausibleModel().quality,
    warnings: [{ count: 1, message: 'm', severity: 'info' as const, code: 'c' }],
  },
};
const written: Plain = JSON.parse([...render(model)].join(''));

/** Keys in backquotes, without what stands in parentheses behind them. */
const keysIn = (text: string) =>
  [...text.replace(/\([^()]*\)/g, '').matchAll(/`(\w+)`/g)].map(([, key]) => key);

const [reportTable] = readFileSync(join(REPO, 'docs/json.md'), 'utf8').split('Sections (');
const documented = [...reportTable.matchAll(/^\| (`.*?) \| (.*) \|$/gm)].map(([, key, holds]) => ({
  keys: keysIn(key),
  holds,
}));
/** What the report's own parts add comes behind, by name. */
const OWN = documented.slice(
  0,
  documented.findIndex(({ keys }) => keys[0] === 'verdict'),
);

/** Of `keys` those that are documented, in the order of the documentation. */
function inOrder(keys: readonly string[], list: readonly string[]): void {
  const known = keys.filter((key) => list.includes(key));
  expect(known.length).toBeGreaterThan(1);
  expect(known).toEqual(list.filter((key) => keys.includes(key)));
}

const first = (value: unknown): Plain => (Array.isArray(value) ? value[0] : value) as Plain;

test('of the report', () => {
  const keys = OWN.flatMap((row) => row.keys);
  inOrder(Object.keys(written), keys);
  expect(Object.keys(written).slice(0, keys.length)).toEqual(keys);
});

describe('of its parts', () => {
  const lists = OWN.flatMap(({ keys, holds }) => keys.map((key) => [key, keysIn(holds)] as const));
  test.each(lists.filter(([, list]) => list.length > 1))('%s', (key, list) => {
    inOrder(Object.keys(first(written[key])), list);
  });
});

describe('of what parts hold', () => {
  /** `warnings` (code, severity, message, count) */
  const nested = OWN.flatMap(({ keys, holds }) =>
    [...holds.matchAll(/`(\w+)` \(([^()]*)\)/g)].map(([, key, list]) => ({
      value: first(first(written[keys[0]])[key]),
      name: `${keys[0]}.${key}`,
      list: list.split(', ').map((item) => /\w+/.exec(item)![0]),
    })),
  ).filter(({ value, list }) => typeof value === 'object' && value !== null && list.length > 1);

  test('all are there', () => {
    expect(nested.map(({ name }) => name)).toEqual([
      'capture.sources',
      'capture.lost',
      'quality.warnings',
      'reasons.histogram',
    ]);
  });
  test.each(nested)('$name', ({ value, list }) => inOrder(Object.keys(value), list));
});

test('of what is documented in other words', () => {
  const sources = [{ sha256: 'f', bytes: 1, format: 'x', path: 'p' }];
  const given = { ...model, capture: { ...model.capture, sources } };
  const { slowSelection, capture } = JSON.parse([...render(given)].join(''));
  expect(Object.keys(slowSelection)).toEqual(['thanNs', 'includesIdle', 'qualified', 'limit']);
  expect(Object.keys(capture.sources[0])).toEqual(['path', 'format', 'bytes', 'sha256']);
  const [thread] = JSON.parse([...renderJson(infoModel())].join('')).threads;
  expect(Object.keys(thread)).toEqual(['tid', 'pid', 'comm', 'vcpu', 'vm', 'events', 'exits']);
});
