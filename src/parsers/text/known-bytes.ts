/**
 * Runs of bytes that were read once, with a number for what they mean, so that the next line with the same bytes costs
 * a few comparisons of eight bytes at a time. A run has a place by a key that the caller makes of some of its bytes; a
 * newer run takes an older one's place.
 *
 * Eight bytes are compared as a double, which is the fastest read of eight that a DataView has. Only printable ASCII is
 * kept: no such double is NaN or zero, so that equal numbers are equal bytes.
 */
import { BLANK, TILDE } from '../../core/ascii.ts';

/** Longest run, bytes. */
export const MAX_KNOWN = 64;
/** Doubles per run: its first bytes in order, the last eight in the last one (they may overlap). */
const DOUBLES = MAX_KNOWN / 8;
const LAST = DOUBLES - 1;

/** Eight bytes of printable ASCII as getFloat64(…, true) reads them. */
export function eightBytes(text: string): number {
  return new DataView(Uint8Array.from(text, (char) => char.charCodeAt(0)).buffer).getFloat64(0, true);
}

/** Four bytes as getInt32(…, true) reads them. */
export function fourBytes(text: string): number {
  return (
    text.charCodeAt(0) | (text.charCodeAt(1) << 8) | (text.charCodeAt(2) << 16) | (text.charCodeAt(3) << 24)
  );
}

export interface KnownBytes {
  readonly words: Float64Array;
  /** By place; 0: free. */
  readonly length: Uint8Array;
  readonly value: Int32Array;
  readonly mask: number;
}

/** `places`: a power of two. */
export function createKnownBytes(places: number): KnownBytes {
  return {
    words: new Float64Array(places * DOUBLES),
    length: new Uint8Array(places),
    value: new Int32Array(places),
    mask: places - 1,
  };
}

/** Place of a key: two words of the run, as getInt32() reads them. */
export function placeOf(known: KnownBytes, a: number, b: number): number {
  const mixed = Math.imul(a ^ Math.imul(b, 0x2c1b3c6d), 0x297a2d39);
  return (mixed ^ (mixed >>> 15)) & known.mask;
}

/** Length of the run that is kept at `place` if the bytes at `pos` are the same, else 0. */
export function matchKnown(known: KnownBytes, place: number, view: DataView, pos: number): number {
  const length = known.length[place];
  if (length === 0) return 0;
  const { words } = known;
  let at = place * DOUBLES;
  const end = at + LAST;
  const last = pos + length - 8;
  for (let p = pos; p < last; p += 8) if (view.getFloat64(p, true) !== words[at++]) return 0;
  return view.getFloat64(last, true) === words[end] ? length : 0;
}

/** Keeps the run [pos, pos + length) if it is of a length and of bytes that can be kept; returns whether it is. */
export function keepKnown(
  known: KnownBytes,
  place: number,
  view: DataView,
  pos: number,
  length: number,
  value: number,
): boolean {
  known.length[place] = 0;
  if (length < 8 || length > MAX_KNOWN) return false;
  for (let p = pos; p < pos + length; p++) {
    const byte = view.getUint8(p);
    if (byte < BLANK || byte > TILDE) return false;
  }
  const base = place * DOUBLES;
  const last = pos + length - 8;
  for (let p = pos, at = base; p < last; p += 8) known.words[at++] = view.getFloat64(p, true);
  known.words[base + LAST] = view.getFloat64(last, true);
  known.length[place] = length;
  known.value[place] = value;
  return true;
}

export function forgetKnown(known: KnownBytes): void {
  known.length.fill(0);
}
