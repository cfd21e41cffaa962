/** Starts and informs the guard process (qmp-guard.ts). */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { createLineSplitter } from './line-splitter.ts';
import type { QemuUndo } from './qemu-undo.ts';

export interface Guard {
  readonly pid: number;
  /** Resolves when the guard knows: only then may QEMU be changed. */
  remember(undo: QemuUndo): Promise<void>;
  /** QEMU is as it was, its file collected: nothing is left to do. */
  dismiss(): void;
  /** Lets the guard switch QEMU back; the file is collected here. */
  takeOver(): void;
}

const START_MS = 10_000;

/** The program: beside this one when built; a run from the sources takes the built one. */
function program(): string {
  const near = fileURLToPath(new URL('./qmp-guard.js', import.meta.url));
  return existsSync(near) ? near : fileURLToPath(new URL('../../dist/record/qmp-guard.js', import.meta.url));
}

/** Not the socket itself: Node.js would stop reading from one that a child gets. */
function descriptorOf(socket: Socket): number | 'ignore' {
  const handle: { readonly fd?: unknown } | null = Reflect.get(socket, '_handle');
  return typeof handle?.fd === 'number' && handle.fd >= 0 ? handle.fd : 'ignore';
}

/** `connection` is what it ends when the recorder cannot. Rejects when it cannot be started. */
export async function startGuard(connection: Socket): Promise<Guard> {
  // A session of its own: neither Ctrl-C nor a closed terminal reaches it.
  const child = spawn(process.execPath, [program()], {
    detached: true,
    stdio: ['pipe', 'pipe', 'ignore', descriptorOf(connection)],
    cwd: '/',
  });
  child.unref();
  let acknowledge: (() => void) | null = null;
  let failed: ((error: Error) => void) | null = null;
  const lines = createLineSplitter(() => acknowledge?.(), 100);
  const [input, output] = [child.stdin!, child.stdout!];
  output.setEncoding('utf8').on('data', (chunk: string) => lines.push(chunk));
  input.on('error', () => {});
  const gone = (why: string) => failed?.(new Error(`the process that guards QEMU's settings ${why}`));
  child.on('error', (error) => gone(`cannot be started: ${error.message}`));
  child.on('exit', () => gone('ended early'));
  const say = (line: string) =>
    new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => gone('does not answer'), START_MS);
      failed = (error) => {
        clearTimeout(timer);
        reject(error);
      };
      acknowledge = () => {
        clearTimeout(timer);
        acknowledge = failed = null;
        resolve();
      };
      input.write(`${line}\n`);
    });
  return {
    pid: child.pid ?? 0,
    remember: (undo) => say(JSON.stringify(undo)),
    dismiss: () => void input.end('done\n'),
    takeOver: () => void input.end('alive\n'),
  };
}
