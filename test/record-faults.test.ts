/** kvmtrace-capture where a system call fails, or a process is stopped: strace injects what no test can wait for. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { run as kvmtraceMain } from '../src/commands/main.ts';
import type { Pipeline } from '../src/commands/options.ts';
import { readHostFacts } from '../src/record/checks.ts';
import { ensureBuilt, kvmtrace } from './support/built.ts';
import { buildHelper, isSwitchedOn, until } from './support/recording.ts';

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

const run = (args: readonly string[]) =>
  spawnSync(helper, args, { cwd: work, encoding: 'utf8', timeout: 30_000 });

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

live('an instance that another one looks at just when it is made is locked nevertheless', async () => {
  if (missing('flock')) return;
  const inject = '-P $I -e trace=flock -e inject=flock:error=EAGAIN:when=1';
  const ended = underStrace(inject, [...EVENTS, '-o', 'a.dat', '-d', '1.5']);
  const instance = join(INSTANCES, `kvmtrace-${children.at(-1)!.pid}`);
  await until('it records', () => existsSync(join(work, 'a.dat')) && statSync(join(work, 'a.dat')).size > 0);
  expect(spawnSync('flock', ['-n', instance, 'true']).status).toBe(1);
  expect((await ended).status).toBe(0);
});

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

live.each([
  ['the header is written', '-P $PWD/a.dat -e trace=pwrite64 -e inject=pwrite64', ['-o', 'a.dat'], []],
  ['the file is complete', '-e trace=ftruncate -e inject=ftruncate', ['-o', 'a.dat'], []],
  [
    'text is recorded',
    '-P $I/events/sched/sched_switch/enable -e trace=write -e inject=write',
    ['--text', '-o', 'a.txt'],
    [],
  ],
  ['text came', '-P $I/trace_pipe -e trace=read -e inject=read', ['--text', '-o', 'a.txt'], ['a.txt']],
])('killed before %s: no file stays that is no recording', async (_name, inject, form, left) => {
  const instance = () => readdirSync(INSTANCES).includes(`kvmtrace-${children.at(-1)!.pid}`);
  const { status } = await underStrace(`${inject}:signal=SIGKILL`, [...EVENTS, ...form, '-d', '9']);
  expect(status).toBe(null);
  await until('the instance is gone', () => !instance());
  await until('the rest is as expected', () => readdirSync(work).join() === left.join(), 3000);
});

live(
  'what a recorder left that was killed with its watchdog before the header was written is told',
  async () => {
    writeFileSync(join(work, 'empty.dat'), '');
    const { status } = run([...EVENTS, '-o', 'whole.dat', '-d', '0.1']);
    expect(status).toBe(0);
    writeFileSync(join(work, 'part.dat'), readFileSync(join(work, 'whole.dat')).subarray(0, 5000));
    const why = /recording ended before its header was written/;
    for (const name of ['empty.dat', 'part.dat']) {
      const recovered = run(['--recover', name]);
      expect([name, recovered.status, recovered.stderr]).toEqual([name, 2, expect.stringMatching(why)]);
    }
    await ensureBuilt();
    const { stderr } = await kvmtrace(['report', 'empty.dat'], { cwd: work });
    expect(stderr).toMatch(/the input is empty\n.*Nothing was recorded/);
  },
);

live('a disk that is full only for the last pages is told as one that was full before', async () => {
  const inject = `-P '${work}/a.dat' -e trace=splice -e inject=splice:error=ENOSPC`;
  // Fills some hundred pages, and ends (where strace is quick) before the first look at the buffer after half a second.
  const load = ['dd', 'if=/dev/zero', 'of=/dev/null', 'bs=1', 'count=2000'];
  const { status, stderr } = await underStrace(inject, [
    ...['--only', '-e', 'raw_syscalls:*', '-o', 'a.dat', '--'],
    ...load,
  ]);
  expect([status, stderr]).toEqual([1, expect.stringContaining('recording ended early: disk-full')]);
});

/** A file system of its own as `work`, until `run` has ended. */
async function onSmallDisk<T>(size: string, run: () => Promise<T>): Promise<T> {
  expect(spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'none', work]).status).toBe(0);
  try {
    return await run();
  } finally {
    spawnSync('umount', ['-l', work]);
  }
}
const freeMb = () => {
  const { bavail, bsize } = statfsSync(work);
  return (bavail * bsize) / 2 ** 20;
};
/** More than 24 MB of events on the last CPU, whose pages are those that packing moves. */
const LAST = String(availableParallelism() - 1);
const ON_LAST = ['-C', LAST, '--only', '-e', 'raw_syscalls:*', '-o', 'a.dat', '-s', '24M'];
const LOAD = ['taskset', '-c', LAST, 'dd', 'if=/dev/zero', 'of=/dev/null', 'bs=1', 'count=400000'];
const isSparse = () => statSync(join(work, 'a.dat')).size > 2 ** 25;

