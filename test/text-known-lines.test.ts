/**
 * Lines that begin as earlier ones did and texts that were seen before are read by short cuts: they must give what the
 * grammar gives, on real lines and on every way of damaging them.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FTRACE_TEXT, ftraceText } from '../src/parsers/ftrace-text/index.ts';
import { PERF_SCRIPT, perfScript } from '../src/parsers/perf-script/index.ts';
import type { LineDialect } from '../src/parsers/text/line-dialect.ts';
import { parseLines } from '../src/parsers/text/parse-lines.ts';
import { TRACE_CMD_TEXT, traceCmdText } from '../src/parsers/trace-cmd-text/index.ts';
import type { TraceFormat } from '../src/parsers/trace-format.ts';
import { SAMPLES, SHARED } from './support/corpus.ts';
import { readText, type TextRow } from './support/ftrace-text.ts';

/** The format with all lines read by the grammar, or with short cuts; `core`: without columns that few analyses read. */
function reader(format: TraceFormat, dialect: LineDialect, core: boolean): TraceFormat {
  return {
    ...format,
    parse: (source, context) => parseLines(dialect, source, context, { coreOnly: core }),
  };
}

const FORMATS = {
  ftrace: [ftraceText, FTRACE_TEXT],
  traceCmd: [traceCmdText, TRACE_CMD_TEXT],
  perf: [perfScript, PERF_SCRIPT],
} as const;

const CAPTURES: readonly [keyof typeof FORMATS, string][] = [
  ['ftrace', join(SAMPLES, 'amd-trace-pipe/trace_pipe.txt.gz')],
  ['ftrace', join(SAMPLES, 'intel-trace-pipe/trace_pipe.txt.gz')],
  ['ftrace', join(SAMPLES, 'arm64-trace/trace.txt.gz')],
  ['ftrace', join(SAMPLES, 'arm64-trace-pipe-lost/trace_pipe.txt.gz')],
  ['ftrace', join(SHARED, 'corpus/x86/k612-tp-all/trace_pipe.txt.gz')],
  ['ftrace', join(SHARED, 'corpus/x86/nested-tp/trace_pipe.txt.gz')],
  ['traceCmd', join(SHARED, 'corpus/x86/tc-sched/report.txt.gz')],
  ['traceCmd', join(SHARED, 'corpus/x86/tc-default/report-raw.txt.gz')],
  ['traceCmd', join(SHARED, 'corpus/intel/tc-default/report.txt.gz')],
  ['perf', join(SHARED, 'corpus/x86/pf-all/script-ns.txt.gz')],
  ['perf', join(SHARED, 'corpus/x86/k612-pf-all/script-ns.txt.gz')],
  ['perf', join(SHARED, 'corpus/x86/pf-oddname/script-ns.txt.gz')],
];

const SOURCES = CAPTURES.filter(([, path]) => existsSync(path)).map(([format, path]) => ({
  format,
  path,
  lines: gunzipSync(readFileSync(path)).toString('latin1').split('\n').slice(0, -1),
}));

/** Columns that a core reading leaves undefined. */
const REST = { info1: null, info2: null, intrInfo: null, errorCode: null, arg1: null };

function compare(name: keyof typeof FORMATS, text: string, maxRead = Infinity, core = false): void {
  const bytes = Buffer.from(text, 'latin1');
  const [format, dialect] = FORMATS[name];
  const expected = readText(bytes, Infinity, reader(format, { ...dialect, head: null }, core));
  const read = readText(bytes, maxRead, reader(format, dialect, core));
  const rows = (all: TextRow[]) => (core ? all.map((row) => ({ ...row, ...REST })) : all);
  expect(rows(read.rows)).toEqual(rows(expected.rows));
  expect(read.list).toEqual(expected.list);
  expect([...read.context.threads.byTid]).toEqual([...expected.context.threads.byTid]);
  expect(read.context.strings).toEqual(expected.context.strings);
}

test('the samples are there', () => {
  expect(SOURCES.length).toBeGreaterThanOrEqual(4);
});

