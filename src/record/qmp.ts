/**
 * A small client of QEMU's monitor protocol (QMP) on a Unix socket: a greeting, qmp_capabilities, then one JSON object
 * per line each way (QEMU's docs/interop/qmp-spec). Events are skipped. Commands run one after the other.
 */
import { createConnection, type Socket } from 'node:net';
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
  /** For another process that must be able to end the connection: a monitor serves one program at a time. */
  readonly socket: Socket;
  close(): void;
}

/** A list of all trace events (some 5000) is about 300 KB. */
const MAX_LINE = 16 << 20;
/** sockaddr_un.sun_path of Linux, with its NUL. */
const MAX_PATH = 107;

/** How long an answer gets that may have come while this program was stopped. */
const SECOND_LOOK_MS = 250;

interface Waiting {
  resolve(message: Message): void;
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

type Message = Readonly<Record<string, unknown>>;

/** A socket, and who waits for its next message. */
interface Connection {
  readonly socket: Socket;
  readonly timeoutMs: number;
  waiting: Waiting | null;
  /** Why nothing can be asked any more. */
  broken: QmpError | null;
}

/** Rejects with QmpError when nobody answers within `timeoutMs`, or not in QMP. */
export async function connectQmp(path: string, timeoutMs = 5000): Promise<Qmp> {
  if (Buffer.byteLength(path) > MAX_PATH)
    throw new QmpError('connect', `the path is longer than ${MAX_PATH} bytes, which no Unix socket can have`);
  const connection: Connection = {
    socket: createConnection({ path }),
    timeoutMs,
    waiting: null,
    broken: null,
  };
  listen(connection);
  const version = versionIn((await nextMessage(connection)).QMP);
  if (version === null) {
    const error = new QmpError('not-qmp', 'its greeting is not that of QMP');
    fail(connection, error);
    throw error;
  }
  const execute = inTurn(connection);
  await execute('qmp_capabilities');
  return {
    version,
    execute,
    socket: connection.socket,
    hmp: async (line) => String(await execute('human-monitor-command', { 'command-line': line })),
    close: () => {
      connection.broken ??= new QmpError('closed', 'the connection is closed');
      endConnection(connection.socket);
    },
  };
}

function fail(connection: Connection, error: QmpError): void {
  connection.broken ??= error;
  connection.waiting?.reject(connection.broken);
  connection.waiting = null;
  endConnection(connection.socket);
}

/** For all who hold it (guard.ts), so that QEMU is free for the next. Nobody waits for that. */
export function endConnection(socket: Socket): void {
  socket.unref();
  socket.end(() => socket.destroy());
}

/** Passes messages, and whatever ends the connection, to who waits. */
function listen(connection: Connection): void {
  const { socket } = connection;
  const lines = createLineSplitter((line) => takeLine(connection, line.trim()), MAX_LINE);
  socket.setEncoding('utf8');
  socket.on('data', (chunk) => lines.push(chunk as unknown as string));
  socket.on('error', ({ code = '', message }: NodeJS.ErrnoException) =>
    fail(connection, new QmpError('connect', CONNECT_ERRORS[code] ?? (code || message), ENDED.has(code))),
  );
  socket.on('close', () => fail(connection, new QmpError('closed', 'QEMU closed the connection')));
}

function takeLine(connection: Connection, text: string): void {
  if (text === '') return;
  let message: Message | null = null;
  try {
    message = JSON.parse(text);
  } catch {
    // Told below.
  }
  if (typeof message !== 'object' || message === null) {
    const start = JSON.stringify(text.slice(0, 60));
    fail(connection, new QmpError('not-qmp', `it does not speak QMP (${start})`));
  } else if (!('event' in message)) {
    connection.waiting?.resolve(message);
    connection.waiting = null;
  }
}

/** The next message that is no event. */
function nextMessage(connection: Connection): Promise<Message> {
  const { timeoutMs } = connection;
  return new Promise((resolve, reject) => {
    if (connection.broken) return reject(connection.broken);
    const silent = () => fail(connection, new QmpError('silent', `no answer for ${timeoutMs / 1000} s`));
    // This program may have been stopped (SIGSTOP) all the time: then the answer is there, and only not read yet.
    let timer = setTimeout(() => {
      timer = setTimeout(silent, SECOND_LOOK_MS);
    }, timeoutMs);
    connection.waiting = {
      resolve: (message) => {
        clearTimeout(timer);
        resolve(message);
      },
      reject: (error) => {
        clearTimeout(timer);
        reject(error);
      },
    };
  });
}

/** Runs commands one after the other, also where one is given before the one before is answered. */
function inTurn(connection: Connection): Qmp['execute'] {
  let queue: Promise<unknown> = Promise.resolve();
  return (command, args) => {
    const run = async () => {
      const answer = nextMessage(connection);
      if (!connection.broken)
        connection.socket.write(
          `${JSON.stringify({ execute: command, ...(args && { arguments: args }) })}\n`,
        );
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
}

/** QEMU's version as its greeting tells it; null: that is no greeting. */
function versionIn(greeting: unknown): string | null {
  if (typeof greeting !== 'object' || greeting === null) return null;
  const { qemu } = (greeting as { version?: { qemu?: Message } }).version ?? {};
  const { major = '?', minor = '?', micro = '?' } = qemu ?? {};
  return `${major}.${minor}.${micro}`;
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
