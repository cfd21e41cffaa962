/** Follows the CPUs' records in a part of a recording (analysis/pairing-part.ts). */
import {
  F_FIRST,
  F_FIRST_TIME,
  F_LAST,
  F_LAST_TIME,
  F_ROW,
  F_STATE,
  LOSS_OPEN,
} from '../analysis/cpu-records-layout.ts';
import { LOST } from '../analysis/event-summary-layout.ts';
import { EVENT_CPU, EVENT_EVENT, EVENT_TIME } from '../core/event-columns.ts';

/** Takes rows [from, length) up to a loss or the first record behind one; returns that row. */
export function followRecords(tables: usize, batch: usize, from: i32, length: i32): i32 {
  const state = load<usize>(tables, F_STATE);
  const first = load<usize>(tables, F_FIRST);
  const last = load<usize>(tables, F_LAST);
  const firstTime = load<usize>(tables, F_FIRST_TIME);
  const lastTime = load<usize>(tables, F_LAST_TIME);
  const events = load<usize>(batch, EVENT_EVENT);
  const cpus = load<usize>(batch, EVENT_CPU);
  const time = load<usize>(batch, EVENT_TIME);
  let number = load<f64>(tables, F_ROW);
  let row: usize = from;
  for (; row < <usize>length; row++) {
    const cpu = <usize>load<u16>(cpus + (row << 1));
    if (<u32>load<u16>(events + (row << 1)) === LOST || load<u8>(state + cpu) === LOSS_OPEN) break;
    const at = cpu << 3;
    const now = load<i64>(time + (row << 3));
    if (load<f64>(last + at) < 0) {
      store<f64>(first + at, number);
      store<i64>(firstTime + at, now);
    }
    store<f64>(last + at, number);
    store<i64>(lastTime + at, now);
    number += 1;
  }
  store<f64>(tables, number, F_ROW);
  return <i32>row;
}
