/** kvmtrace-capture where a system call fails, or a process is stopped: strace injects what no test can wait for. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { readHostFacts } from '../src/record/checks.ts';
import { ensureBuilt, kvmtrace } from './support/built.ts';
import { buildHelper } from './support/recording.ts';

const INSTANCES = '/sys/kernel/tracing/instances';
const facts = readHostFacts();
const missing = (program: string) => spawnSync('sh', ['-c', `command -v ${program}`]).status !== 0;
const noHost =
  facts.platform !== 'linux' || missing('cc') || missing('strace')
    ? 'SKIPPED: no Linux, or no C compiler (cc), or no strace'
    : !facts.canMakeInstances || !facts.canAdmin
      ? 'SKIPPED: no tracefs that may be written'
      : null;
if (noHost) process.stderr.write(`\n${'!'.repeat(78)}\n!! record-faults: ${noHost}\n${'!'.repeat(78)}\n`);
const live = noHost ? test.skip : test;
/** Events that every machine has, and enough of them. */
const EVENTS = ['--only', '-e', 'sched:sched_switch'];

let folder: string;
let helper: string;
let work: string;
let count = 0;
const children: ChildProcess[] = [];
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'kvmtrace-faults-'));
  if (!noHost) helper = buildHelper(folder);
}, 120_000);
beforeEach(() => {
  work = join(folder, `w${count++}`);
  mkdirSync(work);
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGINT');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Ended {
  readonly status: number | null;
  readonly stderr: string;
}

/** The helper under strace, which keeps it our child (-D), with its own instance's files as `$I` in `inject`. */
function underStrace(inject: string, args: readonly string[]): Promise<Ended> {
  const script = `I=${INSTANCES}/kvmtrace-$$; exec strace -D -f -o /dev/null ${inject} '${helper}' "$@"`;
  const child = spawn('sh', ['-c', script, 'sh', ...args], {
    cwd: work,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  children.push(child);
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text) => (stderr += text));
  return new Promise((done) => child.on('close', (status) => done({ status, stderr })));
}

live('a last page that cannot be read is told, also in the file', async () => {
  const inject = '-P $I/per_cpu/cpu0/trace_pipe_raw -e trace=read -e inject=read:error=EIO';
  const { status, stderr } = await underStrace(inject, [...EVENTS, '-o', 'a.dat', '-d', '0.5']);
  expect([status, stderr]).toEqual([
    1,
    expect.stringMatching(
      /error: the buffers of 1 CPUs could not be read to their end, \d+ events are missing: Input\/output error/,
    ),
  ]);
  expect(readFileSync(join(work, 'a.dat'), 'latin1')).toMatch(
    /"stats":\{"events":\d+,"lost":0,"left":[1-9]\d*,"unreadCpus":1,"unreadError":"Input\/output error"\}/,
  );
  await ensureBuilt();
  const info = await kvmtrace(['info', 'a.dat', '--format', 'json'], { cwd: work });
  expect(info.stdout).toContain('unread-at-end');
});

live('memory that is short for a moment costs no last page', async () => {
  const inject = '-P $I/per_cpu/cpu0/trace_pipe_raw -e trace=read -e inject=read:error=ENOMEM:when=1..3';
  const { status, stderr } = await underStrace(inject, [...EVENTS, '-o', 'a.dat', '-d', '0.5']);
  expect([status, stderr]).toEqual([0, expect.not.stringContaining('could not be read')]);
  expect(readFileSync(join(work, 'a.dat'), 'latin1')).toMatch(/"stats":\{"events":\d+,"lost":0,"left":0\}/);
});

live('a disk that is full only for the last pages is told as one that was full before', async () => {
  const inject = `-P '${work}/a.dat' -e trace=splice -e inject=splice:error=ENOSPC`;
  // Ends before the first look at the buffer, which comes after half a second.
  const { status, stderr } = await underStrace(inject, [
    '--only',
    '-e',
    'raw_syscalls:*',
    '-o',
    'a.dat',
    '-d',
    '0.3',
  ]);
  expect([status, stderr]).toEqual([1, expect.stringContaining('recording ended early: disk-full')]);
});
