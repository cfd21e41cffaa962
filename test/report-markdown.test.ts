import { describe, expect, test } from 'vitest';
import { render } from '../src/report/markdown.ts';
import type { ReportModel } from '../src/report/model.ts';
import { HOSTILE_NAMES } from './fixtures/hostile-names.ts';
import {
  emptyModel,
  manyVcpusModel,
  oneRowModel,
  plausibleModel,
  reason,
  slowExit,
  vcpu,
} from './fixtures/report-models.ts';

const markdown = (model: ReportModel, histogram = false) =>
  [...render(model, { color: false, width: null, rows: 30, histogram, table: 'reasons' })].join('');

/** Cells of a pipe table's line as GFM splits them: at every pipe without a backslash before it. */
function cells(line: string): string[] {
  return line
    .replace(/^\| ?/, '')
    .replace(/ ?\|$/, '')
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim());
}

/** Tables as GFM finds them: lines that begin with a pipe, each block with a delimiter line of as many columns. */
function tables(text: string): string[][][] {
  return [...text.matchAll(/(?:^\|.*\n)+/gm)].map((match) => match[0].trimEnd().split('\n').map(cells));
}

describe.each([
  ['plausible', plausibleModel()],
  ['empty', emptyModel()],
  ['one row', oneRowModel()],
  ['300 vCPUs', manyVcpusModel(300)],
])('%s', (_, model) => {
  const text = markdown(model, true);
  test('every table has a delimiter line and as many cells in each line', () => {
    expect(tables(text).length).toBeGreaterThan(0);
    for (const [head, delimiter, ...rows] of tables(text)) {
      expect(delimiter.every((cell) => /^-{3}:?$/.test(cell))).toBe(true);
      for (const row of [delimiter, ...rows]) expect(row).toHaveLength(head.length);
    }
  });
  test('tables and headings stand apart from other text', () => {
    expect(text).not.toMatch(/^[^|\n].*\n\|/m);
    expect(text).not.toMatch(/^\|.*\n[^|\n]/m);
    expect(text).not.toMatch(/[^\n]\n#/);
    expect(text).not.toMatch(/NaN|undefined|Infinity/);
  });
});

test('the numbers are those of the text report', () => {
  const text = markdown(plausibleModel());
  expect(text).toContain(
    '| `HLT` \\* | 443 | 17.3 | 2.140 s | 88.7 | 4.832 ms | 31.25 us | 92.00 ms | 93.53 ms | 0.0 |',
  );
  expect(text).toContain('**OK**: no losses; 2,559 of 2,562 exits paired');
  expect(text).toContain("\\* mostly the guest's own idling");
});

test.each(HOSTILE_NAMES)('%j is shown, and does nothing', (name) => {
  const base = plausibleModel();
  const text = markdown(
    plausibleModel({
      capture: { ...base.capture, host: name, sources: [{ path: name, format: 'x', bytes: 1 }] },
      reasons: [reason({ name, exits: 5 })],
      vcpus: [vcpu({ comm: name, vm: name })],
      slow: [slowExit({ comm: name })],
      quality: { ...base.quality, warnings: [{ code: 'c', severity: 'suspect', message: name, count: 1 }] },
      notes: [name],
    }),
    true,
  );
  const outside = text
    .replace(/^```text\n[\s\S]*?^```\n/gm, '')
    .replace(/(`+)(?!`)(?:[^\n]*?[^`\n])\1(?!`)/g, '');
  expect(text.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\u202e\u2028]/u);
  expect(outside).not.toMatch(/<(?!!-- -->)[a-z/!]/i);
  expect(outside).not.toMatch(/(?<!\\)\[[^\]]*\]\(/);
  expect(outside).not.toMatch(/(?<!\w)@\w|https?:\/\//);
  for (const [head, ...rows] of tables(text)) for (const row of rows) expect(row).toHaveLength(head.length);
  expect(text.match(/^## /gm)).toHaveLength(markdown(plausibleModel()).match(/^## /gm)!.length);
});
