/** One thread or two: the same bytes, wherever the input comes from. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ensureBuilt, kvmtrace } from './support/built.ts';
import { REPO, SAMPLES } from './support/corpus.ts';

const folder = mkdtempSync(join(tmpdir(), 'kvmtrace-jobs-'));
const large = join(folder, 'large.data');

beforeAll(async () => {
  await ensureBuilt();
  // More than it takes to start a second thread.
  const sample = join(SAMPLES, 'intel-perf/perf.data');
  execFileSync(process.execPath, [join(REPO, 'bench/amplify.mjs'), sample, '--size', '52M', '-o', large]);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function reports(args: readonly string[], input?: string): Promise<string[]> {
  const runs = [];
  for (const jobs of ['1', '2'])
    runs.push(
      await kvmtrace(['report', ...args, '--format', 'json', '--jobs', jobs], input ? { input } : {}),
    );
  for (const { status, stderr } of runs) expect([status, stderr]).toEqual([0, '']);
  return runs.map(({ stdout }) => stdout);
}

test('a large file', async () => {
  expect(statSync(large).size).toBeGreaterThan(48 << 20);
  for (const args of [
    [large],
    [large, '--section', 'detail', '--section', 'storms'],
    // What needs threads' processes is not given to another thread.
    [large, '--by', 'vcpu,reason'],
  ]) {
    const [one, two] = await reports(args);
    expect(two).toBe(one);
  }
});

test('a pipe, of which nobody knows the size', async () => {
  const text = gunzipSync(readFileSync(join(SAMPLES, 'intel-trace-pipe/trace_pipe.txt.gz'))).toString(
    'latin1',
  );
  const [one, two] = await reports(['-'], text);
  expect(two).toBe(one);
});
