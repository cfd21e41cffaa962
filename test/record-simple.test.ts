/**
 * `kvmtrace record --qmp` with a live QEMU that has the simple trace backend, which distributions leave out: give one
 * in KVMTRACE_QEMU_SIMPLE (test/e2e/build-qemu.sh builds it in two minutes), else all of this is skipped.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createTraceContext } from '../src/core/trace-context.ts';
import { openInput } from '../src/parsers/open-input.ts';
import { checkHost, readHostFacts } from '../src/record/checks.ts';
import { connectQmp } from '../src/record/qmp.ts';
import { BIN, ensureBuilt, kvmtrace, type Outcome } from './support/built.ts';
import { REPO } from './support/corpus.ts';
import { type RunningQemu, startQemu } from './support/qemu.ts';
import { type QemuRow, rowsOf } from './support/qemu-traces.ts';
import { buildHelper, helperOf, kvmMissing, until } from './support/recording.ts';

const PROGRAM = process.env.KVMTRACE_QEMU_SIMPLE ?? '';
const rom = (name: string) => join(REPO, 'test/e2e/rom', name);

function missing(): string | null {
  if (PROGRAM === '')
    return 'SKIPPED: no QEMU with the simple trace backend: build one with test/e2e/build-qemu.sh, name it in KVMTRACE_QEMU_SIMPLE';
  // A QEMU that was named and does not run is a failure, not a reason to skip.
  const { status, stdout } = spawnSync(PROGRAM, ['-trace', 'help'], { encoding: 'utf8' });
  if (status !== 0 || !stdout.includes('kvm_run_exit')) throw new Error(`${PROGRAM}: no kvm_run_exit`);
  try {
    checkHost(readHostFacts());
  } catch (error) {
    return `SKIPPED: ${(error as Error).message}`;
  }
  return spawnSync('cc', ['--version']).status === 0 ? kvmMissing() : 'SKIPPED: no C compiler (cc)';
}
const reason = missing();
if (reason) process.stderr.write(`\n${'!'.repeat(78)}\n!! record-simple: ${reason}\n${'!'.repeat(78)}\n`);

let tools: string;
let helper: string;
beforeAll(async () => {
  if (reason) return;
  await ensureBuilt();
  tools = mkdtempSync(join(tmpdir(), 'kvmtrace-helper-'));
  helper = buildHelper(tools);
}, 120_000);
afterAll(() => {
  if (tools) rmSync(tools, { recursive: true, force: true });
});

let base: string;
/** Where the recording goes; QEMU's own files and sockets are beside it. */
let folder: string;
let qemu: RunningQemu | null = null;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'kvmtrace-simple-'));
  folder = mkdtempSync(join(base, 'out-'));
});
afterEach(async () => {
  await qemu?.stop();
  qemu = null;
  rmSync(base, { recursive: true, force: true });
});

// Thread names tell which thread is which vCPU: an emulating /dev/kvm has no kvm_entry to do it.
const ROM_GUEST = [
  '-name',
  'rom,debug-threads=on',
  '-M',
  'pc,accel=kvm',
  '-m',
  '16',
  '-no-reboot',
  '-serial',
  'null',
];
const DEBUG_EXIT = ['-device', 'isa-debug-exit,iobase=0xf4,iosize=1', '-D', '/dev/null'];
const start = async (name: string, more: readonly string[] = []): Promise<RunningQemu> => {
  qemu = await startQemu(base, [...ROM_GUEST, ...DEBUG_EXIT, '-bios', rom(name), ...more], PROGRAM);
  return qemu;
};
/** Runs until its end by itself, when told. */
const startPaused = async () => ({
  third: join(base, 'cont.sock'),
  guest: await start('kvmrom.bin', ['-S', '-qmp', `unix:${join(base, 'cont.sock')},server=on,wait=off`]),
});
/** Exits without an end. */
const startBusy = (more: readonly string[] = []) => start('kvmrom-busy.bin', more);

