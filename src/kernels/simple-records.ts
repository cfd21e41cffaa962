/** QEMU's simpletrace: events of version 4 whose arguments are numbers, from the file's bytes to rows. */
import {
  EVENT_CODE,
  EVENT_EVENT,
  EVENT_FIELDS,
  EVENT_PID,
  EVENT_TEXT,
  EVENT_TIME,
  EVENT_VCPU,
  UNKNOWN,
} from '../core/event-columns.ts';
import {
  PLAN_ARGUMENTS,
  PLAN_BYTES,
  PLAN_COUNT,
  PLAN_EVENT,
  PLAN_FIELDS,
  PLAN_LENGTH,
  RECORD_ARGUMENTS,
  RECORD_ID,
  RECORD_LENGTH,
  RECORD_PID,
  RECORD_TIME,
  T_AT,
  T_BYTES,
  T_DISORDERED,
  T_END,
  T_PLAN_COUNT,
  T_PLANS,
  T_PREVIOUS,
  TYPE_BYTES,
  TYPE_EVENT,
  WIDE,
} from '../parsers/simpletrace/walk-layout.ts';

/**
 * Makes rows [row, capacity) of whole events from T_AT on and stops at the first record that is anything else: a mapping,
 * of an id without a plan, of another length than planned, damaged. Returns the next row.
 */
export function takeEvents(walk: usize, batch: usize, from: i32, capacity: i32): i32 {
  const bytes = load<usize>(walk, T_BYTES);
  const end = bytes + load<usize>(walk, T_END);
  const plans = load<usize>(walk, T_PLANS);
  const planCount = <u64>load<u32>(walk, T_PLAN_COUNT);
  const time = load<usize>(batch, EVENT_TIME);
  const pids = load<usize>(batch, EVENT_PID);
  const events = load<usize>(batch, EVENT_EVENT);
  const vcpus = load<usize>(batch, EVENT_VCPU);
  const codes = load<usize>(batch, EVENT_CODE);
  const texts = load<usize>(batch, EVENT_TEXT);
  const fields = load<usize>(batch, EVENT_FIELDS);
  let at = bytes + load<usize>(walk, T_AT);
  let previous: usize = 0;
  let before: i64 = from > 0 ? load<i64>(time + ((<usize>from - 1) << 3)) : i64.MIN_VALUE;
  let disordered = false;
  let row = from;
  for (; row < capacity && at + RECORD_ARGUMENTS <= end; row++) {
    const id = load<u64>(at, RECORD_ID);
    if (load<u64>(at) !== TYPE_EVENT || id >= planCount) break;
    const plan = plans + <usize>id * PLAN_BYTES;
    const length = load<u32>(plan, PLAN_LENGTH);
    const next = at + TYPE_BYTES + <usize>length;
    if (length === 0 || load<u32>(at, RECORD_LENGTH) !== length || next > end) break;
    const row2 = (<usize>row) << 1;
    const row4 = (<usize>row) << 2;
    const row8 = (<usize>row) << 3;
    const now = load<i64>(at, RECORD_TIME);
    disordered = disordered || now < before;
    before = now;
    store<i64>(time + row8, now);
    store<u32>(pids + row4, load<u32>(at, RECORD_PID));
    store<u16>(events + row2, load<u16>(plan, PLAN_EVENT));
    store<u16>(fields + row2, load<u16>(plan, PLAN_FIELDS));
    store<i32>(vcpus + row4, UNKNOWN);
    store<i32>(texts + row4, UNKNOWN);
    store<u32>(codes + row4, 0);
    const last = plan + ((<usize>load<u8>(plan, PLAN_COUNT)) << 1);
    for (let argument = plan; argument < last; argument += 2) {
      const value = load<u64>(at + ((<usize>load<u8>(argument, PLAN_ARGUMENTS)) << 3), RECORD_ARGUMENTS);
      const column = <usize>load<u8>(argument, PLAN_ARGUMENTS + 1);
      if (column & WIDE) store<u64>(load<usize>(batch + (column ^ WIDE)) + row8, value);
      else store<u32>(load<usize>(batch + column) + row4, <u32>value);
    }
    previous = at;
    at = next;
  }
  store<usize>(walk, at - bytes, T_AT);
  if (previous !== 0) store<usize>(walk, previous - bytes, T_PREVIOUS);
  if (disordered) store<u32>(walk, 1, T_DISORDERED);
  return row;
}
