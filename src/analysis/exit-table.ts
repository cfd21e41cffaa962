/** A bounded table of exits by integer key, with exact totals of all rows, kept or not. */
import type { Arena } from '../core/arena.ts';
import { int32s } from '../core/columns.ts';
import { addressOf, createView, type KernelView } from '../core/kernel-view.ts';
import type { ExitBatch } from './exit-batch.ts';
import {
  addExitTo,
  clearSums,
  createSums,
  type ExitSums,
  mergeSums,
  plainRecords,
  type SumRecords,
  sumColumns,
} from './exit-sums.ts';
import {
  ET_BYTES,
  ET_COUNT,
  ET_HEAP,
  ET_INTS,
  ET_KEY,
  ET_KEYS,
  ET_MASK,
  ET_MISSED,
  ET_OBSERVED,
  ET_PLACE,
  ET_RECENT,
  ET_RECENT_BITS,
  ET_ROOM,
  ET_SUMS,
  ET_TABLE,
} from './exit-table-layout.ts';
import { createTopTable, floorOf, mergeTopTables, plainTop, slotFor, type TopTable } from './top-table.ts';

export interface ExitTableState {
  readonly top: TopTable;
  sums: SumRecords;
  /** One row: exits of keys that lost their place. */
  readonly rest: SumRecords;
  readonly key: Int32Array;
  /** What a kernel sees of it; null: it is used by none. */
  readonly view: KernelView | null;
}

/** What a table found, as plain data. */
export interface ExitTableResult {
  readonly keyInts: number;
  readonly rows: number;
  readonly keys: Int32Array;
  /** Exits of each row that may be missing from it: it got its place after others had been thrown out. */
  readonly missed: Float64Array;
  readonly sums: ExitSums;
  readonly all: ExitSums;
  /** A key without a row has at most so many exits; 0: every key has a row, all is exact. */
  readonly floor: number;
}

export function createExitTable(
  keyInts: number,
  capacity: number,
  arena: Arena | null = null,
): ExitTableState {
  return {
    top: createTopTable(keyInts, capacity, arena),
    sums: createSums(16, arena),
    rest: createSums(1),
    key: int32s(arena, keyInts),
    view: arena === null ? null : createTableView(arena),
  };
}

function createTableView(arena: Arena): KernelView {
  const view = createView(arena, ET_BYTES);
  view.words[ET_RECENT / 4] = addressOf(int32s(arena, 1 << ET_RECENT_BITS));
  return view;
}

/** Tells a kernel where the table's parts are; returns where it is told. */
export function showTable({ top, sums, key, view }: ExitTableState): number {
  const { address, words } = view!;
  words[ET_KEY / 4] = addressOf(key);
  words[ET_INTS / 4] = top.keyInts;
  words[ET_KEYS / 4] = addressOf(top.keys);
  words[ET_TABLE / 4] = addressOf(top.table);
  words[ET_MASK / 4] = top.table.length - 1;
  words[ET_OBSERVED / 4] = addressOf(top.observed);
  words[ET_MISSED / 4] = addressOf(top.missed);
  words[ET_COUNT / 4] = top.count;
  words[ET_HEAP / 4] = top.overflowed ? addressOf(top.heap) : 0;
  words[ET_PLACE / 4] = addressOf(top.place);
  words[ET_SUMS / 4] = addressOf(sums.values);
  words[ET_ROOM / 4] = sums.capacity;
  return address;
}

/** The table as plain data, for another thread. */
export function plainTable({ top, sums, rest, key }: ExitTableState): ExitTableState {
  return { top: plainTop(top), sums: plainRecords(sums), rest, key: key.slice(), view: null };
}

/** Adds an exit under the key that the caller has written to `table.key`. */
export function addToTable(table: ExitTableState, batch: ExitBatch, row: number): void {
  const slot = slotFor(table.top, table.key);
  if (table.top.evicted) {
    mergeSums(table.rest, 0, table.sums, slot);
    clearSums(table.sums, slot);
  }
  addExitTo(table.sums, slot, batch, row);
}

export function mergeExitTables(table: ExitTableState, other: ExitTableState): void {
  const before = table.sums;
  const ownRows = table.top.count;
  const { own, theirs } = mergeTopTables(table.top, other.top);
  table.sums = createSums(Math.max(16, own.length), before.arena);
  for (let slot = 0; slot < own.length; slot++) {
    if (own[slot] >= 0) mergeSums(table.sums, slot, before, own[slot]);
    if (theirs[slot] >= 0) mergeSums(table.sums, slot, other.sums, theirs[slot]);
  }
  const keptOwn = new Set(own);
  for (let slot = 0; slot < ownRows; slot++) if (!keptOwn.has(slot)) mergeSums(table.rest, 0, before, slot);
  const keptTheirs = new Set(theirs);
  for (let slot = 0; slot < other.top.count; slot++)
    if (!keptTheirs.has(slot)) mergeSums(table.rest, 0, other.sums, slot);
  mergeSums(table.rest, 0, other.rest, 0);
}

export function exitTableResult({ top, sums, rest }: ExitTableState): ExitTableResult {
  const all = createSums(1);
  for (let slot = 0; slot < top.count; slot++) mergeSums(all, 0, sums, slot);
  mergeSums(all, 0, rest, 0);
  return {
    keyInts: top.keyInts,
    rows: top.count,
    keys: top.keys.slice(),
    missed: top.missed.slice(),
    sums: sumColumns(sums, top.count),
    all: sumColumns(all, 1),
    floor: floorOf(top),
  };
}
