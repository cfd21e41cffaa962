/** Block copies of event rows. */
import { copyRow, type EventBatch } from '../../core/event-batch.ts';

/**
 * Copies `count` rows to the front of `target`: those that `order` lists from index `from` on, or the rows from
 * `from` on if it is null.
 */
export function moveRows(
  source: EventBatch,
  order: Int32Array | null,
  from: number,
  count: number,
  target: EventBatch,
): void {
  if (order) {
    for (let i = 0; i < count; i++) copyRow(source, order[from + i], target, i);
    return;
  }
  const to = from + count;
  target.cpu.set(source.cpu.subarray(from, to));
  target.tid.set(source.tid.subarray(from, to));
  target.pid.set(source.pid.subarray(from, to));
  target.vcpu.set(source.vcpu.subarray(from, to));
  target.event.set(source.event.subarray(from, to));
  target.isa.set(source.isa.subarray(from, to));
  target.code.set(source.code.subarray(from, to));
  target.intrInfo.set(source.intrInfo.subarray(from, to));
  target.errorCode.set(source.errorCode.subarray(from, to));
  target.text.set(source.text.subarray(from, to));
  target.fields.set(source.fields.subarray(from, to));
  target.time.set(source.time.subarray(2 * from, 2 * to));
  target.address.set(source.address.subarray(2 * from, 2 * to));
  target.info1.set(source.info1.subarray(2 * from, 2 * to));
  target.info2.set(source.info2.subarray(2 * from, 2 * to));
  target.arg0.set(source.arg0.subarray(2 * from, 2 * to));
  target.arg1.set(source.arg1.subarray(2 * from, 2 * to));
}
