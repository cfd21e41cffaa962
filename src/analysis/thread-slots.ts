/**
 * tid → dense slot number, by open addressing in an Int32Array: a Map costs several times as much per event, and a
 * table indexed by tid could be blown up by absurd tids.
 */
import type { Arena } from '../core/arena.ts';
import { int32s } from '../core/columns.ts';

export interface ThreadSlots {
  /** tid of each slot in use. */
  tids: Int32Array;
  count: number;
  /** Slot + 1 by hash position, 0 = free. */
  table: Int32Array;
  /** Where the tables lie; null: in plain memory. */
  readonly arena: Arena | null;
}

export function createThreadSlots(arena: Arena | null = null): ThreadSlots {
  return { tids: int32s(arena, 64), count: 0, table: int32s(arena, 256), arena };
}

/** Slot of a tid, a new one (the next number) if it was not seen before. */
export function slotOf(slots: ThreadSlots, tid: number): number {
  const { table, tids } = slots;
  const mask = table.length - 1;
  let at = Math.imul(tid, 0x9e3779b1) >>> 7;
  while (true) {
    at &= mask;
    const entry = table[at];
    if (entry === 0) return addSlot(slots, tid, at);
    if (tids[entry - 1] === tid) return entry - 1;
    at++;
  }
}

/** Slot of a tid that was seen before or for which there is room among the first `limit`; −1 for any other. */
export function slotWithin(slots: ThreadSlots, tid: number, limit: number): number {
  return slots.count < limit || isKnown(slots, tid) ? slotOf(slots, tid) : -1;
}

function isKnown({ table, tids }: ThreadSlots, tid: number): boolean {
  const mask = table.length - 1;
  let at = (Math.imul(tid, 0x9e3779b1) >>> 7) & mask;
  while (table[at] !== 0) {
    if (tids[table[at] - 1] === tid) return true;
    at = (at + 1) & mask;
  }
  return false;
}

function addSlot(slots: ThreadSlots, tid: number, at: number): number {
  const slot = slots.count++;
  if (slot === slots.tids.length) {
    const tids = int32s(slots.arena, 2 * slot);
    tids.set(slots.tids);
    slots.tids = tids;
  }
  slots.tids[slot] = tid;
  slots.table[at] = slot + 1;
  if (2 * slots.count > slots.table.length) rehash(slots);
  return slot;
}

function rehash(slots: ThreadSlots): void {
  const table = int32s(slots.arena, 2 * slots.table.length);
  const mask = table.length - 1;
  for (let slot = 0; slot < slots.count; slot++) {
    let at = (Math.imul(slots.tids[slot], 0x9e3779b1) >>> 7) & mask;
    while (table[at] !== 0) at = (at + 1) & mask;
    table[at] = slot + 1;
  }
  slots.table = table;
}

/** The slots in memory of their own: they may be sent between threads. */
export function plainSlots(slots: ThreadSlots): ThreadSlots {
  return { ...slots, arena: null, tids: slots.tids.slice(), table: slots.table.slice() };
}
