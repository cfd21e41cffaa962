/** ftrace's dump in a kernel log gives what tracefs shows of the same buffer. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { runReport } from '../src/commands/pipeline.ts';
import { kernelLog } from '../src/parsers/kernel-log/index.ts';
import { SAMPLES } from './support/corpus.ts';
import { readText } from './support/ftrace-text.ts';
import { defaultReportOptions } from './support/options.ts';

const folder = mkdtempSync(join(tmpdir(), 'kvmtrace-kernel-log-'));
afterAll(() => rmSync(folder, { recursive: true }));

const sample = (name: string) =>
  gunzipSync(readFileSync(join(SAMPLES, 'amd-kernel-log', name))).toString('latin1');
const dmesg = sample('dmesg.txt.gz');
const trace = sample('trace.txt.gz');

function report(text: string) {
  const file = join(folder, 'input');
  writeFileSync(file, text, 'latin1');
  return runReport([file], defaultReportOptions());
}

async function summary(text: string) {
  const { capture, quality, reasons, escalation, slow, vcpus } = await report(text);
  const { warnings: _, ...counts } = quality;
  const { events, firstNs, lastNs } = capture;
  return { events, firstNs, lastNs, counts, reasons, escalation, slow, vcpus };
}
const warnings = async (text: string) =>
  Object.fromEntries((await report(text)).quality.warnings.map(({ code, count }) => [code, count]));

/** What each of the log's lines has in front: `[    0.000000] `. */
const STAMP = 15;
const restamp = (stamp: (line: string) => string) =>
  dmesg
    .split('\n')
    .map((line) => (line === '' ? '' : stamp(line.slice(0, STAMP - 1)) + line.slice(STAMP)))
    .join('\n');

describe('a dump', () => {
  test('is what tracefs shows of the buffer', async () => {
    const [log, buffer] = [await report(dmesg), await report(trace)];
    expect(log.capture.sources[0].format).toBe('kernel-log');
    expect(log.capture.kernel).toBe('6.1.0-56-cloud-amd64');
    expect(log.totals.exits).toBe(391);
    // In the log the overwritten events are a loss of their CPU, in tracefs a number in the header.
    expect(log.capture.lost).toMatchObject({ events: 288, regions: 1 });
    expect(buffer.quality.warnings).toMatchObject([{ code: 'overwritten-events', count: 288 }]);
    expect(await warnings(dmesg)).toEqual({ 'kernel-log-lines': 360 });
    expect(await summary(dmesg)).toEqual(await summary(trace));
  });

  test('reads the stamps of all who print the log', async () => {
    const expected = await summary(trace);
    for (const stamp of [
      (own: string) => `<6>${own} `,
      (own: string) => `kern  :info  : ${own} `,
      (own: string) => `${own}[  T124] `,
      () => '[Sun Nov  9 13:09:31 2026] ',
      (own: string) => `Nov 29 13:09:31 h\xf6st kernel: ${own} `,
      () => '2026-11-29T13:09:31.123456+01:00 host kernel: ',
    ])
      expect(await summary(restamp(stamp)), stamp('[   10.240799]')).toEqual(expected);
    expect(await summary(dmesg.replaceAll('\n', '\r\n'))).toEqual(expected);
  });

  test('may begin in the middle, and follow another one', async () => {
    const lines = dmesg.split('\n');
    const first = lines.findIndex((line) => line.includes('LOST'));
    expect(await summary(lines.slice(first).join('\n'))).toEqual(await summary(trace));
    const half = first + 401;
    const rule = `[   10.240799] ${'-'.repeat(33)}`;
    const between = [rule, '[   10.3] Kernel panic', '[   10.240799] Dumping ftrace buffer:', rule];
    expect(await summary([...lines.slice(0, half), ...between, ...lines.slice(half)].join('\n'))).toEqual(
      await summary(trace),
    );
  });

  test('counts what is missing or not understood', async () => {
    const lines = dmesg.split('\n');
    const first = lines.findIndex((line) => line.includes('LOST')) + 10;
    const damaged = lines.with(first, lines[first].slice(0, 40));
    expect(await warnings(damaged.join('\n'))).toMatchObject({ 'unreadable-lines': 1 });
    const dropped = lines.toSpliced(first, 3, '** 3 printk messages dropped **');
    expect(await warnings(dropped.join('\n'))).toMatchObject({ 'printk-dropped': 3 });
  });

  test('a log without one says so', async () => {
    const boot = dmesg.slice(0, dmesg.indexOf('Dumping'));
    await expect(report(boot)).rejects.toThrow(/a kernel log without a dump of ftrace/);
    await expect(report(boot.split('\n').slice(0, 50).join('\n'))).rejects.toThrow(/without a dump/);
  });
});

test('whatever a log holds, it is read to its end or refused', () => {
  const bytes = Buffer.from(dmesg, 'latin1');
  const start = dmesg.indexOf('Dumping') - STAMP;
  const edit = fc.record({ at: fc.nat(20_000), byte: fc.nat(255), remove: fc.nat(40) });
  fc.assert(
    fc.property(fc.array(edit, { maxLength: 20 }), fc.nat(30_000), (edits, length) => {
      let text = bytes.subarray(start, start + length);
      for (const { at, byte, remove } of edits)
        if (at < text.length)
          text = Buffer.concat([text.subarray(0, at), Buffer.of(byte), text.subarray(at + remove)]);
      try {
        const { rows, diagnostics } = readText(text, Number.POSITIVE_INFINITY, kernelLog);
        const lines = text.toString('latin1').split(/[\n]/).length;
        expect(rows.length).toBeLessThanOrEqual(lines);
        expect(rows.length + (diagnostics['unreadable-lines'] ?? 0)).toBeGreaterThan(0);
      } catch (error) {
        expect((error as Error).name).toBe('TraceFormatError');
      }
    }),
    { numRuns: 200 },
  );
});
