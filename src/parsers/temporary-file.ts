/** Temporary files that are unlinked at once: nothing is left behind, whatever ends the process. */
import { closeSync, mkdtempSync, openSync, readSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TraceFormatError } from '../core/errors.ts';
import type { ByteSource } from './byte-source.ts';

export interface TemporaryFile {
  /** Appends. @throws TraceFormatError when the file would take too much of the disk. */
  write(chunk: Uint8Array): void;
  size(): number;
  /** What was written, as a source whose close() frees the file. */
  open(name: string): ByteSource;
}

/** Share of the free space in the temporary folder that one file may take. */
const DISK_SHARE = 0.8;

/** `hint`: what the user can do when the disk is too small. */
export function temporaryFile(hint: string): TemporaryFile {
  const folder = mkdtempSync(join(tmpdir(), 'kvmtrace-'));
  const fd = openSync(join(folder, 'spool'), 'wx+', 0o600);
  const { bavail, bsize } = statfsSync(folder);
  const limit = DISK_SHARE * bavail * bsize;
  rmSync(folder, { recursive: true });
  let size = 0;
  let closed = false;
  return {
    write(chunk) {
      if (size + chunk.length > limit)
        throw new TraceFormatError({
          format: 'input',
          message: `needs more than ${Math.round(size / 1e6)} MB of temporary space`,
          hint: `${hint}set TMPDIR to a larger disk than ${tmpdir()}`,
        });
      for (let done = 0; done < chunk.length; ) done += writeSync(fd, chunk, done, chunk.length - done);
      size += chunk.length;
    },
    size: () => size,
    open: (name) => ({
      name,
      size,
      seekable: true,
      readAt: (position, target, offset, length) =>
        position > Number.MAX_SAFE_INTEGER ? 0 : readSync(fd, target, offset, length, position),
      close: () => {
        if (!closed) closeSync(fd);
        closed = true;
      },
    }),
  };
}
