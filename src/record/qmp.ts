/**
 * A small client of QEMU's monitor protocol (QMP) on a Unix socket: a greeting, qmp_capabilities, then one JSON object
 * per line each way (QEMU's docs/interop/qmp-spec). Events are skipped. Commands run one after the other.
 */
import { createConnection } from 'node:net';
import { createLineSplitter } from './line-splitter.ts';

/** What went wrong, so that callers can say what to do. */
export type QmpFailure = 'connect' | 'silent' | 'not-qmp' | 'closed' | 'refused';

export class QmpError extends Error {
  readonly failure: QmpFailure;
  /** Nobody listens at the socket any more. Other failures to connect mean a QEMU that is busy or stopped. */
  readonly ended: boolean;
  constructor(failure: QmpFailure, message: string, ended = false) {
    super(message);
    this.name = 'QmpError';
    this.failure = failure;
    this.ended = ended;
  }
}

export interface Qmp {
  /** As QEMU names itself: 7.2.22 (Debian …). */
  readonly version: string;
  /** The command's return value. Rejects with QmpError. */
  execute(command: string, args?: Readonly<Record<string, unknown>>): Promise<unknown>;
  /** What a human monitor command prints. */
  hmp(line: string): Promise<string>;
  close(): void;
}

/** A list of all trace events (some 5000) is about 300 KB. */
const MAX_LINE = 16 << 20;
/** sockaddr_un.sun_path of Linux, with its NUL. */
const MAX_PATH = 107;

interface Waiting {
  resolve(value: unknown): void;
  reject(error: QmpError): void;
}

const CONNECT_ERRORS: Readonly<Record<string, string>> = {
  ENOENT: 'no such socket',
  ECONNREFUSED: 'a socket that nobody listens at (has its QEMU ended?)',
  EACCES: 'permission denied',
  ENOTSOCK: 'not a socket',
  EAGAIN: 'its queue is full (QEMU is stopped, or others wait for the monitor too)',
};
const ENDED = new Set(['ENOENT', 'ECONNREFUSED']);

/** Rejects with QmpError when nobody answers within `timeoutMs`, or not in QMP. */
export async function connectQmp(path: string, timeoutMs = 5000): Promise<Qmp> {
  if (Buffer.byteLength(path) > MAX_PATH)
    throw new QmpError('connect', `the path is longer than ${MAX_PATH} bytes, which no Unix socket can have`);
  const socket = createConnection({ path });
  socket.setEncoding('utf8');
  let waiting: Waiting | null = null;
  let broken: QmpError | null = null;
  const fail = (error: QmpError) => {
    broken ??= error;
    waiting?.reject(broken);
    waiting = null;
    socket.destroy();
  };
  const lines = createLineSplitter((line) => {
    const text = line.trim();
    if (text === '') return;
    let message: Record<string, unknown> | null = null;
    try {
      message = JSON.parse(text);
    } catch {
      // Told below.
    }
    if (typeof message !== 'object' || message === null)
      return fail(new QmpError('not-qmp', `it does not speak QMP (${JSON.stringify(text.slice(0, 60))})`));
    if ('event' in message) return;
    waiting?.resolve(message);
    waiting = null;
  }, MAX_LINE);
  socket.on('data', (chunk) => lines.push(chunk as unknown as string));
  socket.on('error', (error: NodeJS.ErrnoException) =>
    fail(
      new QmpError(
        'connect',
        CONNECT_ERRORS[error.code ?? ''] ?? error.code ?? error.message,
        ENDED.has(error.code ?? ''),
      ),
    ),
  );
  socket.on('close', () => fail(new QmpError('closed', 'QEMU closed the connection')));

  /** The next message that is no event. */
  const next = () =>
    new Promise<Record<string, unknown>>((resolve, reject) => {
      if (broken) return reject(broken);
      const timer = setTimeout(
        () => fail(new QmpError('silent', `no answer for ${timeoutMs / 1000} s`)),
        timeoutMs,
      );
      waiting = {
        resolve: (value) => {
          clearTimeout(timer);
          resolve(value as Record<string, unknown>);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      };
    });
  let queue: Promise<unknown> = Promise.resolve();
  const execute = (command: string, args?: Readonly<Record<string, unknown>>): Promise<unknown> => {
    const run = async () => {
      const answer = next();
      if (!broken)
        socket.write(`${JSON.stringify({ execute: command, ...(args && { arguments: args }) })}\n`);
      const message = await answer;
      if ('return' in message) return message.return;
      const error = message.error as { desc?: unknown } | undefined;
      throw new QmpError(
        'refused',
        String(error?.desc ?? 'QEMU answered neither with a value nor with an error'),
      );
    };
    const result = queue.then(run, run);
    queue = result.catch(() => {});
    return result;
  };
  const greeting = (await next()).QMP as { version?: { qemu?: Record<string, unknown>; package?: unknown } };
  if (typeof greeting !== 'object' || greeting === null) {
    const error = new QmpError('not-qmp', 'its greeting is not that of QMP');
    fail(error);
    throw error;
  }
  await execute('qmp_capabilities');
  const { major = '?', minor = '?', micro = '?' } = greeting.version?.qemu ?? {};
  return {
    version: `${major}.${minor}.${micro}`,
    execute,
    hmp: async (line) => String(await execute('human-monitor-command', { 'command-line': line })),
    close: () => {
      broken ??= new QmpError('closed', 'the connection is closed');
      socket.destroy();
    },
  };
}

/** What the user can do about it. */
export function adviceFor(error: QmpError, path: string): string {
  switch (error.failure) {
    case 'connect':
      return 'Name the socket of a running QEMU: -qmp unix:PATH,server=on,wait=off on its command line. Root may be needed.';
    case 'silent':
      return `A monitor serves one program at a time, and another one (libvirt?) holds ${path}: give the VM a second one (-qmp unix:…), or leave --qmp out: the kernel's side does not need it.`;
    case 'not-qmp':
      return 'This is another kind of socket, such as the human monitor: name the one given to -qmp, or to -mon …,mode=control.';
    default:
      return "Without --qmp the kernel's side is recorded.";
  }
}
