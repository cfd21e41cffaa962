/** The fixed part of a perf.data file, at its beginning. Layout: tools/perf/util/header.h, perf_file_header. */
import { TraceFormatError } from '../../core/errors.ts';
import { type ByteSource, readFully } from '../byte-source.ts';

export const FEATURE_HOSTNAME = 3;
/** Size of the header in pipe mode. */
export const PIPE_HEADER = 16;
const MAX_ATTRS = 65536;
/** Bytes of the header with its bits of features, and without. */
const HEADER_BYTES = 104;
const HEADER_WITHOUT_FEATURES = 72;

const latin1 = new TextDecoder('latin1');

/** What the header of a file says, as far as the file has it. */
export interface FixedHeader {
  readonly pipe: false;
  readonly little: boolean;
  readonly attrsOffset: number;
  readonly entrySize: number;
  /** Number of attrs. */
  readonly count: number;
  readonly dataOffset: number;
  /** 0: perf did not finish the file. */
  readonly dataSize: number;
  /** Features that the file has sections of. */
  readonly bits: readonly number[];
  /** Bytes of the file. */
  readonly size: number;
}

/** @throws TraceFormatError for what is no such file, or cut off in there. */
export function readFixedHeader(
  source: ByteSource,
): FixedHeader | { readonly pipe: true; readonly little: boolean } {
  const fixed = new Uint8Array(HEADER_BYTES);
  const got = readFully(source, 0, fixed, 0, HEADER_BYTES);
  const view = new DataView(fixed.buffer);
  const magic = latin1.decode(fixed.subarray(0, 8));
  if (magic === 'PERFFILE') throw headerError('version 1 files (perf 2.6.32) are not supported', 0);
  if (magic !== 'PERFILE2' && magic !== '2ELIFREP') throw headerError('no PERFILE2 magic', 0);
  const little = magic === 'PERFILE2';
  const u64 = (offset: number) => Number(view.getBigUint64(offset, little));
  const headerSize = got >= PIPE_HEADER ? u64(8) : 0;
  if (headerSize === PIPE_HEADER) return { pipe: true, little };
  if (got < HEADER_WITHOUT_FEATURES)
    throw headerError(
      `the file ends inside the header (${got} bytes)`,
      got,
      'the file is cut off; record again',
    );
  if (headerSize < HEADER_WITHOUT_FEATURES)
    throw headerError(`header size ${headerSize} is not that of a perf.data file`, 8);
  const [entrySize, attrsOffset, attrsSize] = [u64(16), u64(24), u64(32)];
  const [dataOffset, dataSize] = [u64(40), u64(48)];
  const size = source.parts?.[0].size ?? source.size ?? Infinity;
  if (entrySize < 80 || entrySize > 4096)
    throw headerError(`attr entries of ${entrySize} bytes cannot be`, 16);
  const count = Math.floor(attrsSize / entrySize);
  if (count === 0) throw headerError('the file describes no event (no attrs)', 32);
  if (count > MAX_ATTRS || attrsOffset + attrsSize > size)
    throw headerError(
      `${count} attrs at byte ${attrsOffset} do not fit the file`,
      24,
      'the file is cut off or damaged',
    );
  if (dataOffset > size)
    throw headerError(
      `the records start at byte ${dataOffset}, beyond the file's end`,
      40,
      'the file is cut off',
    );
  const hasFeatures = dataSize > 0 && got >= HEADER_BYTES && headerSize >= HEADER_BYTES;
  const bits = hasFeatures ? setBits(fixed.subarray(HEADER_WITHOUT_FEATURES), little) : [];
  return { pipe: false, little, attrsOffset, entrySize, count, dataOffset, dataSize, bits, size };
}

function headerError(message: string, offset: number, hint?: string): TraceFormatError {
  return new TraceFormatError({
    format: 'perf.data',
    section: 'header',
    message,
    offset,
    ...(hint ? { hint } : {}),
  });
}

/**
 * Set bits of the 256-bit feature map. It was written as native longs: in a swapped file the words are u64, or u32
 * when HOSTNAME (bit 3) is clear that way (tools/perf/util/header.c, perf_file_header__read).
 */
function setBits(bitmap: Uint8Array, little: boolean): number[] {
  const bitsOf = (bytes: Uint8Array) => {
    const bits: number[] = [];
    for (let bit = 0; bit < 256; bit++) if (bytes[bit >> 3] & (1 << (bit & 7))) bits.push(bit);
    return bits;
  };
  if (little) return bitsOf(bitmap);
  for (const word of [8, 4]) {
    const swapped = new Uint8Array(32);
    for (let i = 0; i < 32; i++) swapped[i] = bitmap[i - (i % word) + (word - 1 - (i % word))];
    const bits = bitsOf(swapped);
    if (bits.includes(FEATURE_HOSTNAME)) return bits;
  }
  return [];
}
