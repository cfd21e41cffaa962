/** Validity bitmaps: bit 1 where a row has a value. Each returns how many rows have none. */

type Column = Uint16Array | Int32Array;

/** By a bit of the `fields` mask. */
export function validityOfField(fields: Uint16Array, bit: number, rows: number, bitmap: Uint8Array): number {
  const shift = 31 - Math.clz32(bit);
  let valid = 0;
  let row = 0;
  for (; row + 8 <= rows; row += 8) {
    const bits =
      ((fields[row] >>> shift) & 1) |
      (((fields[row + 1] >>> shift) & 1) << 1) |
      (((fields[row + 2] >>> shift) & 1) << 2) |
      (((fields[row + 3] >>> shift) & 1) << 3) |
      (((fields[row + 4] >>> shift) & 1) << 4) |
      (((fields[row + 5] >>> shift) & 1) << 5) |
      (((fields[row + 6] >>> shift) & 1) << 6) |
      (((fields[row + 7] >>> shift) & 1) << 7);
    bitmap[row >> 3] = bits;
    valid += POPULATION[bits];
  }
  if (row < rows) {
    let bits = 0;
    for (let i = row; i < rows; i++) bits |= ((fields[i] >>> shift) & 1) << (i - row);
    bitmap[row >> 3] = bits;
    valid += POPULATION[bits];
  }
  return rows - valid;
}

/** By a value that means "not known". */
export function validityOfSentinel(
  values: Column,
  sentinel: number,
  rows: number,
  bitmap: Uint8Array,
): number {
  let nulls = 0;
  for (let row = 0; row < rows; row += 8) {
    const end = Math.min(row + 8, rows);
    let bits = 0;
    for (let i = row; i < end; i++) {
      if (values[i] === sentinel) nulls++;
      else bits |= 1 << (i - row);
    }
    bitmap[row >> 3] = bits;
  }
  return nulls;
}

const POPULATION = Uint8Array.from({ length: 256 }, (_, byte) => {
  let count = 0;
  for (let rest = byte; rest > 0; rest >>= 1) count += rest & 1;
  return count;
});
