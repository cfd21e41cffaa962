/** QEMU's side of a recording: the protocol and the switching with a real QEMU; the simple backend's file beside it. */
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { UsageError } from '../src/core/errors.ts';
import { findListener, inodeOf } from '../src/record/qemu-process.ts';
import { openQemu, type QemuRequest } from '../src/record/qemu-session.ts';
import { quoteHmp } from '../src/record/qemu-undo.ts';
import { connectQmp, QmpError } from '../src/record/qmp.ts';
import { sliceTrace } from '../src/record/slice-trace.ts';
import { ensureBuilt } from './support/built.ts';
import { qemuMissing, type RunningQemu, startQemu, startSimpleMonitor } from './support/qemu.ts';
import { type EncodedRecord, encode, number } from './support/simpletrace-encoder.ts';

let folder: string;
let work: string;
let said: string[];
beforeAll(ensureBuilt);
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kvmtrace-qemu-test-'));
  work = mkdtempSync(join(tmpdir(), 'kvmtrace-qemu-work-'));
  said = [];
});
afterEach(() => {
  for (const made of [folder, work]) rmSync(made, { recursive: true, force: true });
});

const request = (more: Partial<QemuRequest>): QemuRequest => ({
  qmp: null,
  file: null,
  detail: false,
  work: () => work,
  to: join(folder, 'out'),
  tell: (text) => void said.push(text),
  ...more,
});
const exit = (time: bigint): EncodedRecord => ({ id: 7n, time, pid: 4711, args: [number(0n), number(2n)] });

async function refused(run: Promise<unknown>): Promise<UsageError> {
  const error = await run.then(
    () => null,
    (thrown) => thrown,
  );
  expect(error).toBeInstanceOf(UsageError);
  return error;
}

