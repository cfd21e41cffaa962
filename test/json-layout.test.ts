/** JSON: how numbers are written, and what stands on a line of its own, so that reports can be compared line by line. */
import { expect, test } from 'vitest';
import { render } from '../src/report/json.ts';
import { manyVcpusModel, plausibleModel, reason } from './fixtures/report-models.ts';

const linesOf = (model: ReturnType<typeof plausibleModel>) => [...render(model)].join('').split('\n');

test.each([
  [1e20, '100000000000000000000'],
  [1e21, '1000000000000000000000'],
  [-1e21, '-1000000000000000000000'],
  [2 ** 80, '1208925819614629174706176'],
  [0.5, '0.5'],
  [-3, '-3'],
])('%d is written as %s', (value, digits) => {
  const text = linesOf(plausibleModel({ reasons: [reason({ name: 'x', exits: 1, avgNs: value })] })).join('');
  expect(/"avgNs": ([^,]*),/.exec(text)![1]).toBe(digits);
});

test('what holds no list or object is on one line; what does, and counts by event, has a line for each key', () => {
  const lines = linesOf(plausibleModel());
  const line = (key: string) => lines.find((text) => text.trim().startsWith(`"${key}": `));
  for (const key of ['tool', 'totals', 'busyTotals', 'slowSelection', 'lost'])
    expect(line(key)).toMatch(/^ +"\w+": \{ .* \},?$/);
  for (const key of ['capture', 'quality', 'escalation', 'events', 'facts'])
    expect(line(key)).toMatch(/: \{$/);
  expect(line('kvm_exit')).toBe('      "kvm_exit": 2562,');
  expect(line('exits')).toBe('    "exits": 2562,');
});

test('events stand in the order of their counts, whatever they are called', () => {
  const { capture } = plausibleModel();
  const events = { '123': 7, kvm_exit: 9, '7': 7, __proto: 8, kvm_entry: 7 };
  const lines = linesOf(plausibleModel({ capture: { ...capture, events } }));
  const from = lines.findIndex((text) => text.trim().startsWith('"events": {'));
  expect(lines.slice(from + 1, from + 6).map((text) => text.trim().replace(/,$/, ''))).toEqual([
    '"kvm_exit": 9',
    '"__proto": 8',
    '"123": 7',
    '"7": 7',
    '"kvm_entry": 7',
  ]);
});

test('rows have a line each, lists of words one for all, and what is empty none of its own', () => {
  const model = manyVcpusModel(2);
  const lines = linesOf({
    ...model,
    capture: { ...model.capture, facts: {}, isa: ['vmx', 'svm'] },
    notes: [],
  });
  expect(lines.filter((text) => /^ {4}\{ "vm": .*\},?$/.test(text))).toHaveLength(model.reasons.length);
  for (const text of ['    "isa": ["vmx", "svm"],', '    "facts": {}', '  "notes": []'])
    expect(lines.map((each) => each.replace(/,$/, ''))).toContain(text.replace(/,$/, ''));
});
