/**
 * Every row of real trace.dat files equals what trace-cmd report printed from the same bytes: order, time to the ns,
 * CPU, thread, event and fields. Sums and pairs are checked by corpus-report.test.ts.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { runReport } from '../src/commands/pipeline.ts';
import { createEventBatch } from '../src/core/event-batch.ts';
import { detectFormat, loadFormats } from '../src/parsers/registry.ts';
import { HAS_SHARED, listCaptures, SAMPLES, SHARED } from './support/corpus.ts';
import { defaultReportOptions } from './support/options.ts';
import { type DatRow, readDat } from './support/trace-dat.ts';

const FORMATS = await loadFormats();

const CORPUS = join(SHARED, 'corpus');
const HIP24 = join(SHARED, 'public/hip24-masterarbeit');

/** What `trace-cmd report -R -t` says of an event. */
interface PrintedRow {
  cpu: number;
  tid: number;
  time: bigint;
  event: string;
  fields: Record<string, string>;
}

const LINE = /^.*-(\d+) +\[(\d+)\] *(\d+)(?:\.(\d{6,9}))?: +(\w+): *(.*)$/;
const DROPPED = /^CPU:(\d+) \[(?:(\d+) )?EVENTS DROPPED\]$/;

function readPrinted(path: string): PrintedRow[] {
  const rows: PrintedRow[] = [];
  for (const line of gunzipSync(readFileSync(path)).toString('latin1').split('\n')) {
    const dropped = DROPPED.exec(line);
    if (dropped) {
      rows.push({
        cpu: Number(dropped[1]),
        tid: -1,
        time: -1n,
        event: '(lost)',
        fields: { count: dropped[2] ?? '' },
      });
      continue;
    }
    const match = LINE.exec(line);
    if (!match) continue;
    const [, tid, cpu, seconds, fraction, event, text] = match;
    const time =
      fraction === undefined
        ? BigInt(seconds)
        : BigInt(seconds) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0'));
    const fields = Object.fromEntries(
      [...text.matchAll(/(\w+)=(\S+)/g)].map(([, name, value]) => [name, value]),
    );
    rows.push({ cpu: Number(cpu), tid: Number(tid), time, event, fields });
  }
  return rows;
}

const MASK = (1n << 64n) - 1n;

/** A printed row in the columns that the parser fills, as far as the event has them. */
function wanted({ cpu, tid, time, event, fields }: PrintedRow) {
  const big = (name: string) => (fields[name] === undefined ? undefined : BigInt(fields[name]) & MASK);
  const base = { event, cpu, tid, time };
  switch (event) {
    case '(lost)':
      return { event, cpu, arg0: fields.count === '' ? null : BigInt(fields.count) };
    case 'kvm_exit':
      if (fields.esr_ec !== undefined) return base;
      return {
        ...base,
        code: Number(BigInt.asUintN(32, BigInt(fields.exit_reason))),
        address: big('guest_rip'),
        info1: big('info1'),
        isa: Number(fields.isa),
      };
    case 'kvm_entry':
      return fields.rip === undefined ? base : { ...base, address: big('rip'), vcpu: Number(fields.vcpu_id) };
    case 'kvm_userspace_exit':
      return {
        ...base,
        code: Number(fields.reason),
        arg0: BigInt.asUintN(64, BigInt.asIntN(32, BigInt(fields.errno))),
      };
    case 'kvm_msr':
      return { ...base, code: Number(fields.write), address: BigInt(`0x${fields.ecx}`), arg0: big('data') };
    default:
      return base;
  }
}

function compare(rows: readonly DatRow[], printed: readonly PrintedRow[]): void {
  expect(rows.length).toBe(printed.length);
  for (const [i, row] of printed.entries()) {
    const want = wanted(row);
    const found = rows[i];
    // What QEMU's ftrace backend wrote has the name of its event.
    if (want.event === 'print') delete (want as { event?: string }).event;
    const seen = Object.fromEntries(Object.keys(want).map((key) => [key, found[key as keyof DatRow]]));
    if (want.event === undefined) expect(['kvm_entry', 'kvm_exit']).not.toContain(found.event);
    expect({ i, ...seen }).toEqual({ i, ...want });
  }
}

const folders = HAS_SHARED
  ? [...new Set(listCaptures(CORPUS).map(({ path }) => join(path, '..')))].concat(
      join(CORPUS, 'x86/tc-x86tsc'),
    )
  : [];
const pairs = folders
  .map(
    (folder) =>
      [
        folder.slice(CORPUS.length + 1),
        join(folder, 'trace.dat'),
        join(folder, 'report-raw.txt.gz'),
      ] as const,
  )
  .filter(([, dat, text]) => existsSync(dat) && existsSync(text));

