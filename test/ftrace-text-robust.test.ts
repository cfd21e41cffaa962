/** Damaged, odd and hostile tracefs text: same result for any chunking, counted damage, no crash. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MAX_STRINGS } from '../src/core/string-table.ts';
import { createTraceContext } from '../src/core/trace-context.ts';
import { type ByteSource, memorySource } from '../src/parsers/byte-source.ts';
import { ftraceText } from '../src/parsers/ftrace-text/index.ts';
import { MAX_LINE } from '../src/parsers/text/line-reader.ts';
import { SAMPLES } from './support/corpus.ts';
import { readText } from './support/ftrace-text.ts';

const sample = (name: string) => gunzipSync(readFileSync(join(SAMPLES, name)));
const INTEL = sample('intel-trace-pipe/trace_pipe.txt.gz');
const LOST = sample('arm64-trace-pipe-lost/trace_pipe.txt.gz');

/** The first `count` lines. */
function head(bytes: Uint8Array, count: number): Uint8Array {
  let end = 0;
  for (let i = 0; i < count; i++) end = bytes.indexOf(10, end) + 1;
  return bytes.subarray(0, end);
}

describe('chunking', () => {
  test.each([1, 7, 64, 4099])('reads of %i bytes give the same rows and diagnostics', (maxRead) => {
    for (const bytes of [head(INTEL, 500), head(LOST, 400)]) {
      const whole = readText(bytes);
      const pieces = readText(bytes, maxRead);
      expect(pieces.rows).toEqual(whole.rows);
      expect(pieces.diagnostics).toEqual(whole.diagnostics);
    }
  });

  test('damaged text does not depend on chunking either', () => {
    const bytes = Buffer.from(head(INTEL, 300));
    for (let i = 0; i < 60; i++) bytes[(i * 7919) % bytes.length] ^= 1 << (i % 8);
    const whole = readText(bytes);
    expect(readText(bytes, 1)).toMatchObject({ rows: whole.rows, diagnostics: whole.diagnostics });
    expect(Object.keys(whole.diagnostics).length).toBeGreaterThan(0);
  });
});

describe('truncation', () => {
  const small = head(INTEL, 40);
  const lines = Buffer.from(small).toString('latin1').split('\n').slice(0, -1);
  const whole = readText(small).rows;

  test('at every byte: all whole lines, and no row made of a cut reason', () => {
    let starts = 0;
    for (let cut = 0; cut <= small.length; cut++) {
      const { rows, diagnostics } = readText(small.subarray(0, cut));
      while (starts < lines.length && Buffer.byteLength(`${lines.slice(0, starts + 1).join('\n')}\n`) <= cut)
        starts++;
      expect(rows.slice(0, starts)).toEqual(whole.slice(0, starts));
      expect(rows.length - starts).toBeLessThanOrEqual(1);
      const last = rows[starts];
      if (last?.event === 'kvm_exit') expect(last.code).toBe(whole[starts].code);
      expect(diagnostics['unknown-reason-names']).toBeUndefined();
    }
  });
});

