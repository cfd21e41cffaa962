/**
 * Exits over time: counts, sums, maxima and p99 per interval and group (reason, and with --by thread, vCPU …). An exit
 * belongs to the interval in which it exited. With -i the intervals are as long as asked; else the axis adapts to the
 * recording. Memory is bounded by the number of cells (interval × group): an adapting axis gets coarser, a fixed one
 * counts what it leaves out.
 */
import type { Arena } from '../core/arena.ts';
import { int32s } from '../core/columns.ts';
import type { EventBatch } from '../core/event-batch.ts';
import { addressOf, createView, type KernelView } from '../core/kernel-view.ts';
import { COARSE_ERROR_PCT, coarseQuantile, countCoarse, mergeCoarse } from './coarse-histogram.ts';
import { addExact, mergeExact } from './exact-sum.ts';
import { type ExitBatch, PAIRED } from './exit-batch.ts';
import { addExitRows } from './exit-rows.ts';
import { IV_BYTES, IV_GROUPS, IV_LATEST, V_GROUPS } from './exits-view-layout.ts';
import {
  createGroupTable,
  findGroup,
  type Grouping,
  type GroupTable,
  groupOf,
  KEY_INTS,
  plainGroups,
  showGroups,
} from './groups.ts';
import { type Cells, cellAt, clearCells, createCells, plainCells, showCells } from './interval-cells.ts';
import { EVERYTHING, type Pass, type PassScope } from './pass.ts';
import {
  alignAxes,
  bucketAt,
  createTimeAxis,
  doublingsFor,
  limitOf,
  noteOrigin,
  showAxis,
  type TimeAxis,
  type TimeAxisOptions,
} from './time-axis.ts';

/** Intervals of an adapting axis. */
export const AUTO_INTERVALS = 64;
/** Cells: about 1 KiB each. */
const MAX_CELLS = 1 << 16;

export interface IntervalOptions extends TimeAxisOptions {
  readonly grouping: Grouping;
  /** Cells to keep at most (tests). */
  readonly maxCells?: number;
}

export interface Intervals {
  readonly scope: PassScope;
  readonly axis: TimeAxis;
  readonly maxCells: number;
  readonly groups: GroupTable;
  readonly cells: Cells;
  /** Latest cell of each group: most exits fall into it. */
  latest: Int32Array;
  /** Exits for which there was no cell left. */
  omitted: number;
  /** null: exits are counted one by one. */
  readonly view: KernelView | null;
}

function createIntervals(
  options: IntervalOptions,
  scope: PassScope = EVERYTHING,
  arena: Arena | null = null,
): Intervals {
  return {
    scope,
    axis: createTimeAxis(options, scope),
    maxCells: options.maxCells ?? MAX_CELLS,
    groups: createGroupTable(options.grouping, arena),
    cells: createCells(arena),
    latest: int32s(arena, 64).fill(-1),
    omitted: 0,
    view: arena === null ? null : createView(arena, IV_BYTES),
  };
}

function addIntervalExits(intervals: Intervals, batch: ExitBatch, selected: Uint8Array | null): void {
  addExitRows(
    intervals.view,
    'countIntervals',
    batch,
    selected,
    (view) => showIntervals(intervals, view),
    (row) => addExit(intervals, batch, row),
  );
}

function showIntervals({ axis, groups, cells, latest }: Intervals, view: KernelView): void {
  showAxis(view, axis);
  showGroups(view.words, V_GROUPS, groups);
  showCells(view.words, cells);
  view.words[IV_LATEST / 4] = addressOf(latest);
  view.words[IV_GROUPS / 4] = latest.length;
}

function addExit(intervals: Intervals, batch: ExitBatch, row: number): void {
  const { axis, groups, cells } = intervals;
  const group = groupOf(groups, batch, row);
  const cell = findCell(
    intervals,
    group,
    bucketAt(axis, batch.exitTime[2 * row], batch.exitTime[2 * row + 1]),
  );
  if (cell < 0) {
    intervals.omitted++;
    return;
  }
  cells.exits[cell]++;
  if (batch.state[row] !== PAIRED) return;
  const latency = batch.latency[row];
  cells.paired[cell]++;
  addExact(cells.total, cell, latency);
  if (latency > cells.max[cell]) cells.max[cell] = latency;
  countCoarse(cells.histograms, cell, latency);
}

/** The cell of a bucket in the axis' present width; the axis gets coarser if need be. −1: no room. */
function findCell(intervals: Intervals, group: number, at: number): number {
  const { axis } = intervals;
  if (at < 0) return -1;
  let bucket = at;
  const doublings = doublingsFor(axis, bucket);
  if (doublings > 0) {
    coarsen(intervals, doublings);
    bucket = Math.floor(bucket / 2 ** doublings);
  }
  if (group >= intervals.latest.length) {
    const length = 2 * Math.max(group, intervals.latest.length);
    const latest = int32s(intervals.view?.arena ?? null, length).fill(-1);
    latest.set(intervals.latest);
    intervals.latest = latest;
  }
  const recent = intervals.latest[group];
  if (recent >= 0 && intervals.cells.bucket[recent] === bucket) return recent;
  let cell = cellAt(intervals.cells, group, bucket, intervals.maxCells);
  while (cell < 0 && !axis.fixed && canCoarsen(intervals)) {
    coarsen(intervals, 1);
    bucket = Math.floor(bucket / 2);
    cell = cellAt(intervals.cells, group, bucket, intervals.maxCells);
  }
  if (cell >= 0) intervals.latest[group] = cell;
  return cell;
}

