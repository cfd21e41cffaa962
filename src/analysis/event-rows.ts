/** A list of events that grows: rows copied out of batches that will be reused. */
import { copyRow, createEventBatch, type EventBatch } from '../core/event-batch.ts';

/** The batch with the row added; a larger one when there was no room. */
export function appendRow(rows: EventBatch, batch: EventBatch, row: number): EventBatch {
  let target = rows;
  if (rows.length === rows.capacity) {
    target = createEventBatch(2 * rows.capacity);
    for (; target.length < rows.length; target.length++) copyRow(rows, target.length, target, target.length);
  }
  copyRow(batch, row, target, target.length++);
  return target;
}

export function appendRows(rows: EventBatch, more: EventBatch): EventBatch {
  let target = rows;
  for (let row = 0; row < more.length; row++) target = appendRow(target, more, row);
  return target;
}
