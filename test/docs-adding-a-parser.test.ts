/** The example of docs/adding-a-parser.md is a parser that works. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { loadFormats } from '../src/parsers/registry.ts';
import type { TraceFormat } from '../src/parsers/trace-format.ts';
import { REPO } from './support/corpus.ts';
import { readText } from './support/ftrace-text.ts';

const FORMATS = await loadFormats();

const doc = readFileSync(join(REPO, 'docs/adding-a-parser.md'), 'utf8');
const code = /```ts\n([\s\S]*?)```/.exec(doc)![1];

// Beside the sources, so that its imports are those of a folder in src/parsers.
const folder = mkdtempSync(join(REPO, 'node_modules/.kvmtrace-doc-'));
afterAll(() => rmSync(folder, { recursive: true }));

async function load(): Promise<TraceFormat> {
  const file = join(folder, 'tinytrace.ts');
  mkdirSync(folder, { recursive: true });
  const absolute = code
    .replaceAll("'../../core/", `'${join(REPO, 'src/core')}/`)
    .replaceAll("'../", `'${join(REPO, 'src/parsers')}/`);
  writeFileSync(file, absolute);
  return ((await import(file)) as { tinytrace: TraceFormat }).tinytrace;
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
