/** kvmtrace-capture by itself on this machine's kernel: text, perf, its status lines, containers, hang-ups. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { readHostFacts } from '../src/record/checks.ts';
import { ensureBuilt, kvmtrace } from './support/built.ts';
import { buildHelper, isSwitchedOn, until } from './support/recording.ts';

const INSTANCES = '/sys/kernel/tracing/instances';
const facts = readHostFacts();
const noHost =
  facts.platform !== 'linux' || spawnSync('cc', ['--version']).status !== 0
    ? 'SKIPPED: no Linux, or no C compiler (cc)'
    : !facts.canMakeInstances || !facts.canAdmin
      ? 'SKIPPED: no tracefs that may be written'
      : null;
if (noHost) process.stderr.write(`\n${'!'.repeat(78)}\n!! record-helper: ${noHost}\n${'!'.repeat(78)}\n`);
const missing = (program: string) => spawnSync('sh', ['-c', `command -v ${program}`]).status !== 0;
/** Events that every machine has, and enough of them. */
const EVENTS = ['--only', '-e', 'sched:sched_switch'];
const BUSY = 'yes | head -c 200000000 | cat >/dev/null';

let folder: string;
let helper: string;
let count = 0;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'kvmtrace-helper-'));
  if (!noHost) helper = buildHelper(folder);
}, 120_000);
const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGINT');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let work: string;
beforeEach(() => {
  work = join(folder, `w${count++}`);
  mkdirSync(work);
});

interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<{ status: number | null; stderr: string }>;
  readonly instance: string;
}

function start(args: readonly string[], stdout: 'ignore' | 'pipe' = 'ignore', fd3 = false): Running {
  const stdio = ['ignore', stdout, 'pipe', ...(fd3 ? ['pipe'] : [])] as ('ignore' | 'pipe')[];
  const child = spawn(helper, args, { cwd: work, stdio });
  children.push(child);
  let stderr = '';
  child.stderr!.setEncoding('utf8').on('data', (text) => (stderr += text));
  const ended = new Promise<{ status: number | null; stderr: string }>((done) =>
    child.on('exit', (status) => setTimeout(() => done({ status, stderr }), 50)),
  );
  return { child, ended, instance: join(INSTANCES, `kvmtrace-${child.pid}`) };
}

const run = (args: readonly string[]) =>
  spawnSync(helper, args, { cwd: work, encoding: 'utf8', timeout: 30_000 });
const within = <T>(what: Promise<T>, ms = 8000): Promise<T> =>
  Promise.race([
    what,
    new Promise<T>((_, fail) => setTimeout(() => fail(new Error(`not within ${ms} ms`)), ms)),
  ]);
const isOn = (instance: string) => isSwitchedOn(join(instance, 'tracing_on'));

const live = noHost ? test.skip : test;

live('status lines go to a descriptor that was handed over, not into the recording', () => {
  for (const fd of [3, 5, 7, 9]) {
    const { status, stderr } = run([...EVENTS, '-o', 'a.dat', '-d', '0.1', `--status-json=${fd}`]);
    expect([status, stderr]).toEqual([
      2,
      expect.stringContaining(`descriptor ${fd} is not open for writing`),
    ]);
  }
  expect(readdirSync(work)).toEqual([]);
});

live('a command does not get the descriptor of the status lines', async () => {
  const args = [
    ...EVENTS,
    '-o',
    'a.dat',
    '--status-json=3',
    '--',
    'sh',
    '-c',
    'ls -l /proc/self/fd >fds; sleep 0.1',
  ];
  const { child, ended } = start(args, 'ignore', true);
  child.stdio[3]!.on('data', () => {});
  expect((await within(ended)).status).toBe(0);
  const lines = readFileSync(join(work, 'fds'), 'utf8').split('\n');
  // Standard error is one in this test.
  expect(lines.filter((line) => line.includes('socket:') && !/ [012] -> /.test(line))).toEqual([]);
});

live.each([
  ['text', ['--text', '-o', 'a.txt', ...EVENTS]],
  ['perf', ['--backend', 'perf', '-o', 'a.data', ...EVENTS]],
])('ends when whoever reads its status lines is gone: %s', async (kind, args) => {
  if (kind === 'perf' && missing('perf')) return;
  const { child, ended } = start([...args, '--status-json=3'], 'ignore', true);
  await until(
    'it records',
    () =>
      (statSync(join(work, args.find((arg) => arg.startsWith('a.'))!), { throwIfNoEntry: false })?.mtimeMs ??
        0) > 0,
  );
  await new Promise((tick) => setTimeout(tick, 500));
  child.stdio[3]!.destroy();
  expect((await within(ended)).status).toBe(0);
});

