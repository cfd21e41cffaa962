/**
 * Numbers in bytes of trace text. Results of 64 bits go to the scratch pair `word` ([low, high]), because a
 * function that returned both would allocate per number; every reader returns the position after the number or −1.
 *
 * All readers rely on a byte at `end` that is neither digit nor blank (the line feed or the reader's sentinel).
 */
import { DASH, LINE_FEED, LOWER_A, LOWER_CASE, LOWER_X, NINE, UPPER_A, ZERO } from '../../core/ascii.ts';
import { TWO_32 } from '../../core/words.ts';

/** Value of the last number read: [low, high] words. */
export const word = new Uint32Array(2);

/** 0–15 for hexadecimal digits, 255 for every other byte. */
export const HEX_DIGITS = new Uint8Array(256).fill(255);
for (let i = 0; i < 10; i++) HEX_DIGITS[ZERO + i] = i;
for (let i = 0; i < 6; i++) HEX_DIGITS[LOWER_A + i] = HEX_DIGITS[UPPER_A + i] = 10 + i;

export function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= NINE;
}

/** Hexadecimal digits without prefix, at most 16. */
export function readHex(buf: Uint8Array, pos: number): number {
  let low = 0;
  let high = 0;
  let p = pos;
  let digit = HEX_DIGITS[buf[p]];
  while (digit < 16) {
    high = (high << 4) | (low >>> 28);
    low = (low << 4) | digit;
    digit = HEX_DIGITS[buf[++p]];
  }
  if (p === pos || p - pos > 16) return -1;
  word[0] = low;
  word[1] = high;
  return p;
}

/** Hexadecimal digits after an optional `0x`. */
export function readHexPrefixed(buf: Uint8Array, pos: number): number {
  return readHex(buf, buf[pos] === ZERO && (buf[pos + 1] | LOWER_CASE) === LOWER_X ? pos + 2 : pos);
}

/** Decimal digits, at most 20 and below 2^64. */
export function readDecimal(buf: Uint8Array, pos: number): number {
  let value = 0;
  let p = pos;
  let digit = buf[p] - ZERO;
  const exact = pos + 15;
  while (digit >= 0 && digit <= 9 && p < exact) {
    value = value * 10 + digit;
    digit = buf[++p] - ZERO;
  }
  if (p === pos) return -1;
  let high = value < TWO_32 ? 0 : Math.floor(value / TWO_32);
  let low = high === 0 ? value : value - high * TWO_32;
  // Beyond 15 digits a double would round: go on in words.
  while (digit >= 0 && digit <= 9) {
    const next = low * 10 + digit;
    const carry = Math.floor(next / TWO_32);
    low = next - carry * TWO_32;
    high = high * 10 + carry;
    if (high >= TWO_32) return -1;
    digit = buf[++p] - ZERO;
  }
  word[0] = low;
  word[1] = high;
  return p;
}

/** Decimal with an optional minus; negative values as two's complement. */
export function readSigned(buf: Uint8Array, pos: number): number {
  if (buf[pos] !== DASH) return readDecimal(buf, pos);
  const p = readDecimal(buf, pos + 1);
  if (p >= 0) negate();
  return p;
}

/** `0x…` as hexadecimal, anything else as signed decimal. */
export function readAny(buf: Uint8Array, pos: number): number {
  return buf[pos] === ZERO && (buf[pos + 1] | LOWER_CASE) === LOWER_X
    ? readHex(buf, pos + 2)
    : readSigned(buf, pos);
}

/** Turns `word` into its two's complement. */
function negate(): void {
  const low = (~word[0] + 1) >>> 0;
  word[1] = low === 0 ? ~word[1] + 1 : ~word[1];
  word[0] = low;
}

/** ASCII bytes of a literal, for matchesAt(). */
export function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

export function matchesAt(buf: Uint8Array, pos: number, literal: Uint8Array): boolean {
  for (let i = 0; i < literal.length; i++) if (buf[pos + i] !== literal[i]) return false;
  return true;
}

/** First position of `literal` in [pos, end), −1 if it is not there. Linear but for repeated first bytes. */
export function findIn(buf: Uint8Array, pos: number, end: number, literal: Uint8Array): number {
  const last = end - literal.length;
  const first = literal[0];
  for (let p = pos; p <= last; p++) if (buf[p] === first && matchesAt(buf, p, literal)) return p;
  return -1;
}

/** Last position of `literal` in [pos, end), −1 if it is not there. */
export function findLast(buf: Uint8Array, pos: number, end: number, literal: Uint8Array): number {
  const first = literal[0];
  for (let p = end - literal.length; p >= pos; p--)
    if (buf[p] === first && matchesAt(buf, p, literal)) return p;
  return -1;
}

/** Position of the next line feed at or behind `from`; there must be one. Eight bytes at a time. `view`: of `buf`. */
export function findFeed(view: DataView, buf: Uint8Array, from: number): number {
  let p = from;
  for (;;) {
    // A byte that is a line feed becomes 0, which the subtraction borrows from.
    const a = view.getInt32(p, true) ^ 0x0a0a0a0a;
    const b = view.getInt32(p + 4, true) ^ 0x0a0a0a0a;
    if ((((a - 0x01010101) & ~a) | ((b - 0x01010101) & ~b)) & 0x80808080) break;
    p += 8;
  }
  while (buf[p] !== LINE_FEED) p++;
  return p;
}

const utf8 = new TextDecoder('utf-8');

/** Text of untrusted bytes: invalid UTF-8 becomes U+FFFD. */
export function decodeText(buf: Uint8Array, start: number, end: number): string {
  return utf8.decode(buf.subarray(start, end));
}
