/**
 * Counts exits into records of their group and thread: what analysis/exit-stats.ts, thread-stats.ts, userspace-stats.ts,
 * latency-log.ts and slow-list.ts say of single rows in TypeScript. Sums are 64 bits wide; one that is half full stops
 * the kernel, so that they are taken out (analysis/exit-counter.ts) before one could overflow.
 */
import {
  PAIRED,
  X_CODE,
  X_ENTRY_TIME,
  X_EXIT_TIME,
  X_HAS_RIP,
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
} from '../analysis/exit-columns.ts';
import {
  C_FLOOR,
  C_GROUPS,
  C_KEEPS,
  C_KEPT,
  C_KEPT_END,
  C_KEPT_GROUPS,
  C_KEPT_VALUES,
  C_ODD,
  C_PAGES,
  C_QUALIFIED,
  C_RECENT,
  C_RECORDS,
  C_SELECTED,
  C_SELECTED_ROWS,
  C_STATES,
  C_STOP,
  C_THAN,
  C_THREAD_COUNT,
  C_THREADS,
  C_USERSPACE,
  C_WITH_IDLE,
  G_BYTES,
  G_ERRORS,
  G_ESCALATED,
  G_GUEST_KERNEL,
  G_GUEST_USER,
  G_IDLE,
  G_KERNEL_NS,
  G_L2,
  G_L2_REFLECTED,
  G_MAX,
  G_MIN,
  G_RESTARTS,
  G_RIP_UNKNOWN,
  G_SQUARE_CROSS,
  G_SQUARE_HIGH,
  G_SQUARE_LOW,
  G_UNPAIRED,
  G_USERSPACE_NS,
  HALF_BITS,
  MAX_SQUARED,
  ODD_ABSURD,
  ODD_INSTANT,
  ODD_NEGATIVE,
  PAGE_WORDS,
  RECENT,
  STOP_FULL,
  STOP_SLOW,
  T_BUSY,
  T_BYTES,
  T_IDLE,
  T_PAIRED,
  T_PID,
  T_TID,
  T_UNPAIRED,
  T_VCPU,
  U_BYTES,
  U_COUNT,
  U_NS,
  USERSPACE_REASONS,
} from '../analysis/exit-count-layout.ts';
import { MAX_LATENCY } from '../analysis/pairing-layout.ts';
import { findGroup } from './groups.ts';

/** 2^52: added to an integer below it, the double's lower 52 bits are that integer. */
const LAST_BIT: f64 = 4503599627370496;
const INTEGER: i64 = 0xfffffffffffff;

/** A duration as an integer; below 2^52 whatever it is. */
function toInteger(value: f64): i64 {
  return reinterpret<i64>(value + LAST_BIT) & INTEGER;
}

function addTo(address: usize, value: i64): i64 {
  const sum = load<i64>(address) + value;
  store<i64>(address, sum);
  return sum;
}

/**
 * Counts rows [from, length) and stops before the first that has no place yet (group, thread, page, chunk), or behind
 * one that C_STOP tells of; returns the next row to take.
 */
