/** What people read of a comparison: cells of its tables, sentences on what changed, the summary. */
import { describe, expect, test } from 'vitest';
import type { TableData } from '../src/report/cells.ts';
import type { DiffModel } from '../src/report/diff/model.ts';
import {
  changeLines,
  changeText,
  formatRate,
  legendOf,
  reasonsTable,
  sidesTable,
  summaryOf,
  userspaceTable,
} from '../src/report/diff/tables.ts';
import { renderTable } from '../src/report/table.ts';
import { diffModel, diffReason, figure, figures, UNKNOWN } from './fixtures/diff-models.ts';

const cellsOf = ({ columns, rows, totals }: TableData) => [
  columns.map(({ title }) => title),
  ...[...rows, ...totals].map((row) => row.map(({ text, mark }) => text + (mark ?? ''))),
];

test.each([
  [null, '-'],
  [0, '0'],
  [0.0049, '<0.01'],
  [-0.0049, '>-0.01'],
  [0.0051, '0.01'],
  [2.5, '2.5'],
  [-12.346, '-12.35'],
  [99.99, '99.99'],
  [100, '100'],
  [-100.4, '-100'],
  [12_345.6, '12,346'],
])('a rate of %d per second is %s', (rate, words) => {
  expect(formatRate(rate)).toBe(words);
});

test.each([
  [UNKNOWN, '-'],
  [figure(1, 2), '-'],
  [figure(1, 2, 3), '~'],
  [figure(0, 2, 1), 'new'],
  [figure(2, 0, 1), 'gone'],
  [figure(1000, 1001, 0), '+0.1%'],
  [figure(1000, 500, 1), '-50.0%'],
  [figure(1000, 1999, 1), '+99.9%'],
  [figure(10_000, 19_995, 1), '+100%'],
  [figure(1000, 5, 1), '-99.5%'],
  [figure(1000, 9990, 1), '+899%'],
  [figure(1000, 10_000, 1), 'x10.0'],
  [figure(1000, 99_900, 1), 'x99.9'],
  [figure(1000, 100_000, 1), 'x100'],
])('the change of %j is %s', (given, words) => {
  expect(changeText(given)).toBe(words);
});

