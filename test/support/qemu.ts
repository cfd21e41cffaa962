/** A real QEMU with monitors, for tests of recordings; and a monitor with the simple trace backend, which Debian's lacks. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { closeSync, openSync, writeSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { connectQmp, type Qmp } from '../../src/record/qmp.ts';
import { type EncodedRecord, encode } from './simpletrace-encoder.ts';

const QEMU = 'qemu-system-x86_64';

/** Why there is no QEMU to test with; null if there is. */
export function qemuMissing(): string | null {
  if (process.platform !== 'linux') return 'SKIPPED: not Linux';
  return spawnSync(QEMU, ['--version']).status === 0 ? null : `SKIPPED: ${QEMU} is not installed`;
}

export interface RunningQemu {
  readonly child: ChildProcess;
  readonly pid: number;
  /** For the program under test. */
  readonly socket: string;
  /** For the test: a monitor serves one program at a time. */
  readonly own: Qmp;
  state(event: string): Promise<string>;
  stop(): Promise<void>;
}

export async function startQemu(
  folder: string,
  args: readonly string[],
  program = QEMU,
): Promise<RunningQemu> {
  const [socket, second] = ['qmp.sock', 'own.sock'].map((name) => join(folder, name));
  const monitors = [socket, second].flatMap((path) => ['-qmp', `unix:${path},server=on,wait=off`]);
  const child = spawn(program, ['-nodefaults', '-display', 'none', ...monitors, ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr!.setEncoding('utf8').on('data', (text) => (said += text));
  // The socket is there a moment before QEMU listens at it.
  let own: Qmp | null = null;
  for (let i = 0; own === null; i++) {
    if (child.exitCode !== null) throw new Error(`QEMU ended: ${said}`);
    own = await connectQmp(second).catch((error: Error) => {
      if (i < 200) return null;
      child.kill('SIGKILL');
      throw error;
    });
    if (own === null) await new Promise((tick) => setTimeout(tick, 50));
  }
  const monitor = own;
  return {
    child,
    pid: child.pid!,
    socket,
    own: monitor,
    async state(name) {
      const [event] = (await monitor.execute('trace-event-get-state', { name })) as { state: string }[];
      return event.state;
    },
    async stop() {
      monitor.close();
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = new Promise((done) => child.once('exit', done));
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** How a monitor with the simple backend answers, and what it does to its file (trace/simple.c of QEMU 7.2). */
export interface SimpleMonitor {
  readonly socket: string;
  /** Human monitor commands that came, in order. */
  readonly commands: string[];
  readonly file: { name: string; on: boolean };
  readonly states: Map<string, boolean>;
  /** Records that an event makes, if it is on. */
  emit(event: string, records: readonly EncodedRecord[]): void;
  close(): Promise<void>;
}

const MAPPING: EncodedRecord[] = [
  { id: 5n, name: 'virtio_notify' },
  { id: 7n, name: 'kvm_run_exit' },
];

export async function startSimpleMonitor(
  folder: string,
  { name, on, writable = () => true }: { name: string; on: boolean; writable?: (name: string) => boolean },
): Promise<SimpleMonitor> {
  const socket = join(folder, 'simple.sock');
  const commands: string[] = [];
  const file = { name, on: false };
  const states = new Map([
    ['kvm_run_exit', false],
    ['virtio_notify', true],
    ['memory_region_ops_read', false],
  ]);
  let fd = -1;
  let pending: Buffer[] = [];
  // While the file is off, records stay in memory: the next file begins with them.
  const flush = () => {
    if (fd < 0) return;
    for (const bytes of pending) writeSync(fd, bytes);
    pending = [];
  };
  const enable = (wanted: boolean) => {
    if (wanted === file.on) return;
    flush();
    if (!wanted) closeSync(fd);
    fd = -1;
    file.on = false;
    if (!wanted || !writable(file.name)) return;
    fd = openSync(file.name, 'w');
    writeSync(fd, encode(MAPPING).bytes);
    file.on = true;
  };
  const traceFile = (line: string): string => {
    const [, op = '', arg = ''] = /^trace-file ?(\w*) ?(?:"(.*)")?$/.exec(line) ?? [];
    if (op === '') return `Trace file "${file.name}" ${file.on ? 'on' : 'off'}.\r\n`;
    if (op === 'flush') flush();
    else if (op === 'set') {
      const before = file.on;
      enable(false);
      file.name = arg.replace(/\\(.)/g, '$1');
      enable(before);
    } else enable(op === 'on');
    return '';
  };
  const answer = (message: { execute: string; arguments?: Record<string, string | boolean> }): unknown => {
    const args = message.arguments ?? {};
    if (message.execute === 'qmp_capabilities') return {};
    if (message.execute === 'human-monitor-command') {
      commands.push(String(args['command-line']));
      return traceFile(String(args['command-line']));
    }
    const pattern = new RegExp(`^${String(args.name).replaceAll('*', '.*')}$`);
    const names = [...states.keys()].filter((event) => pattern.test(event));
    if (message.execute === 'trace-event-get-state')
      return names.map((event) => ({
        name: event,
        vcpu: false,
        state: states.get(event) ? 'enabled' : 'disabled',
      }));
    for (const event of names) states.set(event, args.enable === true);
    return {};
  };
  const clients = new Set<Socket>();
  const server = createServer((client) => {
    clients.add(client);
    client.on('close', () => clients.delete(client));
    client.on('error', () => {});
    client.write(
      '{"QMP": {"version": {"qemu": {"micro": 2, "minor": 2, "major": 8}}, "capabilities": []}}\r\n',
    );
    client.setEncoding('utf8').on('data', (text) => {
      for (const line of String(text).trim().split('\n')) {
        // An event between command and answer, in two pieces.
        client.write('{"event": "RTC_CHANGE", "data": {"offs');
        client.write(
          `et": 0}, "timestamp": {}}\r\n${JSON.stringify({ return: answer(JSON.parse(line)) })}\r\n`,
        );
      }
    });
  });
  await new Promise<void>((ready) => server.listen(socket, ready));
  enable(on);
  return {
    socket,
    commands,
    file,
    states,
    emit(event, records) {
      if (states.get(event)) pending.push(encode(records).bytes.subarray(24));
    },
    close: () =>
      new Promise((done) => {
        for (const client of clients) client.destroy();
        server.close(() => done());
      }),
  };
}