export function countExits(counter: usize, batch: usize, from: i32, length: i32): i32 {
  const selected = load<usize>(counter, C_SELECTED);
  const recent = load<usize>(counter, C_RECENT);
  const groups = load<u32>(counter, C_GROUPS);
  const records = load<usize>(counter, C_RECORDS);
  const threads = load<usize>(counter, C_THREADS);
  const threadCount = load<u32>(counter, C_THREAD_COUNT);
  const pages = load<usize>(counter, C_PAGES);
  const keeps = load<u32>(counter, C_KEEPS);
  const withIdle = load<u32>(counter, C_WITH_IDLE);
  const than = load<f64>(counter, C_THAN);
  const floor = load<f64>(counter, C_FLOOR);
  let unselected: u32 = 0;
  let qualified: u32 = 0;
  // The sign bit of any sum that was written: it is half full.
  let full: i64 = 0;
  let stop: u32 = 0;
  let end = length;
  let row = from;
  for (; row < end; row++) {
    const at: usize = row;
    const row2 = batch + (at << 1);
    const row4 = batch + (at << 2);
    const row8 = batch + (at << 3);
    if (selected !== 0)
      if (load<u8>(selected + at) === 0) {
        unselected++;
        continue;
      }
    const isa = <u32>load<u8>(batch + at, X_ISA);
    const code = load<u32>(row4, X_CODE);
    const seen = recent + <usize>((code ^ (isa << 4)) & (RECENT - 1)) * 12;
    let group = load<u32>(seen, 8);
    // Isa and code at once.
    if (load<u64>(seen) !== (((<u64>code) << 32) | <u64>isa))
      group = findGroup(counter + C_RECENT, batch, at, isa, code);
    if (group >= groups) break;
    const slot = load<u32>(row4, X_THREAD);
    if (slot >= threadCount) break;
    const record = records + <usize>group * G_BYTES;
    const thread = threads + <usize>slot * T_BYTES;
    const state = <usize>load<u8>(batch + at, X_STATE);
    if (state === PAIRED) {
      const value = load<f64>(row8, X_LATENCY);
      const latency = toInteger(value);
      const zeros = <usize>clz(latency | 64);
      // Page 0 is for values below 128, page 1 for those below 256 …
      const page = load<usize>(pages + ((<usize>group * PAGE_WORDS + 57 - zeros) << 2));
      if (page === 0) break;
      if (keeps !== 0) {
        const kept = load<usize>(counter, C_KEPT);
        if (kept === load<usize>(counter, C_KEPT_END) || latency > <i64>u32.MAX_VALUE) break;
        store<u16>(load<usize>(counter, C_KEPT_GROUPS) + (kept << 1), <u16>group);
        store<u32>(load<usize>(counter, C_KEPT_VALUES) + (kept << 2), <u32>latency);
        store<usize>(counter, kept + 1, C_KEPT);
      }
      if (latency === 0 || latency === MAX_LATENCY) countOdd(counter, row8, latency);
      // The seven bits behind the first; below 128 the last seven.
      const bits = <u32>(((<u64>latency) << (<i64>zeros + 1)) >>> 57);
      const bucket = page + ((<usize>(zeros === 57 ? <u32>latency : bits)) << 2);
      store<u32>(bucket, load<u32>(bucket) + 1);
      if (value < load<f64>(record, G_MIN)) store<f64>(record, value, G_MIN);
      if (value > load<f64>(record, G_MAX)) store<f64>(record, value, G_MAX);
      // perf-prof's rule: guest RIP ≥ 0xffff000000000000 is the kernel half. No branch: nobody could foresee it.
      const half = <usize>(load<u32>(row8, X_RIP + 4) >= 0xffff0000) + 1;
      addTo(record + G_RIP_UNKNOWN + ((half * <usize>load<u8>(batch + at, X_HAS_RIP)) << 3), latency);
      const idle = load<u32>(record, G_IDLE);
      addTo(thread + T_BUSY + ((<usize>idle) << 3), latency);
      addTo(thread + T_PAIRED, 1);
      if (latency < 1 << HALF_BITS) full |= addTo(record + G_SQUARE_LOW, latency * latency);
      else full |= addLong(record, thread, latency);
      // Every sixth exit or so is idle, and nobody knows which: no branch for that either.
      const counts = <u32>(value > than) & ((idle ^ 1) | withIdle);
      qualified += counts;
      if (counts & <u32>(value >= floor)) {
        stop |= STOP_SLOW;
        end = row + 1;
      }
    } else {
      addTo(record + G_UNPAIRED, 1);
      addTo(thread + T_UNPAIRED, 1);
      const count = counter + C_STATES + ((state & 3) << 2);
      store<u32>(count, load<u32>(count) + 1);
    }
    const level = load<u8>(batch + at, X_LEVEL);
    if (level !== 0) addTo(record + (level === 1 ? G_L2 : G_L2_REFLECTED), 1);
    store<i32>(thread, load<i32>(row4, X_TID), T_TID);
    const pid = load<i32>(row4, X_PID);
    if (pid >= 0) store<i32>(thread, pid, T_PID);
    const vcpu = load<i32>(row4, X_VCPU);
    if (vcpu >= 0) store<i32>(thread, vcpu, T_VCPU);
    if (
      load<u16>(row2, X_USERSPACE_EXITS) |
      load<u16>(row2, X_RESTARTS) |
      load<u16>(row2, X_USERSPACE_ERRORS)
    )
      full |= countUserspace(counter, batch, at, record, state === PAIRED);
    if (full < 0) {
      stop |= STOP_FULL;
      end = row + 1;
    }
  }
  store<u32>(counter, stop, C_STOP);
  store<u32>(counter, qualified, C_QUALIFIED);
  store<u32>(counter, row - from - unselected, C_SELECTED_ROWS);
  return row;
}

