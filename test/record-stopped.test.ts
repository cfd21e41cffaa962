/** kvmtrace-capture and its watchdog when one of them is stopped, in every order; Ctrl-Z. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readHostFacts } from '../src/record/checks.ts';
import { buildHelper, until } from './support/recording.ts';

const facts = readHostFacts();
const noHost =
  facts.platform !== 'linux' || spawnSync('cc', ['--version']).status !== 0
    ? 'SKIPPED: no Linux, or no C compiler (cc)'
    : !facts.canMakeInstances || !facts.canAdmin
      ? 'SKIPPED: no tracefs that may be written'
      : null;
if (noHost) process.stderr.write(`\n${'!'.repeat(78)}\n!! record-stopped: ${noHost}\n${'!'.repeat(78)}\n`);
/** They mostly wait, each for itself. */
const live = noHost ? test.skip : test.concurrent;

let folder: string;
let helper: string;
const children: ChildProcess[] = [];
const watchdogs: number[] = [];
beforeAll(() => {
  if (noHost) return;
  folder = mkdtempSync(join(tmpdir(), 'kvmtrace-stopped-'));
  // The watchdog waits for two seconds instead of half a minute.
  helper = buildHelper(folder, '-DKC_WATCH_MS=700');
}, 120_000);
afterAll(() => {
  for (const pid of watchdogs) signal(pid, 'SIGCONT');
  for (const child of children) for (const what of ['SIGCONT', 'SIGINT'] as const) child.kill(what);
  if (folder) rmSync(folder, { recursive: true, force: true });
});

function signal(pid: number, what: NodeJS.Signals): void {
  try {
    process.kill(pid, what);
  } catch {
    // It has ended.
  }
}

interface Recorder {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  readonly watchdog: number;
  readonly instance: string;
  readonly folder: string;
  said(): string;
}

async function record(...args: string[]): Promise<Recorder> {
  const all = ['--only', '-e', 'sched:sched_switch', '--status-json=2', ...args];
  const cwd = mkdtempSync(join(folder, 'one-'));
  const child = spawn(helper, all, { cwd, stdio: ['ignore', 'ignore', 'pipe'] });
  children.push(child);
  let text = '';
  child.stderr.setEncoding('utf8').on('data', (chunk) => (text += chunk));
  const ended = new Promise<number | null>((done) => child.on('close', done));
  await until('it records', () => text.includes('"type":"start"') && text.includes('\n'));
  const start = JSON.parse(text.split('\n').find((line) => line.includes('"start"'))!);
  watchdogs.push(start.watchdog);
  return { child, ended, watchdog: start.watchdog, instance: start.instance, folder: cwd, said: () => text };
}

/** Its description; the whole file has holes of gigabytes until it is packed. */
function begin(file: string): string {
  const fd = openSync(file, 'r');
  const bytes = Buffer.alloc(4 << 20);
  const length = readSync(fd, bytes, 0, bytes.length, 0);
  closeSync(fd);
  return bytes.toString('latin1', 0, length);
}

/** What the kernel's switches say; null where the instance is gone. */
function switches(instance: string): string | null {
  const read = (name: string) => readFileSync(join(instance, name), 'utf8').trim();
  try {
    return `tracing ${read('tracing_on')}, events ${read('events/sched/sched_switch/enable')}`;
  } catch {
    return null;
  }
}

live('a watchdog that is stopped gets a successor, which does its work', async () => {
  const { child, ended, watchdog, instance, said } = await record('-o', 'a.dat');
  signal(watchdog, 'SIGSTOP');
  await until('another one', () => /the watchdog was stopped; started another/.test(said()), 5000);
  await until('the old one has ended', () => !existsSync(`/proc/${watchdog}`), 5000);
  child.kill('SIGKILL');
  await ended;
  await until('the instance is gone', () => switches(instance) === null, 5000);
});

live('a watchdog that is stopped at the very end does not hold up the finish', async () => {
  if (spawnSync('strace', ['--version']).error) return;
  const { child, ended, watchdog, instance, said } = await record('-o', 'a.dat');
  // Nobody sees it before the recorder is at its end, too.
  child.kill('SIGSTOP');
  await until('it is stopped', () => /^State:\s+T/m.test(readFileSync(`/proc/${child.pid}/status`, 'utf8')));
  const tracer = spawn('strace', [
    '-f',
    '-o',
    '/dev/null',
    '-e',
    'trace=ftruncate',
    '-e',
    'inject=ftruncate:delay_exit=900000',
    '-p',
    String(child.pid),
  ]);
  children.push(tracer);
  await until(
    'strace holds it',
    () => !/^TracerPid:\s+0$/m.test(readFileSync(`/proc/${child.pid}/status`, 'utf8')),
  );
  child.kill('SIGCONT');
  child.kill('SIGINT');
  await until('it packs', () => switches(instance) === null);
  signal(watchdog, 'SIGSTOP');
  expect(await ended).toBe(0);
  expect(said()).toMatch(/did not end by itself, is it stopped\? It was killed/);
  expect(said()).toContain('"type":"end"');
});

live('a recorder that is stopped does not leave tracing on: the watchdog switches it off', async () => {
  const once = async (file: string) => {
    const { child, ended, instance, said } = await record(
      '-o',
      file,
      ...(file === 'a.txt' ? ['--text'] : []),
    );
    child.kill('SIGSTOP');
    expect(switches(instance)).toBe('tracing 1, events 1');
    await until('all is off', () => switches(instance) === 'tracing 0, events 0', 8000);
    child.kill('SIGCONT');
    expect(await ended).toBe(1);
    expect(said()).toContain('recording ended early: stalled');
    expect(switches(instance)).toBe(null);
  };
  await Promise.all([once('a.dat'), once('a.txt')]);
});

live('a recorder that is stopped does not leave perf recording: the watchdog ends it', async () => {
  if (spawnSync('perf', ['--version']).error) return;
  const { child, ended, folder, said } = await record('--backend', 'perf', '-o', 'a.data');
  const processes = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim().split(' ');
  const running = () =>
    processes.some((pid) => {
      const file = `/proc/${pid}/status`;
      const status = existsSync(file) ? readFileSync(file, 'utf8') : '';
      return /^Name:\s+perf/.test(status) && !/^State:\s+Z/m.test(status);
    });
  expect(running()).toBe(true);
  child.kill('SIGSTOP');
  await until('perf has ended', () => !running(), 10_000);
  child.kill('SIGCONT');
  expect(await ended).toBe(1);
  expect(said()).toContain('its watchdog ended perf');
  expect(spawnSync('perf', ['report', '-i', join(folder, 'a.data'), '--header-only']).status).toBe(0);
});

live('killed while the watchdog is stopped: tracing is off by itself, the rest when it goes on', async () => {
  const { child, ended, watchdog, instance, folder } = await record('-o', 'a.dat');
  child.kill('SIGSTOP');
  signal(watchdog, 'SIGSTOP');
  child.kill('SIGKILL');
  await ended;
  // Or another test's recorder has cleaned up already.
  expect(['tracing 0, events 1', null]).toContain(switches(instance));
  signal(watchdog, 'SIGCONT');
  await until('the instance is gone', () => switches(instance) === null, 5000);
  await until('the file is complete', () => begin(join(folder, 'a.dat')).includes('"end":"killed"'));
});

live('Ctrl-Z stops neither the recorder nor its command', async () => {
  const { child, ended } = await record('-o', 'a.dat', '--', 'sh', '-c', 'kill -TSTP $PPID $$; exit 0');
  expect(await ended).toBe(0);
  expect(child.exitCode).toBe(0);
});
