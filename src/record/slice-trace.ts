/**
 * The part of a QEMU trace that was written while we recorded, as a file of its own. Simpletrace files of version 4
 * keep their header and the mapping records (docs of QEMU: event id → name), of which all come before the events unless
 * a module was loaded later; logs are cut at a line. Older simpletrace versions are taken whole.
 */
import { closeSync, constants, fstatSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { openPrivateFile } from './output-place.ts';

const HEADER = 24;
const CHUNK = 1 << 20;
/** Ten arguments of 512 bytes at most (trace/simple.h): anything longer is damage. */
const MAX_RECORD = 1 << 16;
const MAGIC = 0xf2b177cb0aa429b4n;

/** Bytes of a regular file, 0 if there is none (yet). */
export function traceSize(path: string): number {
  const fd = openForReading(path);
  if (fd === null) return 0;
  try {
    return fstatSync(fd).size;
  } finally {
    closeSync(fd);
  }
}

/** Null if there is no such file. Throws for what is no regular file: reading a FIFO would take records from others. */
function openForReading(path: string, noFollow = false): number | null {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | (noFollow ? constants.O_NOFOLLOW : 0));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  if (fstatSync(fd).isFile()) return fd;
  closeSync(fd);
  throw Object.assign(new Error('is not a regular file'), { path, code: 'EINVAL' });
}

/**
 * Copies what was written to `from` after its first `begin` bytes into the new file `to`; bytes of it that are events.
 * Without events there is no file.
 * `noFollow`: `from` lies in a folder of another user.
 */
export function sliceTrace(from: string, begin: number, to: string, noFollow = false): number {
  const input = openForReading(from, noFollow);
  if (input === null) return 0;
  try {
    const { size } = fstatSync(input);
    // Shorter than before: begun anew meanwhile (rotated, `trace-file off` and `on`).
    const start = size < begin ? 0 : begin;
    if (size <= start) return 0;
    const output = openPrivateFile(to);
    let bytes = 0;
    try {
      const head = Buffer.alloc(HEADER);
      const isBinary =
        readSync(input, head, 0, HEADER, 0) === HEADER && head.readBigUInt64LE(0) === 0xffffffffffffffffn;
      const little = head.readBigUInt64LE(8) === MAGIC;
      if (isBinary && little && head.readBigUInt64LE(16) === 4n) {
        bytes = sliceRecords(input, start, size, output, head);
      } else {
        const first = isBinary ? 0 : lineStart(input, start);
        copy(input, first, size, output);
        bytes = size - first;
      }
      return bytes;
    } finally {
      closeSync(output);
      if (bytes === 0) rmSync(to, { force: true });
    }
  } finally {
    closeSync(input);
  }
}

/** Of a record that begins at `start` in `bytes`: its length, 0 if more bytes are needed, -1 if it is none. */
function recordLength(bytes: Buffer, start: number, end: number): number {
  if (end - start < 20) return 0;
  const isMapping = bytes.readUInt32LE(start) === 0 && bytes.readUInt32LE(start + 4) === 0;
  // Mapping: type, id, name's length, name. Event: type, then a header that counts itself (24) and the arguments.
  if (!isMapping && end - start < 28) return 0;
  const payload = bytes.readUInt32LE(start + (isMapping ? 16 : 24));
  const length = isMapping ? 20 + payload : 8 + payload;
  return length > MAX_RECORD || (!isMapping && payload < 24) ? -1 : length;
}

/** Only of hosts with little-endian words; a damaged record ends the walk, and the rest is copied as it is. */
function sliceRecords(input: number, begin: number, size: number, output: number, head: Buffer): number {
  writeAll(output, head, HEADER);
  const bytes = Buffer.alloc(CHUNK + MAX_RECORD);
  let kept = 0;
  let position = HEADER;
  while (position < size) {
    const filled = readSync(input, bytes, 0, Math.min(bytes.length, size - position), position);
    if (filled === 0) break;
    let at = 0;
    let run = -1;
    const flush = () => {
      if (run >= 0) writeAll(output, bytes.subarray(run, at), at - run);
      run = -1;
    };
    while (at < filled) {
      const length = recordLength(bytes, at, filled);
      if (length < 0) {
        flush();
        const rest = Math.max(position + at, begin);
        copy(input, rest, size, output);
        return kept + size - rest;
      }
      if (length === 0 || at + length > filled) break;
      const isMapping = bytes.readUInt32LE(at) === 0;
      const wanted = isMapping || position + at >= begin;
      if (wanted && !isMapping) kept += length;
      if (wanted && run < 0) run = at;
      if (!wanted) flush();
      at += length;
    }
    flush();
    // A last record that is not complete: QEMU is writing it.
    if (at === 0) break;
    position += at;
  }
  return kept;
}

/** The first line that begins at `from` or later. */
function lineStart(fd: number, from: number): number {
  if (from === 0) return 0;
  const bytes = Buffer.alloc(MAX_RECORD);
  const filled = readSync(fd, bytes, 0, bytes.length, from - 1);
  const feed = bytes.subarray(0, filled).indexOf(10);
  return feed < 0 ? from : from + feed;
}

function copy(from: number, start: number, end: number, to: number): void {
  const bytes = Buffer.alloc(CHUNK);
  for (let at = start; at < end; ) {
    const filled = readSync(from, bytes, 0, Math.min(CHUNK, end - at), at);
    if (filled === 0) return;
    writeAll(to, bytes, filled);
    at += filled;
  }
}

function writeAll(fd: number, bytes: Buffer, length: number): void {
  for (let done = 0; done < length; ) done += writeSync(fd, bytes, done, length - done);
}
