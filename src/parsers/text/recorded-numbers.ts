/**
 * Which numbers of an event's text went to which columns, as the grammar read the text last: what event-templates.ts
 * makes its short cuts of. One scratch for all, as the texts are read one after the other.
 */
import { LOWER_CASE, LOWER_X, ZERO } from '../../core/ascii.ts';

/** Most numbers of a text that are remembered. */
export const MAX_NUMBERS = 12;

export const recorded = {
  /** MAX_NUMBERS + 1: there were more. */
  count: 0,
  /** Positions of a number's first digit (behind 0x) or minus, and behind its last digit. */
  start: new Int32Array(MAX_NUMBERS),
  end: new Int32Array(MAX_NUMBERS),
  /** Column code (columns.ts), −1: the column had a value already. */
  column: new Int8Array(MAX_NUMBERS),
  hex: new Uint8Array(MAX_NUMBERS),
  /** Bits of `code` that words set. */
  bits: 0,
};

export function forgetNumbers(): void {
  recorded.count = 0;
  recorded.bits = 0;
}

/** A number read from [start, end); `start` may be at its 0x. Kept in the order of the text. */
export function recordNumber(
  buf: Uint8Array,
  start: number,
  end: number,
  hex: boolean,
  column: number,
): void {
  if (recorded.count >= MAX_NUMBERS) {
    recorded.count = MAX_NUMBERS + 1;
    return;
  }
  let index = recorded.count++;
  for (; index > 0 && recorded.start[index - 1] > start; index--) {
    recorded.start[index] = recorded.start[index - 1];
    recorded.end[index] = recorded.end[index - 1];
    recorded.column[index] = recorded.column[index - 1];
    recorded.hex[index] = recorded.hex[index - 1];
  }
  const prefixed = buf[start] === ZERO && (buf[start + 1] | LOWER_CASE) === LOWER_X;
  recorded.start[index] = prefixed ? start + 2 : start;
  recorded.end[index] = end;
  recorded.column[index] = column;
  recorded.hex[index] = hex || prefixed ? 1 : 0;
}
