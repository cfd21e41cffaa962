/** What a run loads of dist/bundle: starting is a matter of files and bytes. */
import { spawnSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { BIN, ensureBuilt } from './support/built.ts';
import { REPO, SAMPLES } from './support/corpus.ts';

const BUNDLE = join(REPO, 'dist/bundle');

beforeAll(ensureBuilt);

/** Files of the bundle that one needs at once, itself included. */
function needs(file: string, found = new Set<string>()): Set<string> {
  if (found.has(file)) return found;
  found.add(file);
  const text = readFileSync(join(BUNDLE, file), 'utf8');
  for (const [, imported] of text.matchAll(/^import (?:.* from )?"\.\/([\w.-]+)";$/gm))
    needs(imported, found);
  return found;
}

/** Files that a run loads: Node.js names them when it is asked to. */
function loaded(...args: string[]): string[] {
  const { stderr, status } = spawnSync(process.execPath, [BIN, ...args], {
    env: { ...process.env, NODE_DEBUG: 'esm' },
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  expect(status).toBe(0);
  expect(stderr).not.toMatch(/apache-arrow|fast-csv/);
  return [...new Set([...stderr.matchAll(/dist\/bundle\/([\w.-]+\.js)/g)].map(([, file]) => file))];
}

const kilobytes = (files: Iterable<string>) =>
  [...files].reduce((sum, file) => sum + statSync(join(BUNDLE, file)).size / 1024, 0);

describe('a report', () => {
  test('of perf.data loads its parser and no other one, and text to print', () => {
    const files = loaded('report', join(SAMPLES, 'intel-perf/perf.data'));
    expect(files).toContain('perf-data.js');
    expect(files).toContain('text.js');
    expect(files.length).toBeLessThanOrEqual(12);
    expect(kilobytes(files)).toBeLessThan(900);
    expect(
      files.filter((file) => /trace-dat|lines|simpletrace|csv|html|json|views|writer|record\./.test(file)),
    ).toEqual([]);
  });

  test('of text loads the text formats', () => {
    const files = loaded('report', join(SAMPLES, 'intel-trace-pipe/trace_pipe.txt.gz'));
    expect(files).toContain('lines.js');
    expect(files).not.toContain('perf-data.js');
    expect(files.length).toBeLessThanOrEqual(13);
  });
});

test('help loads the command line only', () => {
  expect(kilobytes(loaded('--help'))).toBeLessThan(250);
});

test('the analysis worker loads analyses only', () => {
  const files = needs('offload-worker.js');
  expect(files).toContain('analysis.js');
  expect(files).not.toContain('main.js');
  expect(files).not.toContain('report.js');
  expect(kilobytes(files)).toBeLessThan(250);
});
