/**
 * Time × latency: how many pairs exited in each time bucket with a latency in each row of a log scale (four rows per
 * power of two). Counts are exact, so that a single slow exit stays visible however long the recording is.
 */
import type { Arena } from '../core/arena.ts';
import { float64s } from '../core/columns.ts';
import type { EventBatch } from '../core/event-batch.ts';
import { addressOf, createView, type KernelView } from '../core/kernel-view.ts';
import { type ExitBatch, PAIRED } from './exit-batch.ts';
import { addExitRows } from './exit-rows.ts';
import { HM_BYTES, HM_COUNTS, HEAT_ROWS as ROWS } from './exits-view-layout.ts';
import { bucketOf, SUBS } from './log-linear.ts';
import { EVERYTHING, type Pass, type PassScope } from './pass.ts';
import {
  alignAxes,
  bucketAt,
  createTimeAxis,
  doublingsFor,
  noteOrigin,
  showAxis,
  type TimeAxis,
  type TimeAxisOptions,
} from './time-axis.ts';

const HEATMAP_COLUMNS = 256;
/** Log-linear buckets that one row takes together. */
const PER_ROW = SUBS / 4;

export interface Heatmap {
  readonly axis: TimeAxis;
  /** Pairs by column · ROWS + row. */
  readonly counts: Float64Array;
  /** null: exits are counted one by one. */
  readonly view: KernelView | null;
}

/** Smallest latency of a row, ns. */
export function rowStart(row: number): number {
  const bucket = row * PER_ROW;
  if (bucket < 2 * SUBS) return bucket;
  return (SUBS + (bucket % SUBS)) * 2 ** (Math.floor(bucket / SUBS) - 1);
}

function addHeatmapExits(heatmap: Heatmap, batch: ExitBatch, selected: Uint8Array | null): void {
  addExitRows(
    heatmap.view,
    'countHeat',
    batch,
    selected,
    (view) => {
      showAxis(view, heatmap.axis);
      view.words[HM_COUNTS / 4] = addressOf(heatmap.counts);
    },
    (row) => addExit(heatmap, batch, row),
  );
}

function addExit(heatmap: Heatmap, batch: ExitBatch, row: number): void {
  if (batch.state[row] !== PAIRED) return;
  const { axis, counts } = heatmap;
  let column = bucketAt(axis, batch.exitTime[2 * row], batch.exitTime[2 * row + 1]);
  const doublings = doublingsFor(axis, column);
  if (doublings > 0) {
    coarsen(heatmap, doublings);
    column = Math.floor(column / 2 ** doublings);
  }
  counts[column * ROWS + Math.floor(bucketOf(batch.latency[row]) / PER_ROW)]++;
}

function coarsen({ axis, counts }: Heatmap, doublings: number): void {
  const factor = 2 ** doublings;
  axis.widthNs *= factor;
  for (let column = 1; column < HEATMAP_COLUMNS; column++)
    for (let row = 0; row < ROWS; row++) {
      const count = counts[column * ROWS + row];
      counts[column * ROWS + row] = 0;
      counts[Math.floor(column / factor) * ROWS + row] += count;
    }
}

function mergeHeatmaps(heatmap: Heatmap, other: Heatmap): void {
  if (!alignAxes(heatmap, other, coarsen)) return;
  for (let i = 0; i < heatmap.counts.length; i++) heatmap.counts[i] += other.counts[i];
}

export interface HeatmapResult {
  readonly origin: Uint32Array;
  readonly columnNs: number;
  /** Columns up to the last one with a pair. */
  readonly columns: number;
  /** Rows from the first to the last with a pair: their smallest latencies, and where the last ends. */
  readonly rowStarts: readonly number[];
  /** Pairs by column · rows + row. */
  readonly counts: Float64Array;
}

function heatmapResult({ axis, counts }: Heatmap): HeatmapResult {
  const used = [...counts.keys()].filter((i) => counts[i] > 0);
  const rowsUsed = used.map((i) => i % ROWS);
  const lowest = rowsUsed.reduce((a, b) => Math.min(a, b), ROWS);
  const highest = rowsUsed.reduce((a, b) => Math.max(a, b), -1);
  const columns = used.length === 0 ? 0 : Math.floor(used[used.length - 1] / ROWS) + 1;
  const rows = Math.max(0, highest - lowest + 1);
  const cut = new Float64Array(columns * rows);
  for (let column = 0; column < columns; column++)
    for (let row = 0; row < rows; row++) cut[column * rows + row] = counts[column * ROWS + lowest + row];
  return {
    origin: axis.origin,
    columnNs: axis.widthNs,
    columns,
    rowStarts: rows === 0 ? [] : Array.from({ length: rows + 1 }, (_, row) => rowStart(lowest + row)),
    counts: cut,
  };
}

export const heatmapPass: Pass<Pick<TimeAxisOptions, 'origin'>, Heatmap, HeatmapResult> = {
  name: 'heatmap',
  allColumns: false,
  create: (
    { origin }: Pick<TimeAxisOptions, 'origin'>,
    scope: PassScope = EVERYTHING,
    arena: Arena | null = null,
  ) => ({
    axis: createTimeAxis({ widthNs: null, limit: HEATMAP_COLUMNS, origin }, scope),
    counts: float64s(arena, HEATMAP_COLUMNS * ROWS),
    view: arena === null ? null : createView(arena, HM_BYTES),
  }),
  events: (heatmap: Heatmap, batch: EventBatch) => noteOrigin(heatmap.axis, batch),
  exits: addHeatmapExits,
  merge: mergeHeatmaps,
  plain: (heatmap) => ({ ...heatmap, counts: heatmap.counts.slice(), view: null }),
  result: heatmapResult,
};
