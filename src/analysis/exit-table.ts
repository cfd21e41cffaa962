/** A bounded table of exits by integer key, with exact totals of all rows, kept or not. */
import type { ExitBatch } from './exit-batch.ts';
import { addExitTo, clearSums, createExitSums, type ExitSums, mergeSums } from './exit-sums.ts';
import { createTopTable, floorOf, mergeTopTables, slotFor, type TopTable } from './top-table.ts';

export interface ExitTableState {
  readonly top: TopTable;
  sums: ExitSums;
  /** One row: exits of keys that lost their place. */
  readonly rest: ExitSums;
  readonly key: Int32Array;
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

export function createExitTable(keyInts: number, capacity: number): ExitTableState {
  return {
    top: createTopTable(keyInts, capacity),
    sums: createExitSums(),
    rest: createExitSums(1),
    key: new Int32Array(keyInts),
  };
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
  table.sums = createExitSums(Math.max(16, own.length));
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
  const all = createExitSums(1);
  for (let slot = 0; slot < top.count; slot++) mergeSums(all, 0, sums, slot);
  mergeSums(all, 0, rest, 0);
  return {
    keyInts: top.keyInts,
    rows: top.count,
    keys: top.keys,
    missed: top.missed,
    sums,
    all,
    floor: floorOf(top),
  };
}
