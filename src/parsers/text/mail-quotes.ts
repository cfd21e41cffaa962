/** What mail and authors put in front of the lines of a trace that they quote. */

/** Position behind blanks, `>`, `|` and `->`. */
export function skipMarks(buf: Uint8Array, pos: number, end: number): number {
  let p = pos;
  while (p < end) {
    const byte = buf[p];
    if (byte !== 32 && byte !== 9 && byte !== 62 && byte !== 124 && !(byte === 45 && buf[p + 1] === 62))
      break;
    p++;
  }
  return p;
}

/** Position behind blanks and `>` if there is a `>`, else `start`: blanks alone may belong to the line. */
export function skipQuote(buf: Uint8Array, start: number, end: number): number {
  let p = start;
  while (p < end && (buf[p] === 32 || buf[p] === 62)) p++;
  return buf.subarray(start, p).includes(62) ? p : start;
}
