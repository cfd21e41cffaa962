/** How passes over exits use their kernels: most rows at once, the rare ones one by one. */
import type { Kernels } from '../core/kernel-functions.ts';
import { addressOf, type KernelView } from '../core/kernel-view.ts';
import type { ArenaExits, ExitBatch } from './exit-batch.ts';
import { V_SELECTED } from './exits-view-layout.ts';

/** Kernels that take rows [from, length) of a batch and return the first that they have no place for. */
export type RowKernel = {
  [Name in keyof Kernels]: Kernels[Name] extends (
    view: number,
    batch: number,
    from: number,
    length: number,
  ) => number
    ? Name
    : never;
}[keyof Kernels];

/**
 * Adds the rows of a batch: by the kernel, if there is a view for it and the batch lies in its arena (`selected` then
 * does, too), after `show` has told the view where tables are; what it stops at is for `takeRow`.
 */
export function addExitRows(
  view: KernelView | null,
  kernel: RowKernel,
  batch: ExitBatch,
  selected: Uint8Array | null,
  show: (view: KernelView) => void,
  takeRow: (row: number) => void,
): void {
  if (view === null || (batch as Partial<ArenaExits>).arena !== view.arena) {
    for (let row = 0; row < batch.length; row++) if (selected === null || selected[row] !== 0) takeRow(row);
    return;
  }
  const run = view.arena.kernels[kernel];
  const { address } = batch as ArenaExits;
  view.words[V_SELECTED / 4] = addressOf(selected);
  for (let row = 0; row < batch.length; row++) {
    show(view);
    row = run(view.address, address, row, batch.length);
    if (row < batch.length) takeRow(row);
  }
}
