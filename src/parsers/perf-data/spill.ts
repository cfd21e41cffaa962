/**
 * Rounds that do not fit the memory: recordings without FINISHED_ROUND (`--threads`) or with rounds of gigabytes. When
 * the window is full, its records go in the order of time to a temporary file, one sorted run, and merging reads it
 * back block by block. Blocks lie at the window's start as ordinary runs, so that decoding does not know of them.
 */
import { note } from '../../core/diagnostics.ts';
import { type ByteSource, readFully } from '../byte-source.ts';
import { type TemporaryFile, temporaryFile } from '../temporary-file.ts';
import type { RecordState } from './record-state.ts';
import {
  dropRuns,
  firstNeeded,
  growRuns,
  moveTo,
  popRun,
  type RecordWindow,
  sinkRun,
  startMerge,
} from './record-window.ts';
import { closeRun, timedKey } from './walk-records.ts';

export interface Spill {
  readonly source: ByteSource;
  readonly size: number;
  /** Next byte to be read. */
  at: number;
  /** Key of the record there. */
  key: number;
}

const WRITE_BYTES = 1 << 20;

/** To be called before more is read: keeps the window below its cap. */
export function keepWithinCap(state: RecordState): void {
  const { window } = state;
  if (window.used <= window.cap) return;
  // Only when most of it is needed; else moving it to the front frees enough.
  if (window.used - firstNeeded(window) > 0.75 * window.cap) spillWindow(state);
  moveTo(window, 0, 0);
}

/** Writes the window's runs to a temporary file, merged. */
function spillWindow(state: RecordState): void {
  const { window } = state;
  closeRun(window);
  const { limit } = window;
  startMerge(window, Number.POSITIVE_INFINITY);
  if (window.heapSize > 0) {
    const key = window.runKey[window.heap[0]];
    const file = temporaryFile('');
    const out = { file, bytes: writeBuffer(window), used: 0 };
    while (window.heapSize > 0) {
      const run = window.heap[0];
      copyRun(state, run, out);
      if (window.runAt[run] >= window.runEnd[run]) popRun(window);
      else sinkRun(window);
    }
    file.write(out.bytes.subarray(0, out.used));
    window.spills.push({ source: file.open('(spilled records)'), size: file.size(), at: 0, key });
  }
  dropRuns(window, 0);
  window.limit = limit;
}

/** One for all spills: buffers of spills long written would wait for the garbage collector. */
function writeBuffer(window: RecordWindow): Uint8Array {
  window.writeBuffer ??= new Uint8Array(Math.min(WRITE_BYTES, window.cap));
  return window.writeBuffer;
}

interface Output {
  readonly file: TemporaryFile;
  readonly bytes: Uint8Array;
  used: number;
}

function append(out: Output, bytes: Uint8Array, from: number, to: number): void {
  for (let at = from; at < to; ) {
    const part = Math.min(to - at, out.bytes.length - out.used);
    out.bytes.set(bytes.subarray(at, at + part), out.used);
    out.used += part;
    at += part;
    if (out.used < out.bytes.length) continue;
    out.file.write(out.bytes);
    out.used = 0;
  }
}

/** Copies the timed records of the first run up to where another run has an older one. */
function copyRun(state: RecordState, run: number, out: Output): void {
  const { window, little } = state;
  const { heap, heapSize, runKey, view } = window;
  let bound = Number.POSITIVE_INFINITY;
  let boundRun = 0x7fffffff;
  for (let i = 1; i <= 2 && i < heapSize; i++) {
    const key = runKey[heap[i]];
    if (key < bound || (key === bound && heap[i] < boundRun)) {
      bound = key;
      boundRun = heap[i];
    }
  }
  const end = window.runEnd[run];
  let at = window.runAt[run];
  let from = at;
  let last = runKey[run];
  while (at < end) {
    const size = view.getUint16(at + 6, little);
    const key = timedKey(state, view.getUint32(at, little), at, size);
    if (Number.isNaN(key)) {
      // Of no use later: neither sample nor loss nor change of a thread.
      append(out, window.bytes, from, at);
      from = at + size;
    } else if (key > bound || (key === bound && run > boundRun)) {
      last = key;
      break;
    }
    at += size;
  }
  append(out, window.bytes, from, at);
  window.runAt[run] = at;
  runKey[run] = last;
}

