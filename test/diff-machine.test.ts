/** A comparison for programs: the order of JSON keys, CSV's rows, and what --redact leaves in either. */
import { expect, test } from 'vitest';
import { render as renderCsv } from '../src/report/diff/csv.ts';
import { render as renderJson } from '../src/report/diff/json.ts';
import type { DiffModel } from '../src/report/diff/model.ts';
import { redactDiff } from '../src/report/diff/redact.ts';
import type { FilterKind } from '../src/report/model.ts';
import { diffModel, figure } from './fixtures/diff-models.ts';

/** As docs/diff.md lists them. */
const FIGURES = ['costNs', 'rate', 'guestRate', 'p50Ns', 'p90Ns', 'p99Ns', 'escalation'] as const;
const FIGURE = ['before', 'after', 'change', 'changePct', 'low', 'high', 'verdict'] as const;
const COUNTS = ['exits', 'paired', 'totalNs', 'escalated'];

/** Objects with their keys the other way round, so that no order comes from how the model was made. */
function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, item]) => [key, reversed(item)]),
  );
}

test('JSON: keys in a fixed order, whatever that of the model', () => {
  const model = diffModel();
  const written = JSON.parse([...renderJson(reversed(model) as DiffModel)].join(''));
  expect(written).toEqual(
    JSON.parse(JSON.stringify(model, (_, value) => (typeof value === 'bigint' ? Number(value) : value))),
  );
  expect(Object.keys(written)).toEqual([
    ...['schema', 'schemaVersion', 'tool', 'before', 'after', 'method', 'selection'],
    ...['reasons', 'totals', 'busyTotals', 'notes', 'qemu', 'userspace', 'work'],
  ]);
  expect(Object.keys(written.reasons[0]).slice(0, 4)).toEqual(['isa', 'code', 'name', 'idle']);
  for (const row of [...written.reasons, written.totals, written.busyTotals]) {
    for (const key of FIGURES) expect(Object.keys(row[key])).toEqual(FIGURE);
    expect([Object.keys(row.before), Object.keys(row.after)]).toEqual([COUNTS, COUNTS]);
  }
  for (const row of written.userspace) {
    expect(Object.keys(row)).toEqual(['code', 'name', 'before', 'after', 'rate']);
    expect(Object.keys(row.rate)).toEqual(FIGURE);
  }
});

test('CSV: one row per reason and figure, then all exits with and without idle ones', async () => {
  const model = diffModel();
  let text = '';
  for await (const piece of renderCsv(model)) text += piece;
  const rows = [
    ...model.reasons.map((row) => ({ id: [row.isa, row.code, row.name, row.idle], row })),
    { id: ['', '', 'all', ''], row: model.totals },
    { id: ['', '', 'all but idle', ''], row: model.busyTotals },
  ].flatMap(({ id, row }) =>
    FIGURES.map((name) => [...id, name, ...FIGURE.map((key) => row[name][key] ?? '')].join()),
  );
  expect(text.trimEnd().split('\n')).toEqual([`isa,code,name,idle,figure,${FIGURE.join()}`, ...rows]);
  expect(figure(1, 3, 1)).toMatchObject({ change: 2, changePct: 200, low: 1, high: 3, verdict: 'higher' });
});

test('--redact: one name for a host wherever it is, none for files, numbers of processes and threads go', () => {
  const { before, after } = diffModel();
  const redacted = (hosts: readonly (string | null)[], files: number) => {
    const [one, other] = [before, after].map((side, i) => ({
      ...side,
      capture: {
        ...side.capture,
        host: hosts[i],
        sources: Array.from({ length: files }, () => side.capture.sources[0]),
      },
    }));
    const filters = ['pid 17', 'tid 4139', 'vCPU 3', 'reason pid 7'];
    const kinds: FilterKind[] = ['pid', 'tid', 'vcpu', 'reason'];
    return redactDiff(diffModel({ before: one, after: other, selection: { filters, kinds } }));
  };
  const model = redacted(['a', 'b'], 1);
  const namesOf = ({ before: one, after: other }: DiffModel) => [
    [one, other].map(({ capture }) => capture.host),
    [one, other].map(({ capture }) => capture.sources.map(({ path }) => path)),
  ];
  expect(namesOf(model)).toEqual([
    ['host-1', 'host-2'],
    [['before'], ['after']],
  ]);
  expect(namesOf(redacted(['a', 'a'], 2))).toEqual([
    ['host-1', 'host-1'],
    [
      ['before-1', 'before-2'],
      ['after-1', 'after-2'],
    ],
  ]);
  expect(namesOf(redacted([null, 'a'], 1))[0]).toEqual([null, 'host-1']);
  expect(model.selection).toEqual({
    filters: ['pid (redacted)', 'tid (redacted)', 'vCPU 3', 'reason pid 7'],
    kinds: ['pid', 'tid', 'vcpu', 'reason'],
  });
  expect([model.before.capture.facts, model.after.capture.facts]).toEqual([{}, {}]);
  expect(redactDiff(diffModel({ selection: null })).selection).toBeNull();
  // The figures are those of before.
  expect(model.reasons).toEqual(diffModel().reasons);
  expect(model.before.capture.sources[0]).toMatchObject({ format: 'perf.data', bytes: 2_193_408 });
});