describe('tables', () => {
  test('by exit reason, with totals', () => {
    const all = ['900.0 ms', '800.0 ms', '~', '600', '616', '~', '-', '-', '-'];
    const busy = ['20.00 ms', '30.00 ms', '+10.00 ms', '500', '520', '~', '-', '-', '-'];
    expect(cellsOf(reasonsTable(diffModel(), 0))).toEqual([
      [
        'exit reason',
        'cost before',
        'after',
        'change',
        'exits/s before',
        'after',
        'change',
        'p50',
        'p99',
        'user%',
      ],
      [
        'MSR_WRITE',
        '8.000 ms',
        '16.50 ms',
        '+8.500 ms',
        '200',
        '3,000',
        'x15.0',
        '+25.0%',
        '-90.0%',
        '+15.0',
      ],
      ['WBINVD', '900 ns', '0 ns', '-900 ns', '0.5', '0', 'gone', '-', '-', '-'],
      ['CPUID', '-', '-', '-', '0', '12.35', 'new', '-', '-', '~'],
      ['HLT *', '880.0 ms', '770.0 ms', '~', '100', '95.5', '~', '-', '-', '-'],
      ['all', ...all],
      ['all but idle', ...busy],
    ]);
    // Of columns that are dropped the title must not hang on its neighbour's.
    expect(reasonsTable(diffModel(), 0).columns.map(({ titleAlone }) => titleAlone)).toEqual([
      ...[undefined, undefined, 'cost after', 'cost change', undefined, 'exits/s after', 'exits/s change'],
      ...[undefined, undefined, undefined],
    ]);
  });

  test('totals only of several reasons, those without idle ones only where some are', () => {
    const { reasons } = diffModel();
    const totals = (count: number, from = 0) => {
      const table = reasonsTable(diffModel({ reasons: reasons.slice(from, from + count) }), 0);
      return table.totals.map(([{ text }]) => text);
    };
    expect([totals(0), totals(1), totals(2), totals(2, 2)]).toEqual([
      [],
      [],
      ['all'],
      ['all', 'all but idle'],
    ]);
  });

  test('reasons of several instruction sets have theirs before their name', () => {
    const reasons = [diffReason('HLT', {}), diffReason('hlt', { isa: 'svm' })];
    const names = (list: typeof reasons) =>
      reasonsTable(diffModel({ reasons: list }), 0).rows.map(([{ text }]) => text);
    expect(names(reasons)).toEqual(['vmx HLT', 'svm hlt']);
    expect(names(reasons.slice(1))).toEqual(['hlt']);
    const changed = [...reasons, diffReason('X', { rate: figure(1, 2, 0.5) })];
    expect(changeLines(diffModel({ reasons: changed })).map(({ name }) => name)).toEqual([
      'all but idle',
      'vmx X',
    ]);
  });

  test('by KVM_EXIT reason', () => {
    const { columns, rows } = userspaceTable(diffModel(), 0);
    expect(columns.map(({ titleAlone }) => titleAlone)[4]).toBe('per second after');
    expect(cellsOf({ columns, rows, totals: [], hidden: 0 })).toEqual([
      ['KVM_RUN returned with', 'before', 'after', 'per second before', 'after', 'change'],
      ['KVM_EXIT_IO', '1,234', '5', '61.7', '0.2', '-99.7%'],
      ['KVM_EXIT_MMIO', '0', '1', '0', '<0.01', '~'],
    ]);
  });

  test('of the recordings', () => {
    expect(cellsOf(sidesTable(diffModel()))).toEqual([
      ['', 'file', 'host', 'kernel', 'recorded', 'vCPUs', 'in guest', 'exits', 'data'],
      ['before', 'a/perf.data', 'host-a', '6.1.0-44-amd64', '10.00  s', '2', '5.000  s', '1,300', 'OK'],
      ['after', 'b/perf.data', 'host-b', '6.1.0-44-amd64', '12.50  s', '2', '6.250  s', '1,500', 'WARN'],
    ]);
    const { before } = diffModel();
    const [source] = before.capture.sources;
    const several = {
      ...before.capture,
      sources: [source, { ...source, path: 'c' }],
      host: null,
      kernel: null,
    };
    const unknown = { ...before, capture: several, wallNs: null, guestNs: null };
    expect(cellsOf(sidesTable(diffModel({ before: unknown })))[1]).toEqual([
      ...['before', 'a/perf.data, c', '-', '-', '-', '2', '-', '1,300', 'OK'],
    ]);
  });

  test('names from recordings are marked as such, and no other words', () => {
    const untrusted = ({ rows, totals }: TableData) =>
      [...rows, ...totals]
        .flat()
        .filter((cell) => cell.untrusted)
        .map(({ text }) => text);
    const model = diffModel();
    expect(untrusted(reasonsTable(model, 0))).toEqual(model.reasons.map(({ name }) => name));
    expect(untrusted(userspaceTable(model, 0))).toEqual(model.userspace.map(({ name }) => name));
    expect(untrusted(sidesTable(model))).toEqual(
      [model.before, model.after].flatMap(({ capture: { sources, host, kernel } }) => [
        sources[0].path,
        host,
        kernel,
      ]),
    );
    expect(changeLines(model).map(({ untrusted: foreign }) => foreign)).toEqual([false, true, true, true]);
  });
});

test('what changed: one line per reason with any change, each with its interval', () => {
  expect(
    changeLines(diffModel()).map(({ name, words }) => [
      name,
      words.split('; ').length > 2 ? words.split('); ') : words,
    ]),
  ).toEqual([
    [
      'all but idle',
      'cost per vCPU-second 20.00 ms → 30.00 ms (+50.0%; change between +9.000 ms and +11.00 ms)',
    ],
    [
      'MSR_WRITE',
      [
        'cost per vCPU-second 8.000 ms → 16.50 ms (+106%; change between +8.000 ms and +9.000 ms',
        'exits per vCPU-second 200 → 3,000 (x15.0; change between +2,700 and +2,900',
        'exits per guest-second 400 → 6,000 (x15.0; change between +5,400 and +5,800',
        'p50 2.000 us → 2.500 us (+25.0%; change between +400 ns and +600 ns',
        'p99 40.00 us → 4.000 us (-90.0%; change between -37.00 us and -35.00 us',
        'escalation to user space 10.0% → 25.0% (+15.0 points; change between +10.00 points and +20.00 points)',
      ],
    ],
    [
      'WBINVD',
      [
        'cost per vCPU-second 900 ns → 0 ns (gone; change between -930 ns and -870 ns',
        'exits per vCPU-second 0.5 → 0 (gone; change between -0.6 and -0.4)',
      ],
    ],
    ['CPUID', 'exits per vCPU-second 0 → 12.35 (new; change between +11.35 and +13.35)'],
  ]);
});

