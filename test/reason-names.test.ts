/** Reasons that no table knows keep their printed name in every section, view and format of a report. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { processEnvironment } from '../src/commands/environment.ts';
import { run } from '../src/commands/main.ts';
import { SECTION_IDS } from '../src/report/section-ids.ts';
import { VIEW_NAMES } from '../src/report/views/view-names.ts';
import { smallTrace } from './fixtures/small-trace.ts';

const NEW = 'FRESH_REASON';
/** Of the table, and no rule of advice speaks of it. */
const KNOWN = 'TPAUSE';

const folder = mkdtempSync(join(tmpdir(), 'kvmtrace-names-'));
const fresh = join(folder, 'a');
const known = join(folder, 'b');
beforeAll(() => {
  const nested = (text: string) =>
    text.replaceAll(
      /^(.*)kvm_exit: (.* reason FRESH_REASON .*)$/gm,
      '$1kvm_exit: $2\n$1kvm_nested_vmexit: $2\n$1kvm_pio: pio_write at 0x80 size 1 count 1 val 0x0 ',
    );
  const text = nested(smallTrace(900).replaceAll('IO_INSTRUCTION', NEW));
  writeFileSync(fresh, text);
  writeFileSync(known, text.replaceAll(NEW, KNOWN));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function kvmtrace(args: string[]) {
  let text = '';
  const sink = (take: (chunk: string) => void) =>
    Object.assign(
      new Writable({
        write(chunk, _encoding, done) {
          take(String(chunk));
          done();
        },
      }),
      { isTTY: false, columns: 200 },
    );
  const stdout = sink((chunk) => {
    text += chunk;
  });
  const stderr = sink(() => {});
  const status = await run(args, {
    stdout,
    stderr,
    env: {},
    loadPipeline: processEnvironment().loadPipeline,
  });
  expect(status).toBe(0);
  return text;
}

/** How often a name is printed as a word. */
const times = (text: string, name: string) => text.split(new RegExp(`(?<!\\w)${name}(?!\\w)`)).length - 1;

/** The same recording with a known name says how often a report speaks of the reason. */
async function expectNamed(args: readonly string[]) {
  const [withNew, withKnown] = [await kvmtrace([...args, fresh]), await kvmtrace([...args, known])];
  expect(times(withNew, NEW)).toBe(times(withKnown, KNOWN));
  return times(withNew, NEW);
}

describe('a reason that no table knows', () => {
  test.each(VIEW_NAMES)('view %s', async (view) => {
    const named = await expectNamed(['report', '--view', view]);
    if (/^kvm-bpf-(count|time|slower)|^perf-prof$|^perf-kvm$|^kvmexit$/.test(view))
      expect(named).toBeGreaterThan(0);
  });

  test.each(SECTION_IDS)('section %s as text, Markdown and HTML', async (section) => {
    for (const format of ['text', 'md', 'html'])
      await expectNamed(['report', '--section', section, '--interval', '100ms', '--format', format]);
  });

  test('every reason of the JSON has a name, and no number only where there is none', async () => {
    const file = join(folder, 'all.json');
    await kvmtrace([
      'report',
      fresh,
      '--section',
      SECTION_IDS.join(','),
      '--interval',
      '100ms',
      '--than',
      '1us',
      '-o',
      file,
    ]);
    const seen = new Map<string, Set<string>>();
    const walk = (value: unknown, path: string) => {
      if (Array.isArray(value)) for (const item of value) walk(item, `${path}[]`);
      else if (typeof value === 'object' && value !== null) {
        const row = value as Record<string, unknown>;
        if ('isa' in row && 'name' in row && row.name !== null) {
          const names = seen.get(path) ?? new Set();
          seen.set(path, names.add(`${row.isa} ${row.code} ${row.name}`));
        }
        for (const [key, item] of Object.entries(row)) walk(item, `${path}.${key}`);
      }
    };
    walk(JSON.parse(readFileSync(file, 'utf8')), '');
    for (const [path, names] of seen)
      for (const name of names)
        expect([path, name]).toEqual([
          path,
          expect.stringMatching(/^(unknown null FRESH_REASON|vmx 12 HLT|vmx 10 CPUID)$/),
        ]);
    const places = [...seen].filter(([, names]) => names.has(`unknown null ${NEW}`)).map(([path]) => path);
    expect(places).toEqual(
      expect.arrayContaining(['.reasons[]', '.slow[]', '.escalation.byReason[]', '.detail.rows[]']),
    );
    expect(places).toEqual(
      expect.arrayContaining(['.hotspots.rows[]', '.hotspots.halves[]', '.intervals.rows[]']),
    );
  });

  test('a comparison names it', async () => {
    expect(times(await kvmtrace(['diff', known, fresh]), NEW)).toBeGreaterThan(0);
  });
});