describe.runIf(HAS_SHARED)('rows equal those of trace-cmd report', () => {
  test.each(pairs)('%s', (_, dat, text) => {
    compare(readDat(readFileSync(dat)).rows, readPrinted(text));
  });

  test.runIf(existsSync(HIP24))('a file of trace-cmd 3.2 with zlib, Intel', () => {
    const { rows, diagnostics, context } = readDat(readFileSync(join(HIP24, 'e11ad396-trace.dat')));
    const times = readPrinted(join(HIP24, 'e11ad396-report-ns.txt.gz'));
    const fields = readPrinted(join(HIP24, 'e11ad396-report-raw.txt.gz'));
    expect(times.length).toBe(18009);
    // Fields and ns were printed apart.
    compare(
      rows,
      fields.map((row, i) => ({ ...row, time: times[i].time })),
    );
    expect(diagnostics['fewer-events-than-counted']).toBeUndefined();
    expect(context.kernel).toMatch(/^6\.5/);
  });
});

const samples = [...listCaptures(SAMPLES), ...(HAS_SHARED ? listCaptures(CORPUS) : [])].filter(({ id }) =>
  id.endsWith('/trace.dat'),
);

describe('trace.dat', () => {
  test.each(
    samples
      .filter(({ id }) => /intel|61v3-dat-gdb|tc-inst|tc-v7-zstd/.test(id))
      .map((sample) => [sample.id, sample.path]),
  )('%s read one byte at a time gives the same rows', (_, path) => {
    const bytes = readFileSync(path);
    const whole = readDat(bytes);
    const bitwise = readDat(bytes, 1);
    expect(bitwise.rows).toEqual(whole.rows);
    expect(bitwise.diagnostics).toEqual(whole.diagnostics);
    expect([...bitwise.context.threads.byTid]).toEqual([...whole.context.threads.byTid]);
  });

  test.each(samples.map((sample) => [sample.id, sample.path]))(
    '%s read for its core columns only, into lent batches, gives the same in these',
    (_, path) => {
      const bytes = readFileSync(path);
      const lent = [0, 1, 2].map(() => createEventBatch(1000));
      for (const batch of lent) {
        for (const column of Object.values(batch)) if (typeof column !== 'number') column.fill(0x55);
        batch.text.fill(-1);
      }
      let next = 0;
      const core = readDat(bytes, Infinity, { coreOnly: true, nextBatch: () => lent[next++ % 3] });
      const whole = readDat(bytes);
      expect(core.diagnostics).toEqual(whole.diagnostics);
      expect(core.rows.length).toBe(whole.rows.length);
      for (const [i, { info1: _info1, ...row }] of whole.rows.entries()) {
        const { info1: _none, ...found } = core.rows[i];
        // What is shorter than a word (a bool, a byte) may be left out of arg0.
        if (found.arg0 === null && row.arg0 !== null && row.arg0 < 256n) row.arg0 = null;
        expect({ i, ...found }).toEqual({ i, ...row });
      }
    },
  );

  test('is recognised under any name', () => {
    for (const { path } of samples)
      expect(detectFormat(readFileSync(path).subarray(0, 16384), 'unknown', FORMATS).format?.id).toBe(
        'trace.dat',
      );
  });
});

const read = (name: string) => readDat(readFileSync(join(CORPUS, name, 'trace.dat')));

describe.runIf(HAS_SHARED)('one run in several forms', () => {
  test('version 6 and its conversion to version 7 give the same rows and report', async () => {
    expect(read('x86/tc-convert-v7').rows).toEqual(read('x86/tc-v6').rows);
    const [six, seven] = await Promise.all(
      ['x86/tc-v6', 'x86/tc-convert-v7'].map((name) =>
        runReport([join(CORPUS, name, 'trace.dat')], { ...defaultReportOptions(), includeIdle: true }),
      ),
    );
    expect({ ...seven.capture, sources: [], facts: {} }).toEqual({ ...six.capture, sources: [], facts: {} });
    expect(seven.reasons).toEqual(six.reasons);
    expect(seven.vcpus).toEqual(six.vcpus);
  });

  test('--date gives the times of the wall clock', () => {
    const { rows, context } = read('x86/tc-date');
    expect(rows[0].time).toBe(1795228167679140480n);
    expect(context.clock).toBe('local+date');
  });

  test('marks of losses add up to what the tool printed', () => {
    const lost = read('x86/tc-lost').rows.filter(({ event }) => event === '(lost)');
    expect(lost.length).toBe(7);
    expect(lost.reduce((sum, { arg0 }) => sum + Number(arg0 ?? 0), 0)).toBe(3232);
    expect(lost.filter(({ arg0 }) => arg0 === null).length).toBe(2);
  });

  test('an instance’s clock is the one that TRACECLOCK names', () => {
    expect(read('x86/st-tc-mono').context.clock).toBe('mono');
  });

  test('counters of the kernel agree with what complete files hold', () => {
    for (const { id, path } of samples)
      expect([id, readDat(readFileSync(path)).diagnostics['fewer-events-than-counted']]).toEqual([
        id,
        undefined,
      ]);
  });
});
