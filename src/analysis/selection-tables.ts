/** A Selection as its kernels (src/kernels/selection.ts) take it: sets of bits and hash tables in an arena. */

import { type Arena, allocate, allocateU8, allocateU32 } from '../core/arena.ts';
import { TWO_32 } from '../core/words.ts';
import { type ArenaExits, EXIT_ROWS, type ExitBatch } from './exit-batch.ts';
import type { EntryFilter } from './pairing.ts';
import { passesEntry, type Selection, selectExit } from './selection.ts';
import {
  REASON_FACTOR,
  REASON_SHIFT,
  S_BYTES,
  S_CPU_LIMIT,
  S_CPUS,
  S_EXCLUDE_MASK,
  S_EXCLUDES,
  S_FROM,
  S_HAS_FROM,
  S_HAS_TO,
  S_LEVELS,
  S_PID_LIMIT,
  S_PIDS,
  S_REASON_MASK,
  S_REASONS,
  S_TID_LIMIT,
  S_TIDS,
  S_TO,
  S_VCPU_LIMIT,
  S_VCPUS,
} from './selection-layout.ts';

export interface SelectionTables {
  readonly arena: Arena;
  readonly selection: Selection;
  /** Words at S_*. */
  readonly view: Uint32Array;
  /** EXIT_ROWS, by row of the batch at hand: 1 if it passes every filter. */
  readonly selected: Uint8Array;
  /** Reasons that are in the tables. */
  reasons: number;
  excludes: number;
}

export function createSelectionTables(arena: Arena, selection: Selection): SelectionTables {
  const view = allocateU32(arena, S_BYTES / 4);
  const tables = {
    arena,
    selection,
    view,
    selected: allocateU8(arena, EXIT_ROWS),
    reasons: -1,
    excludes: -1,
  };
  putNumbers(tables, S_PIDS, S_PID_LIMIT, selection.pids);
  putNumbers(tables, S_TIDS, S_TID_LIMIT, selection.tids);
  putNumbers(tables, S_VCPUS, S_VCPU_LIMIT, selection.vcpus);
  putNumbers(tables, S_CPUS, S_CPU_LIMIT, selection.cpus);
  view[S_LEVELS / 4] = 0xffffffff;
  if (selection.levels !== null)
    view[S_LEVELS / 4] = [...selection.levels].reduce((bits, level) => bits | (1 << level), 0);
  putTime(view, S_HAS_FROM, S_FROM, selection.from);
  putTime(view, S_HAS_TO, S_TO, selection.to);
  return tables;
}

/** Fills `selected` for a batch: by the kernel, if the batch lies where it can. */
export function selectExits(tables: SelectionTables, batch: ExitBatch): void {
  const { arena, selection, view, selected } = tables;
  const { address, arena: home } = batch as Partial<ArenaExits>;
  if (home === arena) {
    followReasons(tables);
    arena.kernels.selectExits(view.byteOffset, address!, selected.byteOffset, batch.length);
  } else
    for (let row = 0; row < batch.length; row++) selected[row] = selectExit(selection, batch, row) ? 1 : 0;
}

/** The part of the filters that applies to entries; null if that is none of them. */
export function entryFilter({ selection, view }: SelectionTables): EntryFilter | null {
  const { pids, tids, vcpus, cpus, from, to } = selection;
  if ([pids, tids, vcpus, cpus, from, to].every((filter) => filter === null)) return null;
  return {
    accepts: (batch, row, pid, vcpu) => passesEntry(selection, batch, row, pid, vcpu),
    tables: view.byteOffset,
  };
}

/** Negative numbers stand for what is unknown, which no filter asks for. The options' largest number is 4194304. */
function putNumbers(
  { arena, view }: SelectionTables,
  at: number,
  limitAt: number,
  numbers: ReadonlySet<number> | null,
): void {
  if (numbers === null) return;
  const listed = [...numbers].filter((number) => number >= 0);
  const limit = listed.reduce((most, number) => Math.max(most, number), 0) + 1;
  const bits = allocateU8(arena, (limit >>> 3) + 1);
  for (const number of listed) bits[number >>> 3] |= 1 << (number & 7);
  view[at / 4] = bits.byteOffset;
  view[limitAt / 4] = limit;
}

function putTime(view: Uint32Array, hasAt: number, at: number, time: readonly [number, number] | null): void {
  if (time === null) return;
  view[hasAt / 4] = 1;
  view.set(time, at / 4);
}

/** Reasons that have no number join the sets when they are seen first (commands/named-reasons.ts). */
function followReasons(tables: SelectionTables): void {
  const { reasons, excludes } = tables.selection;
  if (reasons !== null && reasons.size !== tables.reasons) {
    putReasons(tables, S_REASONS, S_REASON_MASK, reasons);
    tables.reasons = reasons.size;
  }
  if (excludes !== null && excludes.size !== tables.excludes) {
    putReasons(tables, S_EXCLUDES, S_EXCLUDE_MASK, excludes);
    tables.excludes = excludes.size;
  }
}

/** `keys`: as reasonKey() makes them. At least half of the places stay free. */
function putReasons(
  { arena, view }: SelectionTables,
  at: number,
  maskAt: number,
  keys: ReadonlySet<number>,
): void {
  let places = 16;
  while (places < 2 * keys.size) places *= 2;
  const table = new Uint32Array(arena.memory.buffer, allocate(arena, 8 * places), 2 * places);
  for (const key of keys) {
    const isa = Math.floor(key / TWO_32);
    const code = key % TWO_32;
    let place = (Math.imul(code ^ (isa << 4), REASON_FACTOR) >>> REASON_SHIFT) & (places - 1);
    while (table[2 * place + 1] !== 0) place = (place + 1) & (places - 1);
    table[2 * place] = code;
    table[2 * place + 1] = isa + 1;
  }
  view[at / 4] = table.byteOffset;
  view[maskAt / 4] = places - 1;
}