live(
  'packing leaves --min-free on the disk, and the file as it is, which --recover packs later',
  async () => {
    if (missing('taskset') || LAST === '0') return;
    const said = 'left sparse: packing it would leave less than 56 MB free on the disk (--min-free)';
    await onSmallDisk('100M', async () => {
      const { status, stderr } = run(['--min-free', '56M', ...ON_LAST, '--', ...LOAD]);
      expect([status, stderr]).toEqual([0, expect.stringContaining(said)]);
      expect(isSparse()).toBe(true);
      expect(run(['--recover', 'a.dat', '--min-free', '56M']).stderr).toContain('too little free space');
      expect([run(['--recover', 'a.dat', '--min-free', '5M']).status, isSparse()]).toEqual([0, false]);
    });
  },
);

live('packing gives up when others fill the disk meanwhile', async () => {
  if (missing('taskset') || LAST === '0') return;
  await onSmallDisk('100M', async () => {
    const slow = '-e trace=copy_file_range -e inject=copy_file_range:delay_exit=400000';
    // The command under strace would take a minute: it is started beside it.
    const ended = underStrace(slow, ['--min-free', '20M', ...ON_LAST, '-d', '9']);
    const instance = join(INSTANCES, `kvmtrace-${children.at(-1)!.pid}`);
    // A new instance says that tracing is on before its events are.
    const isOn = (name: string) => isSwitchedOn(join(instance, name));
    await until('it records', () => isOn('events/raw_syscalls/sys_enter/enable') && isOn('tracing_on'));
    const load = spawn(LOAD[0], LOAD.slice(1), { stdio: 'ignore' });
    children.push(load);
    // 24 MB recorded, and the copy begins.
    await until('it packs', () => freeMb() < 72);
    spawnSync('dd', ['if=/dev/zero', `of=${work}/other`, 'bs=1M', 'count=50']);
    const { status, stderr } = await ended;
    expect([status, stderr]).toEqual([
      0,
      expect.stringContaining('left sparse: packing it would leave less'),
    ]);
    expect(freeMb()).toBeGreaterThan(20);
    expect(isSparse()).toBe(true);
  });
});

live('a disk that others fill while a recording is converted: the raw file stays, and is told', async () => {
  const fake = join(folder, 'fake');
  const recorded =
    'echo "{\\"type\\":\\"start\\"}" >&3; while [ "$1" != -o ]; do shift; done; echo junk >"$2"; echo "{\\"type\\":\\"end\\",\\"reason\\":\\"duration\\"}" >&3';
  writeFileSync(fake, `#!/bin/sh\n[ "$1" = --version ] && { echo kvmtrace-capture 0; exit; }\n${recorded}\n`);
  chmodSync(fake, 0o755);
  await onSmallDisk('100M', async () => {
    const stderr = new PassThrough();
    let said = '';
    stderr.setEncoding('utf8').on('data', (text) => (said += text));
    const loadPipeline = async (): Promise<Pipeline> => ({
      ...(await import('../src/commands/pipeline.ts')),
      runConvert: async (_inputs, _output, { pause }) => {
        spawnSync('dd', ['if=/dev/zero', `of=${work}/other`, 'bs=1M', 'count=97']);
        for (;;) {
          await new Promise((tick) => setTimeout(tick, 10));
          await pause!();
        }
      },
    });
    const args = ['record', '--helper', fake, '-o', join(work, 'x.arrow')];
    const status = await kvmtraceMain(args, { stdout: new PassThrough(), stderr, env: {}, loadPipeline });
    expect([status, said.split('\n').slice(1, 4)]).toEqual([
      2,
      [
        'kvmtrace: not converted: less than 5.0 MiB would be left free on the disk',
        '  Make room, or convert it to a file on another disk.',
        `kvmtrace: the recording is kept: ${join(work, 'x.dat')}`,
      ],
    ]);
    expect(readdirSync(work).sort()).toEqual(['other', 'x.dat']);
  });
});

live('a fragmented memory, without four pages in a row, gets single ones', async () => {
  if (!existsSync(join(INSTANCES, '../buffer_subbuf_size_kb'))) return; // Before 6.8 there are no others.
  const inject = '-P $I/buffer_size_kb -e trace=write -e inject=write:error=ENOMEM:when=1';
  const { status, stderr } = await underStrace(inject, [...EVENTS, '-o', 'a.dat', '-d', '0.3']);
  expect([status, stderr]).toEqual([0, expect.stringContaining('(duration)')]);
  // The page size stands behind magic, version, byte order and the size of a long.
  expect(readFileSync(join(work, 'a.dat')).readUInt32LE(14)).toBe(4096);
});