function canCoarsen({ cells }: Intervals): boolean {
  for (let cell = 0; cell < cells.count; cell++) if (cells.bucket[cell] > 0) return true;
  return false;
}

/** Doubles the width so many times. */
function coarsen(intervals: Intervals, doublings: number): void {
  const factor = 2 ** doublings;
  const old = plainCells(intervals.cells);
  intervals.axis.widthNs *= factor;
  clearCells(intervals.cells);
  intervals.latest.fill(-1);
  for (let cell = 0; cell < old.count; cell++)
    addCell(intervals, old, cell, old.group[cell], Math.floor(old.bucket[cell] / factor));
}

function addCell(intervals: Intervals, from: Cells, cell: number, group: number, bucket: number): void {
  const to = findCell(intervals, group, bucket);
  if (to < 0) {
    intervals.omitted += from.exits[cell];
    return;
  }
  const { cells } = intervals;
  cells.exits[to] += from.exits[cell];
  cells.paired[to] += from.paired[cell];
  mergeExact(cells.total, to, from.total, cell);
  cells.max[to] = Math.max(cells.max[to], from.max[cell]);
  mergeCoarse(cells.histograms, to, from.histograms, cell);
}

/** Both have to have the same origin (time-axis.ts). */
function mergeIntervals(intervals: Intervals, other: Intervals): void {
  if (!alignAxes(intervals, other, coarsen)) return;
  const theirs = other.axis.widthNs;
  intervals.omitted += other.omitted;
  for (let cell = 0; cell < other.cells.count; cell++) {
    const group = findGroup(intervals.groups, other.groups.keys, other.cells.group[cell] * KEY_INTS);
    // The width may grow while cells are added.
    const bucket = Math.floor((other.cells.bucket[cell] * theirs) / intervals.axis.widthNs);
    addCell(intervals, other.cells, cell, group, bucket);
  }
}

export interface IntervalResult {
  readonly widthNs: number;
  readonly fixed: boolean;
  /** Start of bucket 0, word pair. */
  readonly origin: Uint32Array;
  /** --to, ns from the origin; infinite without. */
  readonly limitNs: number;
  readonly percentileErrorPct: number;
  readonly omitted: number;
  /** KEY_INTS per group. */
  readonly keys: Int32Array;
  /** Columns by cell, in order of bucket and group. */
  readonly group: Int32Array;
  readonly bucket: Int32Array;
  readonly exits: Float64Array;
  readonly paired: Float64Array;
  readonly total: Float64Array;
  readonly max: Float64Array;
  /** NaN without a pair. */
  readonly p99: Float64Array;
  /** Buckets with exits, ascending, and the p99 of all groups together in each. */
  readonly buckets: Int32Array;
  readonly allP99: Float64Array;
}

function intervalResult(intervals: Intervals): IntervalResult {
  const { axis, cells, groups } = intervals;
  const order = Array.from({ length: cells.count }, (_, cell) => cell).sort(
    (a, b) => cells.bucket[a] - cells.bucket[b] || compareKeys(groups, cells.group[a], cells.group[b]),
  );
  const byBucket = new Map<number, number[]>();
  for (const cell of order) {
    const list = byBucket.get(cells.bucket[cell]);
    if (list) list.push(cell);
    else byBucket.set(cells.bucket[cell], [cell]);
  }
  const p99 = (of: readonly number[]) => {
    const n = of.reduce((sum, cell) => sum + cells.paired[cell], 0);
    const max = of.reduce((most, cell) => Math.max(most, cells.max[cell]), 0);
    return n === 0 ? Number.NaN : coarseQuantile(cells.histograms, of, 0.99, n, max);
  };
  const total = new Float64Array(2 * order.length);
  for (const [i, cell] of order.entries()) mergeExact(total, i, cells.total, cell);
  return {
    widthNs: axis.widthNs,
    fixed: axis.fixed,
    origin: axis.origin,
    limitNs: limitOf(intervals.scope, axis.origin),
    percentileErrorPct: COARSE_ERROR_PCT,
    omitted: intervals.omitted,
    keys: groups.keys.slice(0, groups.count * KEY_INTS),
    group: Int32Array.from(order, (cell) => cells.group[cell]),
    bucket: Int32Array.from(order, (cell) => cells.bucket[cell]),
    exits: Float64Array.from(order, (cell) => cells.exits[cell]),
    paired: Float64Array.from(order, (cell) => cells.paired[cell]),
    total,
    max: Float64Array.from(order, (cell) => cells.max[cell]),
    p99: Float64Array.from(order, (cell) => p99([cell])),
    buckets: Int32Array.from(byBucket.keys()),
    allP99: Float64Array.from(byBucket.values(), (list) => p99(list)),
  };
}

/** An order that does not depend on which group came first. */
function compareKeys(groups: GroupTable, a: number, b: number): number {
  for (let i = 0; i < KEY_INTS; i++) {
    const difference = groups.keys[a * KEY_INTS + i] - groups.keys[b * KEY_INTS + i];
    if (difference !== 0) return difference;
  }
  return 0;
}

export const intervalPass: Pass<IntervalOptions, Intervals, IntervalResult> = {
  name: 'intervals',
  allColumns: false,
  create: createIntervals,
  events: (intervals: Intervals, batch: EventBatch) => noteOrigin(intervals.axis, batch),
  exits: addIntervalExits,
  merge: mergeIntervals,
  plain: (intervals) => ({
    ...intervals,
    groups: plainGroups(intervals.groups),
    cells: plainCells(intervals.cells),
    latest: intervals.latest.slice(),
    view: null,
  }),
  result: intervalResult,
};
