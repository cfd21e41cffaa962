/** One thread or two: the same bytes, wherever the input comes from. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AnalysisOptions } from '../src/analysis/analyze.ts';
import { loadPasses } from '../src/analysis/passes.ts';
import { createCaptureWriter } from '../src/capture/writer.ts';
import { planBlocks, shareBlocks } from '../src/commands/analyze-blocks.ts';
import { openEvents } from '../src/commands/event-stream.ts';
import { createDiagnostics, note } from '../src/core/diagnostics.ts';
import type { EventBatch } from '../src/core/event-batch.ts';
import { createTraceContext } from '../src/core/trace-context.ts';
import { openFileSource } from '../src/parsers/byte-source.ts';
import { countBatches, openFile } from '../src/parsers/capture-arrow/open-file.ts';
import { ensureBuilt, kvmtrace } from './support/built.ts';
import { REPO, SAMPLES } from './support/corpus.ts';
import { sliceBatch } from './support/events.ts';

const folder = mkdtempSync(join(tmpdir(), 'kvmtrace-jobs-'));
const large = join(folder, 'large.data');
const READ = { traceEvents: null } as const;

function listBatches(path: string) {
  const source = openFileSource(path);
  const { batches } = openFile(source, createDiagnostics());
  source.close();
  return batches;
}

beforeAll(async () => {
  await ensureBuilt();
  // More than it takes to start a second thread.
  const sample = join(SAMPLES, 'intel-perf/perf.data');
  execFileSync(process.execPath, [join(REPO, 'bench/amplify.mjs'), sample, '--size', '52M', '-o', large]);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function reports(
  args: readonly string[],
  input?: string,
  threads: readonly string[] = ['1', '2'],
): Promise<string[]> {
  const runs = [];
  for (const jobs of threads)
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

describe('a capture of many blocks, of which each thread reads some', () => {
  const capture = join(folder, 'blocks.arrow');
  const THREADS = ['1', '2', '3'];

  beforeAll(async () => {
    const more = join(folder, 'more.data');
    const sample = join(SAMPLES, 'amd-perf-nested/perf.data.gz');
    const unpacked = join(folder, 'nested.data');
    writeFileSync(unpacked, gunzipSync(readFileSync(sample)));
    execFileSync(process.execPath, [join(REPO, 'bench/amplify.mjs'), unpacked, '--size', '90M', '-o', more]);
    const stream = await openEvents([more], READ);
    const writer = createCaptureWriter(capture, stream.context, '1');
    for (let next = stream.batches.next(); !next.done; next = stream.batches.next())
      for (let from = 0; from < next.value.length; from += 2000) {
        writer.write(sliceBatch(next.value, from, Math.min(next.value.length, from + 2000)));
        writer.flush();
      }
    stream.close();
    writer.finish();
  });

  const blocksOf = (path: string) => {
    const source = openFileSource(path);
    const count = countBatches(source);
    source.close();
    return count;
  };

  test('gives the same, whatever is asked', async () => {
    expect(statSync(capture).size).toBeGreaterThan(48 << 20);
    const count = blocksOf(capture);
    expect(shareBlocks(count, 3)).toHaveLength(3);
    for (const args of [
      [capture],
      [capture, '--section', 'ledger', '--section', 'nested', '--section', 'intervals'],
      [capture, '--by', 'tid,cpu,level', '--slow', '300'],
      [capture, '--reason', 'msr,io', '--than', '20us', '--cpu', '0'],
      // What parts do not suit is read in one pass.
      [capture, '--section', 'storms'],
    ]) {
      const [one, ...others] = await reports(args, undefined, THREADS);
      for (const other of others) expect(other).toBe(one);
    }
  });

  test('says the same of damage in any of them', async () => {
    const bytes = readFileSync(capture);
    const places = listBatches(capture);
    for (const share of [0.2, 0.7, 0.9]) {
      const { offset } = places[Math.floor(share * places.length)];
      // The metadata of a message: what follows its two length words.
      bytes.fill(0xff, offset + 8, offset + 40);
    }
    const damaged = join(folder, 'damaged.arrow');
    writeFileSync(damaged, bytes);
    expect(blocksOf(damaged)).toBe(places.length);
    const [one, ...others] = await reports([damaged], undefined, THREADS);
    for (const other of others) expect(other).toBe(one);
    expect(JSON.parse(one).quality.warnings).toContainEqual(
      expect.objectContaining({ code: 'damaged-batch', count: 3 }),
    );
  });
});

test('shares of blocks cover all of them once', () => {
  for (const count of [0, 1, 50, 131, 132, 133, 1000, 4177])
    for (const jobs of [1, 2, 3, 8, 64]) {
      const shares = shareBlocks(count, jobs);
      expect(shares.length).toBeLessThanOrEqual(Math.min(jobs, 4));
      expect(shares[0].from).toBe(0);
      expect(shares.at(-1)!.to).toBe(count);
      for (const [i, { from, to }] of shares.entries()) {
        expect(to).toBeGreaterThanOrEqual(from);
        if (i > 0) expect(from).toBe(shares[i - 1].to);
      }
    }
});

test('a capture that says that its times step back is analysed in one pass', async () => {
  const sample = join(SAMPLES, 'intel-perf/perf.data');
  const passOf = await loadPasses([]);
  const options = { selection: null, passes: [] } as unknown as AnalysisOptions;
  const plan = async (disordered: boolean) => {
    const path = join(folder, 'steps.arrow');
    const context = createTraceContext();
    if (disordered) note(context.diagnostics, 'time-backwards', 'suspect', 'times step back');
    const writer = createCaptureWriter(path, context, '1');
    const stream = await openEvents([sample], READ);
    const { value } = stream.batches.next();
    for (let i = 0; i < 200; i++) {
      writer.write(sliceBatch(value as EventBatch, i, i + 1));
      writer.flush();
    }
    stream.close();
    writer.finish();
    const made = await openEvents([path], READ);
    const found = planBlocks(made, options, passOf, 2);
    made.close();
    return found?.count ?? null;
  };
  expect(await plan(false)).toBe(200);
  expect(await plan(true)).toBeNull();
});