live('somebody who switches all instances off meanwhile is told of, also in the file', async () => {
  const off = 'I=/sys/kernel/tracing/instances/kvmtrace-$PPID; sleep 0.3; echo 0 >$I/';
  for (const [name, file] of [
    ['tracing_on', 'a.dat'],
    ['events/sched/enable', 'b.dat'],
    ['tracing_on', 'a.txt'],
  ]) {
    const form = file === 'a.txt' ? ['--text'] : [];
    const { status, stderr } = run([...EVENTS, ...form, '-o', file, '--', 'sh', '-c', off + name]);
    const named = name === 'tracing_on' ? name : 'events/sched/sched_switch/enable';
    expect([status, stderr]).toEqual([0, expect.stringContaining(`somebody switched ${named} off while`)]);
  }
  await ensureBuilt();
  const info = await kvmtrace(['info', 'b.dat', '--format', 'json'], { cwd: work });
  expect(info.stdout).toContain('somebody switched off events/sched/sched_switch/enable');
});

live('a program that ignores the ends of its children may start it', () => {
  if (missing('perl')) return;
  const ignoring = ['-e', '$SIG{CHLD} = "IGNORE"; exec @ARGV', helper];
  for (const form of [[], ['--text']]) {
    const args = [...ignoring, ...EVENTS, ...form, '-o', `a${form.length}`, '-d', '9', '--', 'sleep', '0.3'];
    const { status, stderr } = spawnSync('perl', args, { cwd: work, encoding: 'utf8', timeout: 20_000 });
    expect([status, stderr]).toEqual([0, expect.stringContaining('(command)')]);
  }
});

live('a disk that does not tell its room, as that of a dead server, does not keep tracing on', async () => {
  // Of each thread its third question: the main thread's would be one while it records.
  const inject = `-P '${work}/a.dat' -e trace=fstatfs -e inject=fstatfs:delay_enter=1500000:when=3`;
  const ended = underStrace(inject, [...EVENTS, '-o', 'a.dat', '--no-pack']);
  const child = children.at(-1)!;
  const instance = join(INSTANCES, `kvmtrace-${child.pid}`);
  const isOn = () => {
    try {
      return readFileSync(join(instance, 'tracing_on'), 'utf8').startsWith('1');
    } catch {
      return false;
    }
  };
  await until('tracing is on', isOn);
  await new Promise((tick) => setTimeout(tick, 1400));
  child.kill('SIGINT');
  await until('tracing is off', () => !isOn(), 600);
  expect((await ended).status).toBe(0);
});

live('readers that take room at the same time do not end a recording below its limit', async () => {
  const inject = '-e trace=splice -e inject=splice:delay_exit=150000';
  const args = [...EVENTS, '-b', '1M', '-s', '256K', '--readers', '2', '-o', 'a.dat', '-d', '1.2', '-p', '1'];
  const { status, stderr } = await underStrace(inject, args);
  expect([status, stderr]).toEqual([0, expect.stringContaining('(duration)')]);
});

live('the file of a helper that was killed is read when the watchdog has finished it', async () => {
  const watchdog = join(work, 'kvmtrace-watch');
  copyFileSync(spawnSync('sh', ['-c', 'command -v sleep'], { encoding: 'utf8' }).stdout.trim(), watchdog);
  chmodSync(watchdog, 0o755);
  const fake = join(work, 'fake');
  const killed = `'${watchdog}' 0.7 </dev/null >/dev/null 2>&1 3>&- & echo $! >'${work}/pid'
echo '{"type":"start","watchdog":'$!'}' >&3; while [ "$1" != -o ]; do shift; done; echo junk >"$2"; kill -9 $$`;
  writeFileSync(fake, `#!/bin/sh\n[ "$1" = --version ] && { echo kvmtrace-capture 0; exit; }\n${killed}\n`);
  chmodSync(fake, 0o755);
  const running: boolean[] = [];
  const loadPipeline = async (): Promise<Pipeline> => ({
    ...(await import('../src/commands/pipeline.ts')),
    runConvert: async () => {
      running.push(existsSync(`/proc/${readFileSync(join(work, 'pid'), 'utf8').trim()}`));
      throw new Error('read too early or not');
    },
  });
  const args = ['record', '--helper', fake, '-o', join(work, 'x.arrow')];
  await kvmtraceMain(args, { stdout: new PassThrough(), stderr: new PassThrough(), env: {}, loadPipeline });
  expect(running).toEqual([false]);
});
