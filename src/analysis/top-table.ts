/**
 * Bounded tables of integer keys: exact while they fit, then the heaviest keys only (the "space-saving" algorithm of
 * Metwally, Agrawal and El Abbadi, ICDT 2005). A full table gives a new key the place of the lightest one, so that
 * for every key: what was observed ≤ true count ≤ observed + missed, and a key that is in no row occurred at most
 * floorOf(table) times. Callers keep columns of their own by slot and clear them when `evicted` says so.
 */

import type { Arena } from '../core/arena.ts';
import { float64s, int32s, widened } from '../core/columns.ts';

export interface TopTable {
  readonly keyInts: number;
  readonly capacity: number;
  count: number;
  /** keyInts per slot. */
  keys: Int32Array;
  /** Occurrences since the slot has its key. */
  observed: Float64Array;
  /** Most occurrences of the key that may have been before. */
  missed: Float64Array;
  /** Slot + 1 by hash position, 0 free. */
  table: Int32Array;
  /** Slots by weight, lightest on top; empty while nothing was evicted. */
  heap: Int32Array;
  /** Position of each slot in the heap. */
  place: Int32Array;
  /** The last slotFor() gave its slot another key. */
  evicted: boolean;
  /** Some key was evicted: the table is no longer exact. */
  overflowed: boolean;
  /** Where the columns lie, for a kernel (src/kernels/exit-tables.ts); null: in plain memory. */
  readonly arena: Arena | null;
}

const START = 64;

export function createTopTable(keyInts: number, capacity: number, arena: Arena | null = null): TopTable {
  const slots = Math.min(START, capacity);
  return {
    keyInts,
    capacity,
    count: 0,
    keys: int32s(arena, keyInts * slots),
    observed: float64s(arena, slots),
    missed: float64s(arena, slots),
    table: int32s(arena, 4 * START),
    heap: new Int32Array(0),
    place: new Int32Array(0),
    evicted: false,
    overflowed: false,
    arena,
  };
}

/** Most occurrences that a key without a row can have had. */
export function floorOf(top: TopTable): number {
  return top.overflowed ? weight(top, top.heap[0]) : 0;
}

function weight(top: TopTable, slot: number): number {
  return top.observed[slot] + top.missed[slot];
}

function hashAt(keys: Int32Array, at: number, keyInts: number): number {
  let hash = 0;
  for (let i = 0; i < keyInts; i++) hash = Math.imul(hash ^ keys[at + i], 0x9e3779b1) ^ (hash >>> 15);
  return (hash ^ (hash >>> 13)) >>> 0;
}

/** Slot of the key, −1 if it has none. */
export function findSlot(top: TopTable, key: Int32Array, at = 0): number {
  const { keyInts, keys, table } = top;
  const mask = table.length - 1;
  for (let position = hashAt(key, at, keyInts) & mask; ; position = (position + 1) & mask) {
    const slot = table[position] - 1;
    if (slot < 0) return -1;
    let i = 0;
    while (i < keyInts && keys[slot * keyInts + i] === key[at + i]) i++;
    if (i === keyInts) return slot;
  }
}

/** Counts `times` occurrences of the key and gives its slot; `top.evicted`: the slot was another key's. */
export function slotFor(top: TopTable, key: Int32Array, times = 1): number {
  top.evicted = false;
  const known = findSlot(top, key);
  if (known >= 0) {
    top.observed[known] += times;
    if (top.overflowed) sink(top, top.place[known]);
    return known;
  }
  return top.count < top.capacity ? append(top, key, times, 0) : replace(top, key, times);
}

function append(top: TopTable, key: Int32Array, times: number, missed: number): number {
  const slot = top.count++;
  if (slot === top.observed.length) growSlots(top);
  writeKey(top, slot, key);
  top.observed[slot] = times;
  top.missed[slot] = missed;
  if (2 * top.count > top.table.length) rebuildTable(top, 2 * top.table.length);
  else insertHash(top, slot);
  return slot;
}

function growSlots(top: TopTable): void {
  const size = Math.min(top.capacity, 2 * top.observed.length);
  top.keys = widened(int32s, top.arena, size * top.keyInts, top.keys);
  top.observed = widened(float64s, top.arena, size, top.observed);
  top.missed = widened(float64s, top.arena, size, top.missed);
}

function writeKey(top: TopTable, slot: number, key: Int32Array): void {
  for (let i = 0; i < top.keyInts; i++) top.keys[slot * top.keyInts + i] = key[i];
}

function insertHash(top: TopTable, slot: number): void {
  const mask = top.table.length - 1;
  let position = hashAt(top.keys, slot * top.keyInts, top.keyInts) & mask;
  while (top.table[position] !== 0) position = (position + 1) & mask;
  top.table[position] = slot + 1;
}

