/** Rows from the reorder window to the consumer, in its own batches if it lends some. */
import { createEventBatch, type EventBatch } from '../../core/event-batch.ts';
import type { ParseOptions } from '../trace-format.ts';
import { flush, type ReorderWindow, ready } from './reorder.ts';

export interface RowOutput {
  batch: EventBatch;
  readonly nextBatch: (() => EventBatch) | null;
  readonly coreOnly: boolean;
}

export function createRowOutput(options: ParseOptions): RowOutput {
  return {
    batch: options.nextBatch?.() ?? createEventBatch(),
    nextBatch: options.nextBatch ?? null,
    coreOnly: options.coreOnly ?? false,
  };
}

/** Hands out everything but the last `hold` rows; `moved` is told how many went, and whether rows changed places. */
export function* handOutRows(
  window: ReorderWindow,
  output: RowOutput,
  hold: number,
  moved?: (count: number, permuted: boolean) => void,
): Generator<EventBatch, void, void> {
  moved?.(ready(window, hold), window.permuted);
  while (flush(window, hold, output.batch, output.coreOnly) > 0) {
    yield output.batch;
    if (output.nextBatch) output.batch = output.nextBatch();
  }
}
