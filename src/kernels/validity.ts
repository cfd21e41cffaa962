/** Arrow's validity bitmaps: bit 1 where a row has a value. Each returns how many rows have one. */

/** Stores the bits of one byte's rows; those beyond the last row are 0. Returns how many are set. */
function putByte(bitmap: usize, row: i32, rows: i32, bits: i32): i32 {
  const left = rows - row;
  if (left < 8) bits &= (1 << left) - 1;
  store<u8>(bitmap + (row >> 3), <u8>bits);
  return popcnt<i32>(bits);
}

/** By a bit of the `fields` column (u16), which must have room for a multiple of 8 rows. */
export function fieldValidity(fields: usize, bit: i32, rows: i32, bitmap: usize): i32 {
  const mask = i16x8.splat(<i16>bit);
  let valid = 0;
  for (let row = 0; row < rows; row += 8) {
    const masked = v128.and(v128.load(fields + (row << 1)), mask);
    valid += putByte(bitmap, row, rows, i16x8.bitmask(i16x8.eq(masked, mask)));
  }
  return valid;
}

/** Rows of a u16 column that are not `sentinel`. */
export function validity16(values: usize, sentinel: i32, rows: i32, bitmap: usize): i32 {
  const missing = i16x8.splat(<i16>sentinel);
  let valid = 0;
  for (let row = 0; row < rows; row += 8) {
    const value = v128.load(values + (row << 1));
    valid += putByte(bitmap, row, rows, i16x8.bitmask(i16x8.ne(value, missing)));
  }
  return valid;
}

/** Rows of a 32-bit column that are not `sentinel`. */
export function validity32(values: usize, sentinel: i32, rows: i32, bitmap: usize): i32 {
  const missing = i32x4.splat(sentinel);
  let valid = 0;
  for (let row = 0; row < rows; row += 8) {
    const at = values + (row << 2);
    const low = i32x4.bitmask(i32x4.ne(v128.load(at), missing));
    const high = i32x4.bitmask(i32x4.ne(v128.load(at, 16), missing));
    valid += putByte(bitmap, row, rows, low | (high << 4));
  }
  return valid;
}
