/**
 * `cat a.data b.data`: binary recordings say where they end, and what follows is not theirs. Another one's magic
 * number there means that it was not read, which nobody would notice.
 */
import { NINE, ZERO } from '../core/ascii.ts';
import { type Diagnostics, note } from '../core/diagnostics.ts';
import { type ByteSource, readFully } from './byte-source.ts';

/** Bytes of a start that are looked at. */
const START_BYTES = 16;
/** How far behind an end a start is looked for: copies are padded to blocks, and some ends are stated inexactly. */
const NEAR = 1 << 20;
const CHUNK = 1 << 16;

interface Start {
  readonly magic: Buffer;
  /** Whether what stands behind the magic number goes with it: 16 bytes from `at` on are there. */
  readonly fits: (bytes: Buffer, at: number) => boolean;
}

/** Sizes of perf's header: 16 in pipe mode, 104 in files; older and newer ones are near that. */
const isPerfHeader = (size: bigint) => size >= 16n && size <= 4096n;

const STARTS: readonly Start[] = [
  {
    magic: Buffer.from('PERFILE2', 'latin1'),
    fits: (bytes, at) => isPerfHeader(bytes.readBigUInt64LE(at + 8)),
  },
  {
    magic: Buffer.from('2ELIFREP', 'latin1'),
    fits: (bytes, at) => isPerfHeader(bytes.readBigUInt64BE(at + 8)),
  },
  {
    // The version is a number in decimal with a NUL.
    magic: Buffer.from('\x17\x08\x44tracing', 'latin1'),
    fits: (bytes, at) => bytes[at + 10] >= ZERO && bytes[at + 10] <= NINE && bytes[at + 11] === 0,
  },
  {
    // Padded to 8 bytes; a message begins with the continuation mark.
    magic: Buffer.from('ARROW1\0\0', 'latin1'),
    fits: (bytes, at) => bytes.readUInt32LE(at + 8) === 0xffffffff,
  },
];

/** Whether a recording of a binary format begins at `at`; `used` bytes are there. */
export function startsRecording(bytes: Uint8Array, at: number, used: number): boolean {
  if (at + START_BYTES > used) return false;
  const start = Buffer.from(bytes.buffer, bytes.byteOffset + at, START_BYTES);
  return STARTS.some(({ magic, fits }) => magic.compare(start, 0, magic.length) === 0 && fits(start, 0));
}

/** Byte at which a recording begins in [from, to), −1 if none does. */
export function findRecording(source: ByteSource, from: number, to: number): number {
  const end = Math.min(to, source.size ?? to);
  if (!(end - from >= START_BYTES)) return -1;
  const bytes = Buffer.alloc(Math.min(CHUNK, end - from));
  for (let position = from; end - position >= START_BYTES; ) {
    const got = readFully(source, position, bytes, 0, Math.min(bytes.length, end - position));
    if (got < START_BYTES) return -1;
    const found = firstStart(bytes.subarray(0, got));
    if (found >= 0) return position + found;
    position += got - START_BYTES + 1;
  }
  return -1;
}

function firstStart(bytes: Buffer): number {
  let first = -1;
  for (const { magic, fits } of STARTS)
    for (let at = bytes.indexOf(magic); at >= 0; at = bytes.indexOf(magic, at + 1)) {
      if (at + START_BYTES > bytes.length) break;
      if (!fits(bytes, at)) continue;
      if (first < 0 || at < first) first = at;
      break;
    }
  return first;
}

export function noteFollowing(diagnostics: Diagnostics, position: number): void {
  note(
    diagnostics,
    'following-recording',
    'data-loss',
    `another recording begins at byte ${position} of the file (several were joined by cat?): only the first was read; name the files separately instead`,
  );
}

/** Says so if another recording begins behind the end of this one. */
export function checkBehind(source: ByteSource, end: number, diagnostics: Diagnostics): void {
  const position = findRecording(source, end, end + NEAR);
  if (position >= 0) noteFollowing(diagnostics, position);
}
