/** Every file of samples, corpus and published traces is recognised as what it is, by its content alone. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { detectFormat, findFormat, loadFormats } from '../src/parsers/registry.ts';
import { SNIFF_BYTES } from '../src/parsers/trace-format.ts';
import { SAMPLES, SHARED } from './support/corpus.ts';

/** Format by what the corpus calls a file; null: no recording. */
const NAMES: readonly (readonly [pattern: RegExp, format: string | null])[] = [
  [
    /\.format$|^README|^SOURCE$|\.json$|^(header_event|header_page|printk_formats|saved_cmdlines|kallsyms)/,
    null,
  ],
  [/trace-events-all/, null],
  [/^report-stat|^stats\b|^kvmstat-|^kvm-stat-report|^perf-stat|^script-records/, null],
  [/^(trace\.dat|.*-trace\.dat)$/, 'trace.dat'],
  [/^(perf\.data(\.\w+)?|.*\.data|perf\.pipe|data(\.\d+)?|perf\.data\.\d+)$/, 'perf.data'],
  [/^trace(_pipe)?\.txt$/, 'ftrace-text'],
  [/^(report|report-raw|stream)\.txt$/, 'trace-cmd-text'],
  [/^script(-pipe)?-ns\.txt$/, 'perf-script'],
  [/^trace\.bin/, 'simpletrace'],
  [/^(qemu|trace)\.log$/, 'qemu-log'],
];

interface Known {
  readonly path: string;
  readonly format: string | null;
}

function filesBelow(root: string): string[] {
  if (!existsSync(root)) return [];
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .map((name) => join(root, name))
    .filter((path) => statSync(path).isFile())
    .sort();
}

function nameOf(path: string): string {
  return basename(path).replace(/\.gz$/, '');
}

const files: Known[] = [SAMPLES, join(SHARED, 'corpus')].flatMap(filesBelow).flatMap((path) => {
  const match = NAMES.find(([pattern]) => pattern.test(nameOf(path)));
  return match && match[1] !== null ? [{ path, format: match[1] }] : [];
});

function headOf(path: string): Uint8Array {
  const bytes = readFileSync(path);
  return (bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes).subarray(0, SNIFF_BYTES);
}

const FORMATS = await loadFormats();
const TEXTS = new Set([
  'ftrace-text',
  'trace-cmd-text',
  'perf-script',
  'qemu-log',
  'kernel-log',
  'printed-table',
]);

/** Formats that claim the bytes at all. */
function claims(head: Uint8Array): string[] {
  return FORMATS.filter((format) => format.sniff(head, 'unknown').confidence > 0).map(({ id }) => id);
}

test('there are files of every kind', () => {
  const kinds = new Set(files.map(({ format }) => format));
  expect(kinds.size).toBeGreaterThanOrEqual(existsSync(SHARED) ? 7 : 3);
});

describe.each([...new Set(files.map(({ format }) => format!))].sort())('%s', (format) => {
  test.each(
    files.filter((file) => file.format === format).map(({ path }) => [relative(SHARED, path), path] as const),
  )('%s', async (_, path) => {
    const head = headOf(path);
    expect(detectFormat(head, 'unknown', FORMATS).format?.id).toBe(format);
    // Loading few formats finds what asking all of them does.
    expect((await findFormat(head, 'unknown')).format?.id).toBe(format);
    // One text format never claims what another reads.
    if (TEXTS.has(format)) expect(claims(head).filter((id) => TEXTS.has(id))).toEqual([format]);
  });
});

describe('text formats exclude each other', () => {
  const samples = files.filter(({ format }) => TEXTS.has(format!));
  const lines = samples.flatMap(({ path, format }) =>
    Buffer.from(headOf(path))
      .toString('latin1')
      .split('\n')
      .slice(0, 40)
      .map((line) => ({ line, format })),
  );

  test.runIf(lines.length > 0)('whatever lines of them are in one file, in any order', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(lines.length - 1), { minLength: 1, maxLength: 60 }),
        fc.boolean(),
        (picks, cut) => {
          const text = picks.map((i) => lines[i].line).join('\n');
          const head = Buffer.from(cut ? text.slice(0, -3) : `${text}\n`, 'latin1');
          const ids = claims(head).filter((id) =>
            ['ftrace-text', 'trace-cmd-text', 'perf-script'].includes(id),
          );
          expect(ids.length).toBeLessThanOrEqual(1);
        },
      ),
      { numRuns: 300 },
    );
  });

  test('nothing claims prose, numbers or other programs’ logs', () => {
    for (const text of [
      'The quick brown fox\njumps over the lazy dog.\n',
      '1.234567: not an event\n2.345678: neither: this\n',
      '[    0.000000] Linux version 6.1.0 (root@host)\n[    0.000001] KVM: hypercalls enabled\n',
      'Nov 21 06:00:01 host kernel: kvm: SMP vm created on host with unstable TSC\n',
      '{"json": true}\n',
      'a,b,c\n1,2,3\n',
    ])
      expect([text, claims(Buffer.from(text))]).toEqual([text, []]);
  });
});
