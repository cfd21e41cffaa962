/**
 * The part of a record stream that is not yet in time order. perf writes its per-CPU rings one after the other and
 * marks with FINISHED_ROUND when all were read once; until then later records may be older. The window holds the
 * bytes of those records and, as plain offsets, the runs in which they are in order (one per ring and round). Once no
 * older record can come, the runs are merged (tools/perf/util/ordered-events.c does the same with a list of objects).
 */
import { type Arena, allocate, allocateF64, allocateI32, allocateU32 } from '../../core/arena.ts';
import { buildHeap, type ComesBefore, siftDown } from '../../core/heap.ts';
import type { Spill } from './spill.ts';
import {
  W_BASE,
  W_BYTES,
  W_HEAP,
  W_RUN_AT,
  W_RUN_CAPACITY,
  W_RUN_END,
  W_RUN_KEY,
  W_TABLE_BYTES,
} from './window-layout.ts';

export interface RecordWindow {
  readonly arena: Arena;
  /** What kernels know of the window (window-layout.ts), as words and as 64-bit floats. */
  readonly table: Int32Array;
  readonly floats: Float64Array;
  /** Bytes of the arena, from one address on: as many as may be used before the window grows. */
  bytes: Uint8Array;
  view: DataView;
  /** Bytes of addresses that are set aside for it: it grows in place up to there. */
  reserved: number;
  /** Bytes in use; records are walked up to `parsed`. */
  used: number;
  parsed: number;
  /** Runs: position of the first record not handed out, its key, and the end; in file order. */
  runAt: Uint32Array;
  runKey: Float64Array;
  runEnd: Uint32Array;
  runs: number;
  /** Keys are ns since this time ([low, high] words), so that doubles hold those of every real recording exactly. */
  baseLow: number;
  baseHigh: number;
  hasBase: boolean;
  /** Key of the latest record walked, the largest, and the largest at the last round marker. */
  lastKey: number;
  maxKey: number;
  roundKey: number;
  /** Runs that are being merged, a binary heap by (key, run); empty when nothing is ready. */
  heap: Int32Array;
  heapSize: number;
  /** Equal keys: the earlier run first, which keeps file order. */
  readonly comesBefore: ComesBefore;
  /** Records up to this key may be handed out. */
  limit: number;
  /** The largest limit so far: what is older comes too late. */
  handedOut: number;
  /** Sorted runs in temporary files, all from before what the window holds (spill.ts). */
  spills: Spill[];
  writeBuffer: Uint8Array | null;
  /** While merging: the first runs are blocks of these spills. */
  loaded: Spill[];
  /** Bytes that the window is meant to hold at most; more are spilled. */
  readonly cap: number;
  /** Bytes of a spill that are in memory while merging; at least the largest record (64 KiB). */
  readonly blockBytes: number;
}

/** What a window may hold: two rounds of most recordings; beyond that, temporary files. */
export interface WindowLimits {
  readonly cap: number;
  readonly blockBytes: number;
  /** Bytes to begin with; it grows up to the cap. */
  readonly startBytes?: number;
}

export const WINDOW_LIMITS: WindowLimits = { cap: 20 << 20, blockBytes: 72 << 10 };

export const START_BYTES = 2 << 20;
const START_RUNS = 256;
/** What may be added at once to a window that is full: the plain bytes of a compressed record. */
const LARGEST_ADDED = 66 << 20;
/** A kernel reads whole words at the end of a record. */
const SLACK = 64;

export function createRecordWindow(arena: Arena, limits: WindowLimits = WINDOW_LIMITS): RecordWindow {
  const { cap, blockBytes, startBytes = START_BYTES } = limits;
  const table = allocateI32(arena, W_TABLE_BYTES / 4);
  const window: RecordWindow = {
    arena,
    table,
    floats: new Float64Array(table.buffer, table.byteOffset, W_TABLE_BYTES / 8),
    bytes: new Uint8Array(0),
    view: new DataView(table.buffer),
    reserved: 0,
    used: 0,
    parsed: 0,
    runAt: new Uint32Array(0),
    runKey: new Float64Array(0),
    runEnd: new Uint32Array(0),
    runs: 0,
    baseLow: 0,
    baseHigh: 0,
    hasBase: false,
    lastKey: Number.POSITIVE_INFINITY,
    maxKey: Number.NEGATIVE_INFINITY,
    roundKey: Number.NEGATIVE_INFINITY,
    heap: new Int32Array(0),
    heapSize: 0,
    comesBefore: (a, b) => {
      const { runKey } = window;
      return runKey[a] < runKey[b] || (runKey[a] === runKey[b] && a < b);
    },
    limit: Number.NEGATIVE_INFINITY,
    handedOut: Number.NEGATIVE_INFINITY,
    spills: [],
    writeBuffer: null,
    loaded: [],
    cap,
    blockBytes,
  };
  setAside(window, cap + LARGEST_ADDED);
  useBytes(window, startBytes);
  growRuns(window, START_RUNS);
  return window;
}

/** Sets addresses aside, of which memory is used only where something is written. */
function setAside(window: RecordWindow, size: number): void {
  window.reserved = size;
  window.table[W_BYTES >> 2] = allocate(window.arena, size + SLACK);
}

