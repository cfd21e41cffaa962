/** 64-bit integers as pairs of 32-bit words: the few operations that the hot loops and the edges need. */

export const TWO_32 = 4294967296;

/** Signed 64-bit value of a word pair. */
export function wordsToBigInt(low: number, high: number): bigint {
  return (BigInt(high | 0) << 32n) | BigInt(low >>> 0);
}

/** Unsigned 64-bit value of a word pair. */
export function wordsToBigUint(low: number, high: number): bigint {
  return (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
}

/** a − b in ns as a double; exact while the difference is below 2^53 ns (104 days). */
export function diffWords(aLow: number, aHigh: number, bLow: number, bHigh: number): number {
  return ((aHigh - bHigh) | 0) * TWO_32 + (aLow - bLow);
}

/** Compares two signed 64-bit word pairs: negative, 0 or positive. */
export function compareWords(aLow: number, aHigh: number, bLow: number, bHigh: number): number {
  return aHigh === bHigh ? aLow - bLow : (aHigh | 0) - (bHigh | 0);
}

/**
 * Stores `seconds`·10⁹ + `fraction` (ns below 10⁹) as a word pair without rounding: integer arithmetic in
 * doubles below 2^53, because a double holds ns exactly for 104 days only and hosts run longer.
 */
export function storeSecondsNs(target: Uint32Array, index: number, seconds: number, fraction: number): void {
  const micros = seconds * 1000000;
  const q = Math.floor(micros / 536870912);
  const r = (micros - q * 536870912) * 1000 + fraction;
  const carry = Math.floor(r / TWO_32);
  target[index] = r - carry * TWO_32;
  target[index + 1] = q * 125 + carry;
}

/** Stores a non-negative integer below 2^53 as a word pair. */
export function storeNumber(target: Uint32Array, index: number, value: number): void {
  const high = Math.floor(value / TWO_32);
  target[index] = value - high * TWO_32;
  target[index + 1] = high;
}

/** Stores a BigInt (signed or unsigned, low 64 bits) as a word pair. */
export function storeBigInt(target: Uint32Array, index: number, value: bigint): void {
  target[index] = Number(value & 0xffffffffn);
  target[index + 1] = Number((value >> 32n) & 0xffffffffn);
}

/** Hexadecimal text of a word pair, at least one digit, with 0x. */
export function wordsToHex(low: number, high: number): string {
  return high === 0
    ? `0x${(low >>> 0).toString(16)}`
    : `0x${(high >>> 0).toString(16)}${(low >>> 0).toString(16).padStart(8, '0')}`;
}