/** Makes all records up to `limit` ready for decoding, in memory and spilled. */
export function makeReady(state: RecordState, limit: number): void {
  const { window } = state;
  countLate(state);
  if (window.spills.length > 0) loadSpills(state, limit);
  startMerge(window, limit);
  window.handedOut = Math.max(window.handedOut, limit);
}

/** A round has ended: everything up to the newest time of the round before may be handed out. */
export function finishRound(state: RecordState): void {
  const { window } = state;
  makeReady(state, window.roundKey);
  window.roundKey = window.maxKey;
}

/** Records that are older than what was handed out: a damaged time, or a recorder that did not keep its rounds. */
function countLate(state: RecordState): void {
  const { window, little } = state;
  const { view, handedOut } = window;
  let late = 0;
  for (let run = 0; run < window.runs; run++) {
    if (window.runKey[run] >= handedOut) continue;
    for (let at = window.runAt[run]; at < window.runEnd[run]; at += view.getUint16(at + 6, little)) {
      const key = timedKey(state, view.getUint32(at, little), at, view.getUint16(at + 6, little));
      if (key >= handedOut) break;
      if (key < handedOut) late++;
    }
  }
  if (late > 0)
    note(
      state.context.diagnostics,
      'late-records',
      'suspect',
      'records that are older than the round they lie in allows: they come out of order',
      late,
    );
}

/** Puts the first block of each spill that has something to hand out in front of the window's runs. */
function loadSpills(state: RecordState, limit: number): void {
  const { window } = state;
  const { blockBytes } = window;
  const needed = window.used - firstNeeded(window);
  // The blocks take the place of records that do not fit beside them.
  if (needed + window.spills.length * blockBytes > window.cap) spillWindow(state);
  const loaded = window.spills.filter((spill) => spill.key <= limit);
  const count = loaded.length;
  if (count === 0) return;
  moveTo(window, count * blockBytes, 0);
  growRuns(window, window.runs + count);
  for (const column of [window.runAt, window.runKey, window.runEnd]) column.copyWithin(count, 0, window.runs);
  window.runs += count;
  window.loaded = loaded;
  for (let run = 0; run < count; run++) loadBlock(state, run);
}

/** Reads the next block of the spill that is run `run`; false at its end. */
export function loadBlock(state: RecordState, run: number): boolean {
  const { window, little } = state;
  const { bytes, view } = window;
  const spill = window.loaded[run];
  const start = run * window.blockBytes;
  const length = readFully(
    spill.source,
    spill.at,
    bytes,
    start,
    Math.min(window.blockBytes, spill.size - spill.at),
  );
  let end = start;
  while (end + 8 <= start + length) {
    const size = view.getUint16(end + 6, little);
    if (end + size > start + length) break;
    end += size;
  }
  window.runAt[run] = start;
  window.runEnd[run] = end;
  if (end === start) return false;
  const key = timedKey(state, view.getUint32(start, little), start, view.getUint16(start + 6, little));
  window.runKey[run] = Number.isNaN(key) ? spill.key : key;
  spill.at += end - start;
  return true;
}

/** Merging has ended: what is left of the loaded blocks stays in their files. Returns how many there were. */
export function unloadSpills(window: RecordWindow): number {
  const blocks = window.loaded.length;
  if (blocks === 0) return 0;
  for (const [run, spill] of window.loaded.entries()) {
    spill.at -= window.runEnd[run] - window.runAt[run];
    spill.key = window.runKey[run];
    if (spill.at >= spill.size) spill.source.close();
  }
  window.spills = window.spills.filter((spill) => spill.at < spill.size);
  window.loaded = [];
  return blocks;
}

/** Frees the temporary files; to be called whatever ends the reading. */
export function closeSpills(window: RecordWindow): void {
  for (const spill of window.spills) spill.source.close();
  window.spills = [];
  window.loaded = [];
}
