/** Numbers read two digits at a time: the text formats' commonest numbers have a fixed, even number of digits. */
import { LOWER_F, ZERO } from '../../core/ascii.ts';
import { eightBytes } from './known-bytes.ts';
import { HEX_DIGITS, word } from './numbers.ts';

/** Value of two digits by the word that getUint16(…, true) reads (the first digit is the low byte), −1 for others. */
const HEX_PAIRS = new Int16Array(65536).fill(-1);
const DECIMAL_PAIRS = new Int16Array(65536).fill(-1);
for (let first = ZERO; first <= LOWER_F; first++) {
  for (let second = ZERO; second <= LOWER_F; second++) {
    const high = HEX_DIGITS[first];
    const low = HEX_DIGITS[second];
    if (high > 15 || low > 15) continue;
    HEX_PAIRS[first | (second << 8)] = 16 * high + low;
    if (high < 10 && low < 10) DECIMAL_PAIRS[first | (second << 8)] = 10 * high + low;
  }
}

/** Six decimal digits, negative if one is none. */
export function decimal6(view: DataView, p: number): number {
  const a = DECIMAL_PAIRS[view.getUint16(p, true)];
  const b = DECIMAL_PAIRS[view.getUint16(p + 2, true)];
  const c = DECIMAL_PAIRS[view.getUint16(p + 4, true)];
  return (a | b | c) < 0 ? -1 : a * 10000 + b * 100 + c;
}

/** The eight digits 00000000: most recorded words are 0. */
export const ZEROS = eightBytes('00000000');

/** Eight hexadecimal digits to `target`; false if one is none. */
export function readHex8(view: DataView, p: number, target: Uint32Array, index: number): boolean {
  if (view.getFloat64(p, true) === ZEROS) {
    target[index] = 0;
    return true;
  }
  const a = HEX_PAIRS[view.getUint16(p, true)];
  const b = HEX_PAIRS[view.getUint16(p + 2, true)];
  const c = HEX_PAIRS[view.getUint16(p + 4, true)];
  const d = HEX_PAIRS[view.getUint16(p + 6, true)];
  target[index] = (a << 24) | (b << 16) | (c << 8) | d;
  return (a | b | c | d) >= 0;
}

/** Whether readHex8() would find eight digits. */
export function isHex8(view: DataView, p: number): boolean {
  return (
    view.getFloat64(p, true) === ZEROS ||
    (HEX_PAIRS[view.getUint16(p, true)] |
      HEX_PAIRS[view.getUint16(p + 2, true)] |
      HEX_PAIRS[view.getUint16(p + 4, true)] |
      HEX_PAIRS[view.getUint16(p + 6, true)]) >=
      0
  );
}

/** readHex() of numbers.ts by pairs: 1 to 16 digits to `word`; the position behind them or −1. */
export function readHexPairs(view: DataView, pos: number): number {
  let low = 0;
  let high = 0;
  let p = pos;
  let pair = HEX_PAIRS[view.getUint16(p, true)];
  while (pair >= 0) {
    high = (high << 8) | (low >>> 24);
    low = (low << 8) | pair;
    p += 2;
    pair = HEX_PAIRS[view.getUint16(p, true)];
  }
  const digit = HEX_DIGITS[view.getUint8(p)];
  if (digit < 16) {
    high = (high << 4) | (low >>> 28);
    low = (low << 4) | digit;
    p++;
  }
  if (p === pos || p - pos > 16) return -1;
  word[0] = low;
  word[1] = high;
  return p;
}
