/** Text with a terminal's colours gives what the same text gives without them, however it is read. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ftraceText } from '../src/parsers/ftrace-text/index.ts';
import { perfScript } from '../src/parsers/perf-script/index.ts';
import { qemuLog } from '../src/parsers/qemu-log/index.ts';
import { detectFormat, loadFormats } from '../src/parsers/registry.ts';
import { createColours, stripColours } from '../src/parsers/text/colours.ts';
import { traceCmdText } from '../src/parsers/trace-cmd-text/index.ts';
import type { TraceFormat } from '../src/parsers/trace-format.ts';
import { SAMPLES } from './support/corpus.ts';
import { readText } from './support/ftrace-text.ts';

/** The first lines of a sample. */
function sample(name: string, lines: number): string {
  const text = gunzipSync(readFileSync(join(SAMPLES, name))).toString('latin1');
  return `${text.split('\n').slice(0, lines).join('\n')}\n`;
}

const TRACE = sample('intel-trace-pipe/trace_pipe.txt.gz', 300);

/** Lines of tracefs as the other tools print them. */
const LINE = /^(.{16})-(\d+) +\[(\d+)\] \S+ +(\d+\.\d+): (\w+): (.*)$/;
const reprint = (as: (match: RegExpExecArray) => string) =>
  TRACE.split('\n')
    .map((line) => {
      const match = LINE.exec(line);
      return match ? `${as(match)}\n` : '';
    })
    .join('');

const INPUTS: readonly (readonly [TraceFormat, string])[] = [
  [ftraceText, TRACE],
  [
    traceCmdText,
    `cpus=2\n${reprint(([, comm, tid, cpu, time, name, rest]) => `${comm}-${tid.padEnd(5)} [${cpu}] ${time}: ${`${name}:`.padEnd(21)} ${rest}`)}`,
  ],
  [
    perfScript,
    reprint(
      ([, comm, tid, cpu, time, name, rest]) =>
        `${comm} ${tid.padStart(7)} [${cpu}] ${time}: kvm:${name}: ${rest}`,
    ),
  ],
  [qemuLog, sample('qemu-log/qemu.log.gz', 300)],
];

const RED = '\x1b[01;31m\x1b[K';
const OFF = '\x1b[m\x1b[K';

/** As grep --color=always marks matches; counts the lines that have any. */
function grep(text: string, pattern: RegExp): { text: string; lines: number } {
  let lines = 0;
  const marked = text.split('\n').map((line) => {
    const coloured = line.replace(pattern, (match) => `${RED}${match}${OFF}`);
    if (coloured !== line) lines++;
    return coloured;
  });
  return { text: marked.join('\n'), lines };
}

const bytesOf = (text: string) => Buffer.from(text, 'latin1');

describe.each(INPUTS.map(([format, text]) => [format.id, format, text] as const))(
  '%s',
  (id, format, plain) => {
    const expected = readText(bytesOf(plain), Infinity, format);
    const without = (diagnostics: Record<string, number>) => {
      const { 'coloured-lines': lines = 0, ...rest } = diagnostics;
      return [lines, rest] as const;
    };

    test('the input is a fair one', () => {
      expect(expected.rows.length).toBeGreaterThan(250);
    });

    test.each([
      ['the event', /kvm_(exit|run_exit)/],
      ['what an event says', /reason \S+|VMX|info1/],
      ['single letters', /[ek1]/g],
      ['everything', /^.+$/],
      ['the time', /\d+\.\d{3}/],
      ['the thread', /\d+@|CPU|-\d/],
    ])('with %s in colour, in reads of any size', async (_, pattern) => {
      const { text, lines } = grep(plain, pattern);
      const formats = await loadFormats();
      for (const maxRead of [Infinity, 1, 7, 4099]) {
        const coloured = readText(bytesOf(text), maxRead, format);
        expect(coloured.rows).toEqual(expected.rows);
        expect(without(coloured.diagnostics)).toEqual([lines, expected.diagnostics]);
      }
      const head = (bytes: Uint8Array) => bytes.subarray(0, 16384);
      expect(detectFormat(head(bytesOf(text)), 'x', formats).format?.id).toBe(id);
    });

    test('colours from the middle on, after lines of these threads were read without', () => {
      const half = plain.indexOf('\n', plain.length / 2) + 1;
      const { text, lines } = grep(plain.slice(half), /[a-z_]+[:=]|\d+/g);
      const coloured = readText(bytesOf(plain.slice(0, half) + text), Infinity, format);
      expect(coloured.rows).toEqual(expected.rows);
      expect(without(coloured.diagnostics)).toEqual([lines, expected.diagnostics]);
    });
  },
);

test('severity', () => {
  const { list } = readText(grep(TRACE, /kvm_exit/).text);
  expect(list.find(({ code }) => code === 'coloured-lines')).toMatchObject({ severity: 'info' });
});

test('text without colours is not counted, nor is ESC alone', () => {
  const text = TRACE.replace(/VMX/g, 'VMX\x1b').replace(/info1/g, '\x1b[ info1');
  expect(readText(bytesOf(text)).diagnostics['coloured-lines']).toBeUndefined();
  expect(readText(bytesOf(TRACE)).diagnostics['coloured-lines']).toBeUndefined();
});

/** The same by a regular expression, on the whole text. */
function oracle(text: string): { text: string; lines: number } {
  const sequence = new RegExp(`${'\x1b'}\\[[0-9:;<=>?]{0,61}[A-Za-z]`, 'g');
  return {
    text: text.replace(sequence, ''),
    lines: text.split('\n').filter((line) => new RegExp(sequence).test(line)).length,
  };
}

test('any bytes in any pieces: exactly the sequences go', () => {
  const part = fc.constantFrom(
    ...[
      '\x1b',
      '[',
      '\x1b[',
      '\x1b[m',
      '\x1b[01;31m',
      '\x1b[K',
      '3',
      ';',
      'm',
      '-',
      ' ',
      '\n',
      '\x1b[38;2;1;2;3m',
    ],
    `\x1b[${'1;'.repeat(30)}m`,
    `\x1b[${'1;'.repeat(30)}1m`,
    `\x1b[${'1;'.repeat(30)}11m`,
    `\x1b[${'1;'.repeat(100)}`,
  );
  fc.assert(
    fc.property(
      fc.array(part, { maxLength: 40 }),
      fc.array(fc.integer({ min: 1, max: 30 })),
      (parts, sizes) => {
        const text = parts.join('');
        const input = bytesOf(text);
        const buf = new Uint8Array(input.length + 64);
        const colours = createColours();
        let end = 0;
        for (let at = 0, i = 0; at < input.length; i++) {
          const piece = input.subarray(at, at + (sizes[i] ?? 1));
          at += piece.length;
          const held = colours.held.slice(0, colours.heldLength);
          buf.set(held, end);
          buf.set(piece, end + held.length);
          colours.heldLength = 0;
          end = stripColours(colours, buf, end, end + held.length + piece.length, false);
        }
        buf.set(colours.held.subarray(0, colours.heldLength), end);
        end = stripColours(colours, buf, end, end + colours.heldLength, true);
        const expected = oracle(text);
        expect(Buffer.from(buf.subarray(0, end)).toString('latin1')).toBe(expected.text);
        expect(colours.lines).toBe(expected.lines);
      },
    ),
    { numRuns: 2000 },
  );
});
