/**
 * Standard output and error. Node's own streams take 3 ms to set up (5 where they are pipes), which is only worth it for
 * terminals, with their width and their keys; files and pipes are written as they are.
 */
import { closeSync, fstatSync, openSync, writeSync } from 'node:fs';
import { isatty } from 'node:tty';

export interface Output {
  write(chunk: string | Uint8Array, done?: (error?: Error | null) => void): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export function standardOutput(failed: (error: NodeJS.ErrnoException) => void): Output {
  return isPlain(1) ? plainOutput(1, failed) : process.stdout.on('error', failed);
}

export function standardError(failed: (error: NodeJS.ErrnoException) => void): Output {
  return isPlain(2) ? plainOutput(2, failed) : process.stderr.on('error', failed);
}

/** Linux's number of /dev/null, the one device that is often written to and no terminal. */
const DEV_NULL = 0x103;

function isPlain(fd: number): boolean {
  const stat = fstatSync(fd);
  return (
    stat.isFile() || stat.isFIFO() || stat.isSocket() || (stat.isCharacterDevice() && stat.rdev === DEV_NULL)
  );
}

/** `failed` is told of errors before the one who writes. Exported for its test. */
export function plainOutput(fd: number, failed: (error: NodeJS.ErrnoException) => void): Output {
  return {
    write(chunk, done) {
      try {
        writeFully(fd, typeof chunk === 'string' ? Buffer.from(chunk, 'utf8') : chunk);
      } catch (error) {
        failed(error as NodeJS.ErrnoException);
        done?.(error as Error);
        return false;
      }
      done?.();
      return true;
    },
  };
}

/**
 * Node.js ends with an abort, and a core dump, where a terminal that it began with is gone by then: it cannot give it back the
 * settings that it had. So such a one is exchanged for /dev/null.
 */
export function leaveDeadTerminals(): void {
  for (const fd of [0, 1, 2])
    try {
      const stat = fstatSync(fd);
      // A terminal that was hung up is a device that answers nothing.
      if (!stat.isCharacterDevice() || stat.rdev === DEV_NULL || isatty(fd)) continue;
      closeSync(fd);
      openSync('/dev/null', 'r+'); // The lowest free number is this one.
    } catch {
      // Closed, or no /dev/null: as it is.
    }
}

const RETRY_MS = 5;

function writeFully(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(fd, bytes, at);
    } catch (error) {
      // Another process has made it non-blocking, and its reader is slow.
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
    }
  }
}
