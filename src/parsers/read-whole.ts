/** Files beside a recording that are read as a whole: tables of names. */
import { closeSync, openSync, readSync } from 'node:fs';

const CHUNK = 1 << 20;

/**
 * All bytes of a file, a pipe or a device; null if there are more than `max`: a size that the system states is none
 * for pipes and devices. @throws Node's file errors, with the path
 */
export function readWhole(path: string, max: number): Buffer | null {
  const fd = openSync(path, 'r');
  try {
    const chunks: Buffer[] = [];
    for (let bytes = 0; bytes <= max; ) {
      const chunk = Buffer.allocUnsafe(CHUNK);
      const count = readSync(fd, chunk);
      if (count === 0) return Buffer.concat(chunks, bytes);
      chunks.push(chunk.subarray(0, count));
      bytes += count;
    }
    return null;
  } catch (error) {
    throw Object.assign(error as Error, { path });
  } finally {
    closeSync(fd);
  }
}
