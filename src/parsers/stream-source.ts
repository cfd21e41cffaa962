/** Inputs whose bytes come once, front to back: standard input, `<(zcat …)` of a shell, named pipes, devices. */
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import type { ByteSource } from './byte-source.ts';
import { SNIFF_BYTES } from './trace-format.ts';

/** Whether `path` cannot be read a second time; `-` is standard input. */
export function isStream(path: string): boolean {
  if (path === '-') return true;
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat !== undefined && (stat.isFIFO() || stat.isCharacterDevice() || stat.isSocket());
}

/** Sequential, but the head that sniffing reads can be read again. */
export function openStream(path: string): ByteSource {
  const fd = path === '-' ? 0 : openSync(path, 'r');
  const kept = new Uint8Array(SNIFF_BYTES);
  let keptLength = 0;
  let position = 0;
  return {
    name: path,
    size: null,
    seekable: false,
    readAt(at, target, offset, length) {
      if (at < position) {
        const count = Math.min(length, keptLength - at);
        if (count <= 0) throw new Error('a pipe cannot be read again');
        target.set(kept.subarray(at, at + count), offset);
        return count;
      }
      const count = readBlocking(fd, target, offset, length);
      if (position < kept.length) {
        const part = Math.min(count, kept.length - position);
        kept.set(target.subarray(offset, offset + part), position);
        keptLength = position + part;
      }
      position += count;
      return count;
    },
    close: () => {
      if (fd !== 0) closeSync(fd);
    },
  };
}

/** readSync that waits where standard input was left non-blocking (a shell's terminal, some pipes). */
function readBlocking(fd: number, target: Uint8Array, offset: number, length: number): number {
  while (true) {
    try {
      return readSync(fd, target, offset, length, null);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EOF') return 0;
      if (code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    }
  }
}
