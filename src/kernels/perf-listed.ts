/** perf.data: the columns that a merge has left out of its rows, where they are copies of fields. */
import {
  RECORD_LISTED,
  RECORD_MINIMUM,
  RECORD_PLAN_BYTES,
} from '../parsers/tracepoint/record-plan-layout.ts';
import { fillColumns } from './record-columns.ts';

/**
 * Completes rows of the list from index `from` on, [row, position of the raw data] each, and returns the index at which
 * it stopped: at `count`, or at a sample whose tracepoint has no plan. The merge has checked that samples are as long as
 * their tracepoint's fields reach.
 */
export function fillListed(
  plans: usize,
  bytes: usize,
  listed: usize,
  batch: usize,
  from: i32,
  count: i32,
): i32 {
  let entry = from;
  while (entry < count) {
    const at = listed + ((<usize>entry) << 3);
    const data = bytes + load<usize>(at, 4);
    const plan = plans + <usize>load<u16>(data) * RECORD_PLAN_BYTES;
    if (load<u32>(plan, RECORD_MINIMUM) === 0 || load<u32>(plan, RECORD_LISTED) !== 0) break;
    fillColumns(plan, data, batch, load<usize>(at));
    entry++;
  }
  return entry;
}
