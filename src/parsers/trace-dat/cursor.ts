/**
 * Reads the metadata of a trace.dat front to back: numbers of either byte order, strings, blocks. Everything is
 * checked against the end before anything is allocated; going beyond it throws a RangeError, which the caller turns
 * into a TraceFormatError or a diagnostic with the section's name.
 */
import { type ByteSource, readFully } from '../byte-source.ts';

/** Largest block that is read in one piece; the event formats of a whole kernel are about 10 MB. */
export const MAX_BLOCK = 64 << 20;
const WINDOW = 8192;
const MAX_STRING = 4096;

export interface Cursor {
  readonly source: ByteSource;
  readonly little: boolean;
  at: number;
  /** No byte at or beyond it is read. */
  readonly end: number;
  readonly window: Uint8Array;
  readonly view: DataView;
  /** The window holds the bytes [windowAt, windowAt + windowLength). */
  windowAt: number;
  windowLength: number;
}

export function createCursor(
  source: ByteSource,
  little: boolean,
  at = 0,
  end = source.size ?? Infinity,
): Cursor {
  const window = new Uint8Array(Math.max(16, Math.min(WINDOW, end - at)));
  const view = new DataView(window.buffer);
  return { source, little, at, end, window, view, windowAt: 0, windowLength: 0 };
}

/** A cursor over other bytes of the same file. */
export function cursorAt(cursor: Cursor, at: number, end = cursor.end): Cursor {
  return createCursor(cursor.source, cursor.little, at, Math.min(end, cursor.end));
}

/** Makes `size` bytes (at most WINDOW) at the cursor available; returns where they lie in the window. */
function need(cursor: Cursor, size: number): number {
  const { at } = cursor;
  if (size > cursor.end - at)
    throw new RangeError(`needs ${size} bytes, ${Math.max(0, cursor.end - at)} left`);
  if (at < cursor.windowAt || at + size > cursor.windowAt + cursor.windowLength) {
    cursor.windowAt = at;
    cursor.windowLength = readFully(
      cursor.source,
      at,
      cursor.window,
      0,
      Math.min(cursor.window.length, cursor.end - at),
    );
    if (cursor.windowLength < size)
      throw new RangeError(`needs ${size} bytes, the file ends after ${cursor.windowLength}`);
  }
  return at - cursor.windowAt;
}

export function readU8(cursor: Cursor): number {
  const value = cursor.window[need(cursor, 1)];
  cursor.at += 1;
  return value;
}

export function readU16(cursor: Cursor): number {
  const value = cursor.view.getUint16(need(cursor, 2), cursor.little);
  cursor.at += 2;
  return value;
}

export function readU32(cursor: Cursor): number {
  const value = cursor.view.getUint32(need(cursor, 4), cursor.little);
  cursor.at += 4;
  return value;
}

/** A 64-bit size or offset; beyond 2^53 it is inexact, which is beyond every file's end anyway. */
export function readU64(cursor: Cursor): number {
  return Number(readBig(cursor));
}

export function readBig(cursor: Cursor): bigint {
  const value = cursor.view.getBigUint64(need(cursor, 8), cursor.little);
  cursor.at += 8;
  return value;
}

export function skip(cursor: Cursor, size: number): void {
  if (!(size <= cursor.end - cursor.at))
    throw new RangeError(`needs ${size} bytes, ${Math.max(0, cursor.end - cursor.at)} left`);
  cursor.at += size;
}

export function readBlock(cursor: Cursor, size: number): Uint8Array {
  const start = cursor.at;
  skip(cursor, size);
  if (size > MAX_BLOCK) throw new RangeError(`a block of ${size} bytes is not read`);
  const bytes = new Uint8Array(size);
  const got = readFully(cursor.source, start, bytes, 0, size);
  if (got < size) throw new RangeError(`needs ${size} bytes, the file ends after ${got}`);
  return bytes;
}

const latin1 = new TextDecoder('latin1');

export function readText(cursor: Cursor, size: number): string {
  return latin1.decode(readBlock(cursor, size));
}

/** A string with its NUL. */
export function readString(cursor: Cursor): string {
  let text = '';
  for (;;) {
    const byte = readU8(cursor);
    if (byte === 0) return text;
    if (text.length === MAX_STRING) throw new RangeError('a name without an end');
    text += String.fromCharCode(byte);
  }
}
