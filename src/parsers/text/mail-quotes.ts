/** What mail and authors put in front of the lines of a trace that they quote. */
import { BLANK, DASH, GREATER, PIPE, TAB } from '../../core/ascii.ts';

/** Position behind blanks, `>`, `|` and `->`. */
export function skipMarks(buf: Uint8Array, pos: number, end: number): number {
  let p = pos;
  while (p < end) {
    const byte = buf[p];
    if (
      byte !== BLANK &&
      byte !== TAB &&
      byte !== GREATER &&
      byte !== PIPE &&
      !(byte === DASH && buf[p + 1] === GREATER)
    )
      break;
    p++;
  }
  return p;
}

/** Position behind blanks and `>` if there is a `>`, else `start`: blanks alone may belong to the line. */
export function skipQuote(buf: Uint8Array, start: number, end: number): number {
  let p = start;
  while (p < end && (buf[p] === BLANK || buf[p] === GREATER)) p++;
  return buf.subarray(start, p).includes(GREATER) ? p : start;
}
