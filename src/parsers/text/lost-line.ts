/** Lines that stand for lost events: `CPU:1 [LOST 903 EVENTS]` (tracefs), `CPU:0 [12402 EVENTS DROPPED]` (trace-cmd). */
import { BLANK, OPEN_BRACKET } from '../../core/ascii.ts';
import { ascii, findIn, matchesAt, readDecimal, word } from './numbers.ts';

const CPU = ascii('CPU:');
const LOST = ascii('LOST');
const DROPPED = ascii('DROPPED]');
const EVENTS = ascii('EVENTS');

/** What readLost() found: CPU number, and how many events ([low, high] words) if it is `known`. */
export const lost = { cpu: 0, low: 0, high: 0, known: false };

/** Whether the line in [start, end) is such a line; its parts are in `lost`. */
export function readLost(buf: Uint8Array, start: number, end: number): boolean {
  if (!matchesAt(buf, start, CPU)) return false;
  let p = readDecimal(buf, start + 4);
  if (p < 0 || p >= end || word[1] !== 0 || buf[p] !== BLANK || buf[p + 1] !== OPEN_BRACKET) return false;
  lost.cpu = word[0];
  lost.known = false;
  lost.low = 0;
  lost.high = 0;
  p += 2;
  if (matchesAt(buf, p, LOST)) p += 5;
  else if (findIn(buf, p, end, DROPPED) < 0) return false;
  const after = readDecimal(buf, p);
  if (after >= 0) {
    lost.known = true;
    lost.low = word[0];
    lost.high = word[1];
    p = after + 1;
  }
  return matchesAt(buf, p, EVENTS);
}