describe('a real QEMU', () => {
  let qemu: RunningQemu | null = null;
  afterEach(async () => {
    await qemu?.stop();
    qemu = null;
  });
  const missing = qemuMissing();
  if (missing) process.stderr.write(`!! record-qemu: ${missing}\n`);

  test('answers, refuses, and is found by its socket', async (ctx) => {
    if (missing) return ctx.skip(missing);
    qemu = await startQemu(folder, ['-M', 'none']);
    const qmp = await connectQmp(qemu.socket);
    expect(qmp.version).toMatch(/^\d+\.\d+\.\d+$/);
    await expect(qmp.execute('no-such-command')).rejects.toThrow(/no-such-command/);
    // Commands at once are answered one by one.
    const [status, kvm] = await Promise.all([qmp.execute('query-status'), qmp.execute('query-kvm')]);
    expect([status, kvm]).toMatchObject([{ running: expect.any(Boolean) }, { present: expect.any(Boolean) }]);
    expect(findListener(qemu.socket)).toMatchObject({
      pid: qemu.pid,
      cwd: process.cwd(),
      uid: process.getuid!(),
    });
    const ended = qmp.execute('quit');
    await ended;
    await expect(qmp.execute('query-status')).rejects.toBeInstanceOf(QmpError);
  });

  test('that serves another program says so', async (ctx) => {
    if (missing) return ctx.skip(missing);
    qemu = await startQemu(folder, ['-M', 'none']);
    const other = await connectQmp(qemu.socket);
    await expect(connectQmp(qemu.socket, 300)).rejects.toMatchObject({ failure: 'silent' });
    other.close();
    (await connectQmp(qemu.socket, 3000)).close();
  });

  test('without the simple backend is left alone, and the word is clear', async (ctx) => {
    if (missing) return ctx.skip(missing);
    qemu = await startQemu(folder, ['-M', 'none']);
    if ((await qemu.own.hmp('trace-file')).startsWith('Trace file'))
      return ctx.skip('SKIPPED: it has the backend');
    const session = await openQemu(request({ qmp: qemu.socket }));
    expect(session.active).toBe(false);
    expect(said.join()).toMatch(/without the simple trace backend.*kernel's side only.*--qemu-trace/);
    await session.begin();
    expect(await qemu.state('kvm_run_exit')).toBe('disabled');
    await session.restore();
  });

  test('its events are on for the recording alone; those that were on stay on', async (ctx) => {
    if (missing) return ctx.skip(missing);
    qemu = await startQemu(folder, ['-M', 'none']);
    const log = join(folder, 'qemu.log');
    await qemu.own.execute('trace-event-set-state', { name: 'virtio_notify', enable: true });
    const session = await openQemu(request({ qmp: qemu.socket, file: log, detail: true }));
    expect(await qemu.state('kvm_run_exit')).toBe('disabled');
    await session.begin();
    const names = ['kvm_run_exit', 'virtio_queue_notify', 'kvm_set_ioeventfd_pio', 'memory_region_ops_read'];
    for (const name of [...names, 'virtio_notify']) expect(await qemu.state(name), name).toBe('enabled');
    writeFileSync(log, 'one line\n');
    expect(await session.end()).toBe(true);
    expect(readFileSync(join(folder, 'out'), 'utf8')).toBe('one line\n');
    for (const name of names) expect(await qemu.state(name), name).toBe('disabled');
    expect(await qemu.state('virtio_notify')).toBe('enabled');
    await session.restore();
    // The monitor is free again.
    (await connectQmp(qemu.socket, 3000)).close();
  });

  test('that ends in the middle is no trouble', async (ctx) => {
    if (missing) return ctx.skip(missing);
    qemu = await startQemu(folder, ['-M', 'none']);
    const session = await openQemu(request({ qmp: qemu.socket, file: join(folder, 'qemu.log') }));
    await session.begin();
    await qemu.stop();
    expect(await session.end()).toBe(false);
    await session.restore();
    expect(said).toHaveLength(1);
    expect(said[0]).toContain('QEMU wrote nothing');
  });
});

describe('what is no QMP socket says what to do', () => {
  test('nobody listens', async () => {
    const error = await refused(openQemu(request({ qmp: join(folder, 'none.sock') })));
    expect(error.message).toContain('no such socket');
    expect(error.hint).toContain('-qmp unix:');
  });
  test('a path that no socket can have', async () => {
    const error = await refused(openQemu(request({ qmp: `/${'x'.repeat(120)}` })));
    expect(error.message).toContain('longer than 107 bytes');
  });
  test.each([
    ['the human monitor', 'QEMU 7.2.22 monitor - type help\r\n(qemu) \n', 'does not speak QMP'],
    ['another protocol', '{"hello": 1}\n', 'not that of QMP'],
    ['null', 'null\n', 'does not speak QMP'],
  ])('%s', async (_name, greeting, message) => {
    const server = createServer((client) => void client.on('error', () => {}).write(greeting));
    const socket = join(folder, 'other.sock');
    await new Promise<void>((ready) => server.listen(socket, ready));
    const error = await refused(openQemu(request({ qmp: socket })));
    server.close();
    expect(error.message).toContain(message);
    expect(error.hint).toContain('another kind of socket');
  });
  test('a FIFO as trace file, whose records reading would take away', async () => {
    const fifo = join(folder, 'fifo');
    execFileSync('mkfifo', [fifo]);
    const error = await refused(openQemu(request({ file: fifo })));
    expect(error.message).toContain('not a regular file');
  });
});

describe('the simple backend', () => {
  test('writes to a file of ours, which is collected; the file before comes back', async () => {
    const monitor = await startSimpleMonitor(folder, { name: 'trace-4711', on: false });
    const session = await openQemu(request({ qmp: monitor.socket }));
    expect(monitor.commands).toEqual(['trace-file']);
    await session.begin();
    expect(monitor.file).toMatchObject({ on: true, name: expect.stringContaining(work) });
    const records = [exit(1000n), exit(2000n)];
    monitor.emit('kvm_run_exit', records);
    const out = join(folder, 'out');
    expect(await session.end()).toBe(true);
    const names = [
      { id: 5n, name: 'virtio_notify' },
      { id: 7n, name: 'kvm_run_exit' },
    ];
    expect(readFileSync(out)).toEqual(encode([...names, ...records]).bytes);
    expect(monitor.file).toEqual({ name: 'trace-4711', on: false });
    expect(Object.fromEntries(monitor.states)).toEqual({
      kvm_run_exit: false,
      virtio_notify: true,
      memory_region_ops_read: false,
    });
    expect(readdirSync(folder).sort()).toEqual(['out', 'simple.sock']);
    await session.restore();
    await monitor.close();
  });

  test('kept records of an event that was on while its file was off: they are not of the recording', async () => {
    const monitor = await startSimpleMonitor(folder, { name: 'trace-4711', on: false });
    const note = (time: bigint): EncodedRecord => ({
      id: 5n,
      time,
      pid: 4711,
      args: [number(1n), number(2n)],
    });
    monitor.emit('virtio_notify', [note(1n), note(2n)]);
    const session = await openQemu(request({ qmp: monitor.socket }));
    await session.begin();
    monitor.emit('virtio_notify', [note(1000n)]);
    expect(await session.end()).toBe(true);
    const names = [
      { id: 5n, name: 'virtio_notify' },
      { id: 7n, name: 'kvm_run_exit' },
    ];
    expect(readFileSync(join(folder, 'out'))).toEqual(encode([...names, note(1000n)]).bytes);
    await session.restore();
    await monitor.close();
  });

  test('without a word leaves no file', async () => {
    const monitor = await startSimpleMonitor(folder, { name: 'trace-4711', on: false });
    const session = await openQemu(request({ qmp: monitor.socket }));
    await session.begin();
    expect(await session.end()).toBe(false);
    await session.restore();
    expect(said.join()).toContain('QEMU wrote no events meanwhile');
    expect(readdirSync(folder)).toEqual(['simple.sock']);
    await monitor.close();
  });

  test('a file that it is writing already is never exchanged; only our part of it is taken', async () => {
    const theirs = join(folder, 'their trace "1"');
    const monitor = await startSimpleMonitor(folder, { name: theirs, on: true });
    const note = (time: bigint): EncodedRecord => ({
      id: 5n,
      time,
      pid: 4711,
      args: [number(1n), number(2n)],
    });
    monitor.emit('virtio_notify', [note(1n), note(2n)]);
    const session = await openQemu(request({ qmp: monitor.socket }));
    await session.begin();
    const ours = [exit(1000n), note(1500n), exit(2000n)];
    for (const record of ours) monitor.emit('kvm_run_exit', [record]);
    const out = join(folder, 'out');
    expect(await session.end()).toBe(true);
    await session.restore();
    const names = [
      { id: 5n, name: 'virtio_notify' },
      { id: 7n, name: 'kvm_run_exit' },
    ];
    expect(readFileSync(out)).toEqual(encode([...names, ...ours]).bytes);
    expect(readFileSync(theirs)).toEqual(encode([...names, note(1n), note(2n), ...ours]).bytes);
    expect(monitor.file).toEqual({ name: theirs, on: true });
    expect(monitor.commands.filter((line) => line !== 'trace-file' && line !== 'trace-file flush')).toEqual(
      [],
    );
    expect(monitor.states.get('kvm_run_exit')).toBe(false);
    await monitor.close();
  });

  test('confined to folders where it may not write: the kernel alone, and QEMU as before', async () => {
    const monitor = await startSimpleMonitor(folder, {
      name: 'trace-4711',
      on: false,
      writable: () => false,
    });
    const session = await openQemu(request({ qmp: monitor.socket }));
    await session.begin();
    expect(said.join()).toMatch(/confined.*kernel's side only/);
    expect(await session.end()).toBe(false);
    await session.restore();
    expect(monitor.file).toEqual({ name: 'trace-4711', on: false });
    expect(monitor.states.get('kvm_run_exit')).toBe(false);
    expect(readdirSync(folder)).toEqual(['simple.sock']);
    await monitor.close();
  });

  test('file names are quoted for the human monitor', () => {
    expect(quoteHmp('/a b/"c"\\d')).toBe('"/a b/\\"c\\"\\\\d"');
  });
});

describe('the part of a trace that belongs to the recording', () => {
  const names: EncodedRecord[] = [{ id: 7n, name: 'kvm_run_exit' }];
  test('is a whole file of exactly those records, wherever it begins and wherever QEMU stopped writing', () => {
    const times = fc.array(fc.bigInt({ min: 0n, max: 1n << 60n }), { maxLength: 30 });
    fc.assert(
      fc.property(times, times, fc.nat({ max: 39 }), (before, during, missing) => {
        const first = encode([...names, ...before.map(exit)]).bytes;
        const all = encode([...names, ...before.map(exit), ...during.map(exit)]).bytes;
        const cut = during.length > 0 ? missing % 48 : 0;
        const from = join(folder, 'trace');
        const to = join(folder, 'slice');
        writeFileSync(from, all.subarray(0, all.length - cut));
        rmSync(to, { force: true });
        const bytes = sliceTrace(from, first.length, to);
        const kept = cut > 0 ? during.slice(0, -1) : during;
        expect(bytes).toBe(48 * kept.length);
        expect(existsSync(to)).toBe(kept.length > 0);
        if (kept.length === 0) return;
        expect(readFileSync(to)).toEqual(encode([...names, ...kept.map(exit)]).bytes);
      }),
      { numRuns: 60 },
    );
  });
  test('begins anew when the file did', () => {
    const from = join(folder, 'trace');
    writeFileSync(from, encode([...names, exit(1n)]).bytes);
    expect(sliceTrace(from, 100_000, join(folder, 'slice'))).toBe(48);
  });
  test('of a log is whole lines', () => {
    const from = join(folder, 'log');
    writeFileSync(from, 'kvm_run_exit cpu_index 0, reason 2\nhalf a li');
    const begin = readFileSync(from).length;
    appendFileSync(from, 'ne\nkvm_run_exit cpu_index 1, reason 6\n');
    sliceTrace(from, begin, join(folder, 'slice'));
    expect(readFileSync(join(folder, 'slice'), 'utf8')).toBe('kvm_run_exit cpu_index 1, reason 6\n');
  });
  test('survives damage: never more than the file, never an endless walk', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat({ max: 400 }), (junk, begin) => {
        const from = join(folder, 'trace');
        const to = join(folder, 'slice');
        writeFileSync(from, Buffer.concat([encode([...names, exit(1n)]).bytes, junk]));
        rmSync(to, { force: true });
        expect(sliceTrace(from, begin, to)).toBeLessThanOrEqual(readFileSync(from).length);
      }),
      { numRuns: 60 },
    );
  });
});

test('a socket is found in /proc/net/unix by its path, listening ones only', () => {
  const table = [
    'Num       RefCount Protocol Flags    Type St Inode Path',
    '0000000000000000: 00000003 00000000 00000000 0001 03 11111 /run/a b.sock',
    '0000000000000000: 00000002 00000000 00010000 0001 01 22222 /run/a b.sock',
    '0000000000000000: 00000002 00000000 00010000 0001 01 33333 /run/other.sock',
  ].join('\n');
  expect(inodeOf(table, ['/run/a b.sock'])).toBe('22222');
  expect(inodeOf(table, ['/run/a'])).toBeNull();
});
