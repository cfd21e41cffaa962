/**
 * The zstd stream of `perf record -z`: one frame across all compressed records, flushed but never ended. Whole blocks
 * (RFC 8878, 3.1.1.2) are cut out here and fed to fzstd's streaming decoder, which keeps the window between them.
 * (Node's own zstd decodes whole frames or asynchronous streams only.)
 */
import { Decompress } from 'fzstd';

export interface ZstdStream {
  /** Compressed bytes that do not make a whole block yet. */
  pending: Uint8Array;
  used: number;
  decoder: Decompress | null;
  /** Bytes of a checksum still to be passed over. */
  skip: number;
  checksum: boolean;
  windowBytes: number;
  /** Bytes that the decoder has moved about to keep its window. */
  moved: number;
  /** Bytes decoded so far. */
  plain: number;
}

/** Largest window: that of level 22, perf's highest. */
const MAX_WINDOW = 128 << 20;
/**
 * The decoder moves its whole window for each block, however small. Real streams move 4 to 500 bytes for each plain
 * one; a hostile one of tiny blocks and a large window would go on for hours.
 */
const MOVED_FREE = 2 ** 36;
const MOVED_PER_PLAIN = 1024;
const MAX_BLOCK = (1 << 21) + 3;
const LONGEST_FRAME_HEADER = 18;

export function createZstdStream(): ZstdStream {
  return {
    pending: new Uint8Array(1 << 18),
    used: 0,
    decoder: null,
    skip: 0,
    checksum: false,
    windowBytes: 0,
    moved: 0,
    plain: 0,
  };
}

/**
 * Decodes the blocks that are whole with these further bytes; each result goes to `take`.
 * @throws Error when the stream is damaged (or asks for absurd memory): what follows cannot be decoded.
 */
export function pushZstd(stream: ZstdStream, bytes: Uint8Array, take: (plain: Uint8Array) => void): void {
  append(stream, bytes);
  let from = 0;
  while (from < stream.used) {
    if (stream.skip > 0) {
      const passed = Math.min(stream.skip, stream.used - from);
      stream.skip -= passed;
      from += passed;
      continue;
    }
    const header = stream.decoder ? 0 : frameHeader(stream, from);
    if (header < 0) break;
    const blocks = wholeBlocks(stream, from + header);
    const end = blocks.end;
    // fzstd keeps a first piece shorter than this by reference, which would change under it.
    if (end === from + header || (!stream.decoder && end - from < LONGEST_FRAME_HEADER)) break;
    stream.moved += blocks.count * stream.windowBytes;
    if (stream.moved > MOVED_FREE + MOVED_PER_PLAIN * stream.plain)
      throw new Error('too many tiny blocks for its window');
    stream.decoder ??= new Decompress();
    stream.decoder.ondata = (data) => {
      stream.plain += data.length;
      take(data);
    };
    stream.decoder.push(stream.pending.subarray(from, end));
    from = end;
    if (blocks.last) {
      stream.decoder = null;
      stream.skip = stream.checksum ? 4 : 0;
    }
  }
  stream.pending.copyWithin(0, from, stream.used);
  stream.used -= from;
}

function append(stream: ZstdStream, bytes: Uint8Array): void {
  if (stream.used + bytes.length > stream.pending.length) {
    const pending = new Uint8Array(2 * (stream.used + bytes.length));
    pending.set(stream.pending.subarray(0, stream.used));
    stream.pending = pending;
  }
  stream.pending.set(bytes, stream.used);
  stream.used += bytes.length;
}

/** Size of the frame header at `at`, −1 if it is not whole yet (RFC 8878, 3.1.1.1). */
function frameHeader(stream: ZstdStream, at: number): number {
  const { pending, used } = stream;
  if (used - at < LONGEST_FRAME_HEADER) return -1;
  if (
    pending[at] !== 0x28 ||
    pending[at + 1] !== 0xb5 ||
    pending[at + 2] !== 0x2f ||
    pending[at + 3] !== 0xfd
  )
    throw new Error('no zstd frame');
  const descriptor = pending[at + 4];
  const single = (descriptor & 0x20) !== 0;
  const dictionary = [0, 1, 2, 4][descriptor & 3];
  const content = [single ? 1 : 0, 2, 4, 8][descriptor >> 6];
  stream.checksum = (descriptor & 4) !== 0;
  const size = 5 + (single ? 0 : 1) + dictionary + content;
  const contentAt = at + size - content;
  const exponent = pending[at + 5] >> 3;
  const view = new DataView(pending.buffer, pending.byteOffset);
  stream.windowBytes = !single
    ? 2 ** (10 + exponent) * (1 + (pending[at + 5] & 7) / 8)
    : content === 1
      ? pending[contentAt]
      : content === 2
        ? view.getUint16(contentAt, true) + 256
        : content === 4
          ? view.getUint32(contentAt, true)
          : Number(view.getBigUint64(contentAt, true));
  if (stream.windowBytes > MAX_WINDOW) throw new Error(`window of ${stream.windowBytes} bytes`);
  return size;
}

/** End of the last whole block from `at` on (of this frame), how many there are and whether the frame ends there. */
function wholeBlocks(stream: ZstdStream, at: number): { end: number; count: number; last: boolean } {
  const { pending, used } = stream;
  let end = at;
  let count = 0;
  let last = false;
  while (!last && end + 3 <= used) {
    const header = pending[end] | (pending[end + 1] << 8) | (pending[end + 2] << 16);
    const type = (header >> 1) & 3;
    if (type === 3) throw new Error('unknown block type');
    const size = 3 + (type === 1 ? 1 : header >> 3);
    if (size > MAX_BLOCK) throw new Error(`block of ${size} bytes`);
    if (end + size > used) break;
    end += size;
    count++;
    last = (header & 1) !== 0;
  }
  return { end, count, last };
}
