/** Text captures as they come out of mails: quoted, indented, with other line ends. Losses must survive that. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { runReport } from '../src/commands/pipeline.ts';
import { HAS_SHARED, SHARED } from './support/corpus.ts';
import { defaultReportOptions } from './support/options.ts';
import { load } from './support/qemu-traces.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'kvmtrace-quoted-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const WAYS: Readonly<Record<string, (text: string) => string>> = {
  quoted: (text) => text.replaceAll(/^/gm, '> '),
  'quoted twice': (text) => text.replaceAll(/^/gm, '>> '),
  indented: (text) => text.replaceAll(/^/gm, '    '),
  'with CR': (text) => text.replaceAll('\n', '\r\n'),
  'in a mail': (text) => `Hi,\n\nplease see this:\n\n${text.replaceAll(/^/gm, '| ')}\nRegards\n`,
};

async function numbers(text: string) {
  const file = path.join(folder, 'unknown');
  writeFileSync(file, text, 'latin1');
  const { capture, quality, reasons, escalation } = await runReport([file], defaultReportOptions());
  const { warnings, ...counts } = quality;
  return {
    counts,
    reasons,
    escalation,
    lost: capture.lost,
    losses: warnings
      .filter(({ code }) => /lost|overwritten/.test(code))
      .map(({ code, count }) => [code, count]),
  };
}

describe.runIf(HAS_SHARED)('captures with losses', () => {
  test.each(
    [
      'arm64/61v3-pipe-lost/trace_pipe.txt.gz',
      'x86/tp-lost/trace_pipe.txt.gz',
      'x86/tc-lost/report-raw.txt.gz',
      'x86/tr-snap/trace.txt.gz',
      'x86/pf-lost/script-ns.txt.gz',
    ].flatMap((file) => Object.keys(WAYS).map((way) => [file, way] as const)),
  )('%s, %s', async (file, way) => {
    const text = load(path.join(SHARED, 'corpus', file))
      .toString('latin1')
      .trimEnd();
    expect(await numbers(WAYS[way](text))).toEqual(await numbers(text));
  });
});
