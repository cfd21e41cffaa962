/**
 * Pass `perf-prof`: exits by interval, thread and reason as `perf-prof kvm-exit` counts them: pairs only, with the share
 * of the time whose guest RIP was in the kernel half. A pair belongs to the interval in which its entry lies.
 */
import { TWO_32, wordsToBigInt } from '../core/words.ts';
import { addExact, exactToBigInt, mergeExact } from './exact-sum.ts';
import { type ExitBatch, PAIRED } from './exit-batch.ts';
import { isKernelAddress } from './hotspots.ts';
import {
  createLatencyLog,
  type LatencyLog,
  logLatency,
  mergeLatencyLogs,
  quantilesOf,
} from './latency-log.ts';
import type { Pass } from './pass.ts';
import { createTopTable, findSlot, slotFor, type TopTable } from './top-table.ts';

export interface PerfProfOptions {
  /** Length of an interval in ns; 0: the whole recording is one. */
  readonly intervalNs: number;
  /** Rows per thread. */
  readonly perThread: boolean;
}

/** Most rows (interval × thread × reason); pairs of further ones are counted as `unplaced`. */
const MAX_ROWS = 32768;
/** Of a key. R_INTERVAL counts from the interval of the first pair, to fit an int on clocks that count from 1970. */
export const R_INTERVAL = 0;
export const R_TID = 1;
export const R_ISA = 2;
export const R_CODE = 3;
const KEY_INTS = 4;

export interface PerfProfState {
  readonly options: PerfProfOptions;
  readonly top: TopTable;
  total: Float64Array;
  kernel: Float64Array;
  ripKnown: Float64Array;
  min: Float64Array;
  max: Float64Array;
  readonly log: LatencyLog;
  readonly key: Int32Array;
  unplaced: number;
  /** Interval of the first pair; NaN before it. */
  base: number;
}

export interface PerfProfRow {
  /** Number of the interval on the capture's clock: its start is interval · intervalNs. */
  readonly interval: number;
  /** −1 unless per thread. */
  readonly tid: number;
  readonly isa: number;
  readonly code: number;
  readonly calls: number;
  readonly totalNs: bigint;
  readonly kernelNs: bigint;
  readonly ripKnownNs: bigint;
  readonly minNs: number;
  readonly maxNs: number;
  readonly p99Ns: number;
  readonly errorPct: number;
}

export interface PerfProfResult {
  readonly intervalNs: number;
  readonly rows: readonly PerfProfRow[];
  readonly unplaced: number;
}

/** floor(time / intervalNs). A time is two words: the high one is divided first, its rest goes on to the low one. */
function intervalOf(low: number, high: number, intervalNs: number): number {
  if (intervalNs === 0) return 0;
  const signed = high | 0;
  const time = signed * TWO_32 + low;
  if (Math.abs(time) <= Number.MAX_SAFE_INTEGER) return Math.floor(time / intervalNs);
  const big = wordsToBigInt(low, high);
  const step = BigInt(intervalNs);
  return Number((big - (((big % step) + step) % step)) / step);
}

function addRows(state: PerfProfState, batch: ExitBatch, selected: Uint8Array | null): void {
  const { key, top, options } = state;
  for (let row = 0; row < batch.length; row++) {
    if (batch.state[row] !== PAIRED || (selected !== null && selected[row] === 0)) continue;
    const interval = intervalOf(batch.entryTime[2 * row], batch.entryTime[2 * row + 1], options.intervalNs);
    if (Number.isNaN(state.base)) state.base = interval;
    key[R_INTERVAL] = interval - state.base;
    key[R_TID] = options.perThread ? batch.tid[row] : -1;
    key[R_ISA] = batch.isa[row];
    key[R_CODE] = batch.code[row];
    if (key[R_INTERVAL] !== interval - state.base || (top.count >= MAX_ROWS && findSlot(top, key) < 0)) {
      state.unplaced++;
      continue;
    }
    const slot = slotFor(top, key);
    if (slot >= state.min.length) grow(state, slot);
    const latency = batch.latency[row];
    addExact(state.total, slot, latency);
    if (latency < state.min[slot]) state.min[slot] = latency;
    if (latency > state.max[slot]) state.max[slot] = latency;
    if (batch.hasRip[row]) {
      addExact(state.ripKnown, slot, latency);
      if (isKernelAddress(batch.rip[2 * row + 1])) addExact(state.kernel, slot, latency);
    }
    logLatency(state.log, slot, latency);
  }
}

