/** Lines of trace-cmd report and perf script: every choice of columns, side-band records, damage. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { perfScript } from '../src/parsers/perf-script/index.ts';
import { traceCmdText } from '../src/parsers/trace-cmd-text/index.ts';
import type { TraceFormat } from '../src/parsers/trace-format.ts';
import { SHARED } from './support/corpus.ts';
import { readText, type TextRow } from './support/ftrace-text.ts';

const perf = (text: string | Uint8Array) => readText(text, Infinity, perfScript);
const traceCmd = (text: string | Uint8Array) => readText(text, Infinity, traceCmdText);

const comm = fc.oneof(
  fc
    .uint8Array({ min: 1, max: 255, minLength: 1, maxLength: 15 })
    .map((bytes) => bytes.filter((b) => b !== 10 && b !== 13)),
  fc
    .constantFrom(
      'CPU 0/KVM',
      'fc_vcpu 1',
      'x-7 [003] d..1:',
      'a 5 [001] 1',
      '1 2/3 4',
      'a: b:c: d',
      '1.000000: a:',
      'K',
      '-1',
    )
    .map((name) => Buffer.from(name)),
);
const tid = fc.oneof(fc.integer({ min: 0, max: 99 }), fc.integer({ min: 0, max: 4_194_304 }));
const seconds = fc.oneof(fc.integer({ min: 0, max: 99_999 }), fc.integer({ min: 0, max: 8_000_000_000 }));
const nanos = fc.integer({ min: 0, max: 999_999_999 });
const cpu = fc.oneof(fc.integer({ min: 0, max: 15 }), fc.integer({ min: 0, max: 5000 }));

function stamp(sec: number, nano: number, digits: 6 | 9): string {
  const fraction = String(nano).padStart(9, '0').slice(0, digits);
  return `${String(sec).padStart(5)}.${fraction}`;
}

/** Time that the text can tell. */
function told(sec: number, nano: number, digits: 6 | 9): bigint {
  return BigInt(sec) * 1_000_000_000n + BigInt(digits === 9 ? nano : nano - (nano % 1000));
}

function nameOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes).replace(/^ +/, '');
}

const EVENT = 'kvm_entry: vcpu 3, rip 0xffffffff81000000';
const READ = { event: 'kvm_entry', vcpu: 3, address: 0xffffffff81000000n };

