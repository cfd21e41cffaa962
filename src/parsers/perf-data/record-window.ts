/**
 * The part of a record stream that is not yet in time order. perf writes its per-CPU rings one after the other and
 * marks with FINISHED_ROUND when all were read once; until then later records may be older. The window holds the
 * bytes of those records and, as plain offsets, the runs in which they are in order (one per ring and round). Once no
 * older record can come, the runs are merged (tools/perf/util/ordered-events.c does the same with a list of objects).
 */
import type { Spill } from './spill.ts';

export interface RecordWindow {
  bytes: Uint8Array;
  words: Uint32Array;
  view: DataView;
  /** Bytes in use; records are walked up to `parsed`. */
  used: number;
  parsed: number;
  /** Runs: position of the first record not handed out, its key, and the end; in file order. */
  runAt: Float64Array;
  runKey: Float64Array;
  runEnd: Float64Array;
  runs: number;
  /** Keys are ns since this time ([low, high] words), so that doubles hold them exactly. */
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
  /** Records up to this key may be handed out. */
  limit: number;
  /** The largest limit so far: what is older comes too late. */
  handedOut: number;
  /** Sorted runs in temporary files, all from before what the window holds (spill.ts). */
  spills: Spill[];
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

export const WINDOW_LIMITS: WindowLimits = { cap: 48 << 20, blockBytes: 72 << 10 };

export const START_BYTES = 2 << 20;
const START_RUNS = 256;

export function createRecordWindow(limits: WindowLimits = WINDOW_LIMITS): RecordWindow {
  const { cap, blockBytes, startBytes = START_BYTES } = limits;
  const bytes = new Uint8Array(Math.ceil(startBytes / 8) * 8);
  return {
    bytes,
    words: new Uint32Array(bytes.buffer),
    view: new DataView(bytes.buffer),
    used: 0,
    parsed: 0,
    runAt: new Float64Array(START_RUNS),
    runKey: new Float64Array(START_RUNS),
    runEnd: new Float64Array(START_RUNS),
    runs: 0,
    baseLow: 0,
    baseHigh: 0,
    hasBase: false,
    lastKey: Number.POSITIVE_INFINITY,
    maxKey: Number.NEGATIVE_INFINITY,
    roundKey: Number.NEGATIVE_INFINITY,
    heap: new Int32Array(START_RUNS),
    heapSize: 0,
    limit: Number.NEGATIVE_INFINITY,
    handedOut: Number.NEGATIVE_INFINITY,
    spills: [],
    loaded: [],
    cap,
    blockBytes,
  };
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
  if (need > window.bytes.length) {
    // Doubling, but not beyond what the cap lets in.
    const length = Math.max(need, Math.min(2 * window.bytes.length, window.cap + (2 << 20)));
    const bytes = new Uint8Array(Math.ceil(length / 8) * 8);
    bytes.set(window.bytes.subarray(shift + start, window.used), start);
    window.bytes = bytes;
    window.words = new Uint32Array(bytes.buffer);
    window.view = new DataView(bytes.buffer);
  } else window.bytes.copyWithin(start, shift + start, window.used);
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
  }
  return ((high - window.baseHigh) | 0) * 4294967296 + (low - window.baseLow);
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
  const { length } = window.runAt;
  if (count <= length) return;
  for (const name of ['runAt', 'runKey', 'runEnd'] as const) {
    const column = new Float64Array(Math.max(count, 2 * length));
    column.set(window[name]);
    window[name] = column;
  }
  window.heap = new Int32Array(window.runAt.length);
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
  for (let i = (size >> 1) - 1; i >= 0; i--) siftDown(window, i);
}

/** Restores the heap below position `i`. Equal keys: the earlier run first, which keeps file order. */
export function siftDown(window: RecordWindow, i: number): void {
  const { heap, heapSize, runKey } = window;
  const run = heap[i];
  const key = runKey[run];
  let at = i;
  while (true) {
    let child = 2 * at + 1;
    if (child >= heapSize) break;
    const right = child + 1;
    if (right < heapSize && before(runKey, heap[right], heap[child])) child = right;
    const below = heap[child];
    if (runKey[below] > key || (runKey[below] === key && below > run)) break;
    heap[at] = below;
    at = child;
  }
  heap[at] = run;
}

function before(runKey: Float64Array, a: number, b: number): boolean {
  return runKey[a] < runKey[b] || (runKey[a] === runKey[b] && a < b);
}

/** Takes the first run out of the heap: it is used up or beyond the limit. */
export function popRun(window: RecordWindow): void {
  const { heap } = window;
  heap[0] = heap[--window.heapSize];
  if (window.heapSize > 1) siftDown(window, 0);
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
