/** The examples of docs/adding-a-parser.md are parsers that work. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { loadFormats } from '../src/parsers/registry.ts';
import type { TraceFormat } from '../src/parsers/trace-format.ts';
import { REPO } from './support/corpus.ts';
import { readText } from './support/ftrace-text.ts';

const FORMATS = await loadFormats();

const doc = readFileSync(join(REPO, 'docs/adding-a-parser.md'), 'utf8');
const [tinyCode, barCode] = [...doc.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code]) => code);

// Beside the sources, so that its imports are those of a folder in src/parsers.
const folder = mkdtempSync(join(REPO, 'node_modules/.kvmtrace-doc-'));
afterAll(() => rmSync(folder, { recursive: true }));

async function load(name = 'tinytrace', code = tinyCode): Promise<TraceFormat> {
  const file = join(folder, `${name}.ts`);
  mkdirSync(folder, { recursive: true });
  const absolute = code
    .replaceAll("'../../core/", `'${join(REPO, 'src/core')}/`)
    .replaceAll("'../", `'${join(REPO, 'src/parsers')}/`);
  writeFileSync(file, absolute);
  return ((await import(file)) as Record<string, TraceFormat>)[name];
}

const TRACE = [
  '12.000000001 3 140 kvm_exit 12',
  'not an event',
  '12.000000501 3 140 kvm_entry',
  '4294967297.999999999 5000 4194304 some_other_event',
].join('\n');

describe('tinytrace', () => {
  test.each([Infinity, 1])('is read (%d bytes at once)', async (maxRead) => {
    const { rows, diagnostics } = readText(`${TRACE}\n`, maxRead, await load());
    expect(rows).toMatchObject([
      { time: 12_000_000_001n, cpu: 3, tid: 140, event: 'kvm_exit', isa: 1, code: 12 },
      { time: 12_000_000_501n, cpu: 3, tid: 140, event: 'kvm_entry', isa: null, code: null },
      { time: 4_294_967_297_999_999_999n, cpu: 5000, tid: 4194304, event: 'some_other_event' },
    ]);
    expect(diagnostics).toEqual({ 'unreadable-lines': 1 });
  });

  test('the last line needs no line feed', async () => {
    expect(readText(TRACE, Infinity, await load()).rows.length).toBe(3);
  });

  test('knows its files and nobody else does', async () => {
    const head = Buffer.from(TRACE);
    expect((await load()).sniff(head, 'unknown').confidence).toBe(2);
    expect(FORMATS.filter((format) => format.sniff(head, 'unknown').confidence > 0)).toEqual([]);
    expect((await load()).sniff(Buffer.from('\x7fELF\n'), 'unknown').confidence).toBe(0);
  });
});

describe('bartext', () => {
  const lines = [
    '# a header',
    '15.976530|001|141|CPU 1/KVM|kvm_exit: vcpu 1 reason HLT rip 0x10 info1 0x0000000000000000 info2 0x0000000000000000 intr_info 0x00000000 error_code 0x00000000',
    '15.976535|000|141|CPU 1/KVM|kvm_entry: vcpu 1, rip 0x11',
    'half a line',
  ];

  test.each([Infinity, 1])('is read (%d bytes at once)', async (maxRead) => {
    const { rows, diagnostics, context } = readText(
      `${lines.join('\n')}\n`,
      maxRead,
      await load('bartext', barCode),
    );
    expect(rows).toMatchObject([
      {
        time: 15_976_530_000n,
        cpu: 1,
        tid: 141,
        vcpu: 1,
        event: 'kvm_exit',
        isa: 1,
        code: 12,
        address: 0x10n,
      },
      { time: 15_976_535_000n, cpu: 0, tid: 141, vcpu: 1, event: 'kvm_entry', address: 0x11n },
    ]);
    expect(context.threads.byTid.get(141)?.comm).toBe('CPU 1/KVM');
    expect(diagnostics).toEqual({ 'unreadable-lines': 1 });
  });

  test('knows its files and nobody else does', async () => {
    const head = Buffer.from(lines.slice(0, 3).join('\n'));
    expect((await load('bartext', barCode)).sniff(head, 'unknown').confidence).toBe(2);
    expect(FORMATS.filter((format) => format.sniff(head, 'unknown').confidence > 0)).toEqual([]);
  });
});
