/** A kernel with changes of its own may call the reason's field something else: then no number may stand for it. */
import { describe, expect, test } from 'vitest';
import { ISA_NAMED } from '../src/core/isa-codes.ts';
import { readPerf } from './support/perf-data.ts';
import { perfEncoder } from './support/perf-data-encoder.ts';
import { type PerfRecord, PLAIN } from './support/perf-data-records.ts';
import { buildV6, entryRecord, exitRecord, readDat, X86 } from './support/trace-dat.ts';

/** The same recording whose formats have no field `exit_reason`. */
function renamed(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  const at = copy.indexOf('exit_reason');
  expect(at).toBeGreaterThan(0);
  copy.write('exit_rexxon', at);
  return copy;
}

describe('perf.data', () => {
  const record = (kind: PerfRecord['kind'], time: bigint): PerfRecord => ({
    kind,
    time,
    cpu: 1,
    pid: 5,
    tid: 7,
    value: 48,
    rip: 0x1000n,
    name: '',
  });
  const { file, records } = perfEncoder(PLAIN);
  const bytes = file(records([record('exit', 100n), record('entry', 200n), record('exit', 300n), null]));

  test.each([{ coreOnly: false }, { coreOnly: true }, { coreOnly: false, withoutKernel: true }])(
    '%j',
    (options) => {
      const { rows, context, diagnostics } = readPerf(renamed(bytes), options);
      const whole = readPerf(bytes, options);
      expect(diagnostics).toEqual({ 'exits-without-reason': 2 });
      expect(whole.diagnostics).toEqual({});
      const [isa, code] = rows[0].split(' ').slice(6).map(Number);
      expect(isa).toBe(ISA_NAMED);
      expect(context.strings.values[code]).toBe('(no reason recorded)');
      // All else is as it was.
      const other = (row: string) => row.split(' ').filter((_, i) => i !== 6 && i !== 7);
      expect(rows.map(other)).toEqual(whole.rows.map(other));
      expect(rows[1]).toBe(whole.rows[1]);
    },
  );
});

describe('trace.dat', () => {
  const items = [
    exitRecord(X86, 5, 48, 0x1000n),
    entryRecord(X86, 5, 1n),
    exitRecord(X86, 5, 48, 0x1000n),
  ].map((record, delta) => ({ kind: 'event' as const, delta, record }));
  const bytes = buildV6({
    machine: X86,
    buffers: [{ name: '', cpus: new Map([[0, [{ time: 1000n, items }]]]) }],
  });

  test.each([{ coreOnly: false }, { coreOnly: true }])('%j', (options) => {
    const { rows, context, diagnostics } = readDat(renamed(bytes), Infinity, options);
    const whole = readDat(bytes, Infinity, options);
    expect(diagnostics).toEqual({ ...whole.diagnostics, 'exits-without-reason': 2 });
    expect(rows[0].isa).toBe(ISA_NAMED);
    expect(context.strings.values[rows[0].code!]).toBe('(no reason recorded)');
    const { isa: _, code: __, ...other } = rows[2];
    expect(whole.rows[2]).toMatchObject(other);
    expect(rows[1]).toEqual(whole.rows[1]);
  });
});
