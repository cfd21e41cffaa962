/**
 * zstd as it comes: the frames of a file, and the one that `perf record -z` flushes but never ends. Whole blocks (RFC 8878,
 * 3.1.1.2) are cut out here and fed to fzstd's streaming decoder, which keeps the window between them.
 * (Node's own zstd decodes whole frames or asynchronous streams only.)
 */
import { Decompress } from 'fzstd';

export interface ZstdStream {
  /** Compressed bytes that do not make a whole block yet. */
  pending: Uint8Array;
  used: number;
  decoder: Decompress | null;
  /** Bytes of a skippable frame still to be passed over. */
  skip: number;
  /** The frame at hand has a checksum behind its last block, which comes next if `checksumNext`. */
  checksum: boolean;
  checksumNext: boolean;
  /** XXH64 of the frame's plain bytes; null: checksums are not looked at. */
  hash: FrameHash | null;
  readonly startHash: (() => FrameHash) | null;
  windowBytes: number;
  /** Plain bytes that the frame says it has, −1 if it does not say, and those that came. */
  contentBytes: number;
  framePlain: number;
  /** Bytes that the decoder has moved about to keep its window. */
  moved: number;
  /** Bytes decoded so far. */
  plain: number;
}

/** XXH64 with seed 0 (xxhash-wasm's create64). */
export interface FrameHash {
  update(bytes: Uint8Array): unknown;
  digest(): bigint;
}

/** Largest window: that of level 22, perf's highest. */
const MAX_WINDOW = 128 << 20;
/**
 * The decoder moves its whole window for each block, however small. Real streams move 4 to 500 bytes for each plain
 * one; a hostile one of tiny blocks and a large window would go on for hours.
 */
const MOVED_FREE = 2 ** 36;
const MOVED_PER_PLAIN = 1024;
/** Of any kind, for a block of one repeated byte its plain bytes (RFC 8878, 3.1.1.2.4). */
const MAX_BLOCK = 1 << 17;
const SHORTEST_FRAME_HEADER = 6;
const LONGEST_FRAME_HEADER = 18;
const SKIPPABLE_HEADER = 8;
const CHECKSUM_BYTES = 4;
/** In a frame's descriptor. */
const CHECKSUM_FLAG = 4;
const SINGLE_FLAG = 0x20;

