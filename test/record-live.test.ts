/** `kvmtrace record` on this machine's kernel: the real helper, a real guest, a real QEMU, and every way to end it. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { run } from '../src/commands/main.ts';
import type { Pipeline } from '../src/commands/options.ts';
import { createTraceContext } from '../src/core/trace-context.ts';
import { openInput } from '../src/parsers/open-input.ts';
import { checkHost, readHostFacts } from '../src/record/checks.ts';
import { connectQmp } from '../src/record/qmp.ts';
import { BIN, ensureBuilt, kvmtrace, type Outcome } from './support/built.ts';
import { REPO } from './support/corpus.ts';
import { qemuMissing, type RunningQemu, startQemu } from './support/qemu.ts';
import { type QemuRow, rowsOf } from './support/qemu-traces.ts';
import { buildHelper, helperOf, isSwitchedOn, until } from './support/recording.ts';

const ROM = join(REPO, 'test/e2e/rom/kvmrom.bin');
const INSTANCES = '/sys/kernel/tracing/instances';

function hostMissing(): string | null {
  try {
    checkHost(readHostFacts());
  } catch (error) {
    return `SKIPPED: ${(error as Error).message}`;
  }
  return spawnSync('cc', ['--version']).status === 0 ? null : 'SKIPPED: no C compiler (cc)';
}

function guestMissing(): string | null {
  if (process.arch !== 'x64') return 'SKIPPED: the ROM is for x86';
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK);
  } catch {
    return 'SKIPPED: no usable /dev/kvm';
  }
  return qemuMissing();
}

const noHost = hostMissing();
const noQemu = noHost ?? qemuMissing();
const noGuest = noHost ?? guestMissing();
for (const reason of new Set([noHost, noQemu, noGuest]))
  if (reason) process.stderr.write(`\n${'!'.repeat(78)}\n!! record-live: ${reason}\n${'!'.repeat(78)}\n`);

let tools: string;
let helper: string;
beforeAll(async () => {
  if (noHost) return;
  await ensureBuilt();
  tools = mkdtempSync(join(tmpdir(), 'kvmtrace-helper-'));
  helper = buildHelper(tools);
}, 120_000);
afterAll(() => {
  if (tools) rmSync(tools, { recursive: true, force: true });
});

let folder: string;
let qemu: RunningQemu | null = null;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kvmtrace-record-'));
});
afterEach(async () => {
  await qemu?.stop();
  qemu = null;
  rmSync(folder, { recursive: true, force: true });
});

/** One process only: other tests run guests beside this one. */
const nobody = () => ['-p', String(process.pid)];
const record = (args: readonly string[]): Promise<Outcome> =>
  kvmtrace(['record', '--helper', helper, ...args], { cwd: folder });

interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Outcome>;
}

function startRecord(args: readonly string[]): Running {
  const child = spawn(process.execPath, [BIN, 'record', '--helper', helper, ...args], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text) => (stderr += text));
  const ended = new Promise<Outcome>((resolve) =>
    child.on('close', (status, signal) => resolve({ status, signal, stdout, stderr })),
  );
  return { child, ended };
}

/** Waits until tracing is on (a new instance says so before its events are) and told; the instance. */
async function recording({ child }: Running): Promise<string> {
  let instance = '';
  const holds = (name: string) => isSwitchedOn(join(instance, name));
  await until('tracing is on', () => {
    const pid = helperOf(child.pid!);
    if (pid === null) return false;
    instance = join(INSTANCES, `kvmtrace-${pid}`);
    return holds('events/kvm/kvm_userspace_exit/enable') && holds('tracing_on');
  });
  await new Promise((tick) => setTimeout(tick, 200));
  return instance;
}

async function rows(file: string): Promise<QemuRow[]> {
  const context = createTraceContext();
  const input = await openInput(file, context.diagnostics);
  const all: QemuRow[] = [];
  for (const batch of input.format.parse(input.source, context, {})) all.push(...rowsOf(batch, context));
  input.source.close();
  return all;
}

