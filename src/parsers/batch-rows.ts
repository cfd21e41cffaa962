/** Block copies of event rows. */
import { copyRow, type EventBatch } from '../core/event-batch.ts';

type Column = Uint32Array | Int32Array | Uint16Array | Uint8Array;

/** Elements [from, to) of `source` to the front of `target`, which may be the same. */
function move<T extends Column>(source: T, from: number, to: number, target: T): void {
  if (source === target) source.copyWithin(0, from, to);
  else target.set(source.subarray(from, to));
}

/**
 * Copies `count` rows to the front of `target`: those that `order` lists from index `from` on, or the rows from
 * `from` on if it is null. `target` may be `source` if `order` is null. `coreOnly`: without the columns that
 * ParseOptions.coreOnly leaves out.
 */
export function moveRows(
  source: EventBatch,
  order: Int32Array | null,
  from: number,
  count: number,
  target: EventBatch,
  coreOnly = false,
): void {
  if (order) {
    for (let i = 0; i < count; i++) copyRow(source, order[from + i], target, i);
    return;
  }
  const to = from + count;
  move(source.cpu, from, to, target.cpu);
  move(source.tid, from, to, target.tid);
  move(source.pid, from, to, target.pid);
  move(source.vcpu, from, to, target.vcpu);
  move(source.event, from, to, target.event);
  move(source.isa, from, to, target.isa);
  move(source.code, from, to, target.code);
  move(source.text, from, to, target.text);
  move(source.fields, from, to, target.fields);
  move(source.time, 2 * from, 2 * to, target.time);
  move(source.address, 2 * from, 2 * to, target.address);
  move(source.arg0, 2 * from, 2 * to, target.arg0);
  if (coreOnly) return;
  move(source.intrInfo, from, to, target.intrInfo);
  move(source.errorCode, from, to, target.errorCode);
  move(source.info1, 2 * from, 2 * to, target.info1);
  move(source.info2, 2 * from, 2 * to, target.info2);
  move(source.arg1, 2 * from, 2 * to, target.arg1);
}
