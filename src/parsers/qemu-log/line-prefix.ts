/** What stands in front of an event in QEMU's log: thread and time, a time, or nothing. */
import { AT, BLANK, CLOSE_PAREN, COLON, DOT, NINE, OPEN_PAREN, ZERO } from '../../core/ascii.ts';

/** `TID@SECONDS.MICROSECONDS:` (-msg timestamp=on, QEMU up to 10.0). */
export const STAMP_THREAD = 1;
/** `2025-07-25T10:00:00.123456Z ` (-msg timestamp=on, QEMU after 10.0). */
export const STAMP_DATE = 2;
/** No `-msg timestamp=on`. */
export const STAMP_NONE = 3;

export interface LogPrefix {
  tid: number;
  /** Since 1970. */
  seconds: number;
  nanoseconds: number;
}

export function createLogPrefix(): LogPrefix {
  return { tid: -1, seconds: 0, nanoseconds: 0 };
}

/** Position after `TID@SECONDS.MICROSECONDS:` at `pos`, −1 if that is not there. No digit stands at `end`. */
export function readThreadStamp(prefix: LogPrefix, buf: Uint8Array, pos: number, end: number): number {
  let p = pos;
  let tid = 0;
  for (let digit = buf[p] - ZERO; digit >= 0 && digit <= 9; digit = buf[++p] - ZERO)
    if (p < pos + 10) tid = tid * 10 + digit;
  if (p === pos || tid > 0x7fffffff || p >= end || buf[p] !== AT) return -1;
  const first = ++p;
  let seconds = 0;
  for (let digit = buf[p] - ZERO; digit >= 0 && digit <= 9; digit = buf[++p] - ZERO)
    if (p < first + 11) seconds = seconds * 10 + digit;
  if (p === first || p >= end || buf[p] !== DOT) return -1;
  const dot = p++;
  let micros = 0;
  for (let digit = buf[p] - ZERO; digit >= 0 && digit <= 9 && p < dot + 8; digit = buf[++p] - ZERO)
    micros = micros * 10 + digit;
  if (p !== dot + 7 || p >= end || buf[p] !== COLON) return -1;
  prefix.tid = tid;
  prefix.seconds = seconds;
  prefix.nanoseconds = micros * 1000;
  return p + 1;
}

/** Separators of the date's form by position; 0 stands for a digit. */
const DATE = Uint8Array.from('0000-00-00T00:00:00.000000Z ', (char) =>
  char === '0' ? 0 : char.charCodeAt(0),
);

/** Position after `YYYY-MM-DDTHH:MM:SS.ffffffZ ` at `pos`, −1 if that is not there. */
export function readDateStamp(prefix: LogPrefix, buf: Uint8Array, pos: number, end: number): number {
  if (pos + DATE.length > end) return -1;
  for (let i = 0; i < DATE.length; i++) {
    const byte = buf[pos + i];
    if (DATE[i] === 0 ? byte < ZERO || byte > NINE : byte !== DATE[i]) return -1;
  }
  const year = digits(buf, pos, 4);
  const month = digits(buf, pos + 5, 2);
  const day = digits(buf, pos + 8, 2);
  if (year < 1970 || month < 1 || month > 12 || day < 1 || day > 31) return -1;
  const time = digits(buf, pos + 11, 2) * 3600 + digits(buf, pos + 14, 2) * 60 + digits(buf, pos + 17, 2);
  prefix.tid = -1;
  prefix.seconds = daysSince1970(year, month, day) * 86400 + time;
  prefix.nanoseconds = digits(buf, pos + 20, 6) * 1000;
  return skipProgram(buf, pos + DATE.length, end);
}

/** Longest `PROGRAM(THREAD): ` that is looked for. */
const MAX_PROGRAM = 128;

/** Skips `[GUEST ]PROGRAM(THREAD): `, which patches of 2026 put between time and text. */
function skipProgram(buf: Uint8Array, pos: number, end: number): number {
  const stop = Math.min(end, pos + MAX_PROGRAM) - 2;
  let open = false;
  for (let p = pos; p < stop; p++) {
    if (buf[p] === OPEN_PAREN) open = true;
    else if (buf[p] === CLOSE_PAREN && open)
      return buf[p + 1] === COLON && buf[p + 2] === BLANK ? p + 3 : pos;
  }
  return pos;
}

/** Days of the Gregorian calendar; years of 400-year cycles start in March so that leap days come last. */
function daysSince1970(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const ofEra = y - era * 400;
  const ofYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  return era * 146097 + ofEra * 365 + Math.floor(ofEra / 4) - Math.floor(ofEra / 100) + ofYear - 719468;
}

/** Value of at most `most` digits at `pos`, −1 if there are none or more. */
function digits(buf: Uint8Array, pos: number, most: number): number {
  let value = 0;
  for (let i = 0; i < most; i++) {
    const digit = buf[pos + i] - ZERO;
    if (digit < 0 || digit > 9) return i === 0 ? -1 : value;
    value = value * 10 + digit;
  }
  return value;
}