describe('perf script', () => {
  test('any choice of columns comes back as printed', () => {
    fc.assert(
      fc.property(
        fc.record({
          comm,
          tid,
          pid: fc.option(tid, { nil: undefined }),
          cpu: fc.option(cpu, { nil: undefined }),
          misc: fc.constantFrom('', 'K', 'G', 'KEc'.slice(0, 2)),
          date: fc.constantFrom('', '2021-12-12 16:11:10.214139'),
          seconds,
          nanos,
          digits: fc.constantFrom(6 as const, 9 as const),
          period: fc.constantFrom('', '1', '250000'),
          width: fc.constantFrom(5, 7),
          eventWidth: fc.constantFrom(0, 30),
          crlf: fc.boolean(),
        }),
        (line) => {
          const ids =
            line.pid === undefined
              ? String(line.tid).padStart(line.width)
              : `${String(line.pid).padStart(line.width)}/${String(line.tid).padEnd(line.width)}`;
          const rest = [
            ids,
            line.cpu === undefined ? '' : `[${String(line.cpu).padStart(3, '0')}]`,
            line.misc,
            line.date,
            `${stamp(line.seconds, line.nanos, line.digits)}:`,
            line.period,
            `kvm:${EVENT}`.padStart(EVENT.length + line.eventWidth),
          ].filter((part) => part !== '');
          const bytes = Buffer.concat([
            Buffer.from(' '.repeat(16 - line.comm.length)),
            line.comm,
            Buffer.from(` ${rest.join(' ')}${line.crlf ? '\r\n' : '\n'}`),
          ]);
          const { rows, context, diagnostics } = perf(Buffer.concat([bytes, bytes]));
          expect(diagnostics).toEqual({});
          expect(rows.length).toBe(2);
          expect(rows[1]).toEqual(rows[0]);
          expect(rows[0]).toMatchObject({
            ...READ,
            time: told(line.seconds, line.nanos, line.digits),
            tid: line.tid,
            pid: line.pid ?? null,
            cpu: line.cpu ?? null,
          });
          expect(context.timeResolutionNs).toBe(line.digits === 9 ? 1 : 1000);
          const known = context.threads.byTid.get(line.tid)!;
          // --guestkallsyms names threads ":TID".
          if (!/^:\d/.test(nameOf(line.comm))) expect(known.comm).toBe(nameOf(line.comm));
          expect(known.pid).toBe(line.pid ?? -1);
        },
      ),
      { numRuns: 1500, seed: 7 },
    );
  });

  test.each([
    ['time only (-F time,event,trace)', '    3.000001:  kvm:kvm_entry: vcpu 3', { tid: -1, cpu: null }],
    ['no thread (columns cut)', '    [001]     3.000001:  kvm:kvm_entry: vcpu 3', { tid: -1, cpu: 1 }],
    ['no name (-F tid,cpu,time)', '   77 [001]     3.000001: kvm:kvm_entry: vcpu 3', { tid: 77, cpu: 1 }],
    ['name, no thread', 'preempt_test  3.000001:      kvm:kvm_entry: vcpu 3', { tid: -1, cpu: null }],
    [
      'perf-prof',
      '2021-12-12 16:11:10.214139            <...> 206966 .N.. [017]     3.000001: kvm:kvm_entry: vcpu 3',
      { tid: 206966, cpu: 17 },
    ],
    [
      'guest columns',
      '       CPU 0/KVM   12/13    VM:99 VCPU:001 [002]     3.000001: kvm:kvm_entry: vcpu 3',
      { tid: 13, pid: 12, cpu: 2 },
    ],
  ] as readonly (readonly [string, string, Partial<TextRow>])[])('%s', (_, line, columns) => {
    expect(perf(`${line}\n`).rows).toMatchObject([
      { event: 'kvm_entry', vcpu: 3, time: 3_000_001_000n, ...columns },
    ]);
  });

  test('events without thread are counted and said', () => {
    const { list } = perf('    [001]     3.000001:  kvm:kvm_entry: vcpu 3\n');
    expect(list).toMatchObject([{ code: 'lines-without-thread', count: 1, severity: 'data-loss' }]);
  });

  test('--guest-code tells the process and hides the name; the real name counts', () => {
    const { rows, context } = perf(
      [
        '       CPU 0/KVM   158 [001]   438.666830:           kvm:kvm_fpu: load',
        '     [guest/142]   158 [001]   438.666831:           kvm:kvm_exit: IRQ: HSR_EC: 0x0000 (UNKNOWN), PC: 0x1000',
        '            :158   158 [001]   438.666832:           kvm:kvm_entry: PC: 0x1000',
        '',
      ].join('\n'),
    );
    expect(rows.map(({ tid: t, event }) => [t, event])).toEqual([
      [158, 'kvm_fpu'],
      [158, 'kvm_exit'],
      [158, 'kvm_entry'],
    ]);
    expect(context.threads.byTid.get(158)).toMatchObject({ comm: 'CPU 0/KVM', pid: 142 });
  });

  test('callchains, header and side-band records', () => {
    const { rows, context, diagnostics } = perf(
      [
        '# ========',
        '# hostname : lab',
        '# os release : 6.1.0-9-amd64',
        '# cpudesc : AMD EPYC',
        '         swapper     0/0     [000]     0.000000000: PERF_RECORD_COMM exec: a:b c:1/7',
        '         swapper     0/0     [000]     0.000000000: PERF_RECORD_FORK(40:41):(1:1)',
        'CPU 0/KVM  2016 [000]  3398.591043:            kvm:kvm_pio: pio_write at 0x3f8 size 1 count 1 val 0x41 ',
        '\tffffffff8129c59a emulator_pio_out_emulated+0x7a ([kernel.kallsyms])',
        '\t               0 [unknown] ([unknown])',
        '',
        '       CPU 0/KVM  2016 [000]  3398.591050: PERF_RECORD_LOST lost 19',
        'CPU 0/KVM  2016 [000]  3398.591051:            kvm:kvm_fpu: load',
        '       CPU 0/KVM  2016 [000]  3398.591052: PERF_RECORD_LOST_SAMPLES lost 19',
        '',
      ].join('\n'),
    );
    expect(rows.map(({ event, cpu: c, arg0 }) => [event, c, arg0])).toEqual([
      ['kvm_pio', 0, 0x41n],
      ['(lost)', 0, 19n],
      ['kvm_fpu', 0, null],
    ]);
    expect(rows[1].time).toBe(3398591050000n);
    expect(diagnostics).toEqual({ 'lost-samples': 19 });
    expect(context.threads.byTid.get(7)).toMatchObject({ comm: 'a:b c', pid: 1 });
    expect(context.threads.byTid.get(41)?.pid).toBe(40);
    expect(context).toMatchObject({ host: 'lab', kernel: '6.1.0-9-amd64', cpuModel: 'AMD EPYC' });
  });

  test('without a time it is refused with the columns to print', () => {
    expect(() => perf('CPU 0/KVM  2016 kvm:kvm_fpu: load\nCPU 0/KVM  2016 kvm:kvm_fpu: unload\n')).toThrow(
      /lines without time/,
    );
  });

  test('other samples in the same file are events by their name or counted', () => {
    const { rows, diagnostics } = perf(
      [
        '       CPU 0/KVM  2016 [000]  3398.591043:    250000 cycles:  ffffffff81 native_write_msr ([k])',
        '       CPU 0/KVM  2016 [000]  3398.591044:    250000 cpu-clock:pppH:  ffffffff81 foo ([k])',
        '       CPU 0/KVM  2016 [000]  3398.591045:            kvm:kvm_fpu: load',
        '',
      ].join('\n'),
    );
    expect(rows.map(({ event }) => event)).toEqual(['cycles', 'pppH', 'kvm_fpu']);
    expect(diagnostics).toEqual({});
  });
});

