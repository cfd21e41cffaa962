/** Puts IPC messages into a file descriptor, one after the other, synchronously and without joining buffers. */
import { writevSync } from 'node:fs';
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
  position: number;
}

export function padded(length: number): number {
  return Math.ceil(length / ALIGNMENT) * ALIGNMENT;
}

function writeAll(sink: Sink, buffers: readonly Uint8Array[]): void {
  let rest = buffers.filter((buffer) => buffer.length > 0);
  while (rest.length > 0) {
    let count: number;
    try {
      count = writevSync(sink.fd, rest.slice(0, MAX_BUFFERS));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      // A full pipe that somebody made non-blocking: wait a little for the reader.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
      continue;
    }
    sink.position += count;
    let done = 0;
    while (done < rest.length && count >= rest[done].length) count -= rest[done++].length;
    rest = rest.slice(done);
    if (count > 0) rest[0] = rest[0].subarray(count);
  }
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

/** `body`: each buffer is padded to ALIGNMENT; their padded lengths add up to what the metadata says. */
export function writeMessage(sink: Sink, metadata: Uint8Array, body: readonly Uint8Array[]): BlockPlace {
  const { position } = sink;
  const length = padded(position + 8 + metadata.length) - position - 8;
  const parts = [prefix(length), metadata, ZEROS.subarray(0, length - metadata.length)];
  let bodyLength = 0;
  for (const buffer of body) {
    const full = padded(buffer.length);
    parts.push(buffer, ZEROS.subarray(0, full - buffer.length));
    bodyLength += full;
  }
  writeAll(sink, parts);
  return { offset: position, metadataLength: 8 + length, bodyLength };
}

/** End of the stream, then what makes it a file. */
export function writeFooter(sink: Sink, footer: Uint8Array): void {
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, footer.length, true);
  writeAll(sink, [prefix(0), footer, length, MAGIC]);
}