function grow(state: PerfProfState, slot: number): void {
  const size = 2 * (slot + 1);
  const old = state.min.length;
  for (const name of ['min', 'max'] as const) {
    const column = new Float64Array(size);
    column.set(state[name]);
    state[name] = column;
  }
  state.min.fill(Number.POSITIVE_INFINITY, old);
  for (const name of ['total', 'kernel', 'ripKnown'] as const) {
    const column = new Float64Array(2 * size);
    column.set(state[name]);
    state[name] = column;
  }
}

function merge(state: PerfProfState, other: PerfProfState): void {
  // Pairs without a place in the table go to a group of their own, which no row shows.
  const groupOf = new Uint32Array(other.top.count).fill(MAX_ROWS);
  if (Number.isNaN(state.base)) state.base = other.base;
  const shift = other.base - state.base;
  const key = new Int32Array(KEY_INTS);
  for (let from = 0; from < other.top.count; from++) {
    for (let i = 0; i < KEY_INTS; i++) key[i] = other.top.keys[from * KEY_INTS + i];
    const interval = key[R_INTERVAL] + shift;
    key[R_INTERVAL] = interval;
    if (key[R_INTERVAL] !== interval || (state.top.count >= MAX_ROWS && findSlot(state.top, key) < 0)) {
      state.unplaced += other.top.observed[from];
      continue;
    }
    const slot = slotFor(state.top, key, other.top.observed[from]);
    if (slot >= state.min.length) grow(state, slot);
    groupOf[from] = slot;
    for (const name of ['total', 'kernel', 'ripKnown'] as const)
      mergeExact(state[name], slot, other[name], from);
    state.min[slot] = Math.min(state.min[slot], other.min[from]);
    state.max[slot] = Math.max(state.max[slot], other.max[from]);
  }
  mergeLatencyLogs(state.log, other.log, groupOf);
  state.unplaced += other.unplaced;
}

function result(state: PerfProfState): PerfProfResult {
  const { top, log } = state;
  const slots = [...Array(top.count).keys()];
  const quantiles = quantilesOf(
    log,
    slots.map((slot) => Uint32Array.of(slot)),
    [0.99],
  );
  const at = (slot: number, i: number) => top.keys[slot * KEY_INTS + i];
  return {
    intervalNs: state.options.intervalNs,
    unplaced: state.unplaced,
    rows: slots.map((slot) => ({
      interval: at(slot, R_INTERVAL) + state.base,
      tid: at(slot, R_TID),
      isa: at(slot, R_ISA),
      code: at(slot, R_CODE) >>> 0,
      calls: top.observed[slot],
      totalNs: exactToBigInt(state.total, slot),
      kernelNs: exactToBigInt(state.kernel, slot),
      ripKnownNs: exactToBigInt(state.ripKnown, slot),
      minNs: state.min[slot],
      maxNs: state.max[slot],
      p99Ns: quantiles[slot].values[0],
      errorPct: quantiles[slot].errorPct,
    })),
  };
}

export const perfProfPass: Pass<PerfProfOptions, PerfProfState, PerfProfResult> = {
  name: 'perf-prof',
  allColumns: false,
  create: (options) => ({
    options,
    top: createTopTable(KEY_INTS, MAX_ROWS),
    total: new Float64Array(32),
    kernel: new Float64Array(32),
    ripKnown: new Float64Array(32),
    min: new Float64Array(16).fill(Number.POSITIVE_INFINITY),
    max: new Float64Array(16),
    log: createLatencyLog(),
    key: new Int32Array(KEY_INTS),
    unplaced: 0,
    base: Number.NaN,
  }),
  exits: addRows,
  merge,
  result,
};