function rebuildTable(top: TopTable, size: number): void {
  top.table = int32s(top.arena, size);
  for (let slot = 0; slot < top.count; slot++) insertHash(top, slot);
}

/** Takes a slot out of the hash table, moving up what was pushed aside by it (linear probing). */
function removeHash(top: TopTable, slot: number): void {
  const { table, keys, keyInts } = top;
  const mask = table.length - 1;
  let hole = hashAt(keys, slot * keyInts, keyInts) & mask;
  while (table[hole] !== slot + 1) hole = (hole + 1) & mask;
  for (let next = (hole + 1) & mask; table[next] !== 0; next = (next + 1) & mask) {
    const home = hashAt(keys, (table[next] - 1) * keyInts, keyInts) & mask;
    if (((next - home) & mask) < ((next - hole) & mask)) continue;
    table[hole] = table[next];
    hole = next;
  }
  table[hole] = 0;
}

function replace(top: TopTable, key: Int32Array, times: number): number {
  if (!top.overflowed) buildHeap(top);
  const slot = top.heap[0];
  removeHash(top, slot);
  top.missed[slot] = weight(top, slot);
  top.observed[slot] = times;
  writeKey(top, slot, key);
  insertHash(top, slot);
  sink(top, 0);
  top.evicted = true;
  return slot;
}

function buildHeap(top: TopTable): void {
  top.overflowed = true;
  const order = Int32Array.from({ length: top.count }, (_, slot) => slot).sort(
    (a, b) => weight(top, a) - weight(top, b),
  );
  top.heap = widened(int32s, top.arena, top.count, order);
  top.place = int32s(top.arena, top.count);
  for (let at = 0; at < top.count; at++) top.place[top.heap[at]] = at;
}

/** Moves a slot that became heavier down to where it belongs. */
function sink(top: TopTable, at: number): void {
  const { heap, place, count } = top;
  const slot = heap[at];
  const own = weight(top, slot);
  let hole = at;
  while (true) {
    let child = 2 * hole + 1;
    if (child >= count) break;
    if (child + 1 < count && weight(top, heap[child + 1]) < weight(top, heap[child])) child++;
    if (weight(top, heap[child]) >= own) break;
    heap[hole] = heap[child];
    place[heap[hole]] = hole;
    hole = child;
  }
  heap[hole] = slot;
  place[slot] = hole;
}

/**
 * Merges `other` into `top` (both of the same shape). Gives, for each slot of the new table, the slots of the two old
 * tables that it is made of (−1: none); the caller rebuilds its columns by them.
 */
export function mergeTopTables(top: TopTable, other: TopTable): { own: Int32Array; theirs: Int32Array } {
  const { keyInts, capacity } = top;
  const ownFloor = floorOf(top);
  const otherFloor = floorOf(other);
  const rows: { own: number; theirs: number; observed: number; missed: number }[] = [];
  for (let slot = 0; slot < top.count; slot++) {
    const theirs = findSlot(other, top.keys, slot * keyInts);
    rows.push({
      own: slot,
      theirs,
      observed: top.observed[slot] + (theirs < 0 ? 0 : other.observed[theirs]),
      missed: top.missed[slot] + (theirs < 0 ? otherFloor : other.missed[theirs]),
    });
  }
  for (let slot = 0; slot < other.count; slot++)
    if (findSlot(top, other.keys, slot * keyInts) < 0)
      rows.push({
        own: -1,
        theirs: slot,
        observed: other.observed[slot],
        missed: other.missed[slot] + ownFloor,
      });
  const cut = rows.length > capacity;
  if (cut) rows.sort((a, b) => b.observed + b.missed - (a.observed + a.missed));
  const kept = rows.slice(0, capacity);
  const merged = createTopTable(keyInts, capacity, top.arena);
  const key = new Int32Array(keyInts);
  for (const { own, theirs, observed, missed } of kept) {
    const keys = own >= 0 ? top.keys : other.keys;
    const at = (own >= 0 ? own : theirs) * keyInts;
    for (let i = 0; i < keyInts; i++) key[i] = keys[at + i];
    append(merged, key, observed, missed);
  }
  if (cut || top.overflowed || other.overflowed) buildHeap(merged);
  Object.assign(top, merged);
  return {
    own: Int32Array.from(kept, ({ own }) => own),
    theirs: Int32Array.from(kept, ({ theirs }) => theirs),
  };
}

/** The table in memory of its own: it may be sent between threads. */
export function plainTop(top: TopTable): TopTable {
  const { keys, observed, missed, table, heap, place } = top;
  return {
    ...top,
    keys: keys.slice(),
    observed: observed.slice(),
    missed: missed.slice(),
    table: table.slice(),
    heap: heap.slice(),
    place: place.slice(),
    arena: null,
  };
}