live('text: the command’s end is noticed while a slow reader lets us wait', async () => {
  const { child, ended } = start([...EVENTS, '--text', '--', 'sh', '-c', BUSY], 'pipe');
  // Reads nothing until long after the command has ended.
  await new Promise((tick) => setTimeout(tick, 6000));
  child.stdout!.resume();
  expect((await within(ended)).status).toBe(0);
});

live('text: a reader that hangs does not keep tracing on beyond -d', async () => {
  const { child, ended, instance } = start(
    [...EVENTS, '--text', '-d', '1', '--', 'sh', '-c', `${BUSY}; sleep 9`],
    'pipe',
  );
  await until('tracing is on', () => isOn(instance));
  await until('tracing is off', () => !isOn(instance), 4000);
  child.stdout!.resume();
  expect((await within(ended)).status).toBe(0);
  expect(existsSync(instance)).toBe(false);
});

live('text: ends when all processes of -p have ended, and says what it wrote', async () => {
  const target = spawn('sleep', ['1']);
  const { status, stderr } = await within(
    start(['--text', '-o', 'a.txt', ...EVENTS, '-p', String(target.pid)]).ended,
  );
  expect([status, stderr]).toEqual([
    0,
    expect.stringMatching(/a\.txt: [\d.]+ MB of text in .*\(target-gone\)/),
  ]);
});

live('text and perf stop while there is room on the disk, and say so', () => {
  if (missing('unshare')) return;
  const script = (what: string, ending: string) =>
    `mount -t tmpfs -o size=64M none '${work}' && cd '${work}' && (sleep 0.7; dd if=/dev/zero of=other bs=1M count=61 2>/dev/null) & sleep 0.3; cd '${work}'; '${helper}' ${what} ${EVENTS.join(' ')} -d 10 ${ending}; echo status $?`;
  const kinds = [
    ['--text -o a.txt', ''],
    ['--text', '>a.txt'],
    ...(missing('perf') ? [] : [['--backend perf -o a.data', '']]),
  ];
  for (const [what, ending] of kinds) {
    const { stdout, stderr } = spawnSync('unshare', ['-m', 'sh', '-c', script(what, ending)], {
      encoding: 'utf8',
      timeout: 30_000,
    });
    expect([what, stdout, stderr]).toEqual([
      what,
      'status 1\n',
      expect.stringMatching(/recording ended early: disk-(low|full)/),
    ]);
  }
});

live('perf that records nothing leaves no file', () => {
  if (missing('perf')) return;
  const { status, stderr } = run(['--backend', 'perf', ...EVENTS, '-o', 'a.data', '-C', '8000', '-d', '1']);
  expect([status, stderr]).toEqual([2, expect.stringContaining('recorded nothing')]);
  expect(readdirSync(work)).toEqual([]);
});

live('says why an instance cannot be made', () => {
  if (missing('strace')) return;
  const inject = [
    '-f',
    '-o',
    '/dev/null',
    '-e',
    'trace=mkdir,mkdirat',
    '-e',
    'inject=mkdir,mkdirat:error=ENOMEM',
  ];
  const { status, stderr } = spawnSync('strace', [...inject, helper, ...EVENTS, '-o', 'a.dat', '-d', '0.1'], {
    cwd: work,
    encoding: 'utf8',
  });
  expect([status, stderr]).toEqual([2, expect.stringMatching(/Cannot allocate memory\n.*short of memory/)]);
});

live(
  'recorders of two containers and of the host leave each other alone; the host cleans up after a dead one',
  async () => {
    if (missing('unshare')) return;
    const inside = (file: string, time: string) => {
      const args = ['-p', '-f', '--mount-proc', '--kill-child', helper, ...EVENTS, '-o', file, '-d', time];
      const child = spawn('unshare', args, { cwd: work, stdio: 'ignore' });
      children.push(child);
      return child;
    };
    const instances = () => readdirSync(INSTANCES).filter((name) => /^kvmtrace-1\./.test(name));
    const before = instances().length;
    const first = inside('a.dat', '30');
    const second = inside('b.dat', '30');
    await until(
      'both record',
      () => instances().filter((name) => isOn(join(INSTANCES, name))).length === before + 2,
    );
    expect(run([...EVENTS, '-o', 'c.dat', '-d', '0.1', '-q']).status).toBe(0);
    expect(instances().filter((name) => isOn(join(INSTANCES, name)))).toHaveLength(before + 2);
    // A container that is killed takes recorder and watchdog along.
    for (const child of [first, second]) child.kill('SIGKILL');
    await until('cleaned', () => run(['--cleanup', '-q']).status === 0 && instances().length === before);
  },
);

