/** Puts IPC messages into a file descriptor, one after the other, without joining buffers. */
import { writev, writevSync } from 'node:fs';
import { FIRST_MESSAGE, MAGIC } from '../parsers/capture-arrow/message.ts';

/** Bodies and the buffers in them start at multiples of this, as Arrow recommends (SIMD, memory mapping). */
export const ALIGNMENT = 64;
const ZEROS = new Uint8Array(ALIGNMENT);
/** Linux takes at most IOV_MAX = 1024 buffers at once. */
const MAX_BUFFERS = 1024;

export interface BlockPlace {
  readonly offset: number;
  /** With the 8 bytes before it. */
  readonly metadataLength: number;
  readonly bodyLength: number;
}

export interface Sink {
  readonly fd: number;
  /** What was written may be written over (a regular file that we opened: not a pipe, not appending). */
  readonly rewritable: boolean;
  position: number;
  /** Messages that are being written while this thread goes on. */
  underWay: number;
  /** Why one of them could not be written. */
  failure: Error | null;
  /** Called when one is done. */
  readonly waiting: (() => void)[];
}

export function createSink(fd: number, rewritable: boolean): Sink {
  return { fd, rewritable, position: 0, underWay: 0, failure: null, waiting: [] };
}

export function padded(length: number): number {
  return Math.ceil(length / ALIGNMENT) * ALIGNMENT;
}

/** Writes all bytes; at the sink's end, or at `place`. */
function writeAll(sink: Sink, buffers: readonly Uint8Array[], place?: number): void {
  let rest = buffers.filter((buffer) => buffer.length > 0);
  // What is written while this thread goes on leaves the descriptor's own position where it was.
  let at = place ?? (sink.rewritable ? sink.position : undefined);
  while (rest.length > 0) {
    let count: number;
    try {
      count = writevSync(sink.fd, rest.slice(0, MAX_BUFFERS), at);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      // A full pipe that somebody made non-blocking: wait a little for the reader.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
      continue;
    }
    if (place === undefined) sink.position += count;
    if (at !== undefined) at += count;
    rest = behind(rest, count);
  }
}

/** What is left of the buffers behind their first `count` bytes. */
function behind(buffers: readonly Uint8Array[], count: number): Uint8Array[] {
  let done = 0;
  let left = count;
  while (done < buffers.length && left >= buffers[done].length) left -= buffers[done++].length;
  const rest = buffers.slice(done);
  if (left > 0) rest[0] = rest[0].subarray(left);
  return rest;
}

/** Writes all bytes at the sink's end while this thread goes on; calls `done` when they may change again. */
function startWriting(sink: Sink, buffers: readonly Uint8Array[], done: () => void): void {
  let at = sink.position;
  for (const { length } of buffers) sink.position += length;
  sink.underWay++;
  const end = (failure: Error | null) => {
    sink.failure ??= failure;
    sink.underWay--;
    done();
    for (const wake of sink.waiting.splice(0)) wake();
  };
  const next = (rest: readonly Uint8Array[]) => {
    if (rest.length === 0) return end(null);
    writev(sink.fd, rest.slice(0, MAX_BUFFERS), at, (error, count) => {
      if (error) return end(error);
      at += count;
      next(behind(rest, count));
    });
  };
  next(buffers.filter((buffer) => buffer.length > 0));
}

/** Waits until no more than `most` messages are under way. @throws why one could not be written */
export async function waitForSink(sink: Sink, most: number): Promise<void> {
  while (sink.underWay > most) await new Promise<void>((resolve) => sink.waiting.push(resolve));
  if (sink.failure !== null) throw sink.failure;
}

export function writeMagic(sink: Sink): void {
  writeAll(sink, [MAGIC, ZEROS.subarray(0, FIRST_MESSAGE - MAGIC.length)]);
}

function prefix(length: number): Uint8Array {
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0xffffffff, true);
  view.setUint32(4, length, true);
  return bytes;
}

/** `buffers`, each padded to ALIGNMENT. */
function bodyParts(buffers: readonly Uint8Array[]): { parts: Uint8Array[]; length: number } {
  const parts: Uint8Array[] = [];
  let length = 0;
  for (const buffer of buffers) {
    const full = padded(buffer.length);
    parts.push(buffer, ZEROS.subarray(0, full - buffer.length));
    length += full;
  }
  return { parts, length };
}

/**
 * `body`: buffers as the metadata places them, each padded to ALIGNMENT. With `done` it is written while this thread goes
 * on, and the buffers must stay as they are until that is called.
 */
export function writeMessage(
  sink: Sink,
  metadata: Uint8Array,
  body: readonly Uint8Array[],
  done?: () => void,
): BlockPlace {
  const { position } = sink;
  const length = padded(position + 8 + metadata.length) - position - 8;
  const { parts, length: bodyLength } = bodyParts(body);
  const buffers = [prefix(length), metadata, ZEROS.subarray(0, length - metadata.length), ...parts];
  if (done) startWriting(sink, buffers, done);
  else writeAll(sink, buffers);
  return { offset: position, metadataLength: 8 + length, bodyLength };
}

/** Room for a message that will be written over: what is in it now, and zeros up to `bodyLength`. */
export function writeRoomyMessage(
  sink: Sink,
  metadata: Uint8Array,
  body: readonly Uint8Array[],
  bodyLength: number,
): BlockPlace {
  const { position } = sink;
  // The encoding leaves out fields that are 0, so the metadata can grow a little.
  const length = padded(position + 8 + metadata.length + ALIGNMENT) - position - 8;
  const { parts, length: used } = bodyParts(body);
  const rest = [new Uint8Array(length - metadata.length), ...parts, new Uint8Array(bodyLength - used)];
  writeAll(sink, [prefix(length), metadata, ...rest]);
  return { offset: position, metadataLength: 8 + length, bodyLength };
}

/** Writes a message over one that has room for it; false if it does not fit. */
export function rewriteMessage(
  sink: Sink,
  place: BlockPlace,
  metadata: Uint8Array,
  body: readonly Uint8Array[],
): boolean {
  const { parts, length: used } = bodyParts(body);
  const spare = place.metadataLength - 8 - metadata.length;
  if (!sink.rewritable || spare < 0 || used > place.bodyLength) return false;
  writeAll(sink, [metadata, new Uint8Array(spare), ...parts], place.offset + 8);
  return true;
}

/** End of the stream, then what makes it a file. */
export function writeFooter(sink: Sink, footer: Uint8Array): void {
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, footer.length, true);
  writeAll(sink, [prefix(0), footer, length, MAGIC]);
}
