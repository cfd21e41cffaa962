/**
 * One CPU's pages out of the file: a window of whole pages (uncompressed) or one chunk (compressed) at a time, so
 * that memory depends on the number of CPUs and not on the size of the file.
 */
import { type Arena, allocateU8, roomOf } from '../../core/arena.ts';
import { type Diagnostics, note } from '../../core/diagnostics.ts';
import { type ByteSource, readFully } from '../byte-source.ts';
import { type Decompress, MAX_PLAIN } from './decompress.ts';
import { S_BYTES, S_PAGE, S_PAGE_SIZE, S_WINDOW, STREAM_BYTES } from './stream-layout.ts';

/** Bytes of all windows together, if a page per CPU is less. */
const WINDOWS_BYTES = 16 << 20;
const LARGEST_WINDOW = 256 << 10;
/** Plain bytes of all CPUs' chunks together: far above trace-cmd's 10 pages for each of thousands of CPUs. */
const MAX_LIVE_PLAIN = 512 << 20;
/** A kernel reads whole words at the end of a record. */
const SLACK = 64;

/** Words of a source's part of its stream's table. */
const NEXT = S_PAGE >> 2;
const LENGTH = S_WINDOW >> 2;
const ADDRESS = S_BYTES >> 2;

/** What all CPUs' sources share. */
export interface SourcePool {
  readonly source: ByteSource;
  readonly little: boolean;
  readonly decompress: Decompress | null;
  readonly diagnostics: Diagnostics;
  /** Where windows lie as far as there is room; null: kernels do not read them. */
  readonly arena: Arena | null;
  /** Bytes of an uncompressed window. */
  readonly windowBytes: number;
  livePlain: number;
  /** Bytes read so far, for progress. */
  readBytes: number;
}

export interface PageSource {
  readonly pool: SourcePool;
  readonly pageSize: number;
  /** Chunks left; −1: not compressed; −2: the count stands at `position` and was not read yet. */
  chunks: number;
  /** File position of what follows the window. */
  position: number;
  readonly end: number;
  /** The window. */
  bytes: Uint8Array;
  view: DataView;
  /** Memory of the arena that windows are made of. */
  area: Uint8Array;
  /**
   * The stream's table (stream-layout.ts): how much of the window is in use, and where its next page begins, which a
   * kernel moves on as well.
   */
  readonly table: Int32Array;
  stored: Uint8Array;
  /** The data ended before it should. */
  cut: boolean;
  /** A chunk before the window was left out. */
  gap: boolean;
}

const NOTHING = new Uint8Array(0);
const NOT_COMPRESSED = -1;
const COUNT_AHEAD = -2;

export function createSourcePool(
  source: ByteSource,
  little: boolean,
  decompress: Decompress | null,
  diagnostics: Diagnostics,
  streams: number,
  arena: Arena | null = null,
): SourcePool {
  const windowBytes = Math.min(LARGEST_WINDOW, Math.floor(WINDOWS_BYTES / Math.max(1, streams)));
  return { source, little, decompress, diagnostics, arena, windowBytes, livePlain: 0, readBytes: 0 };
}

/** Where a stream's pages lie in the file; `cut`: the file ends before they do. */
export interface PagePlace {
  readonly offset: number;
  readonly end: number;
  readonly pageSize: number;
  readonly compressed: boolean;
  readonly cut: boolean;
}

export function createPageSource(
  pool: SourcePool,
  { offset, end, pageSize, compressed, cut }: PagePlace,
  table: Int32Array = new Int32Array(STREAM_BYTES >> 2),
): PageSource {
  table[S_PAGE_SIZE >> 2] = pageSize;
  return {
    pool,
    pageSize,
    chunks: compressed ? COUNT_AHEAD : NOT_COMPRESSED,
    position: offset,
    end,
    bytes: NOTHING,
    view: new DataView(NOTHING.buffer),
    area: NOTHING,
    table,
    stored: NOTHING,
    cut,
    gap: false,
  };
}

/** Bytes of the window that are in use. */
export function windowLength({ table }: PageSource): number {
  return table[LENGTH];
}

/** Whether the page that was taken last is cut off. */
export function endsInsidePage({ table }: PageSource): boolean {
  return table[LENGTH] < table[NEXT];
}

/**
 * Moves to the next page; returns where it begins in `bytes`, −1 at the end. A cut-off last page is given too: see
 * windowLength().
 */
export function takePage(pages: PageSource): number {
  const { table } = pages;
  while (table[NEXT] >= table[LENGTH]) if (!takeWindow(pages)) return -1;
  const at = table[NEXT];
  table[NEXT] = at + pages.pageSize;
  return at;
}

/** Replaces the window by what follows it in the file; false at the end. */
export function takeWindow(pages: PageSource): boolean {
  if (pages.chunks === NOT_COMPRESSED ? readWindow(pages) : readChunk(pages)) return true;
  release(pages);
  return false;
}