live('a hang-up ends a recording, but not under nohup', async () => {
  const ends = async (program: string, args: readonly string[]) => {
    const child = spawn(
      program,
      [...args, ...EVENTS, '-o', `${program.length}.dat`, '-d', '1.5', '--status-json=2'],
      { cwd: work, stdio: ['ignore', 'ignore', 'pipe'] },
    );
    let said = '';
    child.stderr!.setEncoding('utf8').on('data', (text) => (said += text));
    await until('it records', () => said.includes('"start"'));
    child.kill('SIGHUP');
    await new Promise((done) => child.on('close', done));
    return /"reason":"(\w+)"/.exec(said)?.[1];
  };
  expect(await ends(helper, [])).toBe('signal');
  expect(await ends('nohup', [helper])).toBe('duration');
});

live('a disk that refuses what the page cache had taken ends the recording, and is told', () => {
  if (['unshare', 'losetup', 'mkfs.ext4'].some(missing)) return;
  // A file system of 200 MB whose disk has room for 12: a thin volume whose pool is full.
  const script = `mkdir pool disk && mount -t tmpfs -o size=12M none pool && truncate -s 200M pool/img &&
    mkfs.ext4 -q -F -O ^has_journal -E lazy_itable_init=0 pool/img && loop=$(losetup -f --show pool/img) || exit 77
    mount $loop disk || { losetup -d $loop; exit 77; }
    '${helper}' -o disk/a.dat -d 20 --only -e 'raw_syscalls:*' -- dd if=/dev/zero of=/dev/null bs=1 count=1000000
    echo status $?; umount disk; losetup -d $loop`;
  const { status, stdout, stderr } = spawnSync('unshare', ['-m', 'sh', '-c', script], {
    cwd: work,
    encoding: 'utf8',
    timeout: 60_000,
  });
  if (status === 77) return void process.stderr.write('SKIPPED: no loop device here\n');
  expect([stdout, stderr]).toEqual([
    'status 1\n',
    expect.stringMatching(/recording ended early: (disk-full|io-error)\n {2}the disk refused part/),
  ]);
});

live('a size limit below a page of events is not told as a host without VMs', async () => {
  if (!facts.hasKvmEvents) return;
  await ensureBuilt();
  const args = ['record', '--helper', helper, '-d', '1', '--max-size', '10', '-e', 'sched:sched_switch'];
  const { status, stderr } = await kvmtrace(args, { cwd: work });
  expect([status, stderr]).toEqual([0, expect.stringContaining('no room for a page of them')]);
});

live('more new threads than the file has room for names of: the counters of losses are in it', () => {
  if (missing('python3')) return;
  const script = [
    'import ctypes, os, threading, time',
    'threading.stack_size(65536)',
    'def wait(i):',
    '    ctypes.CDLL(None).prctl(15, b"thread-%07d" % i, 0, 0, 0)',
    '    time.sleep(60)',
    'for i in range(4500): threading.Thread(target=wait, args=(i,), daemon=True).start()',
    'time.sleep(2)',
    'os._exit(0)',
  ].join('\n');
  const { status, stderr } = run([...EVENTS, '-o', 'a.dat', '--', 'python3', '-c', script]);
  // No "No space left on device": the disk has room.
  const names = 'some thread names of the end are missing in the file: more than the file has room for';
  expect([status, stderr]).toEqual([0, expect.stringContaining(names)]);
  expect(stderr).not.toContain('the counters of the end are missing');
  // As per_cpu/cpuN/stats prints them.
  expect(readFileSync(join(work, 'a.dat'), 'latin1')).toMatch(/CPU: 0\nentries: \d+\noverrun: \d+\n/);
});