/** The command that is recorded: lets the guest go, and waits until its QEMU has ended. */
const goOn = (socket: string) => [
  process.execPath,
  '-e',
  `const c=require('net').connect(${JSON.stringify(socket)});
   c.on('close',()=>process.exit(0));c.on('error',()=>{});
   c.write('{"execute":"qmp_capabilities"}{"execute":"cont"}');c.resume()`,
];
const args = (guest: RunningQemu, more: readonly string[] = []) => [
  ...['record', '--helper', helper, '-o', 'x.arrow', '-p', String(guest.pid), '--qmp', guest.socket, ...more],
];
const record = (guest: RunningQemu, more: readonly string[] = []): Promise<Outcome> =>
  kvmtrace(args(guest, more), { cwd: folder });

function startRecord(
  guest: RunningQemu,
  more: readonly string[] = [],
): { child: ChildProcess; ended: Promise<Outcome> } {
  const child = spawn(process.execPath, [BIN, ...args(guest, more)], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout!.setEncoding('utf8').on('data', (text) => (stdout += text));
  child.stderr!.setEncoding('utf8').on('data', (text) => (stderr += text));
  const ended = new Promise<Outcome>((done) =>
    child.on('close', (status, signal) => done({ status, signal, stdout, stderr })),
  );
  return { child, ended };
}

const traceFile = (guest: RunningQemu) => guest.own.hmp('trace-file');

/** What must be as before: both events' states, the trace file's name and whether it is on. */
const stateOf = async (guest: RunningQemu) => ({
  file: (await traceFile(guest)).trim(),
  exit: await guest.state('kvm_run_exit'),
  notify: await guest.state('virtio_notify'),
});

async function rows(file: string): Promise<QemuRow[]> {
  const context = createTraceContext();
  const input = await openInput(join(folder, file), context.diagnostics);
  const all: QemuRow[] = [];
  for (const batch of input.format.parse(input.source, context, {})) all.push(...rowsOf(batch, context));
  input.source.close();
  return all;
}

/** Reasons of the exits that each side recorded; the kernel also tells returns with an error, such as a restart. */
async function exits(): Promise<{ kernel: number[]; qemu: number[] }> {
  const all = await rows('x.arrow');
  const codes = (event: string) => all.filter((row) => row.event === event).map(({ code }) => code);
  const returns = all.filter(
    ({ event, code }) => event === 'kvm_userspace_exit' && (code === 2 || code === 6),
  );
  return { kernel: returns.map(({ code }) => code!), qemu: codes('kvm_run_exit') as number[] };
}

async function report(): Promise<{
  capture: { facts: Record<string, string>; events: Record<string, number> };
  quality: { warnings: { code: string; severity: string }[] };
  qemu: { exits: number; check: { kernelOnly: number; qemuOnly: number } };
}> {
  const { status, stdout, stderr } = await kvmtrace(
    ['report', 'x.arrow', '--section', 'qemu', '--format', 'json'],
    {
      cwd: folder,
    },
  );
  expect(status, stderr).toBe(0);
  return JSON.parse(stdout);
}

/**
 * Every exit that QEMU saw is in the report with its kernel event; their number. (The report's own comparison per vCPU
 * needs to know which thread is which vCPU: kvm_entry tells, which an emulating /dev/kvm does not have.)
 */
async function expectAllMatched(warnings: readonly string[] = []): Promise<number> {
  const { capture, quality, qemu: side } = await report();
  expect(side.check).toMatchObject({ kernelOnly: 0, qemuOnly: 0 });
  // Pairs within a millisecond: a busy machine may put more between the two events.
  const match = /^same as the kernel's: (\d+) of (\d+) exits match/.exec(
    capture.facts['clock of x.qemu-trace'] ?? '',
  );
  expect(match, JSON.stringify(capture.facts)).not.toBeNull();
  expect(Number(match![1])).toBeGreaterThanOrEqual(Math.floor(0.999 * Number(match![2])));
  const codes = quality.warnings.filter(({ severity }) => severity !== 'info').map(({ code }) => code);
  expect(codes.filter((code) => !warnings.includes(code))).toEqual([]);
  return side.exits;
}