/** What a latency of 2^24 ns and more adds to squares; of such ones sums may become full. Returns their bits. */
export function addLong(record: usize, thread: usize, latency: i64): i64 {
  const squared: i64 = latency < MAX_SQUARED ? latency : MAX_SQUARED;
  const high = squared >> HALF_BITS;
  const low = squared & ((1 << HALF_BITS) - 1);
  return (
    addTo(record + G_SQUARE_HIGH, high * high) |
    addTo(record + G_SQUARE_CROSS, high * low) |
    addTo(record + G_SQUARE_LOW, low * low) |
    load<i64>(record, G_RIP_UNKNOWN) |
    load<i64>(record, G_GUEST_USER) |
    load<i64>(record, G_GUEST_KERNEL) |
    load<i64>(thread, T_BUSY) |
    load<i64>(thread, T_IDLE)
  );
}

/** A pair whose latency is the least or the most there is: its stamps may say otherwise. */
export function countOdd(counter: usize, row8: usize, latency: i64): void {
  const ns = load<i64>(row8, X_ENTRY_TIME) - load<i64>(row8, X_EXIT_TIME);
  const kind = latency > 0 ? ODD_ABSURD : ns === 0 ? ODD_INSTANT : ODD_NEGATIVE;
  if (kind === ODD_ABSURD && ns === latency) return;
  const count = counter + C_ODD + (kind << 2);
  store<u32>(count, load<u32>(count) + 1);
}

/** Returns the bits of the sums. */
export function countUserspace(counter: usize, batch: usize, row: usize, record: usize, paired: bool): i64 {
  if (load<u16>(batch + (row << 1), X_RESTARTS)) addTo(record + G_RESTARTS, 1);
  if (load<u16>(batch + (row << 1), X_USERSPACE_ERRORS)) addTo(record + G_ERRORS, 1);
  if (load<u16>(batch + (row << 1), X_USERSPACE_EXITS) === 0) return 0;
  addTo(record + G_ESCALATED, 1);
  const code = load<u32>(batch + (row << 2), X_USERSPACE_CODE);
  const reason = load<usize>(counter, C_USERSPACE) + <usize>min<u32>(code, USERSPACE_REASONS - 1) * U_BYTES;
  addTo(reason + U_COUNT, 1);
  if (!paired) return 0;
  const kernelNs = toInteger(load<f64>(batch + (row << 3), X_KERNEL_NS));
  const userspaceNs = toInteger(load<f64>(batch + (row << 3), X_USERSPACE_NS));
  return (
    addTo(record + G_KERNEL_NS, kernelNs) |
    addTo(record + G_USERSPACE_NS, userspaceNs) |
    addTo(reason + U_NS, userspaceNs)
  );
}
