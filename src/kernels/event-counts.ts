/** Counts events and follows the CPUs' times: the common case of analysis/event-summary.ts. */
import {
  CPU_SEEN,
  LOST,
  S_COUNTS,
  S_CPU_LAST,
  S_CPU_STATE,
  S_FIELDS,
} from '../analysis/event-summary-layout.ts';
import { EVENT_CPU, EVENT_EVENT, EVENT_FIELDS, EVENT_TIME } from '../core/event-columns.ts';

/** Counts rows by event and remembers each CPU's last time, up to the first loss; returns that row. */
export function countEvents(summary: usize, batch: usize, length: i32): i32 {
  const counts = load<usize>(summary, S_COUNTS);
  const cpuLast = load<usize>(summary, S_CPU_LAST);
  const cpuState = load<usize>(summary, S_CPU_STATE);
  const events = load<usize>(batch, EVENT_EVENT);
  const fields = load<usize>(batch, EVENT_FIELDS);
  const cpus = load<usize>(batch, EVENT_CPU);
  const time = load<usize>(batch, EVENT_TIME);
  let all: u32 = 0;
  let row: usize = 0;
  for (; row < <usize>length; row++) {
    const event = <u32>load<u16>(events + (row << 1));
    if (event === LOST) break;
    const count = counts + ((<usize>event) << 3);
    store<f64>(count, load<f64>(count) + 1);
    all |= <u32>load<u16>(fields + (row << 1));
    const cpu = <usize>load<u16>(cpus + (row << 1));
    store<i64>(cpuLast + (cpu << 3), load<i64>(time + (row << 3)));
    store<u8>(cpuState + cpu, CPU_SEEN);
  }
  store<u32>(summary, all, S_FIELDS);
  return <i32>row;
}
