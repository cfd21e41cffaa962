/** Where rows lie until they are in the file: one slot takes rows while others are still being written. */
import { type Arena, allocateU8, allocateU16 } from '../core/arena.ts';
import { type ArenaBatch, BATCH_ROWS, createArenaBatch, UNKNOWN } from '../core/event-batch.ts';
import { COLUMNS } from '../parsers/capture-arrow/schema.ts';
import type { IndexColumn } from './row-indices.ts';

const NONE = new Uint8Array(0);
/** One batch may fill two slots while another is still being written, and leave rows in a fourth. */
const MAX_SLOTS = 4;

/** Rows that wait for their batch to be full, or to be written, and what is derived from them. */
export interface Slot {
  readonly batch: ArenaBatch;
  /** By column; empty where a column has no nulls, or is one of the indices. */
  readonly validities: readonly Uint8Array[];
  readonly indices: Readonly<Record<IndexName, Pick<IndexColumn, 'indices' | 'validity'>>>;
  underWay: boolean;
}

export type IndexName = 'event' | 'reason' | 'text';
export const INDEX_NAMES: readonly IndexName[] = ['event', 'reason', 'text'];

export interface Slots {
  readonly arena: Arena;
  readonly all: Slot[];
  /** The one that takes rows. */
  current: Slot;
  /** Lent while the current slot's own batch has rows that wait. */
  spare: ArenaBatch | null;
}

export function createSlots(arena: Arena): Slots {
  const slot = createSlot(arena);
  return { arena, all: [slot], current: slot, spare: null };
}

function createSlot(arena: Arena): Slot {
  const index = () => ({
    indices: allocateU16(arena, BATCH_ROWS),
    validity: allocateU8(arena, BATCH_ROWS / 8),
  });
  return {
    batch: createLentBatch(arena),
    validities: COLUMNS.map(({ nullable }) => (nullable ? allocateU8(arena, BATCH_ROWS / 8) : NONE)),
    indices: { event: index(), reason: index(), text: index() },
    underWay: false,
  };
}

/** Parsers rely on lent batches to have no texts (ParseOptions.nextBatch). */
function createLentBatch(arena: Arena): ArenaBatch {
  const batch = createArenaBatch(arena, BATCH_ROWS);
  batch.text.fill(UNKNOWN);
  return batch;
}

/** An empty batch: the current slot's own, if it is empty. */
export function emptyBatch(slots: Slots): ArenaBatch {
  if (slots.current.batch.length === 0) return slots.current.batch;
  slots.spare ??= createLentBatch(slots.arena);
  slots.spare.length = 0;
  return slots.spare;
}

/** Goes on with another slot, if one is free; returns what gives this one back. */
export function leaveSlot(slots: Slots): (() => void) | undefined {
  const { all, current } = slots;
  let free = all.find((other) => other !== current && !other.underWay);
  if (!free && all.length < MAX_SLOTS) {
    free = createSlot(slots.arena);
    all.push(free);
  }
  if (!free) return undefined;
  current.underWay = true;
  slots.current = free;
  return () => {
    current.underWay = false;
  };
}
