/**
 * Where a parser's bytes come from. Reading is synchronous (measured faster than promises per chunk) and may
 * be short; parsers must not assume that a read fills the target.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

export interface ByteSource {
  /** As the user named it; `-` is standard input. */
  readonly name: string;
  /** Total size in bytes, null when it cannot be known (a pipe). */
  readonly size: number | null;
  /** Whether readAt may go backwards or skip. */
  readonly seekable: boolean;
  /** Descriptor of a single file, which other threads of this process may read as well. */
  readonly fd?: number;
  /** Where the files lie that make up this source, in order; absent for an input that is one file. */
  readonly parts?: readonly SourcePart[];
  /**
   * Reads up to `length` bytes at byte `position` into `target` from `offset` on. Returns how many were read;
   * 0 means end of input. A source that is not seekable must be read front to back without gaps.
   */
  readAt(position: number, target: Uint8Array, offset: number, length: number): number;
  close(): void;
}

export interface SourcePart {
  readonly name: string;
  readonly start: number;
  readonly size: number;
}

/** A file on disk. */
export function openFileSource(path: string, name: string = path): ByteSource {
  const fd = openSync(path, 'r');
  return fileSource(fd, fstatSync(fd).size, name);
}

/** A file that is open. */
export function fileSource(fd: number, size: number, name: string): ByteSource {
  return {
    name,
    size,
    seekable: true,
    fd,
    // A damaged file may name any position; what lies beyond the end of every file is the end of this one.
    readAt: (position, target, offset, length) =>
      position > Number.MAX_SAFE_INTEGER ? 0 : readSync(fd, target, offset, length, position),
    close: () => closeSync(fd),
  };
}

/** Bytes in memory; `maxRead` limits every read (tests use 1 to put every record on a chunk boundary). */
export function memorySource(bytes: Uint8Array, name = '(memory)', maxRead = Infinity): ByteSource {
  return {
    name,
    size: bytes.length,
    seekable: true,
    readAt(position, target, offset, length) {
      const count = Math.max(0, Math.min(length, maxRead, bytes.length - position));
      if (count > 0) target.set(bytes.subarray(position, position + count), offset);
      return count;
    },
    close: () => {},
  };
}

/** Reads until `length` bytes are there or the input ends; returns how many are there. */
export function readFully(
  source: ByteSource,
  position: number,
  target: Uint8Array,
  offset: number,
  length: number,
): number {
  let done = 0;
  while (done < length) {
    const count = source.readAt(position + done, target, offset + done, length - done);
    if (count === 0) break;
    done += count;
  }
  return done;
}

/** The source's bytes from its start, in chunks that are buffers of their own. */
export function* chunksOf(source: ByteSource): Generator<Buffer> {
  let position = 0;
  while (true) {
    const chunk = Buffer.allocUnsafe(1 << 20);
    const count = source.readAt(position, chunk, 0, chunk.length);
    if (count === 0) return;
    position += count;
    yield chunk.subarray(0, count);
  }
}
