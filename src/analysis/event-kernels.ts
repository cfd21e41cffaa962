/** How passes over events use their kernels: most rows at once, the rare ones one by one. */
import { type EventBatch, liesIn } from '../core/event-batch.ts';
import type { KernelView } from '../core/kernel-view.ts';
import type { RowKernel } from './exit-rows.ts';

/**
 * Adds the rows of a batch: by the kernel, if there is a view for it and the batch lies in its arena. `show` tells the
 * view where tables are, `read` takes over what the kernel says; what it stops at is for `takeRow`.
 */
export function addEventRows(
  view: KernelView | null,
  kernel: RowKernel,
  batch: EventBatch,
  show: (view: KernelView) => void,
  read: (view: KernelView) => void,
  takeRow: (row: number) => void,
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