const busyRecording = async (guest: RunningQemu, more: readonly string[] = []) => {
  const run = startRecord(guest, more);
  await until(
    'QEMU records',
    async () => /" on\./.test(await traceFile(guest)) && (await guest.state('kvm_run_exit')) === 'enabled',
  );
  await new Promise((tick) => setTimeout(tick, 300));
  return run;
};

describe('QEMU with the simple backend', () => {
  test('a whole guest: exits to user space are QEMU’s, one to one, and the report says so', async (ctx) => {
    if (reason) return ctx.skip(reason);
    const { guest, third } = await startPaused();
    const before = await stateOf(guest);
    expect(before).toMatchObject({
      file: expect.stringMatching(/^Trace file "trace-\d+" off\.$/),
      exit: 'disabled',
    });
    const { status, stderr } = await record(guest, ['--keep-raw', '--', ...goOn(third)]);
    expect(status, stderr).toBe(0);
    const { kernel, qemu: seen } = await exits();
    expect(kernel).toEqual(seen);
    const count = (code: number) => seen.filter((one) => one === code).length;
    expect([seen.length, count(2), count(6)]).toEqual([496, 246, 250]);
    expect(await expectAllMatched()).toBe(496);
    expect(readdirSync(folder).sort()).toEqual(['x.arrow', 'x.dat', 'x.qemu-trace']);
    expect(statSync(join(folder, 'x.qemu-trace')).mode & 0o777).toBe(0o600);
  });

  test('a guest that runs before and after: QEMU’s exits are a run of the kernel’s', async (ctx) => {
    if (reason) return ctx.skip(reason);
    const guest = await startBusy();
    const before = await stateOf(guest);
    const { status, stderr } = await record(guest, ['-d', '1s']);
    expect(status, stderr).toBe(0);
    expect(await expectAllMatched()).toBeGreaterThan(1000);
    const all = await rows('x.arrow');
    const time = (event: string) => all.filter((row) => row.event === event);
    const ofQemu = time('kvm_run_exit');
    const ofKernel = time('kvm_userspace_exit').filter(({ code }) => code === 2 || code === 6);
    // Every exit of QEMU follows its kernel event: the last one before it that no other took.
    const first = ofKernel.findLastIndex((row) => row.time <= ofQemu[0].time);
    expect(ofKernel.slice(first, first + ofQemu.length).map(({ code }) => code)).toEqual(
      ofQemu.map(({ code }) => code),
    );
    for (const [i, row] of ofQemu.entries())
      expect(row.time).toBeGreaterThanOrEqual(ofKernel[first + i].time);
    expect(await stateOf(guest)).toEqual(before);
    expect(readdirSync(folder)).toEqual(['x.arrow']);
  });

  test('an event that is on while the file is off: what QEMU kept of before is not taken for the recording', async (ctx) => {
    if (reason) return ctx.skip(reason);
    const guest = await startBusy();
    await guest.own.execute('trace-event-set-state', { name: 'kvm_run_exit', enable: true });
    await new Promise((tick) => setTimeout(tick, 500));
    const before = await stateOf(guest);
    const { status, stderr } = await record(guest, ['-d', '1s']);
    expect(status, stderr).toBe(0);
    await expectAllMatched();
    const all = await rows('x.arrow');
    const firstKernel = all.find(({ event }) => event === 'kvm_userspace_exit')!;
    for (const row of all)
      if (row.event === 'kvm_run_exit') expect(row.time).toBeGreaterThan(firstKernel.time);
    expect(await stateOf(guest)).toEqual(before);
  });

  test('a file that QEMU is writing is neither exchanged nor cut; ours is the part of the recording', async (ctx) => {
    if (reason) return ctx.skip(reason);
    const theirs = join(base, 'their trace');
    const guest = await startBusy(['-trace', `enable=virtio_notify,file=${theirs}`]);
    await guest.own.execute('trace-event-set-state', { name: 'kvm_run_exit', enable: true });
    await new Promise((tick) => setTimeout(tick, 300));
    await guest.own.execute('trace-event-set-state', { name: 'kvm_run_exit', enable: false });
    await guest.own.hmp('trace-file flush');
    const old = readFileSync(theirs);
    expect(old.length).toBeGreaterThan(180_000);
    const before = await stateOf(guest);
    expect(before).toEqual({ file: `Trace file "${theirs}" on.`, exit: 'disabled', notify: 'enabled' });
    const { status, stderr } = await record(guest, ['-d', '1s']);
    expect(status, stderr).toBe(0);
    await expectAllMatched();
    expect(await stateOf(guest)).toEqual(before);
    const now = readFileSync(theirs);
    expect(now.subarray(0, old.length).equals(old)).toBe(true);
    expect(now.length).toBeGreaterThan(old.length);
    expect(readdirSync(folder)).toEqual(['x.arrow']);
  });

  test('a guest that does nothing leaves no file of QEMU', async (ctx) => {
    if (reason) return ctx.skip(reason);
    const { guest } = await startPaused();
    const { status, stderr } = await record(guest, ['-d', '300ms', '--keep-raw']);
    expect(status, stderr).toBe(0);
    expect(stderr).toContain('QEMU wrote no events meanwhile');
    expect(readdirSync(folder).sort()).toEqual(['x.arrow', 'x.dat']);
  });
});

