/** Counts and exact sums of exits by index (a slot of a table): what detail, devices and hot spots show per row. */
import type { Arena } from '../core/arena.ts';
import { float64s, widened } from '../core/columns.ts';
import { addExact, mergeExact } from './exact-sum.ts';
import { type ExitBatch, PAIRED } from './exit-batch.ts';
import {
  ES_DOUBLES,
  ES_ERRORS,
  ES_ESCALATED,
  ES_EXITS,
  ES_KERNEL_NS,
  ES_MAX,
  ES_MIN,
  ES_PAIRED,
  ES_RESTARTS,
  ES_TOTAL,
  ES_USERSPACE_NS,
} from './exit-table-layout.ts';

/** Columns by index; ns columns are exact sums of two doubles each. */
export interface ExitSums {
  readonly exits: Float64Array;
  readonly paired: Float64Array;
  /** Exits with a userspace exit, with a restart, with another error: each once. */
  readonly escalated: Float64Array;
  readonly restarts: Float64Array;
  readonly errors: Float64Array;
  /** Over pairs: latency; of escalated ones exit → userspace exit and userspace exit → entry. */
  readonly total: Float64Array;
  readonly kernelNs: Float64Array;
  readonly userspaceNs: Float64Array;
  readonly min: Float64Array;
  readonly max: Float64Array;
}

/** The same while it is summed: by index a record of ES_DOUBLES, in two cache lines. */
export interface SumRecords {
  capacity: number;
  values: Float64Array;
  /** null: in plain memory. */
  readonly arena: Arena | null;
}

const COUNTS = [ES_EXITS, ES_PAIRED, ES_ESCALATED, ES_RESTARTS, ES_ERRORS] as const;
const SUMS = [ES_TOTAL, ES_KERNEL_NS, ES_USERSPACE_NS] as const;

export function createSums(capacity = 16, arena: Arena | null = null): SumRecords {
  const sums: SumRecords = { capacity, values: float64s(arena, ES_DOUBLES * capacity), arena };
  for (let index = 0; index < capacity; index++) clearSums(sums, index);
  return sums;
}

function growSums(sums: SumRecords, capacity: number): void {
  const from = sums.capacity;
  sums.values = widened(float64s, sums.arena, ES_DOUBLES * capacity, sums.values);
  sums.capacity = capacity;
  for (let index = from; index < capacity; index++) clearSums(sums, index);
}

/** Number of an exact sum among all pairs of doubles. */
function pairOf(index: number, sum: number): number {
  return (index * ES_DOUBLES + sum) / 2;
}

/** Adds one exit to row `index`, making room for it. */
export function addExitTo(sums: SumRecords, index: number, batch: ExitBatch, row: number): void {
  if (index >= sums.capacity) growSums(sums, 2 * (index + 1));
  const { values } = sums;
  const at = index * ES_DOUBLES;
  values[at + ES_EXITS]++;
  if (batch.restarts[row] > 0) values[at + ES_RESTARTS]++;
  if (batch.userspaceErrors[row] > 0) values[at + ES_ERRORS]++;
  const escalated = batch.userspaceExits[row] > 0;
  if (escalated) values[at + ES_ESCALATED]++;
  if (batch.state[row] !== PAIRED) return;
  const latency = batch.latency[row];
  values[at + ES_PAIRED]++;
  addExact(values, pairOf(index, ES_TOTAL), latency);
  if (latency < values[at + ES_MIN]) values[at + ES_MIN] = latency;
  if (latency > values[at + ES_MAX]) values[at + ES_MAX] = latency;
  if (!escalated) return;
  addExact(values, pairOf(index, ES_KERNEL_NS), batch.kernelNs[row]);
  addExact(values, pairOf(index, ES_USERSPACE_NS), batch.userspaceNs[row]);
}

/** Makes row `index` empty: its slot has another key now. */
export function clearSums(sums: SumRecords, index: number): void {
  if (index >= sums.capacity) return;
  const at = index * ES_DOUBLES;
  sums.values.fill(0, at, at + ES_DOUBLES);
  sums.values[at + ES_MIN] = Number.POSITIVE_INFINITY;
}

/** Adds row `from` of `other` to row `index`. */
export function mergeSums(sums: SumRecords, index: number, other: SumRecords, from: number): void {
  if (index >= sums.capacity) growSums(sums, 2 * (index + 1));
  if (from >= other.capacity) return;
  const to = index * ES_DOUBLES;
  const at = from * ES_DOUBLES;
  const { values } = sums;
  for (const count of COUNTS) values[to + count] += other.values[at + count];
  for (const sum of SUMS) mergeExact(values, pairOf(index, sum), other.values, pairOf(from, sum));
  values[to + ES_MIN] = Math.min(values[to + ES_MIN], other.values[at + ES_MIN]);
  values[to + ES_MAX] = Math.max(values[to + ES_MAX], other.values[at + ES_MAX]);
}

/** The records in memory of their own: they may be sent between threads. */
export function plainRecords(sums: SumRecords): SumRecords {
  return { ...sums, values: sums.values.slice(), arena: null };
}

/** The first `rows` rows as columns. */
export function sumColumns({ values, capacity }: SumRecords, rows: number): ExitSums {
  const column = (of: number, each: number, missing = 0) => {
    const target = new Float64Array(each * rows).fill(missing);
    for (let row = 0; row < Math.min(rows, capacity); row++)
      for (let i = 0; i < each; i++) target[each * row + i] = values[row * ES_DOUBLES + of + i];
    return target;
  };
  return {
    exits: column(ES_EXITS, 1),
    paired: column(ES_PAIRED, 1),
    escalated: column(ES_ESCALATED, 1),
    restarts: column(ES_RESTARTS, 1),
    errors: column(ES_ERRORS, 1),
    total: column(ES_TOTAL, 2),
    kernelNs: column(ES_KERNEL_NS, 2),
    userspaceNs: column(ES_USERSPACE_NS, 2),
    min: column(ES_MIN, 1, Number.POSITIVE_INFINITY),
    max: column(ES_MAX, 1),
  };
}
