/** Text, Markdown and HTML of a comparison: the same tables and sentences in each, cut where asked and told so. */
import { describe, expect, test } from 'vitest';
import type { TableData } from '../src/report/cells.ts';
import { render as renderHtml } from '../src/report/diff/html.ts';
import { render as renderMarkdown } from '../src/report/diff/markdown.ts';
import type { DiffModel } from '../src/report/diff/model.ts';
import {
  changeLines,
  legendOf,
  reasonsTable,
  sidesTable,
  summaryOf,
  userspaceTable,
} from '../src/report/diff/tables.ts';
import { render as renderText } from '../src/report/diff/text.ts';
import { diffModel, diffReason, figures } from './fixtures/diff-models.ts';

const unescaped = (html: string) =>
  html
    .replace(/<[^>]*>/g, '')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&nbsp;', ' ')
    .replaceAll('&amp;', '&');
const plain = (markdown: string) => unescaped(markdown).replace(/`|\*\*|\\/g, '');

/** Each format as lines without markup, cells of a row apart by ` | `. */
const FORMATS: Readonly<Record<string, (model: DiffModel, rows: number) => string[]>> = {
  text: (model, rows) =>
    renderText(model, { color: false, width: 100, rows })
      .split('\n')
      .map((line) => line.trim()),
  Markdown: (model, rows) =>
    plain([...renderMarkdown(model, { color: false, width: null, rows })].join(''))
      .split('\n')
      .map((line) => line.replace(/^(\| |- |#+ )|( \|)$/g, '').trim()),
  HTML: (model, rows) =>
    renderHtml(model, { rows })
      .replace(/<style>[\s\S]*<\/style>|<title>.*<\/title>/g, '')
      .replaceAll('\n', ' ')
      .replace(/<\/t[dh]>(?=<t[dh])/g, ' | ')
      .split(/<(?:\/?(?:p|li|tr|h1|h2|header|footer|section|table|thead|tbody|ul)\b)[^>]*>/)
      .map((line) => unescaped(line).trim()),
};

const cellsOf = (table: TableData) =>
  [...table.rows, ...table.totals].map((row) =>
    row.map(({ text, mark }) => text.replace(/ {2,}/g, ' ') + (mark ?? '')),
  );

describe.each(Object.keys(FORMATS))('%s', (format) => {
  const lines = (over: Partial<DiffModel> = {}, rows = 0) =>
    FORMATS[format](diffModel(over), rows).filter(Boolean);
  const words = (list: readonly string[]) => list.join(' ').replace(/\s+/g, ' ');
  const model = diffModel();

  test('has all rows of the tables', () => {
    const tables = [sidesTable(model), reasonsTable(model, 0), userspaceTable(model, 0)];
    for (const cells of tables.flatMap(cellsOf)) {
      // Text leaves out the last columns where there is no room.
      const own = format === 'text' ? cells.slice(0, 9) : cells;
      const found = lines().filter((line) => words([line.replaceAll(' | ', ' ')]) === words(own));
      expect([own[0], found.length]).toEqual([own[0], 1]);
    }
  });

  test('has the summary, the legend, what changed, the selection and the notes', () => {
    const all = words(lines());
    expect(all).toContain(summaryOf(model));
    expect(all).toContain(legendOf(model, format !== 'text'));
    for (const { name, words: how } of changeLines(model)) expect(all).toContain(`${name}: ${how}`);
    expect(all.toLowerCase()).toContain('only vcpu 0; from 1s');
    expect(all).toContain('"after" has lost events.');
  });

  test('has one heading for each part, in this order', () => {
    const headings = [
      'Exits by reason, by change of cost',
      'What changed',
      'Escalations to user space',
      'Notes',
    ];
    const found = lines().filter((line) => headings.includes(line));
    expect(found).toEqual(headings);
  });

  test('has no part that is empty', () => {
    const empty = { reasons: [], userspace: [], notes: [], selection: null, busyTotals: figures({}) };
    const found = lines(empty);
    expect(
      found.filter((line) => /^(What changed|Escalations to user space|Notes|[Oo]nly )/.test(line)),
    ).toEqual([]);
    expect(found.filter((line) => line.includes('None recorded.'))).toHaveLength(1);
    expect(found).toContain('Exits by reason, by change of cost');
    expect(lines().filter((line) => line.includes('None recorded.'))).toEqual([]);
  });

  test('has a part for a single row as well', () => {
    const one = { reasons: diffModel().reasons.slice(0, 1), userspace: diffModel().userspace.slice(0, 1) };
    const found = lines(one);
    for (const heading of ['What changed', 'Escalations to user space', 'Notes'])
      expect(found).toContain(heading);
    for (const name of ['MSR_WRITE', 'KVM_EXIT_IO'])
      expect(found.some((line) => line.startsWith(name) && !line.includes(':'))).toBe(true);
  });

  test('tells what the limit of rows leaves out, of tables and of changes', () => {
    const more = (rows: number) =>
      lines({}, rows)
        .filter((line) => line.startsWith('… and '))
        .map((line) => Number(/\d+/.exec(line)));
    expect(more(0)).toEqual([]);
    expect(more(1)).toEqual([3, 3, 1]);
    expect(more(2)).toEqual([2, 2]);
    expect(more(3)).toEqual([1, 1]);
    expect(more(4)).toEqual([]);
    expect(words(lines({}, 1))).not.toContain('WBINVD');
    // Totals stand below all the same.
    expect(words(lines({}, 1)).replaceAll(' | ', ' ')).toContain('all but idle 20.00 ms 30.00 ms');
  });
});

describe('text', () => {
  const options = { color: false, width: null, rows: 0 };

  test('begins with the tool and the recordings', () => {
    expect(renderText(diffModel(), options).split('\n').slice(0, 6)).toEqual([
      'kvmtrace 0.1.0 diff',
      '          file         host    kernel          recorded  vCPUs  in guest  exits data',
      '  before  a/perf.data  host-a  6.1.0-44-amd64  10.00  s      2  5.000  s  1,300 OK',
      '  after   b/perf.data  host-b  6.1.0-44-amd64  12.50  s      2  6.250  s  1,500 WARN',
      '  only vCPU 0; from 1s',
      '',
    ]);
  });

  test('lines that go on are indented', () => {
    const note = 'word '.repeat(30).trim();
    const noted = renderText(diffModel({ notes: [note] }), options).split('\n');
    expect(noted.slice(noted.indexOf('Notes') + 1)).toEqual([
      `  ${'word '.repeat(19).trim()}`,
      `    ${'word '.repeat(11).trim()}`,
      '',
    ]);
    const lines = renderText(diffModel(), options).split('\n');
    const at = lines.findIndex((line) => line.startsWith('  all but idle: '));
    expect(lines.slice(at, at + 2)).toEqual([
      '  all but idle: cost per vCPU-second 20.00 ms → 30.00 ms (+50.0%; change between +9.000 ms and',
      '    +11.00 ms)',
    ]);
  });

  test.each([
    [null, 100],
    // Tables alone: sentences are no longer than elsewhere.
    [200, 102],
    [70, 70],
    [10, 40],
  ])('with %j columns of terminal uses at most %d', (width, most) => {
    const reasons = [diffReason('X', {}), ...diffModel().reasons];
    const lines = renderText(diffModel({ reasons }), { ...options, width }).split('\n');
    const longest = Math.max(...lines.map((line) => line.length));
    expect(longest).toBeLessThanOrEqual(most);
    expect(longest).toBeGreaterThan(most - 10);
  });
});

test('Markdown tables have a line for their titles and one for the sides that columns keep to', () => {
  const lines = [...renderMarkdown(diffModel(), { color: false, width: null, rows: 0 })].join('').split('\n');
  const at = lines.indexOf('## Escalations to user space');
  expect(lines.slice(at - 1, at + 5)).toEqual([
    '',
    '## Escalations to user space',
    '',
    '| KVM_RUN returned with | before | after | per second before | after | change |',
    '| --- | ---: | ---: | ---: | ---: | ---: |',
    '| `KVM_EXIT_IO` | 1,234 | 5 | 61.7 | 0.2 | -99.7% |',
  ]);
  const reasons = lines.indexOf('## Exits by reason, by change of cost');
  expect([lines[0], lines[reasons + 1], lines[reasons + 2].startsWith('| exit reason |')]).toEqual([
    '# KVM exits: what changed',
    '',
    true,
  ]);
});

test('the page says what it is', () => {
  const page = renderHtml(diffModel(), { rows: 0 });
  expect(page).toMatch(/^<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n/);
  for (const element of ['title', 'h1'])
    expect(page).toContain(`<${element}>KVM exits: what changed</${element}>`);
});

test('the page says whether both recordings can be trusted', () => {
  const { before } = diffModel();
  const status = (over: Partial<DiffModel>) =>
    /class="trust (\w+" role="status">.*?)<\/p>/.exec(renderHtml(diffModel(over), { rows: 0 }))![1];
  expect(status({})).toBe(
    'doubt" role="status"><strong>⚠ Read with care</strong>: before: no losses; after: 5 events lost.',
  );
  expect(status({ after: before })).toBe(
    'fine" role="status"><strong>✓ Complete</strong>: before: no losses; after: no losses.',
  );
  const other = { ...before, trust: { ok: false, reasons: ['a', 'b'] } };
  expect(status({ before: other, after: before })).toBe(
    'doubt" role="status"><strong>⚠ Read with care</strong>: before: a; b; after: no losses.',
  );
});

test('a wide terminal shows every column; a column that is left out is not explained', () => {
  const text = (width: number | null) =>
    renderText(diffModel(), { color: false, width, rows: 0 }).replace(/\s+/g, ' ');
  expect(text(160)).toContain(' p50 p99 user% ');
  expect(text(160)).toContain('user%: share that went to user space');
  expect(text(60)).not.toContain('user%');
});
