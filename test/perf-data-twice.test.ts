/** What perf.data tells more than once: hits of a tracepoint that two -e switched on, and losses. */
import { describe, expect, test } from 'vitest';
import { nothingLost } from '../src/report/facts.ts';
import { readPerf } from './support/perf-data.ts';
import { perfEncoder } from './support/perf-data-encoder.ts';
import { type PerfRecord, PLAIN } from './support/perf-data-records.ts';

const record = (kind: PerfRecord['kind'], time: number, more: Partial<PerfRecord> = {}): PerfRecord => ({
  kind,
  time: BigInt(1_000_000 + time),
  cpu: 0,
  pid: 5,
  tid: 7,
  value: 123,
  rip: 0x1000n,
  name: '',
  ...more,
});

describe('a tracepoint that was switched on twice', () => {
  const read = (records: PerfRecord[], options = {}) =>
    readPerf(perfEncoder({ ...PLAIN, exitTwice: true, ...options }).file(encoded(records, options)));
  const encoded = (records: PerfRecord[], options = {}) =>
    perfEncoder({ ...PLAIN, exitTwice: true, ...options }).records([...records, null]);
  /** Time behind the start and event. */
  const told = (rows: readonly string[]) =>
    rows.map((row) => `${Number(row.split(' ')[0]) - 1_000_000} ${row.split(' ')[4]}`);

  test.each([true, false])('each hit counts once (little-endian: %s)', (little) => {
    const { rows, diagnostics } = read(
      [
        // The second attr is switched on a little later than the first.
        record('exit', 0),
        record('entry', 10),
        record('exit', 20),
        record('exitAgain', 21),
        record('entry', 30),
        // The same exit again, at once.
        record('exit', 40),
        record('exitAgain', 41),
        record('exit', 50),
        record('exitAgain', 51),
      ],
      { little },
    );
    expect(told(rows)).toEqual([
      '0 kvm_exit',
      '10 kvm_entry',
      '20 kvm_exit',
      '30 kvm_entry',
      '40 kvm_exit',
      '50 kvm_exit',
    ]);
    expect(diagnostics).toEqual({ 'recorded-twice': 3 });
  });

  test('CPUs do not mix, not even where the thread is the same (idle)', () => {
    const { rows } = read([
      record('exit', 0, { tid: 0 }),
      record('exit', 1, { tid: 0, cpu: 1 }),
      record('exitAgain', 2, { tid: 0 }),
      record('exitAgain', 3, { tid: 0, cpu: 1 }),
    ]);
    expect(told(rows)).toEqual(['0 kvm_exit', '1 kvm_exit']);
  });

  test('exits that only one attr’s filter lets through all count', () => {
    const { rows, diagnostics } = read([
      record('exit', 0, { value: 120 }),
      record('exitAgain', 10, { value: 123 }),
      record('exitAgain', 20, { value: 123 }),
      record('exit', 30, { value: 120 }),
      record('exitAgain', 40, { value: 120, rip: 0x1001n }),
    ]);
    expect(rows).toHaveLength(5);
    expect(diagnostics).toEqual({});
  });
});

describe('losses that LOST_SAMPLES states', () => {
  const diagnosticsOf = (lost: number[], stated: number[]) =>
    readPerf(
      perfEncoder(PLAIN).file(
        perfEncoder(PLAIN).records([
          record('exit', 0),
          ...lost.map((value, i) => record('lost', 10 + i, { value })),
          record('entry', 50),
          ...stated.map((value) => record('lostSamples', 60, { value })),
          null,
        ]),
      ),
    ).diagnostics;

  test('are those that LOST records have told', () => {
    expect(diagnosticsOf([3, 4], [5, 2])).toEqual({ 'lost-samples': 7 });
    expect(diagnosticsOf([], [0])).toEqual({ 'lost-samples': 0 });
  });

  test('are missed where no LOST record tells them: at the end, or in an earlier file of --switch-output', () => {
    expect(diagnosticsOf([3, 4], [5, 6])).toEqual({ 'lost-samples': 11, 'losses-without-place': 4 });
    expect(diagnosticsOf([], [12, 1])).toEqual({ 'lost-samples': 13, 'losses-without-place': 13 });
  });

  test('keep a report from saying that nothing was lost', () => {
    const warning = { code: 'losses-without-place', severity: 'data-loss', message: '', count: 3 } as const;
    expect(nothingLost([warning], 'nothing')).toBe('some, at unknown times: see the warnings');
    expect(nothingLost([{ ...warning, code: 'other-samples' }], 'nothing')).toBe('nothing');
  });
});