/** Makes the window's first `size` bytes those that may be used. */
function useBytes(window: RecordWindow, size: number): void {
  const { memory } = window.arena;
  const address = window.table[W_BYTES >> 2];
  window.bytes = new Uint8Array(memory.buffer, address, size);
  window.view = new DataView(memory.buffer, address, size);
}

/** Makes room for `size` more bytes behind `used`: drops what was handed out, grows only if that is not enough. */
export function reserve(window: RecordWindow, size: number): void {
  if (window.used + size > window.bytes.length) moveTo(window, 0, size);
}

/** Position of the first byte that is still needed. */
export function firstNeeded(window: RecordWindow): number {
  let first = window.parsed;
  for (let run = 0; run < window.runs; run++) first = Math.min(first, window.runAt[run]);
  return first;
}

/** Moves what is still needed to `start` (a multiple of 8), with room for `size` more bytes behind it. */
export function moveTo(window: RecordWindow, start: number, size: number): void {
  const first = firstNeeded(window);
  // Positions keep their remainder by 8: records are aligned in the file and must stay so for word access.
  const shift = first - (first % 8) - start;
  const need = window.used - shift + size;
  const { bytes } = window;
  if (need > bytes.length) {
    // Doubling, but not beyond what the cap lets in.
    const length = Math.max(need, Math.min(2 * bytes.length, window.cap + (2 << 20)));
    if (length > window.reserved) setAside(window, length);
    useBytes(window, length);
  }
  if (window.bytes.byteOffset === bytes.byteOffset)
    window.bytes.copyWithin(start, shift + start, window.used);
  else window.bytes.set(bytes.subarray(shift + start, window.used), start);
  window.used -= shift;
  window.parsed -= shift;
  for (let run = 0; run < window.runs; run++) {
    window.runAt[run] -= shift;
    window.runEnd[run] -= shift;
  }
}

/** What follows in the window starts a stream of its own: aligned, in a run of its own. */
export function startStream(window: RecordWindow): void {
  reserve(window, 8);
  window.parsed = Math.ceil(window.parsed / 8) * 8;
  window.used = window.parsed;
}

/** ns since the window's base of a time; the first time asked for becomes the base. */
export function keyOf(window: RecordWindow, low: number, high: number): number {
  if (!window.hasBase) {
    window.hasBase = true;
    window.baseLow = low;
    window.baseHigh = high;
    window.table[W_BASE >> 2] = low;
    window.table[(W_BASE >> 2) + 1] = high;
  }
  // The difference of 64-bit numbers, as the kernels take it.
  const difference = low - window.baseLow;
  return ((high - window.baseHigh - (difference < 0 ? 1 : 0)) | 0) * 4294967296 + (difference >>> 0);
}

/** Starts a new run with the record at `at`; the one before ends there. */
export function startRun(window: RecordWindow, at: number, key: number): void {
  const run = window.runs++;
  growRuns(window, window.runs);
  window.runAt[run] = at;
  window.runKey[run] = key;
}

/** Makes room for `count` runs. */
export function growRuns(window: RecordWindow, count: number): void {
  const { arena, table, runAt, runKey, runEnd } = window;
  if (count <= runAt.length) return;
  const capacity = Math.max(count, 2 * runAt.length);
  window.runAt = allocateU32(arena, capacity);
  window.runAt.set(runAt);
  window.runKey = allocateF64(arena, capacity);
  window.runKey.set(runKey);
  window.runEnd = allocateU32(arena, capacity);
  window.runEnd.set(runEnd);
  window.heap = allocateI32(arena, capacity);
  table[W_RUN_CAPACITY >> 2] = capacity;
  table[W_RUN_AT >> 2] = window.runAt.byteOffset;
  table[W_RUN_KEY >> 2] = window.runKey.byteOffset;
  table[W_RUN_END >> 2] = window.runEnd.byteOffset;
  table[W_HEAP >> 2] = window.heap.byteOffset;
}

/** Makes all records up to `limit` ready. */
export function startMerge(window: RecordWindow, limit: number): void {
  const { runKey, heap } = window;
  window.limit = limit;
  // Whatever comes next may be older than the last record: it starts a run of its own.
  window.lastKey = Number.POSITIVE_INFINITY;
  let size = 0;
  for (let run = 0; run < window.runs; run++) if (runKey[run] <= limit) heap[size++] = run;
  window.heapSize = size;
  buildHeap(heap, size, window.comesBefore);
}

/** Restores the order when the first run's key has grown. */
export function sinkRun({ heap, heapSize, comesBefore }: RecordWindow): void {
  siftDown(heap, heapSize, 0, comesBefore);
}

/** Takes the first run out of the heap: it is used up or beyond the limit. */
export function popRun(window: RecordWindow): void {
  const { heap } = window;
  heap[0] = heap[--window.heapSize];
  sinkRun(window);
}

/** Forgets the first `blocks` runs and those that were handed out completely. */
export function dropRuns(window: RecordWindow, blocks: number): void {
  const { runAt, runKey, runEnd } = window;
  let kept = 0;
  for (let run = blocks; run < window.runs; run++) {
    if (runAt[run] >= runEnd[run]) continue;
    runAt[kept] = runAt[run];
    runKey[kept] = runKey[run];
    runEnd[kept] = runEnd[run];
    kept++;
  }
  window.runs = kept;
}
