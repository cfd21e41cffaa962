/** Text captures as they come out of mails: quoted, indented, with other line ends. Losses must survive that. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, test } from 'vitest';
import { runReport } from '../src/commands/pipeline.ts';
import { TraceFormatError } from '../src/core/errors.ts';
import { smallTrace } from './fixtures/small-trace.ts';
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

/** Lines of more than `width` bytes, broken at blanks as mail programs do. */
function wrap(text: string, width: number): string {
  return text
    .split('\n')
    .flatMap((line) => {
      const parts: string[] = [];
      let rest = line;
      while (rest.length > width + 2) {
        const cut = rest.lastIndexOf(' ', width);
        if (cut < 30) break;
        parts.push(rest.slice(0, cut));
        rest = rest.slice(cut + 1);
      }
      return [...parts, rest];
    })
    .join('\n');
}

/** As MIME has it: lines of 76 bytes, "=" at the end of those that go on. */
const quotedPrintable = (text: string) =>
  text
    .replaceAll('=', '=3D')
    .split('\n')
    .map((line) => line.replaceAll(/(.{75})(?=.)/g, '$1=\n'))
    .join('\n')
    .replaceAll('=3D', '=');

const WRAPPED: Readonly<Record<string, (text: string) => string>> = {
  'wrapped at 72': (text) => wrap(text, 72),
  'wrapped at 76': (text) => wrap(text, 76),
  'wrapped, then quoted': (text) => wrap(text, 76).replaceAll(/^/gm, '> '),
  'quoted-printable': quotedPrintable,
};

describe.runIf(HAS_SHARED)('wrapped mail', () => {
  test.each(
    [
      'x86/pf-all/script-ns.txt.gz',
      'intel/pf-all/script-ns.txt.gz',
      'intel/tp-all/trace_pipe.txt.gz',
      'intel/tc-default/report.txt.gz',
      'arm64/61v3-pipe-lost/trace_pipe.txt.gz',
    ].flatMap((file) => Object.keys(WRAPPED).map((way) => [file, way] as const)),
  )('%s, %s: the same exits', async (file, way) => {
    const text = load(path.join(SHARED, 'corpus', file))
      .toString('latin1')
      .trimEnd();
    const plain = await numbers(`${text}\n`);
    const wrapped = await numbers(`${WRAPPED[way](text)}\n`);
    expect(wrapped.counts).toEqual(plain.counts);
    expect(wrapped.reasons).toEqual(plain.reasons);
    expect(wrapped.escalation).toEqual(plain.escalation);
  });
});

describe('files that are packed in another way', () => {
  const trace = smallTrace(30);
  const zip = Buffer.concat([Buffer.from('PK\x03\x04'), Buffer.alloc(600)]);
  const tar = Buffer.concat([Buffer.alloc(257), Buffer.from('ustar\0'), Buffer.alloc(300)]);
  test.each([
    ['gzip inside gzip', gzipSync(gzipSync(trace)), /gzip -d/],
    ['compressed by xz', Buffer.from('\xfd7zXZ\x00\x00\x04', 'latin1'), /xz -d/],
    ['zstd inside gzip', gzipSync(Buffer.from('\x28\xb5\x2f\xfd\x00', 'latin1')), /gzip -d/],
    ['a zip archive', zip, /unpack it/],
    ['a tar archive', tar, /tar -x/],
    ['a tar archive', gzipSync(tar), /tar -x/],
    ['text in UTF-16', Buffer.from(`\ufeff${trace}`, 'utf16le'), /iconv/],
  ])('%s: the error says what it is and what to do', async (what, bytes, hint) => {
    const file = path.join(folder, 'packed');
    writeFileSync(file, bytes);
    const error = await runReport([file], defaultReportOptions()).catch((reason: TraceFormatError) => reason);
    expect(error).toBeInstanceOf(TraceFormatError);
    expect((error as TraceFormatError).message).toContain(what);
    expect((error as TraceFormatError).details.hint).toMatch(hint);
  });
});
