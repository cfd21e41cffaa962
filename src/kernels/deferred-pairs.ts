/**
 * Pairs that wait for their exit's CPU while nothing is lost (analysis/pairing-losses.ts says why, and what losses do), and
 * the copying of rows between an ExitBatch and records of such pairs.
 */
import {
  D_BYTES,
  D_CODE,
  D_DETAIL_ADDRESS,
  D_DETAIL_CODE,
  D_DETAIL_EVENT,
  D_ENTRY_CPU,
  D_ENTRY_TIME,
  D_EXIT_CPU,
  D_EXIT_TIME,
  D_HAS_RIP,
  D_INTR_INFO,
  D_ISA,
  D_KERNEL_NS,
  D_LATENCY,
  D_LEVEL,
  D_NEXT,
  D_PID,
  D_RESTARTS,
  D_RIP,
  D_STATE,
  D_THREAD,
  D_TID,
  D_USERSPACE_CODE,
  D_USERSPACE_ERRORS,
  D_USERSPACE_EXITS,
  D_USERSPACE_NS,
  D_VCPU,
  D_VECTOR,
} from '../analysis/deferred-layout.ts';
import {
  EXIT_ROWS,
  LEVEL_L1,
  X_CODE,
  X_DETAIL_ADDRESS,
  X_DETAIL_CODE,
  X_DETAIL_EVENT,
  X_ENTRY_CPU,
  X_ENTRY_TIME,
  X_EXIT_CPU,
  X_EXIT_TIME,
  X_HAS_RIP,
  X_INTR_INFO,
  X_ISA,
  X_KERNEL_NS,
  X_LATENCY,
  X_LEVEL,
  X_PID,
  X_RESTARTS,
  X_RIP,
  X_STATE,
  X_THREAD,
  X_TID,
  X_USERSPACE_CODE,
  X_USERSPACE_ERRORS,
  X_USERSPACE_EXITS,
  X_USERSPACE_NS,
  X_VCPU,
  X_VECTOR,
} from '../analysis/exit-columns.ts';
import { P_POOL, P_POOL_FREE, P_POOL_ROOM, P_POOL_USED } from '../analysis/pairing-layout.ts';

/** Copies a row of a batch to a record. */
export function keepRow(batch: usize, row: i32, record: usize): void {
  const row1 = batch + <usize>row;
  const row2 = batch + ((<usize>row) << 1);
  const row4 = batch + ((<usize>row) << 2);
  const row8 = batch + ((<usize>row) << 3);
  store<u64>(record, load<u64>(row8, X_EXIT_TIME), D_EXIT_TIME);
  store<u64>(record, load<u64>(row8, X_ENTRY_TIME), D_ENTRY_TIME);
  store<u64>(record, load<u64>(row8, X_LATENCY), D_LATENCY);
  store<u64>(record, load<u64>(row8, X_RIP), D_RIP);
  store<u64>(record, load<u64>(row8, X_KERNEL_NS), D_KERNEL_NS);
  store<u64>(record, load<u64>(row8, X_USERSPACE_NS), D_USERSPACE_NS);
  store<u64>(record, load<u64>(row8, X_DETAIL_ADDRESS), D_DETAIL_ADDRESS);
  store<u32>(record, load<u32>(row4, X_TID), D_TID);
  store<u32>(record, load<u32>(row4, X_THREAD), D_THREAD);
  store<u32>(record, load<u32>(row4, X_PID), D_PID);
  store<u32>(record, load<u32>(row4, X_VCPU), D_VCPU);
  store<u32>(record, load<u32>(row4, X_CODE), D_CODE);
  store<u32>(record, load<u32>(row4, X_USERSPACE_CODE), D_USERSPACE_CODE);
  store<u32>(record, load<u32>(row4, X_DETAIL_CODE), D_DETAIL_CODE);
  store<u32>(record, load<u32>(row4, X_VECTOR), D_VECTOR);
  store<u32>(record, load<u32>(row4, X_INTR_INFO), D_INTR_INFO);
  store<u16>(record, load<u16>(row2, X_EXIT_CPU), D_EXIT_CPU);
  store<u16>(record, load<u16>(row2, X_ENTRY_CPU), D_ENTRY_CPU);
  store<u16>(record, load<u16>(row2, X_USERSPACE_EXITS), D_USERSPACE_EXITS);
  store<u16>(record, load<u16>(row2, X_RESTARTS), D_RESTARTS);
  store<u16>(record, load<u16>(row2, X_USERSPACE_ERRORS), D_USERSPACE_ERRORS);
  store<u16>(record, load<u16>(row2, X_DETAIL_EVENT), D_DETAIL_EVENT);
  store<u8>(record, load<u8>(row1, X_STATE), D_STATE);
  store<u8>(record, load<u8>(row1, X_ISA), D_ISA);
  store<u8>(record, load<u8>(row1, X_LEVEL), D_LEVEL);
  store<u8>(record, load<u8>(row1, X_HAS_RIP), D_HAS_RIP);
}

