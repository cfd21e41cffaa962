/** What a run loads of dist/bundle: starting is a matter of files and bytes. */

import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ensureBuilt } from './support/built.ts';
import { REPO, SAMPLES } from './support/corpus.ts';
import { load, loadedFiles } from './support/loaded.ts';

const BUNDLE = join(REPO, 'dist/bundle');
const SAMPLE = join(SAMPLES, 'intel-perf/perf.data');

beforeAll(ensureBuilt);

/** Files of the bundle that one needs at once, itself included. */
function needs(file: string, found = new Set<string>()): Set<string> {
  if (found.has(file)) return found;
  found.add(file);
  const text = readFileSync(join(BUNDLE, file), 'utf8');
  for (const [, required] of text.matchAll(/^(?:const \w+ = )?require\("\.\/([\w.-]+)"\);$/gm))
    needs(required, found);
  return found;
}

/** Files of the bundle that a run loads. */
function loaded(...args: string[]): string[] {
  const files = loadedFiles(...args).filter((file) => file.startsWith('dist/bundle/'));
  const text = files.map((file) => readFileSync(join(REPO, file), 'utf8')).join('\n');
  expect(text).not.toMatch(/^\/\/ node_modules\/(apache-arrow|@?fast-csv)/m);
  return files.map((file) => file.slice('dist/bundle/'.length)).filter((file) => file !== 'load.js');
}

const kilobytes = (files: Iterable<string>) =>
  [...files].reduce((sum, file) => sum + statSync(join(BUNDLE, file)).size / 1024, 0);

describe('a report', () => {
  test('of perf.data loads its parser and no other one, and text to print', () => {
    const files = loaded('report', SAMPLE);
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

describe('the code cache', () => {
  let folder: string;
  const run = (...args: string[]) =>
    spawnSync(process.execPath, [...args, join(folder, 'bin/kvmtrace.js'), 'report', SAMPLE], {
      encoding: 'utf8',
    });
  const caches = () => {
    const name = readdirSync(join(folder, 'dist/bundle')).find((entry) => entry.startsWith('cache-'));
    return join(folder, 'dist/bundle', name ?? '');
  };

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'kvmtrace-cache-'));
    for (const part of ['bin', 'dist/bundle', 'dist/kernels.wasm', 'package.json'])
      cpSync(join(REPO, part), join(folder, part), { recursive: true });
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('is taken for all that a report loads', () => {
    const { files, rejected } = load(['report', SAMPLE], { NODE_OPTIONS: '' });
    expect(files.length).toBeGreaterThan(5);
    expect(rejected).toEqual([]);
  });

  test('that does not fit or is not there changes nothing but the time', () => {
    const expected = run().stdout;
    expect(expected).toContain('EPT_VIOLATION');
    // Other flags than at its making: V8 refuses it.
    expect(run('--max-lazy')).toMatchObject({ status: 0, stdout: expected, stderr: '' });
    for (const name of readdirSync(caches())) {
      const path = join(caches(), name);
      writeFileSync(path, readFileSync(path).subarray(0, 1000));
    }
    expect(run()).toMatchObject({ status: 0, stdout: expected, stderr: '' });
    rmSync(caches(), { recursive: true });
    expect(run()).toMatchObject({ status: 0, stdout: expected, stderr: '' });
  });

  test('names no folder of the machine that made it', () => {
    for (const name of readdirSync(
      join(BUNDLE, `cache-${process.version}-${process.platform}-${process.arch}`),
    ))
      expect(
        readFileSync(
          join(BUNDLE, `cache-${process.version}-${process.platform}-${process.arch}`, name),
          'latin1',
        ),
      ).not.toContain(REPO);
  });
});

test('a stack trace tells file, line and function', () => {
  const { stderr } = spawnSync(
    process.execPath,
    [join(REPO, 'bin/kvmtrace.js'), 'report', '/dev/null', '--debug'],
    {
      encoding: 'utf8',
    },
  );
  const [, file, line] = /at openInput \((dist\/bundle\/[\w-]+\.js):(\d+):\d+\)/.exec(stderr) ?? [];
  const text = readFileSync(join(REPO, file), 'utf8').split('\n');
  expect(text[Number(line) - 1]).toMatch(/new [\w.]*TraceFormatError/);
});