/** `startHash`: makes what checks frames that have a checksum; perf's have none. */
export function createZstdStream(startHash: (() => FrameHash) | null = null): ZstdStream {
  return {
    pending: new Uint8Array(1 << 18),
    used: 0,
    decoder: null,
    skip: 0,
    checksum: false,
    checksumNext: false,
    hash: null,
    startHash,
    windowBytes: 0,
    contentBytes: -1,
    framePlain: 0,
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
  decodeBlocks(stream, take, false);
}

/**
 * The input has ended: decodes frames at its end that are shorter than the longest header.
 * @throws Error when it ends within a frame.
 */
export function endZstd(stream: ZstdStream, take: (plain: Uint8Array) => void): void {
  const { used } = stream;
  // Headers can be looked at as if they were whole.
  append(stream, new Uint8Array(LONGEST_FRAME_HEADER));
  stream.used = used;
  decodeBlocks(stream, take, true);
  if (stream.used > 0 || stream.decoder || stream.checksumNext || stream.skip > 0)
    throw new Error('it ends within a frame');
}

function decodeBlocks(stream: ZstdStream, take: (plain: Uint8Array) => void, atEnd: boolean): void {
  let from = 0;
  while (from < stream.used) {
    if (stream.skip > 0) {
      const passed = Math.min(stream.skip, stream.used - from);
      stream.skip -= passed;
      from += passed;
      continue;
    }
    if (stream.checksumNext) {
      if (stream.used - from < CHECKSUM_BYTES) break;
      checkFrame(stream, from);
      from += CHECKSUM_BYTES;
      continue;
    }
    if (!stream.decoder && stream.used - from >= SKIPPABLE_HEADER && isSkippable(stream, from)) {
      stream.skip = SKIPPABLE_HEADER + wordAt(stream, from + 4);
      continue;
    }
    const header = stream.decoder ? 0 : frameHeader(stream, from, atEnd);
    if (header < 0) break;
    const blocks = wholeBlocks(stream, from + header);
    const end = blocks.end;
    if (end === from + header) break;
    // A first piece as short as that fzstd takes only as the last one of its input, which ends before the checksum.
    const short = !stream.decoder && end - from < LONGEST_FRAME_HEADER;
    if (short && !blocks.last) break;
    if (!stream.decoder && blocks.last) shrinkWindow(stream, from, blocks.count * MAX_BLOCK);
    stream.moved += blocks.count * stream.windowBytes;
    if (stream.moved > MOVED_FREE + MOVED_PER_PLAIN * stream.plain)
      throw new Error('too many tiny blocks for its window');
    if (!stream.decoder) {
      stream.decoder = new Decompress();
      startFrame(stream);
    }
    stream.decoder.ondata = (data) => {
      stream.plain += data.length;
      stream.framePlain += data.length;
      stream.hash?.update(data);
      take(data);
    };
    if (short) stream.pending[from + 4] &= ~CHECKSUM_FLAG;
    stream.decoder.push(stream.pending.subarray(from, end), short);
    from = end;
    if (blocks.last) {
      stream.decoder = null;
      if (stream.contentBytes >= 0 && stream.framePlain !== stream.contentBytes)
        throw new Error(`a frame of ${stream.framePlain} bytes that says it has ${stream.contentBytes}`);
      stream.checksumNext = stream.checksum;
    }
  }
  stream.pending.copyWithin(0, from, stream.used);
  stream.used -= from;
}

function startFrame(stream: ZstdStream): void {
  stream.framePlain = 0;
  stream.hash = stream.checksum ? (stream.startHash?.() ?? null) : null;
}

/**
 * No window needs to be larger than a frame, of which there are `most` bytes: each costs the decoder that much memory and
 * time, and a file may have a million frames of a few bytes.
 */
function shrinkWindow(stream: ZstdStream, at: number, most: number): void {
  const { pending } = stream;
  const single = (pending[at + 4] & SINGLE_FLAG) !== 0;
  if (single || stream.windowBytes <= most) return;
  const exponent = Math.ceil(Math.log2(most)) - 10;
  pending[at + 5] = exponent << 3;
  stream.windowBytes = 2 ** (10 + exponent);
}

/** @throws Error if the checksum at `at` is not that of the frame: the lower half of its hash. */
function checkFrame(stream: ZstdStream, at: number): void {
  const { hash } = stream;
  stream.checksumNext = false;
  stream.hash = null;
  if (hash && Number(hash.digest() & 0xffffffffn) !== wordAt(stream, at)) throw new Error('wrong checksum');
}

function wordAt({ pending }: ZstdStream, at: number): number {
  return new DataView(pending.buffer, pending.byteOffset).getUint32(at, true);
}

/** A frame of somebody else's data (RFC 8878, 3.1.2): pzstd writes the sizes of its frames in them. */
function isSkippable(stream: ZstdStream, at: number): boolean {
  return (wordAt(stream, at) & 0xfffffff0) === 0x184d2a50;
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

/** Size of the frame header at `at`, −1 if it may not be whole yet (RFC 8878, 3.1.1.1). */
function frameHeader(stream: ZstdStream, at: number, atEnd: boolean): number {
  const { pending, used } = stream;
  const left = used - at;
  if (left < (atEnd ? SHORTEST_FRAME_HEADER : LONGEST_FRAME_HEADER)) return -1;
  if (
    pending[at] !== 0x28 ||
    pending[at + 1] !== 0xb5 ||
    pending[at + 2] !== 0x2f ||
    pending[at + 3] !== 0xfd
  )
    throw new Error('no zstd frame');
  const descriptor = pending[at + 4];
  const single = (descriptor & SINGLE_FLAG) !== 0;
  const dictionary = [0, 1, 2, 4][descriptor & 3];
  const content = [single ? 1 : 0, 2, 4, 8][descriptor >> 6];
  stream.checksum = (descriptor & CHECKSUM_FLAG) !== 0;
  const size = 5 + (single ? 0 : 1) + dictionary + content;
  const contentAt = at + size - content;
  const dictionaryAt = contentAt - dictionary;
  if (pending.subarray(dictionaryAt, contentAt).some((byte) => byte !== 0))
    throw new Error('it needs a dictionary (zstd -D)');
  const exponent = pending[at + 5] >> 3;
  const view = new DataView(pending.buffer, pending.byteOffset);
  stream.contentBytes =
    content === 0
      ? -1
      : content === 1
        ? pending[contentAt]
        : content === 2
          ? view.getUint16(contentAt, true) + 256
          : content === 4
            ? view.getUint32(contentAt, true)
            : Number(view.getBigUint64(contentAt, true));
  stream.windowBytes = single ? stream.contentBytes : 2 ** (10 + exponent) * (1 + (pending[at + 5] & 7) / 8);
  if (stream.windowBytes > MAX_WINDOW) throw new Error(`window of ${stream.windowBytes} bytes`);
  return size <= left ? size : -1;
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
    if (header >> 3 > MAX_BLOCK) throw new Error(`block of ${header >> 3} bytes`);
    const size = 3 + (type === 1 ? 1 : header >> 3);
    if (end + size > used) break;
    end += size;
    count++;
    last = (header & 1) !== 0;
  }
  return { end, count, last };
}
