/** capture.arrow: checks of a batch's rows as they come from the file, and its dictionary indices (capture-arrow/rows.ts). */

/** OR of a u16 column. */
export function orColumn(values: usize, rows: i32): i32 {
  let all = i16x8.splat(0);
  const whole = rows & ~7;
  let row = 0;
  for (; row < whole; row += 8) all = v128.or(all, v128.load(values + (row << 1)));
  const low = v128.extract_lane<u64>(all, 0) | v128.extract_lane<u64>(all, 1);
  let bits = <u32>(low | (low >> 32));
  bits |= bits >> 16;
  for (; row < rows; row++) bits |= <u32>load<u16>(values + (row << 1));
  return <i32>(bits & 0xffff);
}

/** Clears the other bits of a u16 column. */
export function maskColumn(values: usize, rows: i32, mask: u32): void {
  const wide = i16x8.splat(<i16>mask);
  const whole = rows & ~7;
  let row = 0;
  for (; row < whole; row += 8) {
    const at = values + (row << 1);
    v128.store(at, v128.and(v128.load(at), wide));
  }
  for (; row < rows; row++) {
    const at = values + (row << 1);
    store<u16>(at, load<u16>(at) & <u16>mask);
  }
}

/** Indices (u16) → values (u16) of a table, of which `length` count; returns how many indices lie beyond. */
export function mapIndices(indices: usize, target: usize, rows: i32, table: usize, length: u32): i32 {
  let bad = 0;
  for (let row = 0; row < rows; row++) {
    const index = <u32>load<u16>(indices + (row << 1));
    if (index >= length) bad++;
    store<u16>(target + (row << 1), load<u16>(table + ((<usize>index) << 1)));
  }
  return bad;
}

/** Times that are before the one before; `last` is the address of the time before the first, which becomes the last. */
export function countLate(time: usize, rows: i32, last: usize): i32 {
  let late = 0;
  let before = load<i64>(last);
  for (let row = 0; row < rows; row++) {
    const now = load<i64>(time + (row << 3));
    late += i32(now < before);
    before = now;
  }
  store<i64>(last, before);
  return late;
}