describe('trace-cmd report', () => {
  test('any thread, CPU, flags, time, instance and raw clock come back as printed', () => {
    fc.assert(
      fc.property(
        fc.record({
          comm,
          tid,
          cpu,
          flags: fc.constantFrom('', '....', 'd..1', 'd..1.', 'DNh21', '-0x1', '-0xff'),
          seconds,
          nanos,
          digits: fc.constantFrom(6 as const, 9 as const),
          raw: fc.boolean(),
          diff: fc.boolean(),
          origin: fc.constantFrom('', 'kvmi:  ', '       ', 'trace.dat: '),
          crlf: fc.boolean(),
        }),
        (line) => {
          // Flags of -R stand right behind the CPU; raw clocks have no blank in front.
          const flags = line.flags === '' || line.flags.startsWith('-') ? line.flags : ` ${line.flags}`;
          const time = line.raw
            ? `${flags.trim() === '' || flags.startsWith('-') ? '' : ' '}${String(line.nanos).padStart(12)}`
            : ` ${stamp(line.seconds, line.nanos, line.digits)}`;
          const bytes = Buffer.concat([
            Buffer.from(line.origin + ' '.repeat(16 - line.comm.length)),
            line.comm,
            Buffer.from(
              `-${String(line.tid).padEnd(5)} [${String(line.cpu).padStart(3, '0')}]${flags}${time}:${
                line.diff ? ' (+12)   ' : ''
              } kvm_entry:            ${EVENT.slice(11)}${line.crlf ? '\r\n' : '\n'}`,
            ),
          ]);
          const { rows, context, diagnostics } = traceCmd(Buffer.concat([bytes, bytes]));
          expect(Object.keys(diagnostics)).toEqual(line.raw ? ['time-without-unit'] : []);
          expect(rows.length).toBe(2);
          expect(rows[1]).toEqual(rows[0]);
          expect(rows[0]).toMatchObject({
            ...READ,
            time: line.raw ? BigInt(line.nanos) : told(line.seconds, line.nanos, line.digits),
            tid: line.tid,
            cpu: line.cpu,
          });
          expect(context.threads.byTid.get(line.tid)!.comm).toBe(nameOf(line.comm));
        },
      ),
      { numRuns: 1500, seed: 8 },
    );
  });

  test('-l: cut names, CPU and flags without brackets', () => {
    const { rows, context } = traceCmd(
      'qemu-sys-139     1d..1.   17.311318: kvm_entry:            vcpu 3 rip 0xffffffff81000000\n',
    );
    expect(rows).toMatchObject([{ ...READ, tid: 139, cpu: 1, time: 17_311_318_000n }]);
    expect(context.threads.byTid.get(139)?.comm).toBe('qemu-sys');
  });

  test('losses in its words, on the CPU’s next event', () => {
    const { rows } = traceCmd(
      [
        'cpus=2',
        '       CPU 0/KVM-140   [001]    20.000001: kvm_fpu:              load',
        'CPU:0 [12402 EVENTS DROPPED]',
        'CPU:1 [EVENTS DROPPED]',
        '       CPU 0/KVM-140   [001]    20.000002: kvm_fpu:              unload',
        '       CPU 1/KVM-141   [000]    20.000003: kvm_fpu:              load',
        '',
      ].join('\n'),
    );
    expect(rows.map(({ event, cpu: c, arg0 }) => [event, c, arg0])).toEqual([
      ['kvm_fpu', 1, null],
      ['(lost)', 1, null],
      ['kvm_fpu', 1, null],
      ['(lost)', 0, 12402n],
      ['kvm_fpu', 0, null],
    ]);
  });

  test('restarts: INTR and UNKNOWN in print are; -R says it itself', () => {
    const line = (text: string, at: number) =>
      `       CPU 0/KVM-140   [001]    20.00000${at}: kvm_userspace_exit:   ${text}\n`;
    const printed = traceCmd(
      line('reason KVM_EXIT_INTR (10)', 1) +
        line('reason KVM_EXIT_UNKNOWN (0)', 2) +
        line('reason KVM_EXIT_MMIO (6)', 3) +
        line('reason restart (4)', 4),
    );
    expect(printed.rows.map(({ code, arg0 }) => [code, arg0])).toEqual([
      [null, -4n],
      [null, -4n],
      [6, 0n],
      [null, -4n],
    ]);
    expect(printed.diagnostics).toEqual({ 'restarts-not-printed': 3 });
    const raw = traceCmd(
      line('reason=10 errno=-4', 1) + line('reason=2 errno=0', 2) + line('reason=6 errno=-14', 3),
    );
    expect(raw.rows.map(({ code, arg0 }) => [code, arg0])).toEqual([
      [10, -4n],
      [2, 0n],
      [6, -14n],
    ]);
    expect(raw.diagnostics).toEqual({});
  });

  test('an event that two buffers recorded is said, an event of one is not', () => {
    const line = (origin: string, event: string, at: number) =>
      `${origin}       CPU 0/KVM-140   [001]    20.00000${at}: ${event}:              load\n`;
    const both = traceCmd(line('kvmi:  ', 'kvm_fpu', 1) + line('       ', 'kvm_fpu', 2));
    expect(both.list).toMatchObject([{ code: 'events-in-several-buffers', count: 1 }]);
    expect(both.list[0].message).toMatch(/\(kvmi, top\).*\(kvm_fpu\)/);
    expect(traceCmd(line('kvmi:  ', 'kvm_fpu', 1) + line('       ', 'other', 2)).diagnostics).toEqual({});
  });

  test('lines that are none are counted, with the number of the first', () => {
    const good = '       CPU 0/KVM-140   [001]    20.000001: kvm_fpu:              load\n';
    const { list } = traceCmd(`cpus=2\n${good}garbage that no tool prints: at all [x]\n\n???\n${good}`);
    const unread = list.find(({ code }) => code === 'unreadable-lines') ?? list[0];
    expect(list.reduce((sum, { count }) => sum + count, 0)).toBe(2);
    expect(unread.count).toBeLessThanOrEqual(2);
  });
});

