/** Dictionary indices of a batch's rows (capture/row-indices.ts knows the names). */
import {
  KIND_EXIT,
  KIND_NONE,
  NOT_ASKED,
  QUICK_CODES,
  QUICK_USERSPACE,
  R_DEFAULT_ISA,
  R_EXIT_REASONS,
  R_KINDS,
  R_USERSPACE_REASONS,
} from '../capture/index-tables.ts';
import {
  EVENT_ARG0,
  EVENT_CODE,
  EVENT_EVENT,
  EVENT_FIELDS,
  EVENT_ISA,
  F_ARG0,
  F_CODE,
  F_ISA,
} from '../core/event-columns.ts';

/** Writes the indices of rows [from, rows) up to the first event whose index is negative; returns that row. */
export function indexEvents(batch: usize, table: usize, target: usize, from: i32, rows: i32): i32 {
  const events = load<usize>(batch, EVENT_EVENT);
  let row = from;
  for (; row < rows; row++) {
    const index = load<i32>(table + ((<usize>load<u16>(events + (row << 1))) << 2));
    if (index < 0) break;
    store<u16>(target + (row << 1), <u16>index);
  }
  return row;
}

/**
 * Writes the indices of the reasons of rows [from, rows), or 0 and no validity bit, up to the first whose name TypeScript
 * must look for; returns that row. Bits of `validity` must be 0 before.
 */
export function indexReasons(
  batch: usize,
  tables: usize,
  target: usize,
  validity: usize,
  from: i32,
  rows: i32,
): i32 {
  const kinds = load<usize>(tables, R_KINDS);
  const exitReasons = load<usize>(tables, R_EXIT_REASONS);
  const userspaceReasons = load<usize>(tables, R_USERSPACE_REASONS);
  const defaultIsa = load<u32>(tables, R_DEFAULT_ISA);
  const events = load<usize>(batch, EVENT_EVENT);
  const masks = load<usize>(batch, EVENT_FIELDS);
  const isas = load<usize>(batch, EVENT_ISA);
  const codes = load<usize>(batch, EVENT_CODE);
  const arg0 = load<usize>(batch, EVENT_ARG0);
  let row = from;
  for (; row < rows; row++) {
    const kind = <i32>load<u8>(kinds + <usize>load<u16>(events + (row << 1)));
    store<u16>(target + (row << 1), 0);
    if (kind === KIND_NONE) continue;
    const fields = <u32>load<u16>(masks + (row << 1));
    if ((fields & F_CODE) === 0) continue;
    const code = load<u32>(codes + (row << 2));
    let index = NOT_ASKED;
    if (kind === KIND_EXIT) {
      const isa = (fields & F_ISA) !== 0 ? <u32>load<u8>(isas + row) : defaultIsa;
      if (code < <u32>QUICK_CODES) index = load<i32>(exitReasons + ((isa * QUICK_CODES + code) << 2));
    } else {
      // A negative errno: KVM_RUN failed, and the reason is that of an earlier exit.
      if ((fields & F_ARG0) !== 0 && load<i32>(arg0 + (row << 3), 4) < 0) continue;
      if (code < <u32>QUICK_USERSPACE) index = load<i32>(userspaceReasons + (code << 2));
    }
    if (index === NOT_ASKED) break;
    if (index < 0) continue;
    store<u16>(target + (row << 1), <u16>index);
    const byte = validity + (row >> 3);
    store<u8>(byte, <u8>(<i32>load<u8>(byte) | (1 << (row & 7))));
  }
  return row;
}