describe('damage', () => {
  test('an event named like a property that every object has is one without a known text', () => {
    const names = ['constructor', 'toString', '__proto__', 'hasOwnProperty'];
    const text = names.map(
      (name, i) => `           <...>-140     [001] d..1.    17.00000${i}: ${name}: a 1\n`,
    );
    const { rows } = readText(Buffer.from(text.join('')));
    expect(rows.map(({ event }) => event)).toEqual(names);
  });

  test('bit flips: no crash, and every line is a row or counted', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 7 })), { minLength: 1, maxLength: 40 }),
        (flips) => {
          const bytes = Buffer.from(head(LOST, 60));
          for (const [at, bit] of flips) bytes[at % bytes.length] ^= 1 << bit;
          const { rows, list } = readText(bytes);
          const lines = bytes
            .toString('latin1')
            .split(/\n/)
            .filter((line) => line.replace(/\r+$/, '') !== '');
          const skipped = list
            .filter((d) => !/unreadable-event-text|unknown-reason|time-|late/.test(d.code))
            .reduce((sum, d) => sum + d.count, 0);
          const comments = lines.filter((line) => line.startsWith('#')).length;
          // Two losses of a CPU before its next event are one row.
          const losses = lines.filter((line) => /^CPU:\d/.test(line)).length;
          expect(rows.length + skipped + comments).toBeGreaterThanOrEqual(lines.length - losses);
          expect(rows.length).toBeLessThanOrEqual(lines.length);
        },
      ),
      { numRuns: 400, seed: 20261121 },
    );
  });

  test('arbitrary bytes never crash the parser or the sniffer', () => {
    const text = fc.array(
      fc.oneof(
        fc.constantFrom(
          ' ',
          '-',
          '[',
          ']',
          '(',
          ')',
          ':',
          '.',
          '0',
          '7',
          '\n',
          '\r',
          '\0',
          'CPU:',
          '[LOST ',
          'EVENTS]',
        ),
        fc.constantFrom('kvm_exit: ', 'kvm_entry: ', 'reason ', ' rip 0x', '[001] ', 'd..1. ', '1.000001: '),
        fc.constantFrom(
          'HSR_EC: 0x',
          'PC: 0x',
          'vcpu ',
          'info ',
          ' ==> ',
          'prev_pid=',
          'tracing_mark_write: ',
          'a_b ',
        ),
        fc.string({ maxLength: 8 }),
      ),
      { maxLength: 120 },
    );
    fc.assert(
      fc.property(text, (parts) => {
        const bytes = Buffer.from(
          `x-1     [000] d..1.     1.000000: kvm_fpu: load\n${parts.join('')}`,
          'latin1',
        );
        ftraceText.sniff(bytes, '');
        readText(bytes);
      }),
      { numRuns: 3000, seed: 7 },
    );
  });

  test('a reason too long to be gone on with, in lines of a common form', () => {
    const event = (text: string) => `       CPU 0/KVM-140     [001] d..1.    17.000001: ${text}\n`;
    // Lines have a common form where exits have x86's.
    const kvmExit = event(
      'kvm_exit: vcpu 0 reason HLT rip 0x1 info1 0x0000000000000000 info2 0x0000000000000000 intr_info 0x00000000 error_code 0x00000000',
    );
    for (const length of [10, 8100, 8192, 8300, 60_000])
      for (const behind of ['', ' goes on\n']) {
        const long = event(`kvm_userspace_exit: reason ${'y'.repeat(length)} (6)`) + behind;
        expect(readText(kvmExit + long.repeat(8), 4099).rows).toHaveLength(9);
      }
  });

  test('an overlong line is counted and what follows is read', () => {
    const line = '       CPU 0/KVM-140     [001] d..1.    17.000001: kvm_fpu: load\n';
    for (const length of [MAX_LINE - 1, MAX_LINE + 1, 5 * MAX_LINE, 2_000_000]) {
      for (const maxRead of [Infinity, 50_001]) {
        const { rows, diagnostics } = readText(`${line}${'x'.repeat(length)}\n${line}`, maxRead);
        expect(rows.length).toBe(2);
        expect(diagnostics).toEqual(length > MAX_LINE ? { 'long-lines': 1 } : { 'continuation-lines': 1 });
      }
    }
    expect(readText(line + 'y'.repeat(1_000_000)).diagnostics).toEqual({ 'long-lines': 1 });
  });

  test('endless markers and names stay within the tables', () => {
    const lines: string[] = [];
    for (let i = 0; i < MAX_STRINGS + 2000; i++)
      lines.push(
        `             x-9      [000] .....     1.${String(i).padStart(6, '0')}: tracing_mark_write: m ${i}`,
      );
    for (let i = 0; i < 20_000; i++)
      lines.push(`             x-9      [000] .....     2.${String(i).padStart(6, '0')}: ev_${i}: t`);
    for (let i = 0; i < 5000; i++)
      lines.push(
        `             x-9      [000] .....     3.${String(i).padStart(6, '0')}: kvm_exit: reason R${i} rip 0x1`,
      );
    const { rows, context, diagnostics } = readText(`${lines.join('\n')}\n`);
    expect(rows.length).toBe(lines.length);
    expect(context.strings.values.length).toBe(MAX_STRINGS);
    expect(diagnostics['marker-text-dropped']).toBe(2000);
    expect(diagnostics['too-many-event-names']).toBeGreaterThan(0);
    expect(diagnostics['unknown-reason-names']).toBe(5000);
  });

  test('memory does not grow with the input', () => {
    const block = Buffer.from(LOST.subarray(LOST.indexOf(10) + 1));
    const copies = 400;
    let offset = 0;
    // A clock that never steps back is not needed here: every copy is one step.
    const source: ByteSource = {
      ...memorySource(new Uint8Array(0)),
      size: null,
      readAt(position, target, at, length) {
        if (position >= copies * block.length) return 0;
        offset = position % block.length;
        const part = block.subarray(offset, Math.min(block.length, offset + length));
        target.set(part, at);
        return part.length;
      },
    };
    const context = createTraceContext();
    let rows = 0;
    const before = process.memoryUsage().arrayBuffers;
    let most = 0;
    for (const batch of ftraceText.parse(source, context, {})) {
      rows += batch.length;
      most = Math.max(most, process.memoryUsage().arrayBuffers - before);
    }
    expect(rows).toBeGreaterThan(copies * 7000);
    expect(most).toBeLessThan(40e6);
    expect(context.diagnostics.entries.get('time-backwards')?.count).toBeGreaterThan(0);
  });
});