async function reportOf(file: string): Promise<Record<string, unknown>> {
  const { stdout, status } = await kvmtrace(['report', file, '--format', 'json'], { cwd: folder });
  expect(status).toBe(0);
  const report = JSON.parse(stdout);
  report.capture.sources = [];
  return report;
}

describe('a guest', () => {
  /** Lets the paused guest run and waits for its end: the command that is recorded. */
  const resume = (socket: string) => [
    process.execPath,
    '-e',
    `const c=require('net').connect(${JSON.stringify(socket)});c.on('close',()=>process.exit(0));c.on('error',()=>{});
     c.write('{"execute":"qmp_capabilities"}{"execute":"cont"}');c.resume()`,
  ];
  const start = async () => {
    const log = join(folder, 'qemu.log');
    const third = join(folder, 'cont.sock');
    // Log back end (Debian's only one): its mask comes from the command line, the event from QMP.
    qemu = await startQemu(folder, [
      ...['-M', 'pc,accel=kvm', '-m', '16', '-S', '-no-reboot', '-serial', 'null', '-bios', ROM],
      ...['-device', 'isa-debug-exit,iobase=0xf4,iosize=1', '-msg', 'timestamp=on', '-D', log],
      ...['-d', 'trace:kvm_init_vcpu', '-qmp', `unix:${third},server=on,wait=off`],
    ]);
    return { log, third, guest: qemu };
  };

  test("its exits to user space are QEMU's, one to one, and the report is that of the raw file", async (ctx) => {
    if (noGuest) return ctx.skip(noGuest);
    const { log, third, guest } = await start();
    const { status, stdout, stderr } = await record([
      ...[
        '-o',
        'rom.arrow',
        '--keep-raw',
        '-p',
        String(guest.pid),
        '--qmp',
        guest.socket,
        '--qemu-trace',
        log,
      ],
      ...['--', ...resume(third)],
    ]);
    expect([status, stdout], stderr).toEqual([0, '']);
    const all = await rows(join(folder, 'rom.arrow'));
    // KVM_EXIT_IO 2, KVM_EXIT_MMIO 6; the kernel also tells returns with an error, such as a restart.
    const isReturn = ({ event, code }: QemuRow) =>
      event === 'kvm_userspace_exit' && (code === 2 || code === 6);
    const qemuSide = all.filter(({ event }) => event === 'kvm_run_exit');
    const codes = (list: QemuRow[]) => list.map(({ code }) => code);
    expect(codes(all.filter(isReturn))).toEqual(codes(qemuSide));
    const count = (code: number) => qemuSide.filter((row) => row.code === code).length;
    expect([qemuSide.length, count(2), count(6)]).toEqual([496, 246, 250]);
    for (const name of ['rom.arrow', 'rom.dat', 'rom.qemu-trace'])
      expect(statSync(join(folder, name)).mode & 0o777, name).toBe(0o600);

    // The kernel's side alone: report of the raw file and of a capture made of it by the recorder are equal.
    const converted = await kvmtrace(['convert', 'rom.dat', 'rom.qemu-trace', '-o', 'again.arrow'], {
      cwd: folder,
    });
    expect(converted.status).toBe(0);
    expect(await rows(join(folder, 'again.arrow'))).toEqual(all);
    const captured = await reportOf('rom.arrow');
    expect(await reportOf('again.arrow')).toEqual(captured);
    expect(readdirSync(folder).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  test.for([['the kernel alone'], ['text', '--text'], ['perf', '--backend', 'perf']])(
    '%s: the report of the capture is that of the raw file',
    async ([name, ...args], ctx) => {
      if (noGuest) return ctx.skip(noGuest);
      if (name === 'perf' && spawnSync('perf', ['--version']).error)
        return ctx.skip('SKIPPED: perf is not installed');
      const { third, guest } = await start();
      const only = ['-p', String(guest.pid)];
      const { status, stderr } = await record([
        ...['-o', 'one.arrow', '--keep-raw', ...only, ...args, '--', ...resume(third)],
      ]);
      expect(status, stderr).toBe(0);
      const raw = readdirSync(folder).find((file) => /^one\.(dat|txt|perf\.data)$/.test(file))!;
      const captured = await rows(join(folder, 'one.arrow'));
      expect(captured).toEqual(await rows(join(folder, raw)));
      const returns = captured.filter(
        ({ event, code }) => event === 'kvm_userspace_exit' && (code === 2 || code === 6),
      );
      expect(returns).toHaveLength(496);
      expect(await reportOf('one.arrow')).toEqual(await reportOf(raw));
    },
  );
});

describe('a recording ends', () => {
  test('after its time; its file is new and private; nothing else stays', async (ctx) => {
    if (noHost) return ctx.skip(noHost);
    const { status, stdout, stderr } = await record(['-d', '300ms', '-o', 'x.arrow', ...nobody()]);
    expect([status, stdout], stderr).toEqual([0, '']);
    // Other tests may record beside this one, which is told first.
    expect(stderr).toMatch(/^x\.arrow: 0 events, .*nothing lost; the time is over\n {2}No VM ran meanwhile/m);
    expect(readdirSync(folder)).toEqual(['x.arrow']);
    expect(statSync(join(folder, 'x.arrow')).mode & 0o777).toBe(0o600);
    const again = await record(['-d', '300ms', '-o', 'x.arrow', ...nobody()]);
    expect(again.status).toBe(2);
    expect(again.stderr).toContain('overwrites nothing');
  });

  test('text without a line makes no capture, says why and leaves no empty file', async (ctx) => {
    if (noHost) return ctx.skip(noHost);
    const { status, stderr } = await record(['-d', '300ms', '--text', '-o', 'x.arrow', ...nobody()]);
    expect(status).toBe(2);
    expect(stderr).toMatch(/nothing was recorded: no event came\n {2}No VM ran meanwhile/);
    expect(readdirSync(folder)).toEqual([]);
  });

  test('with its command, whose failure is told', async (ctx) => {
    if (noHost) return ctx.skip(noHost);
    const outcome = await record([
      '-o',
      'x.arrow',
      '--keep-raw',
      ...nobody(),
      '--',
      'sh',
      '-c',
      'echo out; exit 3',
    ]);
    expect(outcome).toMatchObject({ status: 0, stdout: 'out\n' });
    expect(outcome.stderr).toContain('the command ended with status 3');
    expect(readdirSync(folder).sort()).toEqual(['x.arrow', 'x.dat']);
  });

  test('before it began, when the command is none', async (ctx) => {
    if (noHost) return ctx.skip(noHost);
    const { status, stderr } = await record(['-o', 'x.arrow', ...nobody(), '--', 'no-such-command-here']);
    expect(status).toBe(2);
    expect(stderr).toContain('no-such-command-here: no such command');
    expect(existsSync(join(folder, 'x.arrow'))).toBe(false);
    expect(readdirSync(folder)).toEqual([]);
  });

  test.for(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('cleanly on %s, with a capture', async (signal, ctx) => {
    if (noHost) return ctx.skip(noHost);
    const run = startRecord(['-o', 'x.arrow', ...nobody()]);
    const instance = await recording(run);
    run.child.kill(signal);
    const { status, stderr } = await run.ended;
    expect(status, stderr).toBe(0);
    if (signal !== 'SIGHUP') expect(stderr).toContain('stopped by a signal');
    expect(readdirSync(folder)).toEqual(['x.arrow']);
    expect(existsSync(instance)).toBe(false);
  });

  test('by SIGKILL: the kernel is as before within a second or two, the raw file opens', async (ctx) => {
    if (noHost) return ctx.skip(noHost);
    const run = startRecord(['-o', 'x.arrow', ...nobody()]);
    const instance = await recording(run);
    run.child.kill('SIGKILL');
    await run.ended;
    await until('the instance is gone', () => !existsSync(instance), 5000);
    expect(existsSync(join(folder, 'x.arrow'))).toBe(false);
    await until(
      'the raw file is complete',
      async () => (await kvmtrace(['info', 'x.dat'], { cwd: folder })).status === 0,
    );
  });

  test('when the helper is killed: what it had is converted, and the status says that it was cut short', async (ctx) => {
    if (noHost) return ctx.skip(noHost);
    const run = startRecord(['-o', 'x.arrow', ...nobody()]);
    const instance = await recording(run);
    process.kill(helperOf(run.child.pid!)!, 'SIGKILL');
    const { status, stderr } = await run.ended;
    expect(stderr).toContain('the recorder was killed (SIGKILL)');
    expect(status).toBe(2);
    expect(existsSync(join(folder, 'x.arrow'))).toBe(true);
    await until('the instance is gone', () => !existsSync(instance), 5000);
  });
});

describe("QEMU's events", () => {
  const start = async () => {
    qemu = await startQemu(folder, ['-M', 'none']);
    await qemu.own.execute('trace-event-set-state', { name: 'virtio_notify', enable: true });
    const run = startRecord([
      ...['-o', 'x.arrow', '--detail', ...nobody()],
      ...['--qmp', qemu.socket, '--qemu-trace', join(folder, 'qemu.log')],
    ]);
    const guest = qemu;
    await until(
      'the events are on',
      async () => (await guest.state('memory_region_ops_write')) === 'enabled',
    );
    return { run, guest };
  };
  const restored = async (guest: RunningQemu) =>
    (await guest.state('kvm_run_exit')) === 'disabled' &&
    (await guest.state('memory_region_ops_write')) === 'disabled';

  test.for(['SIGINT', 'SIGTERM'] as const)('are off again after %s', async (signal, ctx) => {
    if (noQemu) return ctx.skip(noQemu);
    const { run, guest } = await start();
    run.child.kill(signal);
    const { status, stderr } = await run.ended;
    expect(status, stderr).toBe(0);
    expect(stderr).toContain('QEMU wrote nothing');
    expect(await restored(guest)).toBe(true);
    expect(await guest.state('virtio_notify')).toBe('enabled');
  });

  test('are off again after SIGKILL of the recorder, without anybody asking', async (ctx) => {
    if (noQemu) return ctx.skip(noQemu);
    const { run, guest } = await start();
    run.child.kill('SIGKILL');
    await run.ended;
    await until('the guard has restored QEMU', () => restored(guest), 5000);
    expect(await guest.state('virtio_notify')).toBe('enabled');
  });

  test('are off again when the recording ends while the recorder is stopped, which finishes when it goes on', {
    timeout: 60_000,
  }, async (ctx) => {
    if (noQemu) return ctx.skip(noQemu);
    const { run, guest } = await start();
    const helper = helperOf(run.child.pid!)!;
    run.child.kill('SIGSTOP');
    // As its time limit would end it.
    process.kill(helper, 'SIGINT');
    await until('QEMU is as before', () => restored(guest), 20_000);
    expect(await guest.state('virtio_notify')).toBe('enabled');
    // The monitor is free for others.
    (await connectQmp(guest.socket, 5000)).close();
    run.child.kill('SIGCONT');
    const { status, stderr } = await run.ended;
    expect(status, stderr).toBe(0);
    expect(await restored(guest)).toBe(true);
    (await connectQmp(guest.socket, 5000)).close();
  });

  test('stay on while a recorder is stopped whose recording goes on', async (ctx) => {
    if (noQemu) return ctx.skip(noQemu);
    const { run, guest } = await start();
    run.child.kill('SIGSTOP');
    await new Promise((tick) => setTimeout(tick, 9000));
    expect(await guest.state('kvm_run_exit')).toBe('enabled');
    run.child.kill('SIGCONT');
    run.child.kill('SIGINT');
    const { status, stderr } = await run.ended;
    expect(status, stderr).toBe(0);
    expect(await restored(guest)).toBe(true);
  });

  test('are off again when the helper is killed', async (ctx) => {
    if (noQemu) return ctx.skip(noQemu);
    const { run, guest } = await start();
    process.kill(helperOf(run.child.pid!)!, 'SIGKILL');
    await run.ended;
    expect(await restored(guest)).toBe(true);
  });
});

describe('when something fails', () => {
  const fake = (text: string): string => {
    const path = join(folder, 'helper');
    writeFileSync(path, `#!/bin/sh\n[ "$1" = --version ] && { echo kvmtrace-capture 0; exit; }\n${text}\n`);
    chmodSync(path, 0o755);
    return path;
  };
  const recordsJunk = () =>
    fake(
      'echo "{\\"type\\":\\"start\\"}" >&3; while [ "$1" != -o ]; do shift; done; echo junk > "$2"; echo "{\\"type\\":\\"end\\",\\"reason\\":\\"duration\\"}" >&3',
    );
  test('in converting, the recording stays and the way on is told', async (ctx) => {
    if (noHost) return ctx.skip(noHost);
    const path = recordsJunk();
    const { status, stderr } = await kvmtrace(['record', '--helper', path, '-o', 'x.arrow'], { cwd: folder });
    expect(status).toBe(2);
    expect(stderr).toMatch(/not converted: /);
    expect(stderr).toContain('Convert it: kvmtrace convert x.dat -o x.arrow');
    expect(readdirSync(folder).sort()).toEqual(['helper', 'x.dat']);
    expect(lstatSync(join(folder, 'x.dat')).size).toBe(5);
  });
  test('a second Ctrl-C ends the conversion: status 130, the recording stays', async (ctx) => {
    if (noHost) return ctx.skip(noHost);
    const path = recordsJunk();
    const stderr = new PassThrough();
    let said = '';
    stderr.setEncoding('utf8').on('data', (text) => (said += text));
    const environment = {
      stdout: new PassThrough(),
      stderr,
      env: {},
      loadPipeline: async (): Promise<Pipeline> => ({
        ...(await import('../src/commands/pipeline.ts')),
        runConvert: async (_inputs, output, { pause }) => {
          writeFileSync(output, 'half a capture');
          process.kill(process.pid, 'SIGINT');
          for (;;) {
            await new Promise((tick) => setTimeout(tick, 10));
            await pause!();
          }
        },
      }),
    };
    const before = process.listenerCount('SIGINT');
    const status = await run(['record', '--helper', path, '-o', join(folder, 'x.arrow')], environment);
    expect([status, ...said.split('\n').slice(0, 2)]).toEqual([
      130,
      'kvmtrace: recording until SIGINT or SIGTERM (-d 10s: for ten seconds)',
      `kvmtrace: the recording is kept: ${join(folder, 'x.dat')}`,
    ]);
    expect(readdirSync(folder).sort()).toEqual(['helper', 'x.dat']);
    expect(process.listenerCount('SIGINT')).toBe(before);
  });
  test('in the helper, its own advice is shown', async (ctx) => {
    if (noHost) return ctx.skip(noHost);
    const line =
      '{\\"type\\":\\"error\\",\\"code\\":\\"disk\\",\\"message\\":\\"no room\\",\\"hint\\":\\"make some\\"}';
    const path = fake(`echo "${line}" >&3; exit 2`);
    const { status, stderr } = await kvmtrace(['record', '--helper', path, '-o', 'x.arrow'], { cwd: folder });
    expect([status, stderr]).toEqual([2, 'kvmtrace: no room\n  make some\n']);
    expect(readdirSync(folder)).toEqual(['helper']);
  });
  test('with a process or an event that is not there', async (ctx) => {
    if (noHost) return ctx.skip(noHost);
    const pid = await record(['-o', 'x.arrow', '-p', '2147483646', '-d', '1s']);
    expect(pid.status).toBe(2);
    expect(pid.stderr).toContain('2147483646');
    const event = await record(['-o', 'x.arrow', '-e', 'kvm:no_such_event', '-d', '1s']);
    expect(event.status).toBe(2);
    expect(event.stderr).toMatch(/no event matches kvm:no_such_event\n {2}look for it/);
    expect(readdirSync(folder)).toEqual([]);
  });
});

test('--cleanup is the helper’s', async (ctx) => {
  if (noHost) return ctx.skip(noHost);
  const { status, stdout, stderr } = await record(['--cleanup']);
  expect([status, stdout], stderr).toEqual([0, '']);
  expect(stderr).toMatch(/nothing to clean up|removed /);
});
