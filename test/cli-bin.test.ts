/** The real program in a process of its own: pipes, signals, exit status, cold start. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { smallTrace } from './fixtures/small-trace.ts';
import { BIN, ensureBuilt, kvmtrace } from './support/built.ts';
import { REPO } from './support/corpus.ts';
import { loadedFiles } from './support/loaded.ts';

let folder: string;
let trace: string;
beforeAll(async () => {
  await ensureBuilt();
  folder = mkdtempSync(join(tmpdir(), 'kvmtrace-bin-'));
  trace = join(folder, 'trace.txt');
  writeFileSync(trace, smallTrace(3000));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const { version } = JSON.parse(readFileSync(join(REPO, 'package.json'), 'utf8'));

test('--version, alone and among others', async () => {
  expect(await kvmtrace(['--version'])).toMatchObject({
    status: 0,
    stdout: `kvmtrace ${version}\n`,
    stderr: '',
  });
  expect(await kvmtrace(['-V'])).toMatchObject({ status: 0, stdout: `kvmtrace ${version}\n` });
  expect(await kvmtrace(['--color', 'never', '--version'])).toMatchObject({
    status: 0,
    stdout: `kvmtrace ${version}\n`,
  });
});

test('--version loads nothing but itself', () => {
  expect(loadedFiles('--version')).toEqual(['bin/kvmtrace.js']);
});

test('a file and standard input give the same report', async () => {
  const file = await kvmtrace(['report', trace, '--format', 'json']);
  expect(file).toMatchObject({ status: 0, stderr: '' });
  const pipe = await kvmtrace(['report', '-', '--format', 'json'], { input: smallTrace(3000) });
  expect(pipe).toMatchObject({ status: 0, stderr: '' });
  const [a, b] = [file, pipe].map(({ stdout }) => JSON.parse(stdout));
  expect({ ...b, capture: { ...b.capture, sources: a.capture.sources } }).toEqual(a);
});

test('the environment decides nothing but colour', async () => {
  const one = await kvmtrace(['report', trace], { env: { LC_ALL: 'C', TZ: 'UTC' } });
  const other = await kvmtrace(['report', trace], {
    env: { LC_ALL: 'de_DE.UTF-8', TZ: 'Asia/Tokyo', LANG: 'tr_TR.UTF-8' },
  });
  expect(other.stdout).toBe(one.stdout);
});

test.each([0, 1, 2])('exit status %i', async (status) => {
  const args = { 0: [], 1: ['--fail-on', 'count>0'], 2: ['--slow', 'x'] }[status] as string[];
  expect((await kvmtrace(['report', trace, ...args])).status).toBe(status);
});

test('a limit of addresses: says what to do, and doing it helps, unless Node.js gets on with it', () => {
  const run = (options: string) =>
    spawnSync('bash', ['-c', `ulimit -v 4000000; exec "$0" "$1" report "$2"`, process.execPath, BIN, trace], {
      encoding: 'utf8',
      env: { ...process.env, NODE_OPTIONS: options },
    });
  const limited = run('');
  // V8 of Node.js 24 does without the addresses that it cannot have.
  if (limited.status !== 0) {
    expect(limited).toMatchObject({ status: 2, stdout: '' });
    expect(limited.stderr).toMatch(/ulimit -v.*NODE_OPTIONS=--disable-wasm-trap-handler/);
  } else expect(limited.stdout).toContain('Exits by reason');
  const helped = run('--disable-wasm-trap-handler');
  expect(helped).toMatchObject({ status: 0, stderr: '' });
  expect(helped.stdout).toContain('Exits by reason');
});

describe('a reader that goes away is no error', () => {
  test.each(['text', 'json', 'csv'])('%s', (format) => {
    const slow = format === 'csv' ? '--table slow' : '';
    const script = `set -o pipefail; '${process.execPath}' '${BIN}' report '${trace}' --slow 3000 --format ${format} ${slow} | head -c 100`;
    const { status, stdout, stderr } = spawnSync('bash', ['-c', script], { encoding: 'utf8' });
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout).toHaveLength(100);
  });
  test('nor is one that never came', () => {
    const script = `set -o pipefail; '${process.execPath}' '${BIN}' report '${trace}' --slow 3000 | true`;
    expect(spawnSync('bash', ['-c', script], { encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' });
  });
});

/** How a process ended, as a shell reports it. */
async function statusOf(child: ChildProcess): Promise<number> {
  const [code, signal] = await once(child, 'exit');
  return code ?? 128 + constants.signals[signal as NodeJS.Signals];
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 500 && !condition(); i++) await new Promise((done) => setTimeout(done, 20));
  expect(condition()).toBe(true);
}

describe('interrupted', () => {
  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s ends a report that waits for its input at once, with status %i', async (signal, status) => {
    const child = spawn(process.execPath, [BIN, 'report', '-', '-o', join(folder, 'waiting.json')], {
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    child.stdin.write(smallTrace(5));
    await new Promise((done) => setTimeout(done, 700));
    expect(child.exitCode).toBeNull();
    child.kill(signal);
    expect(await statusOf(child)).toBe(status);
    expect(readdirSync(folder).filter((name) => name.includes('waiting'))).toEqual([]);
  });

  test('a conversion removes the half capture', async () => {
    const child = spawn(process.execPath, [BIN, 'convert', '-', '-o', join(folder, 'half.arrow')], {
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    child.stdin.on('error', () => {});
    const chunk = smallTrace(3000);
    const feed = () => {
      while (!child.stdin.destroyed && child.stdin.write(chunk));
      child.stdin.once('drain', feed);
    };
    feed();
    const unfinished = () => readdirSync(folder).filter((name) => name.includes('half.arrow'));
    await until(() => unfinished().length > 0);
    await new Promise((done) => setTimeout(done, 300));
    child.kill('SIGINT');
    expect(await statusOf(child)).toBe(130);
    expect(unfinished()).toEqual([]);
  });
});

test('convert to a pipe gives a capture that a pipe can be read from', async () => {
  const script = `set -o pipefail; '${process.execPath}' '${BIN}' convert '${trace}' -o - | '${process.execPath}' '${BIN}' report - --format json`;
  const { status, stdout, stderr } = spawnSync('bash', ['-c', script], { encoding: 'utf8' });
  expect([status, stderr]).toEqual([0, '']);
  expect(JSON.parse(stdout).quality).toMatchObject({ exits: 3000, paired: 3000 });
});