describe('killed, QEMU is as before', () => {
  test('the recorder, at any moment: its trace is kept beside the raw file, and nothing else', async (ctx) => {
    if (reason) return ctx.skip(reason);
    const guest = await startBusy();
    const before = await stateOf(guest);
    const run = await busyRecording(guest);
    const instance = `/sys/kernel/tracing/instances/kvmtrace-${helperOf(run.child.pid!)}`;
    expect(existsSync(instance)).toBe(true);
    run.child.kill('SIGKILL');
    await run.ended;
    await until('the instance is gone', () => !existsSync(instance), 5000);
    await until('QEMU is as before', async () => (await stateOf(guest)).file === before.file, 5000);
    expect(await stateOf(guest)).toEqual(before);
    await until(
      'the files are complete',
      () => readdirSync(folder).sort().join() === 'x.dat,x.qemu-trace',
      5000,
    );
    await until(
      'the raw file opens',
      async () => (await kvmtrace(['info', 'x.dat'], { cwd: folder })).status === 0,
    );
    const made = await kvmtrace(['convert', 'x.dat', 'x.qemu-trace', '-o', 'x.arrow'], { cwd: folder });
    expect(made.status, made.stderr).toBe(0);
    expect(await expectAllMatched()).toBeGreaterThan(100);
  });

  test('the recorder, while it starts and while it ends, again and again', {
    timeout: 180_000,
  }, async (ctx) => {
    if (reason) return ctx.skip(reason);
    const guest = await startBusy();
    const before = await stateOf(guest);
    for (let i = 0; i < 24; i++) {
      // From the start of the program until after its end: 300 ms of recording between.
      const { child, ended } = startRecord(guest, ['-d', '300ms']);
      await new Promise((tick) => setTimeout(tick, 60 + 45 * i));
      child.kill('SIGKILL');
      await ended;
      await until(
        `kill ${i}: the monitor is free and QEMU as before`,
        async () => {
          (await connectQmp(guest.socket, 5000)).close();
          return JSON.stringify(await stateOf(guest)) === JSON.stringify(before);
        },
        8000,
      );
      // Killed while it makes the capture, half of that may be left: nothing of QEMU's.
      const ofQemu = () =>
        readdirSync(folder, { recursive: true }).filter((name) => /kvmtrace-qemu-/.test(String(name)));
      await until(`kill ${i}: QEMU's folder is gone`, () => ofQemu().length === 0, 8000);
      rmSync(folder, { recursive: true, force: true });
      folder = mkdtempSync(join(base, 'out-'));
    }
  });

  test('the recorder, stopped when the recording ends: its trace is collected when it goes on, or by the guard', {
    timeout: 60_000,
  }, async (ctx) => {
    if (reason) return ctx.skip(reason);
    const guest = await startBusy();
    const before = await stateOf(guest);
    for (const [signal, left] of [
      ['SIGCONT', 'x.arrow'],
      ['SIGKILL', 'x.dat,x.qemu-trace'],
    ] as const) {
      const run = await busyRecording(guest);
      const helper = helperOf(run.child.pid!)!;
      run.child.kill('SIGSTOP');
      process.kill(helper, 'SIGINT');
      await until('QEMU is as before', async () => (await stateOf(guest)).file === before.file, 20_000);
      expect(await stateOf(guest)).toEqual(before);
      run.child.kill(signal);
      const { status, stderr } = await run.ended;
      expect(status, stderr).toBe(signal === 'SIGCONT' ? 0 : null);
      await until('the files are there', () => readdirSync(folder).sort().join() === left, 5000);
      const ofQemu = await rows(signal === 'SIGCONT' ? 'x.arrow' : 'x.qemu-trace');
      expect(ofQemu.filter(({ event }) => event === 'kvm_run_exit').length).toBeGreaterThan(100);
      (await connectQmp(guest.socket, 5000)).close();
      rmSync(join(folder, 'x.arrow'), { force: true });
    }
  });

  test('the helper', async (ctx) => {
    if (reason) return ctx.skip(reason);
    const guest = await startBusy();
    const before = await stateOf(guest);
    const run = await busyRecording(guest);
    // Its buffer is in the file twice a second; of much more than that the clocks are told to be the same.
    await new Promise((tick) => setTimeout(tick, 4000));
    process.kill(helperOf(run.child.pid!)!, 'SIGKILL');
    const { status, stderr } = await run.ended;
    expect(stderr).toContain('the recorder was killed (SIGKILL)');
    expect(status).toBe(2);
    expect(await stateOf(guest)).toEqual(before);
    // What was in the kernel's buffer went with it.
    await expectAllMatched(['losses-without-place']);
  });

  test('QEMU itself: what it had written is in the capture', async (ctx) => {
    if (reason) return ctx.skip(reason);
    const guest = await startBusy();
    const run = await busyRecording(guest, ['-d', '3s']);
    // Beyond the 64 KB from which on it writes.
    await new Promise((tick) => setTimeout(tick, 500));
    process.kill(guest.pid, 'SIGKILL');
    const { status, stderr } = await run.ended;
    expect(status, stderr).toBe(0);
    expect(await expectAllMatched()).toBeGreaterThan(500);
    expect(readdirSync(folder)).toEqual(['x.arrow']);
  });

  test('a QEMU that is stopped when the recording ends is put back once it goes on', async (ctx) => {
    if (reason) return ctx.skip(reason);
    const guest = await startBusy();
    const before = await stateOf(guest);
    const run = await busyRecording(guest);
    process.kill(guest.pid, 'SIGSTOP');
    run.child.kill('SIGKILL');
    await run.ended;
    // Long enough for attempts of the guard to fill the socket's queue.
    await new Promise((tick) => setTimeout(tick, 6000));
    process.kill(guest.pid, 'SIGCONT');
    await until('QEMU is as before', async () => (await stateOf(guest)).file === before.file, 10_000);
    expect(await stateOf(guest)).toEqual(before);
  });
});
