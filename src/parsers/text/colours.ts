/**
 * Colours in text that was saved from a terminal's output (grep --color=always, perf --stdio-color always, less -R):
 * the sequences ESC [ … letter (ECMA-48, CSI) are taken out before lines are read. Looking for ESC costs less than 1 %
 * of reading the lines.
 */
import {
  ESCAPE,
  LINE_FEED,
  LOWER_A,
  LOWER_CASE,
  LOWER_Z,
  OPEN_BRACKET,
  QUESTION_MARK,
  ZERO,
} from '../../core/ascii.ts';

/** Longest sequence: `ESC[38;2;255;255;255;48;2;255;255;255m` has 38 bytes. */
const LONGEST = 64;

export interface Colours {
  /** A sequence that the end of the data cuts. */
  readonly held: Uint8Array;
  heldLength: number;
  /** Lines that had any. */
  lines: number;
  /** The line that the data ends in was counted. */
  counted: boolean;
}

export function createColours(): Colours {
  return { held: new Uint8Array(LONGEST), heldLength: 0, lines: 0, counted: false };
}

/**
 * Takes colours out of the new data buf[from, end); returns its new end. A sequence that the end cuts is held back,
 * for the caller to put in front of what comes next, unless this is the `last` data.
 */
export function stripColours(
  colours: Colours,
  buf: Uint8Array,
  from: number,
  end: number,
  last: boolean,
): number {
  const data = Buffer.from(buf.buffer, buf.byteOffset + from, end - from);
  let start = data.indexOf(ESCAPE);
  if (start < 0) {
    if (colours.counted && data.includes(LINE_FEED)) colours.counted = false;
    return end;
  }
  let to = 0;
  let at = 0;
  while (start >= 0) {
    const close = endOfSequence(data, start);
    const cut = close < 0 && !last;
    const plain = close > 0 || cut ? start : start + 1;
    if (colours.counted && data.subarray(at, plain).includes(LINE_FEED)) colours.counted = false;
    data.copyWithin(to, at, plain);
    to += plain - at;
    if (cut) {
      colours.held.set(data.subarray(start));
      colours.heldLength = data.length - start;
      return from + to;
    }
    if (close > 0 && !colours.counted) {
      colours.counted = true;
      colours.lines++;
    }
    at = close > 0 ? close : plain;
    start = data.indexOf(ESCAPE, at);
  }
  if (colours.counted && data.subarray(at).includes(LINE_FEED)) colours.counted = false;
  data.copyWithin(to, at);
  return from + to + data.length - at;
}

/** Position behind the sequence at `start`, 0 if there is none, −1 if the data ends in it. */
function endOfSequence(data: Buffer, start: number): number {
  let p = start + 1;
  if (p >= data.length) return -1;
  if (data[p] !== OPEN_BRACKET) return 0;
  const stop = Math.min(data.length, start + LONGEST);
  // Numbers, `;`, `:` and private marks, then a letter: a thread's name that holds half a sequence stays as it is.
  for (p++; p < stop; p++) {
    const byte = data[p];
    if (byte >= ZERO && byte <= QUESTION_MARK) continue;
    const letter = byte | LOWER_CASE;
    return letter >= LOWER_A && letter <= LOWER_Z ? p + 1 : 0;
  }
  return p === data.length && p < start + LONGEST ? -1 : 0;
}

/** Takes the colours out of the first `length` bytes of `buf`; returns how many are left. */
export function stripHead(buf: Uint8Array, length: number): number {
  return stripColours(createColours(), buf, 0, length, true);
}
