/** QEMU's monitor and a program that was stopped (SIGSTOP) while it waited for an answer. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { connectQmp } from '../src/record/qmp.ts';
import { until } from './support/recording.ts';

const folder = mkdtempSync(join(tmpdir(), 'kvmtrace-qmp-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A monitor in a process of its own that answers whatever it is asked. */
const MONITOR = `require('node:net').createServer((socket) => {
  socket.write('{"QMP":{"version":{"qemu":{"major":9,"minor":0,"micro":0}}}}\\n');
  socket.on('data', () => socket.write('{"return":"here"}\\n')).on('error', () => {});
}).listen(process.argv[1])`;

test('an answer that came while the program was stopped counts, however long that was', async () => {
  const socket = join(folder, 'qmp');
  const monitor = spawn(process.execPath, ['-e', MONITOR, socket], { stdio: 'ignore' });
  try {
    await until('it listens', () => existsSync(socket));
    const qmp = await connectQmp(socket, 1000);
    const answer = qmp.execute('query-status');
    // The question is sent in the next turn.
    await new Promise((turn) => setImmediate(turn));
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1500);
    expect(await answer).toBe('here');
    qmp.close();
  } finally {
    monitor.kill();
  }
});