test.each<[string, (model: DiffModel) => TableData, string[]]>([
  [
    'exit reasons',
    (model) => reasonsTable(model, 0),
    ['user%', 'exits/s before', 'exits/s after', 'p50', 'cost before', 'cost after', 'p99', 'exits/s change'],
  ],
  [
    'KVM_EXIT reasons',
    (model) => userspaceTable(model, 0),
    ['before', 'after', 'per second before', 'per second after'],
  ],
  ['recordings', sidesTable, ['in guest', 'vCPUs', 'kernel', 'host']],
])('columns of %s give way in this order', (_, tableOfModel, order) => {
  const { columns, rows } = tableOfModel(diffModel());
  // Each title names its column, whichever stands before it.
  const named = columns.map((column) => ({ ...column, title: column.titleAlone ?? column.title }));
  const gone: string[] = [];
  for (let width = 150; width > 10; width--) {
    const [head] = renderTable(
      named,
      rows.map((row) => row.map(({ text }) => text)),
      { width, indent: 0 },
    );
    const titles = head.trim().split(/ {2,}/);
    const more = named
      .map(({ title }) => title)
      .filter((title) => title !== '' && !titles.some((each) => each.split(' data')[0] === title));
    gone.push(...more.filter((title) => !gone.includes(title) && order.includes(title)));
  }
  expect(gone).toEqual(order);
});

describe('the summary', () => {
  const quiet = figures({ costNs: figure(20e6, 30e6, 20e6) });
  const [changed, , , idle] = diffModel().reasons;
  const ofIsa = (isa: string) => {
    const { after } = diffModel();
    return { ...after, capture: { ...after.capture, isa: [isa] } };
  };

  test.each([
    [
      '3 of 4 exit reasons changed beyond noise. Without idling, exits cost 20.00 ms per vCPU-second before and 30.00 ms after (+50.0%).',
      {},
    ],
    [
      '3 of 4 exit reasons changed beyond noise; the cost of all exits without idle ones did not.',
      { busyTotals: quiet },
    ],
    [
      '1 of 1 exit reason changed beyond noise; the cost of all exits without idle ones did not.',
      { busyTotals: quiet, reasons: [changed] },
    ],
    ['No change beyond noise in 1 exit reason.', { busyTotals: quiet, reasons: [idle] }],
    [
      '0 of 1 exit reason changed beyond noise. Without idling, exits cost 20.00 ms per vCPU-second before and 30.00 ms after (+50.0%).',
      { reasons: [idle] },
    ],
    [
      'Different instruction sets, whose exit reasons are not comparable. Without idling, exits cost 20.00 ms per vCPU-second before and 30.00 ms after (+50.0%).',
      { after: ofIsa('arm64') },
    ],
    [
      'Different instruction sets, whose exit reasons are not comparable; the cost of all exits without idle ones did not change beyond noise.',
      { after: ofIsa('arm64'), busyTotals: quiet },
    ],
    [
      'The recordings do not allow a comparison: see the notes.',
      { method: { confidencePct: 95, figures: 0, replicates: 300 } },
    ],
  ])('%s', (words, over) => {
    expect(summaryOf(diffModel(over))).toBe(words);
  });
});

test('the legend explains marks; that of idle reasons only where some are', () => {
  const legend = legendOf(diffModel()).split('; ');
  expect(legend).toEqual([
    "* mostly the guest's own idling",
    'cost: time in exits per second of vCPU time',
    'exits/s: per second of vCPU time',
    'user%: share that went to user space, in points',
    '~ no change beyond noise',
    '- not known, or too few exits to tell',
    'intervals: block bootstrap over time slices (300 replicates), all 12 together at 95%',
  ]);
  const busy = diffModel({ reasons: diffModel().reasons.filter(({ idle }) => !idle) });
  expect(legendOf(busy).split('; ')).toEqual(legend.filter((part) => !part.startsWith('*')));
});
