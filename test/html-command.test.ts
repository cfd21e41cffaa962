/** `kvmtrace report -o report.html`: everything that the page shows is asked of the analysis, and how it was made is told. */
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { processEnvironment } from '../src/commands/environment.ts';
import { run } from '../src/commands/main.ts';
import { SAMPLES } from './support/corpus.ts';

const capture = join(SAMPLES, 'intel-perf/perf.data');
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'kvmtrace-html-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function kvmtrace(...args: string[]) {
  let stderr = '';
  const sink = (take: (text: string) => void) =>
    new Writable({
      write(chunk, _encoding, done) {
        take(String(chunk));
        done();
      },
    });
  let stdout = '';
  const status = await run(args, {
    stdout: sink((text) => {
      stdout += text;
    }),
    stderr: sink((text) => {
      stderr += text;
    }),
    env: {},
    loadPipeline: processEnvironment().loadPipeline,
  });
  expect(stderr).toBe('');
  expect(status).toBe(0);
  return stdout;
}

const parts = (html: string) =>
  [...html.matchAll(/<section id="([^"]*)" aria-labelledby/g)].map((match) => match[1]);

describe('an HTML report', () => {
  test('has its parts in the order that a reader needs them', async () => {
    const file = join(folder, 'report.html');
    await kvmtrace('report', capture, '-o', file);
    const html = readFileSync(file, 'utf8');
    expect(html.indexOf('class="trust')).toBeLessThan(html.indexOf('<section id="verdict"'));
    expect(parts(html)).toEqual([
      'verdict',
      'advice',
      'vcpus',
      'reasons',
      'escalation',
      'latency',
      'rate',
      'slow',
      'details',
      'reproduce',
    ]);
    for (const chart of ['c-ledger', 'c-flow', 'c-lat0', 'c-heat', 'c-rate'])
      expect(html).toContain(`id="${chart}-t"`);
  });

  test('tells its command, its version and the checksum of what it read', async () => {
    const html = await kvmtrace('report', capture, '--format', 'html', '--exclude', 'hlt');
    const reproduce = html.slice(html.indexOf('<section id="reproduce"'));
    expect(reproduce).toContain(`kvmtrace report ${capture} --format html --exclude hlt`);
    expect(reproduce).toContain(createHash('sha256').update(readFileSync(capture)).digest('hex'));
    expect(reproduce).toContain(process.version);
  });

  test('other formats do not depend on whether one is written beside them', async () => {
    const both = join(folder, 'both.csv');
    await kvmtrace('report', capture, '-o', join(folder, 'both.html'), '-o', both);
    await kvmtrace('report', capture, '-o', join(folder, 'alone.csv'));
    expect(readFileSync(both, 'utf8')).toBe(readFileSync(join(folder, 'alone.csv'), 'utf8'));
  });

  test('--redact: neither path, host nor thread number, the checksum stays', async () => {
    const html = await kvmtrace('report', capture, '--format', 'html', '--redact');
    const json = JSON.parse(await kvmtrace('report', capture, '--format', 'json'));
    expect(html).not.toContain(capture);
    expect(html).not.toContain(json.capture.host);
    for (const { tid } of json.vcpus) expect(html).not.toMatch(new RegExp(`>${tid}<`));
    expect(html).toContain(createHash('sha256').update(readFileSync(capture)).digest('hex'));
  });
});

test('a trace for Perfetto holds more slow exits than the list for people, --slow decides where it is given', async () => {
  const slices = async (...args: string[]) =>
    JSON.parse(await kvmtrace('report', capture, '--format', 'perfetto', ...args)).traceEvents.filter(
      ({ ph }: { ph: string }) => ph === 'X',
    ).length;
  expect(await slices()).toBe(1000);
  expect(await slices('--slow', '7')).toBe(7);
});