live('perf: -d counts from when its events are on, however long it prepares', async () => {
  if (missing('perf')) return;
  const real = spawnSync('sh', ['-c', 'command -v perf'], { encoding: 'utf8' }).stdout.trim();
  // A host with very many processes, and a perf that cannot be told to begin.
  const slow = `[ "$1" = version ] && exec '${real}' version; sleep 1; exec '${real}' "$@"`;
  const old = `[ "$1" = version ] && { echo perf version 5.4.1; exit; }; echo "$@" >args; exec '${real}' "$@"`;
  for (const [name, script, least] of [
    ['slow', slow, 0.95],
    ['old', old, 0.3],
  ] as const) {
    const bin = join(work, name);
    mkdirSync(bin);
    writeFileSync(join(bin, 'perf'), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    const env = { ...process.env, PATH: `${bin}:${process.env.PATH}`, HOME: work };
    const args = ['--backend', 'perf', ...EVENTS, '-o', `${name}.data`, '-d', '1', '--status-json=1'];
    const { status, stdout } = spawnSync(helper, args, { cwd: work, encoding: 'utf8', env });
    expect([status, stdout]).toEqual([0, expect.stringMatching(/^\{"type":"start",.*"bufferKb":4096/)]);
    const times = spawnSync(real, ['script', '-f', '-i', `${name}.data`, '-F', 'time'], {
      cwd: work,
      encoding: 'utf8',
      maxBuffer: 1 << 28,
    })
      .stdout.trim()
      .split('\n');
    const span = Number.parseFloat(times.at(-1)!) - Number.parseFloat(times[0]);
    expect(span, name).toBeGreaterThan(least);
    expect(span, name).toBeLessThan(1.8);
  }
  expect(readFileSync(join(work, 'args'), 'utf8')).not.toContain('--control');
  // Nothing is copied to ~/.debug.
  expect(readdirSync(work).sort()).toEqual(['args', 'old', 'old.data', 'slow', 'slow.data']);
});

live('perf has the size limit itself, and one that does not tell its version is not waited for', () => {
  for (const [name, version] of [
    ['new', 'echo perf version 6.1.1; exit'],
    ['hung', 'exec sleep 60'],
  ]) {
    const bin = join(work, name);
    mkdirSync(bin);
    const script = `[ "$1" = version ] && { ${version}; }; echo "$@" >${name}.args; exit 1`;
    writeFileSync(join(bin, 'perf'), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    const env = { ...process.env, PATH: `${bin}:${process.env.PATH}` };
    const { stderr } = spawnSync(helper, ['--backend', 'perf', ...EVENTS, '-o', 'a.data'], {
      cwd: work,
      encoding: 'utf8',
      env,
      timeout: 15_000,
    });
    expect(stderr).toContain('perf record failed and recorded nothing');
  }
  const args = (name: string) => readFileSync(join(work, `${name}.args`), 'utf8');
  // As large as the helper's own.
  expect(args('new')).toMatch(/ --control=fd:\d+,\d+ .* --max-size=\d+B /);
  expect(args('hung')).not.toMatch(/--control|--max-size/);
});

live.each([
  ['by the kernel', false],
  ['by the watchdog, where the kernel does not', true],
])('a perf whose recorder is killed is ended %s, and its file is whole', async (_name, forgetful) => {
  if (missing('perf') || (forgetful && missing('python3'))) return;
  const real = spawnSync('sh', ['-c', 'command -v perf'], { encoding: 'utf8' }).stdout.trim();
  const bin = join(work, 'bin');
  mkdirSync(bin);
  // As the kernel does where perf has capabilities of its own. PR_SET_PDEATHSIG 1
  const forget = `import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 0, 0, 0, 0); os.execv('${real}', ['perf'] + sys.argv[1:])`;
  const run = forgetful ? `python3 -c "${forget}"` : `'${real}'`;
  writeFileSync(join(bin, 'perf'), `#!/bin/sh\nexec ${run} "$@"\n`, { mode: 0o755 });
  const child = spawn(helper, ['--backend', 'perf', ...EVENTS, '-o', 'a.data', '--status-json=2'], {
    cwd: work,
    env: { ...process.env, PATH: `${bin}:${process.env.PATH}` },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  children.push(child);
  let said = '';
  child.stderr!.setEncoding('utf8').on('data', (text) => (said += text));
  await until('it records', () => said.includes('"start"'));
  const theirs = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim().split(' ');
  const left = () => theirs.filter((pid) => existsSync(`/proc/${pid}`));
  expect(left()).toHaveLength(2);
  child.kill('SIGKILL');
  await until('perf and the watchdog have ended', () => left().length === 0, 8000);
  expect(spawnSync(real, ['report', '-i', join(work, 'a.data'), '--header-only']).status).toBe(0);
});

live('a command gets the limits of whoever started us', () => {
  const script = `ulimit -Sn 300; exec '${helper}' ${EVENTS.join(' ')} -b 8K -o a.dat -q -- sh -c 'ulimit -Sn; ulimit -Hn'`;
  const { stdout } = spawnSync('sh', ['-c', script], { cwd: work, encoding: 'utf8' });
  const [soft, hard] = stdout.trim().split('\n').map(Number);
  expect(soft).toBe(300);
  expect(hard).toBeGreaterThan(300);
});

live('text: an instance that somebody else reads cannot be removed, which is told', async () => {
  const { ended, instance } = start([...EVENTS, '--text', '-o', 'a.txt', '-d', '1']);
  await until('tracing is on', () => isOn(instance));
  const reading = openSync(join(instance, 'per_cpu/cpu0/trace_pipe_raw'), 'r');
  try {
    const { status, stderr } = await within(ended, 12_000);
    expect([status, stderr]).toEqual([
      0,
      expect.stringMatching(/is off but could not be removed: .*busy\n.*--cleanup/),
    ]);
  } finally {
    closeSync(reading);
  }
  await until('cleaned up', () => run(['--cleanup', '-q']).status === 0 && !existsSync(instance));
});

live('text is plain although the host prints its own in another way', () => {
  const options = join(INSTANCES, '../options');
  const before = readFileSync(join(options, 'raw'), 'utf8').trim();
  try {
    writeFileSync(join(options, 'raw'), '1');
    expect(run(['--text', '-o', 'a.txt', ...EVENTS, '-d', '0.2']).status).toBe(0);
  } finally {
    writeFileSync(join(options, 'raw'), before);
  }
  expect(readFileSync(join(work, 'a.txt'), 'utf8')).toMatch(/: sched_switch: prev_comm=/);
});

live('what the host has set for its own buffer is not handed on: waiting readers, markers', async () => {
  const options = join(INSTANCES, '../options');
  const odd = { block: '1', markers: '0' };
  const before = Object.keys(odd).map((name) => [name, readFileSync(join(options, name), 'utf8').trim()]);
  try {
    for (const [name, value] of Object.entries(odd)) writeFileSync(join(options, name), value);
    // A clock that user space does not know, whose time a marker tells.
    const { ended, instance } = start([...EVENTS, '-o', 'a.dat', '-d', '1', '--clock', 'local']);
    await until('tracing is on', () => isOn(instance));
    expect(readFileSync(join(instance, 'options/block'), 'utf8')).toBe('0\n');
    expect((await within(ended)).status).toBe(0);
  } finally {
    for (const [name, value] of before) writeFileSync(join(options, name), value);
  }
  expect(readFileSync(join(work, 'a.dat'), 'latin1')).toMatch(/kvmtrace mono=\d+ realtime=\d+/);
});

live('perf records where tracefs may only be read', () => {
  if (missing('unshare') || missing('perf')) return;
  const script = `T=/sys/kernel/tracing; mount --bind $T $T && mount -o remount,bind,ro $T || exit 77
    cd '${work}'; for form in '-o a.dat' '--backend perf -o a.data'; do '${helper}' $form ${EVENTS.join(' ')} -d 0.2; echo $?; done`;
  const { status, stdout, stderr } = spawnSync('unshare', ['-m', 'sh', '-c', script], { encoding: 'utf8' });
  if (status === 77) return void process.stderr.write('SKIPPED: no bind mount here\n');
  expect([stdout, stderr]).toEqual([
    '2\n0\n',
    expect.stringMatching(/Read-only file system\n.*or try --backend perf/),
  ]);
  expect(readdirSync(work)).toEqual(['a.data']);
});

live('--check tells what memory a recording takes', () => {
  const online = cpus().length;
  const { status, stderr } = run(['--check', ...EVENTS, '-b', '2M']);
  expect([status, stderr]).toEqual([
    0,
    expect.stringContaining(
      `record 1 events; meanwhile ${online} buffers of 2048 KB take ${2 * online} MB of memory`,
    ),
  ]);
  expect(run(['--check', ...EVENTS, '-b', '900G']).stderr).toContain('more than a quarter of the');
});