const FILES: readonly (readonly [string, TraceFormat])[] = [
  ['x86/tc-lost/report.txt.gz', traceCmdText],
  ['x86/tc-inst/report-raw.txt.gz', traceCmdText],
  ['x86/pf-oddname/script-ns.txt.gz', perfScript],
  ['x86/k612-pf-mono-pid/script-ns.txt.gz', perfScript],
];

describe.runIf(existsSync(join(SHARED, 'corpus')))('damage', () => {
  describe.each(FILES)('%s', (name, format) => {
    const bytes = existsSync(join(SHARED, 'corpus'))
      ? gunzipSync(readFileSync(join(SHARED, 'corpus', name)))
      : Buffer.alloc(0);
    const head = (lines: number) => {
      let end = 0;
      for (let i = 0; i < lines; i++) end = bytes.indexOf(10, end) + 1;
      return bytes.subarray(0, end);
    };

    test.each([1, 7, 4099])('reads of %i bytes give the same rows and diagnostics', (maxRead) => {
      const whole = readText(head(400), Infinity, format);
      const pieces = readText(head(400), maxRead, format);
      expect(pieces.rows).toEqual(whole.rows);
      expect(pieces.diagnostics).toEqual(whole.diagnostics);
    });

    test('cut at every byte: all whole lines come, a cut reason is no reason', () => {
      const small = head(25);
      const whole = readText(small, Infinity, format).rows;
      for (let cut = 0; cut <= small.length; cut++) {
        const { rows, diagnostics } = readText(small.subarray(0, cut), Infinity, format);
        expect(rows.length).toBeLessThanOrEqual(whole.length);
        expect(diagnostics['unknown-reason-names']).toBeUndefined();
        expect(rows.slice(0, -1)).toEqual(whole.slice(0, Math.max(0, rows.length - 1)));
      }
    });

    test('flipped bits: rows or counters, never a crash', () => {
      fc.assert(
        fc.property(
          fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 7 })), { minLength: 1, maxLength: 60 }),
          (flips) => {
            const damaged = Buffer.from(head(60));
            for (const [at, bit] of flips) damaged[at % damaged.length] ^= 1 << bit;
            const { rows, list } = readText(damaged, Infinity, format);
            const lines = damaged
              .toString('latin1')
              .split('\n')
              .filter((line) => line.trim() !== '').length;
            expect(rows.length).toBeLessThanOrEqual(2 * lines);
            expect(rows.length + list.reduce((sum, { count }) => sum + count, 0)).toBeGreaterThan(0);
          },
        ),
        { numRuns: 150, seed: 9 },
      );
    });
  });
});
