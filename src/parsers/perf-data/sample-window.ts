/**
 * The part of a record stream that is not yet in time order. perf writes its per-CPU rings one after the other and
 * marks with FINISHED_ROUND when all were read once; until then later records may be older. The window keeps the raw
 * bytes of samples and losses with their times, and hands them out in order once no older one can come
 * (tools/perf/util/ordered-events.c does the same with a list of objects).
 */
import { mergeRuns, type RunBuffers } from './merge-runs.ts';

export interface SampleWindow {
  bytes: Uint8Array;
  view: DataView;
  /** Bytes in use. */
  used: number;
  /** key: ns since `base`; value: offset in `bytes`. Rows [0, count). */
  rows: RunBuffers;
  spare: RunBuffers;
  count: number;
  /** Time of the first record as [low, high]; keys are relative to it so that doubles hold them exactly. */
  baseLow: number;
  baseHigh: number;
  hasBase: boolean;
  /** Largest key seen, and the largest seen at the last round marker. */
  maxKey: number;
  roundKey: number;
  /** Rows [0, ready) are in order and may be handed out; the next is `next`. */
  ready: number;
  next: number;
  /** Largest key handed out: a record below it came too late. */
  emittedKey: number;
}

const START_BYTES = 4 << 20;
const START_ROWS = 1 << 16;

export function createSampleWindow(): SampleWindow {
  const bytes = new Uint8Array(START_BYTES);
  const runs = () => ({ keys: new Float64Array(START_ROWS), values: new Uint32Array(START_ROWS) });
  return {
    bytes,
    view: new DataView(bytes.buffer),
    used: 0,
    rows: runs(),
    spare: runs(),
    count: 0,
    baseLow: 0,
    baseHigh: 0,
    hasBase: false,
    maxKey: -Infinity,
    roundKey: -Infinity,
    ready: 0,
    next: 0,
    emittedKey: -Infinity,
  };
}

/** Makes room for `size` more bytes and returns where they go. */
export function reserve(window: SampleWindow, size: number): number {
  if (window.used + size > window.bytes.length) {
    const bytes = new Uint8Array(Math.max(2 * window.bytes.length, window.used + size));
    bytes.set(window.bytes.subarray(0, window.used));
    window.bytes = bytes;
    window.view = new DataView(bytes.buffer);
  }
  return window.used;
}

/** Notes the record at `offset` with its time. */
export function addRow(window: SampleWindow, low: number, high: number, offset: number): void {
  if (!window.hasBase) {
    window.hasBase = true;
    window.baseLow = low;
    window.baseHigh = high;
  }
  const key = ((high - window.baseHigh) | 0) * 4294967296 + (low - window.baseLow);
  const row = window.count;
  if (row === window.rows.keys.length) growRows(window);
  window.rows.keys[row] = key;
  window.rows.values[row] = offset;
  window.count = row + 1;
  if (key > window.maxKey) window.maxKey = key;
}

function growRows(window: SampleWindow): void {
  const { keys, values } = window.rows;
  const size = 2 * keys.length;
  window.rows = { keys: new Float64Array(size), values: new Uint32Array(size) };
  window.rows.keys.set(keys);
  window.rows.values.set(values);
  window.spare = { keys: new Float64Array(size), values: new Uint32Array(size) };
}

/** A round has ended: everything up to the newest time of the round before may be handed out. */
export function finishRound(window: SampleWindow): void {
  settle(window, window.roundKey);
  window.roundKey = window.maxKey;
}

/** The stream has ended: everything may be handed out. */
export function finishWindow(window: SampleWindow): void {
  settle(window, Infinity);
}

/** Sorts all rows and marks those up to `limit` as ready. Only called when everything ready was handed out. */
export function settle(window: SampleWindow, limit: number): void {
  mergeRuns(window.rows, window.spare, window.count);
  const { keys } = window.rows;
  let low = 0;
  let high = window.count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (keys[middle]! <= limit) low = middle + 1;
    else high = middle;
  }
  window.ready = low;
  window.next = 0;
  if (low > 0) window.emittedKey = Math.max(window.emittedKey, keys[low - 1]!);
}

/** Drops what was handed out and the bytes before the oldest row that is kept. */
export function compact(window: SampleWindow): void {
  if (window.next === 0) return;
  const { keys, values } = window.rows;
  const kept = window.count - window.next;
  if (kept === 0) {
    window.used = 0;
  } else {
    let first = window.used;
    for (let i = window.next; i < window.count; i++) if (values[i]! < first) first = values[i]!;
    window.bytes.copyWithin(0, first, window.used);
    window.used -= first;
    keys.copyWithin(0, window.next, window.count);
    values.copyWithin(0, window.next, window.count);
    for (let i = 0; i < kept; i++) values[i]! -= first;
  }
  window.count = kept;
  window.ready = 0;
  window.next = 0;
}
