/** Counts and exact sums of exits by index (a slot of a table): what detail, devices and hot spots show per row. */
import type { Arena } from '../core/arena.ts';
import { float64s, widened } from '../core/columns.ts';
import { addressOf } from '../core/kernel-view.ts';
import { addExact, mergeExact } from './exact-sum.ts';
import { type ExitBatch, PAIRED } from './exit-batch.ts';
import {
  ET_ERRORS,
  ET_ESCALATED,
  ET_EXITS,
  ET_KERNEL_NS,
  ET_MAX,
  ET_MIN,
  ET_PAIRED,
  ET_RESTARTS,
  ET_ROOM,
  ET_TOTAL,
  ET_USERSPACE_NS,
} from './exit-table-layout.ts';

/** Columns by index; ns columns are exact sums of two doubles each. */
export interface ExitSums {
  capacity: number;
  exits: Float64Array;
  paired: Float64Array;
  /** Exits with a userspace exit, with a restart, with another error: each once. */
  escalated: Float64Array;
  restarts: Float64Array;
  errors: Float64Array;
  /** Over pairs: latency; of escalated ones exit → userspace exit and userspace exit → entry. */
  total: Float64Array;
  kernelNs: Float64Array;
  userspaceNs: Float64Array;
  min: Float64Array;
  max: Float64Array;
  readonly arena: Arena | null;
}

const COUNTS = ['exits', 'paired', 'escalated', 'restarts', 'errors'] as const;
const SUMS = ['total', 'kernelNs', 'userspaceNs'] as const;

export function createExitSums(capacity = 16, arena: Arena | null = null): ExitSums {
  const sums = { capacity: 0, arena } as ExitSums;
  growSums(sums, capacity);
  return sums;
}

function growSums(sums: ExitSums, capacity: number): void {
  const { arena } = sums;
  const resize = (old: Float64Array | undefined, each: number) =>
    widened(float64s, arena, capacity * each, old ?? new Float64Array(0));
  for (const name of [...COUNTS, 'min', 'max'] as const) sums[name] = resize(sums[name], 1);
  for (const name of SUMS) sums[name] = resize(sums[name], 2);
  sums.min.fill(Number.POSITIVE_INFINITY, sums.capacity);
  sums.capacity = capacity;
}

/** The sums in memory of their own: they may be sent between threads. */
export function plainSums(sums: ExitSums): ExitSums {
  const plain = { ...sums, arena: null };
  for (const name of [...COUNTS, ...SUMS, 'min', 'max'] as const) plain[name] = sums[name].slice();
  return plain;
}

/** Tells a kernel where the columns, which move when they grow, are. */
export function showSums(words: Uint32Array, sums: ExitSums): void {
  words[ET_EXITS / 4] = addressOf(sums.exits);
  words[ET_PAIRED / 4] = addressOf(sums.paired);
  words[ET_ESCALATED / 4] = addressOf(sums.escalated);
  words[ET_RESTARTS / 4] = addressOf(sums.restarts);
  words[ET_ERRORS / 4] = addressOf(sums.errors);
  words[ET_TOTAL / 4] = addressOf(sums.total);
  words[ET_KERNEL_NS / 4] = addressOf(sums.kernelNs);
  words[ET_USERSPACE_NS / 4] = addressOf(sums.userspaceNs);
  words[ET_MIN / 4] = addressOf(sums.min);
  words[ET_MAX / 4] = addressOf(sums.max);
  words[ET_ROOM / 4] = sums.capacity;
}

/** Adds one exit to row `index`, making room for it. */
export function addExitTo(sums: ExitSums, index: number, batch: ExitBatch, row: number): void {
  if (index >= sums.capacity) growSums(sums, 2 * (index + 1));
  sums.exits[index]++;
  if (batch.restarts[row] > 0) sums.restarts[index]++;
  if (batch.userspaceErrors[row] > 0) sums.errors[index]++;
  const escalated = batch.userspaceExits[row] > 0;
  if (escalated) sums.escalated[index]++;
  if (batch.state[row] !== PAIRED) return;
  const latency = batch.latency[row];
  sums.paired[index]++;
  addExact(sums.total, index, latency);
  if (latency < sums.min[index]) sums.min[index] = latency;
  if (latency > sums.max[index]) sums.max[index] = latency;
  if (!escalated) return;
  addExact(sums.kernelNs, index, batch.kernelNs[row]);
  addExact(sums.userspaceNs, index, batch.userspaceNs[row]);
}

/** Makes row `index` empty: its slot has another key now. */
export function clearSums(sums: ExitSums, index: number): void {
  if (index >= sums.capacity) return;
  for (const name of COUNTS) sums[name][index] = 0;
  for (const name of SUMS) sums[name].fill(0, 2 * index, 2 * index + 2);
  sums.min[index] = Number.POSITIVE_INFINITY;
  sums.max[index] = 0;
}

/** Adds row `from` of `other` to row `index`. */
export function mergeSums(sums: ExitSums, index: number, other: ExitSums, from: number): void {
  if (index >= sums.capacity) growSums(sums, 2 * (index + 1));
  if (from >= other.capacity) return;
  for (const name of COUNTS) sums[name][index] += other[name][from];
  for (const name of SUMS) mergeExact(sums[name], index, other[name], from);
  sums.min[index] = Math.min(sums.min[index], other.min[from]);
  sums.max[index] = Math.max(sums.max[index], other.max[from]);
}