/** Copies a record to a row of a batch. */
export function putRow(record: usize, batch: usize, row: i32): void {
  const row1 = batch + <usize>row;
  const row2 = batch + ((<usize>row) << 1);
  const row4 = batch + ((<usize>row) << 2);
  const row8 = batch + ((<usize>row) << 3);
  store<u64>(row8, load<u64>(record, D_EXIT_TIME), X_EXIT_TIME);
  store<u64>(row8, load<u64>(record, D_ENTRY_TIME), X_ENTRY_TIME);
  store<u64>(row8, load<u64>(record, D_LATENCY), X_LATENCY);
  store<u64>(row8, load<u64>(record, D_RIP), X_RIP);
  store<u64>(row8, load<u64>(record, D_KERNEL_NS), X_KERNEL_NS);
  store<u64>(row8, load<u64>(record, D_USERSPACE_NS), X_USERSPACE_NS);
  store<u64>(row8, load<u64>(record, D_DETAIL_ADDRESS), X_DETAIL_ADDRESS);
  store<u32>(row4, load<u32>(record, D_TID), X_TID);
  store<u32>(row4, load<u32>(record, D_THREAD), X_THREAD);
  store<u32>(row4, load<u32>(record, D_PID), X_PID);
  store<u32>(row4, load<u32>(record, D_VCPU), X_VCPU);
  store<u32>(row4, load<u32>(record, D_CODE), X_CODE);
  store<u32>(row4, load<u32>(record, D_USERSPACE_CODE), X_USERSPACE_CODE);
  store<u32>(row4, load<u32>(record, D_DETAIL_CODE), X_DETAIL_CODE);
  store<u32>(row4, load<u32>(record, D_VECTOR), X_VECTOR);
  store<u32>(row4, load<u32>(record, D_INTR_INFO), X_INTR_INFO);
  store<u16>(row2, load<u16>(record, D_EXIT_CPU), X_EXIT_CPU);
  store<u16>(row2, load<u16>(record, D_ENTRY_CPU), X_ENTRY_CPU);
  store<u16>(row2, load<u16>(record, D_USERSPACE_EXITS), X_USERSPACE_EXITS);
  store<u16>(row2, load<u16>(record, D_RESTARTS), X_RESTARTS);
  store<u16>(row2, load<u16>(record, D_USERSPACE_ERRORS), X_USERSPACE_ERRORS);
  store<u16>(row2, load<u16>(record, D_DETAIL_EVENT), X_DETAIL_EVENT);
  store<u8>(row1, load<u8>(record, D_STATE), X_STATE);
  store<u8>(row1, load<u8>(record, D_ISA), X_ISA);
  store<u8>(row1, load<u8>(record, D_LEVEL), X_LEVEL);
  store<u8>(row1, load<u8>(record, D_HAS_RIP), X_HAS_RIP);
}

/** Whether one more pair can wait. */
export function hasRecord(pairing: usize): bool {
  return (
    load<i32>(pairing, P_POOL_FREE) >= 0 || load<i32>(pairing, P_POOL_USED) < load<i32>(pairing, P_POOL_ROOM)
  );
}

/** Keeps row `to` of the output aside, in the list at `head`, and makes the row again what a fresh one is. */
export function defer(pairing: usize, head: usize, out: usize, to: i32): void {
  const pool = load<usize>(pairing, P_POOL);
  let at = load<i32>(pairing, P_POOL_FREE);
  if (at < 0) {
    at = load<i32>(pairing, P_POOL_USED);
    store<i32>(pairing, at + 1, P_POOL_USED);
  } else store<i32>(pairing, load<i32>(pool + <usize>at * D_BYTES, D_NEXT), P_POOL_FREE);
  const record = pool + <usize>at * D_BYTES;
  keepRow(out, to, record);
  store<i32>(record, load<i32>(head), D_NEXT);
  store<i32>(head, at);
  const row = out + <usize>to;
  store<u8>(row, LEVEL_L1, X_LEVEL);
  store<i32>(out + ((<usize>to) << 2), -1, X_VECTOR);
  const row2 = out + ((<usize>to) << 1);
  store<u16>(row2, 0, X_USERSPACE_EXITS);
  store<u16>(row2, 0, X_RESTARTS);
  store<u16>(row2, 0, X_USERSPACE_ERRORS);
  store<u16>(row2, 0, X_DETAIL_EVENT);
}

/** Pairs in the list at `head` stand: their exit's CPU goes on. Moves as many as there is room for; returns the next row. */
export function settleDeferred(pairing: usize, head: usize, out: usize, to: i32): i32 {
  const pool = load<usize>(pairing, P_POOL);
  let at = load<i32>(head);
  for (; at >= 0 && to < EXIT_ROWS; to++) {
    const record = pool + <usize>at * D_BYTES;
    putRow(record, out, to);
    const next = load<i32>(record, D_NEXT);
    store<i32>(record, load<i32>(pairing, P_POOL_FREE), D_NEXT);
    store<i32>(pairing, at, P_POOL_FREE);
    at = next;
  }
  store<i32>(head, at);
  return to;
}
