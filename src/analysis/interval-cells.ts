/** The cells of intervals (interval × group): counts, sums, maxima and distributions, in bounded memory. */
import type { Arena } from '../core/arena.ts';
import { float64s, int32s, widened } from '../core/columns.ts';
import { addressOf } from '../core/kernel-view.ts';
import {
  type CoarseHistograms,
  clearCoarse,
  createCoarseHistograms,
  plainCoarse,
} from './coarse-histogram.ts';
import {
  COARSE_PAGES,
  IV_BLOCKS,
  IV_BUCKET,
  IV_EXITS,
  IV_GROUP,
  IV_MASK,
  IV_MAX,
  IV_PAGE_OF,
  IV_PAGED,
  IV_PAIRED,
  IV_TABLE,
  IV_TOTAL,
} from './exits-view-layout.ts';

/** Columns by cell, found by (group, bucket). */
export interface Cells {
  count: number;
  capacity: number;
  group: Int32Array;
  bucket: Int32Array;
  exits: Float64Array;
  paired: Float64Array;
  max: Float64Array;
  /** Exact sums. */
  total: Float64Array;
  readonly histograms: CoarseHistograms;
  /** Cell + 1 by hash position. */
  table: Int32Array;
  readonly arena: Arena | null;
}

export function createCells(arena: Arena | null = null): Cells {
  const capacity = 64;
  return {
    count: 0,
    capacity,
    group: int32s(arena, capacity),
    bucket: int32s(arena, capacity),
    exits: float64s(arena, capacity),
    paired: float64s(arena, capacity),
    max: float64s(arena, capacity),
    total: float64s(arena, 2 * capacity),
    histograms: createCoarseHistograms(arena),
    table: int32s(arena, 4 * capacity),
    arena,
  };
}

/** The cells in memory of their own. */
export function plainCells(cells: Cells): Cells {
  return {
    ...cells,
    group: cells.group.slice(),
    bucket: cells.bucket.slice(),
    exits: cells.exits.slice(),
    paired: cells.paired.slice(),
    max: cells.max.slice(),
    total: cells.total.slice(),
    histograms: plainCoarse(cells.histograms),
    table: cells.table.slice(),
    arena: null,
  };
}

/** Takes all cells away; memory in an arena is used again. */
export function clearCells(cells: Cells): void {
  cells.count = 0;
  for (const column of [cells.exits, cells.paired, cells.max, cells.total, cells.table]) column.fill(0);
  clearCoarse(cells.histograms);
}

/** Tells the kernel of intervals where the columns are. */
export function showCells(words: Uint32Array, cells: Cells): void {
  const { histograms } = cells;
  words[IV_TABLE / 4] = addressOf(cells.table);
  words[IV_MASK / 4] = cells.table.length - 1;
  words[IV_GROUP / 4] = addressOf(cells.group);
  words[IV_BUCKET / 4] = addressOf(cells.bucket);
  words[IV_EXITS / 4] = addressOf(cells.exits);
  words[IV_PAIRED / 4] = addressOf(cells.paired);
  words[IV_MAX / 4] = addressOf(cells.max);
  words[IV_TOTAL / 4] = addressOf(cells.total);
  words[IV_PAGE_OF / 4] = addressOf(histograms.pageOf);
  words[IV_PAGED / 4] = Math.floor(histograms.pageOf.length / COARSE_PAGES);
  words[IV_BLOCKS / 4] = addressOf(histograms.addresses);
}

function growCells(cells: Cells): void {
  const capacity = 2 * cells.capacity;
  const { arena } = cells;
  cells.capacity = capacity;
  cells.group = widened(int32s, arena, capacity, cells.group);
  cells.bucket = widened(int32s, arena, capacity, cells.bucket);
  cells.exits = widened(float64s, arena, capacity, cells.exits);
  cells.paired = widened(float64s, arena, capacity, cells.paired);
  cells.max = widened(float64s, arena, capacity, cells.max);
  cells.total = widened(float64s, arena, 2 * capacity, cells.total);
  cells.table = int32s(arena, 4 * capacity);
  for (let cell = 0; cell < cells.count; cell++)
    cells.table[freePlace(cells, cells.group[cell], cells.bucket[cell])] = cell + 1;
}

/** Position of the cell in the table, or of the gap where it belongs. */
function freePlace({ table, group, bucket }: Cells, g: number, b: number): number {
  const mask = table.length - 1;
  let at = (Math.imul(g, 0x9e3779b1) ^ Math.imul(b, 0x85ebca6b)) >>> 3;
  while (true) {
    at &= mask;
    const entry = table[at];
    if (entry === 0 || (group[entry - 1] === g && bucket[entry - 1] === b)) return at;
    at++;
  }
}

/** The cell, made if it is new; −1 when `limit` are there. */
export function cellAt(cells: Cells, group: number, bucket: number, limit: number): number {
  let at = freePlace(cells, group, bucket);
  if (cells.table[at] > 0) return cells.table[at] - 1;
  if (cells.count >= limit) return -1;
  if (cells.count === cells.capacity) {
    growCells(cells);
    at = freePlace(cells, group, bucket);
  }
  const cell = cells.count++;
  cells.table[at] = cell + 1;
  cells.group[cell] = group;
  cells.bucket[cell] = bucket;
  return cell;
}
