/** How passes over events use their kernels: most rows at once, the rare ones one by one. */

import { type Arena, allocateU8 } from '../core/arena.ts';
import { type EventBatch, liesIn } from '../core/event-batch.ts';
import { addressOf, createView, type KernelView } from '../core/kernel-view.ts';
import { EV_KINDS, EV_SLOT_MASK, EV_SLOT_TABLE, EV_SLOT_TIDS, EV_THREADS } from './events-view-layout.ts';
import type { RowKernel } from './exit-rows.ts';
import type { ThreadSlots } from './thread-slots.ts';

const nothing = () => {};

/**
 * Adds the rows of a batch: by the kernel, if there is a view for it and the batch lies in its arena; what it stops at is
 * for `takeRow`. `show` tells the view where tables are, `read` takes over what the kernel says.
 */
export function addEventRows(
  view: KernelView | null,
  kernel: RowKernel,
  batch: EventBatch,
  takeRow: (row: number) => void,
  show: (view: KernelView) => void = nothing,
  read: (view: KernelView) => void = nothing,
): void {
  if (view === null || !liesIn(view.arena, batch)) {
    for (let row = 0; row < batch.length; row++) takeRow(row);
    return;
  }
  const run = view.arena.kernels[kernel];
  for (let row = 0; row < batch.length; row++) {
    show(view);
    row = run(view.address, batch.table, row, batch.length);
    read(view);
    if (row < batch.length) takeRow(row);
  }
}

/** A view of `bytes` whose kernel tells events apart by `kinds`. */
export function createEventView(arena: Arena, bytes: number, kinds: Uint8Array): KernelView {
  const view = createView(arena, bytes);
  // For every number that an event column can hold.
  const all = allocateU8(arena, 65536);
  all.set(kinds);
  view.words[EV_KINDS / 4] = addressOf(all);
  return view;
}

/** Tells a kernel where the slots are and how many of them it may use. */
export function showSlots(words: Uint32Array, slots: ThreadSlots, room: number): void {
  words[EV_SLOT_TABLE / 4] = addressOf(slots.table);
  words[EV_SLOT_MASK / 4] = slots.table.length - 1;
  words[EV_SLOT_TIDS / 4] = addressOf(slots.tids);
  words[EV_THREADS / 4] = room;
}