describe.each(SOURCES)('$path', ({ format, lines }) => {
  test('whole capture', () => {
    compare(format, `${lines.join('\n')}\n`);
  });

  /** What a byte may become: what stands beside it in lines, and what no line has. */
  const byte = fc.constantFrom(
    ...' 0123456789abcdefgxKV[](){}-+:,.=/_\n\r\t\0\u007f\u00a0\u00ff#',
    'rip ',
    ' info',
    'reason ',
    '0x',
  );
  /** [line of the excerpt, place in it, what is written there, how many bytes that replaces] */
  const damage = fc.tuple(fc.nat(), fc.nat(), byte, fc.integer({ min: 0, max: 2 }));

  /** Places are counted from the columns, from the event's name or from its end: all are hit often. */
  const placeIn = (line: string, at: number): number => {
    const event = Math.max(0, line.search(/: [\w:]/));
    const part = at % 3;
    const within = Math.floor(at / 3);
    if (line.length === 0) return 0;
    if (part === 0) return within % Math.max(1, event);
    if (part === 1) return Math.min(line.length - 1, event + (within % 48));
    return within % line.length;
  };

  test('damaged lines', () => {
    fc.assert(
      fc.property(
        fc.nat(),
        fc.integer({ min: 2, max: 12 }),
        fc.array(damage, { minLength: 1, maxLength: 60, size: 'max' }),
        fc.constantFrom(Infinity, Infinity, 1, 61),
        fc.boolean(),
        (from, count, damages, maxRead, core) => {
          const start = from % Math.max(1, lines.length - count);
          const excerpt = lines.slice(start, start + count);
          // Each line stands whole before it is damaged, so that the short cuts know it.
          const text = [...excerpt];
          for (const [index, at, what, removed] of damages) {
            const line = excerpt[index % excerpt.length];
            const place = placeIn(line, at);
            text.push(line, line.slice(0, place) + what + line.slice(place + removed), line);
          }
          compare(format, `${text.join('\n')}\n`, maxRead, core);
        },
      ),
      { numRuns: 60, seed: 20261121 },
    );
  });

  test('lines cut anywhere, and at the end of the input', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), fc.boolean(), (from, at, last) => {
        const excerpt = lines.slice(from % Math.max(1, lines.length - 3)).slice(0, 3);
        const line = excerpt[excerpt.length - 1];
        const cut = line.slice(0, placeIn(line, at));
        compare(format, [...excerpt, last ? cut : `${cut}\n${line}\n`].join('\n'));
      }),
      { numRuns: 30, seed: 20261121 },
    );
  });
});

describe('threads', () => {
  const line = (name: string, tid: number, time: string) =>
    `${name.padStart(16)}-${String(tid).padEnd(7)} [001] d..1. ${time}: kvm_entry: vcpu 0, rip 0x10000\n`;

  test('a thread that changes its name, two that share a place, seconds that go on', () => {
    let text = '';
    for (let i = 0; i < 50; i++) {
      const time = `${12 + Math.floor(i / 7)}.${String(100000 + i)}`.padStart(12);
      text += line(i % 3 === 2 ? 'CPU 0/KVM' : 'qemu', 140, time) + line('other', 140 + 4096, time);
      if (i % 5 === 0) text += line('<...>', 140, time);
    }
    compare('ftrace', text);
    expect(readText(text).context.threads.byTid.get(140)?.comm).toBe('qemu');
  });

  test('times that grow wider, and flags that do', () => {
    let text = '';
    for (const seconds of ['9', '99', '999', '99999', '100000', '9999999', '100000000', '9000000001'])
      for (let i = 0; i < 4; i++) text += line('CPU 0/KVM', 140, `${seconds.padStart(5)}.00000${i}`);
    for (const flags of ['d..1.', 'd..1', '....', 'dN.1.', 'dNh21.', '-----', '12345', '(123)', '....(', ''])
      for (let i = 0; i < 4; i++)
        text += line('CPU 0/KVM', 140, `   12.00000${i}`).replace(/d\.\.1\. */, `${flags}    `);
    compare('ftrace', text);
    compare('traceCmd', text);
  });
});

test('names in sched_switch that look like its fields', () => {
  const names = [
    'a',
    'a b',
    'x prev_pid=7',
    ' next_pid=1',
    'a ==> b',
    '==> next_comm=b',
    'x next_pid=3 n',
    'prev_state=R',
    ' prev_state=S ==',
    ' prev_pid=1 prev_prio=2 prev_state=S ==> next_comm=z',
    '',
    ' ',
    '\u00e9',
  ];
  let text =
    '       CPU 0/KVM-140     [001] d..1.    12.000000: kvm_exit: TRAP: HSR_EC: 0x0001 (WFx), PC: 0x1000\n';
  for (let round = 0; round < 2; round++)
    for (const from of names)
      for (const to of names)
        text += `       CPU 0/KVM-140     [001] d..1.    12.000000: sched_switch: prev_comm=${from} prev_pid=140 prev_prio=120 prev_state=R+ ==> next_comm=${to} next_pid=-1 next_prio=120\n`;
  compare('ftrace', text);
});