function release(pages: PageSource): void {
  if (pages.chunks !== NOT_COMPRESSED) pages.pool.livePlain -= pages.bytes.length;
  setWindow(pages, NOTHING, 0);
}

/** Bytes for a window: of the arena, if it has room enough for others as well; `before` if they are as many. */
function windowOf(pages: PageSource, size: number): Uint8Array {
  if (pages.bytes.length === size) return pages.bytes;
  const { arena } = pages.pool;
  if (pages.area.length < size + SLACK && arena !== null) {
    // Memory of the arena is never given back: chunks that grow one after the other must not use it up.
    const wanted = Math.max(size, 2 * pages.area.length) + SLACK;
    if (wanted < roomOf(arena) / 2) pages.area = allocateU8(arena, wanted);
  }
  return pages.area.length < size + SLACK ? new Uint8Array(size) : pages.area.subarray(0, size);
}

function setWindow(pages: PageSource, bytes: Uint8Array, length: number): void {
  const { table } = pages;
  if (bytes !== pages.bytes) {
    pages.bytes = bytes;
    pages.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    table[ADDRESS] = bytes.buffer === pages.area.buffer && bytes.length > 0 ? bytes.byteOffset : 0;
  }
  table[LENGTH] = length;
  table[NEXT] = 0;
}

function readWindow(pages: PageSource): boolean {
  const { pool, pageSize } = pages;
  const left = pages.end - pages.position;
  if (left <= 0) return false;
  const whole = Math.max(pageSize, pool.windowBytes - (pool.windowBytes % pageSize));
  const want = Math.min(whole, left);
  const bytes = pages.bytes.length >= want ? pages.bytes : windowOf(pages, want);
  const got = readFully(pool.source, pages.position, bytes, 0, want);
  pages.position += got;
  pool.readBytes += got;
  if (got < want) pages.cut = true;
  setWindow(pages, bytes, got);
  return got > 0;
}

const word = new Uint8Array(8);
const wordView = new DataView(word.buffer);

/** Reads u32s at the position; false if the file ends before. */
function readWords(pages: PageSource, size: 4 | 8): boolean {
  if (pages.position + size > pages.end || readFully(pages.pool.source, pages.position, word, 0, size) < size)
    return false;
  pages.position += size;
  return true;
}

function readChunk(pages: PageSource): boolean {
  const { pool } = pages;
  const { little } = pool;
  if (pages.chunks === COUNT_AHEAD) {
    if (!readWords(pages, 4)) return cutOff(pages);
    pages.chunks = wordView.getUint32(0, little);
  }
  if (pages.chunks === 0) return false;
  pages.chunks--;
  if (!readWords(pages, 8)) return cutOff(pages);
  const stored = wordView.getUint32(0, little);
  const plain = wordView.getUint32(4, little);
  if (stored > pages.end - pages.position) return cutOff(pages);
  if (plain > MAX_PLAIN || pool.livePlain + plain > MAX_LIVE_PLAIN)
    return skipChunk(pages, stored, `${plain} plain bytes`);
  if (pages.stored.length < stored) pages.stored = new Uint8Array(stored);
  if (readFully(pool.source, pages.position, pages.stored, 0, stored) < stored) return cutOff(pages);
  const before = pages.bytes.length;
  let bytes: Uint8Array;
  try {
    const target = windowOf(pages, plain);
    bytes = pool.decompress!(pages.stored.subarray(0, stored), plain, target);
    if (bytes.length === plain && bytes !== target) {
      target.set(bytes);
      bytes = target;
    }
  } catch (error) {
    return skipChunk(pages, stored, (error as Error).message);
  }
  if (bytes.length < plain)
    return skipChunk(pages, stored, `${bytes.length} plain bytes instead of ${plain}`);
  pages.position += stored;
  pool.readBytes += stored;
  pool.livePlain += bytes.length - before;
  setWindow(pages, bytes, bytes.length);
  return true;
}

/** Leaves the chunk at the position out; the next one can be read all the same. */
function skipChunk(pages: PageSource, stored: number, why: string): true {
  note(
    pages.pool.diagnostics,
    'damaged-chunks',
    'data-loss',
    `compressed chunks of events cannot be decompressed and were left out (first: byte ${pages.position}, ${why})`,
  );
  pages.position += stored;
  pages.gap = true;
  pages.table[LENGTH] = 0;
  pages.table[NEXT] = 0;
  return true;
}

function cutOff(pages: PageSource): false {
  if (!pages.cut) note(pages.pool.diagnostics, 'truncated-file', 'data-loss', TRUNCATED);
  pages.cut = true;
  return false;
}

export const TRUNCATED =
  'the file ends before the events of all CPUs do (copied or written in part); what is there was read';
