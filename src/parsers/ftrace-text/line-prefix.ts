/**
 * What stands before `EVENT: TEXT` on a line of tracefs' `trace` and `trace_pipe` (kernel/trace/trace_output.c,
 * trace_print_context):
 *
 *     COMM(16 columns)-PID [(TGID)] [CPU] [FLAGS] TIME: EVENT: TEXT
 *
 * COMM is free text. It fills 16 columns, so the dash at column 16 is tried first; lines that lost their padding
 * are read from the first dash behind which the rest has the full shape.
 */
import { readDecimal, word } from '../text/numbers.ts';

export interface LinePrefix {
  /** End of COMM: position of the dash. */
  commEnd: number;
  tid: number;
  /** TGID column, −1 if there is none or it is unknown. */
  pid: number;
  cpu: number;
  /** Time with a fraction: seconds and nanoseconds; else the number is in `timeWords`. */
  hasFraction: boolean;
  seconds: number;
  nanoseconds: number;
  readonly timeWords: Uint32Array;
}

export function createLinePrefix(): LinePrefix {
  return {
    commEnd: 0,
    tid: 0,
    pid: -1,
    cpu: 0,
    hasFraction: true,
    seconds: 0,
    nanoseconds: 0,
    timeWords: new Uint32Array(2),
  };
}

const DASH = 45;
const COMM_COLUMNS = 16;
/** How far a dash is searched: a name has 15 bytes, quoting and mail add a few. */
const MAX_COMM = 64;

/** Position of `EVENT: TEXT` in the line [start, end), −1 if the line has no such prefix. */
export function parsePrefix(prefix: LinePrefix, buf: Uint8Array, start: number, end: number): number {
  if (end - start > COMM_COLUMNS && buf[start + COMM_COLUMNS] === DASH) {
    const at = afterDash(prefix, buf, start + COMM_COLUMNS, end);
    if (at >= 0) return at;
  }
  const last = Math.min(end, start + MAX_COMM);
  for (let p = start; p < last; p++) {
    if (buf[p] !== DASH) continue;
    const at = afterDash(prefix, buf, p, end);
    if (at >= 0) return at;
  }
  return -1;
}

/**
 * The same for a padded line whose end is not known yet; the caller must make sure that the COMM_COLUMNS bytes at
 * `start` hold no line feed. No byte behind them that matches is one.
 */
export function parsePaddedPrefix(prefix: LinePrefix, buf: Uint8Array, start: number): number {
  const dash = start + COMM_COLUMNS;
  return buf[dash] === DASH ? afterDash(prefix, buf, dash, buf.length) : -1;
}

/** No test against `end` is needed: the byte there is a line feed or CR, which ends every run below. */
function afterDash(prefix: LinePrefix, buf: Uint8Array, dash: number, end: number): number {
  let p = dash + 1;
  const negative = buf[p] === DASH;
  if (negative) p++;
  let first = p;
  let tid = 0;
  let digit = buf[p] - 48;
  while (digit >= 0 && digit <= 9) {
    tid = tid * 10 + digit;
    digit = buf[++p] - 48;
  }
  if (p === first || tid > 0x7fffffff || buf[p] !== 32) return -1;
  do p++;
  while (buf[p] === 32);
  let pid = -1;
  // TGID before [CPU] since 5.4, behind it in 4.15.
  if (buf[p] === 40) {
    p = readTgid(buf, p);
    if (p < 0) return -1;
    pid = tgid;
  }
  if (buf[p] !== 91) return -1;
  first = ++p;
  let cpu = 0;
  digit = buf[p] - 48;
  while (digit >= 0 && digit <= 9) {
    cpu = cpu * 10 + digit;
    digit = buf[++p] - 48;
  }
  if (p - first < 3 || buf[p] !== 93 || buf[++p] !== 32) return -1;
  while (buf[p] === 32) p++;
  if (buf[p] === 40) {
    p = readTgid(buf, p);
    if (p < 0) return -1;
    pid = tgid;
  }
  digit = buf[p] - 48;
  if (!(digit >= 0 && digit <= 9)) {
    // irq-info: 4 characters up to 5.10, 5 since; more where a preempt count is above 15.
    first = p;
    while (buf[p] > 32) p++;
    const width = p - first;
    if (width < 4 || width > 10 || buf[p] !== 32) return -1;
    while (buf[p] === 32) p++;
    digit = buf[p] - 48;
  }
  p = readTime(prefix, buf, p);
  if (p < 0 || buf[p] !== 58) return -1;
  if (buf[++p] === 32) p++;
  else return -1;
  if (p >= end) return -1;
  prefix.commEnd = dash;
  prefix.tid = negative ? -1 : tid;
  prefix.pid = pid;
  prefix.cpu = cpu;
  return p;
}

let tgid = -1;

/** `(%7d) ` or `(-------) ` (5 columns up to 5.4) at `pos`; the number is in `tgid`. */
function readTgid(buf: Uint8Array, pos: number): number {
  let p = pos + 1;
  while (buf[p] === 32) p++;
  tgid = -1;
  if (buf[p] === DASH) {
    while (buf[p] === DASH) p++;
  } else {
    p = readDecimal(buf, p);
    if (p < 0 || word[1] !== 0 || word[0] > 0x7fffffff) return -1;
    tgid = word[0];
  }
  if (buf[p] !== 41) return -1;
  p++;
  while (buf[p] === 32) p++;
  return p;
}

/** Seconds that fit a signed 64-bit number of nanoseconds. */
const MAX_SECONDS = 9_000_000_000;

/** `12.345678` or a plain number (clocks counter, x86-tsc, uptime); returns the position behind it or −1. */
function readTime(prefix: LinePrefix, buf: Uint8Array, pos: number): number {
  let p = pos;
  let seconds = 0;
  let digit = buf[p] - 48;
  while (digit >= 0 && digit <= 9 && p - pos < 15) {
    seconds = seconds * 10 + digit;
    digit = buf[++p] - 48;
  }
  if (p === pos) return -1;
  if (buf[p] !== 46) {
    p = readDecimal(buf, pos);
    if (p < 0 || word[1] > 0x7fffffff) return -1;
    prefix.hasFraction = false;
    prefix.timeWords[0] = word[0];
    prefix.timeWords[1] = word[1];
    return p;
  }
  const start = ++p;
  let fraction = 0;
  digit = buf[p] - 48;
  while (digit >= 0 && digit <= 9 && p - start < 9) {
    fraction = fraction * 10 + digit;
    digit = buf[++p] - 48;
  }
  const digits = p - start;
  if (digits < 6 || seconds > MAX_SECONDS) return -1;
  if (digits === 6) fraction *= 1000;
  else for (let i = digits; i < 9; i++) fraction *= 10;
  prefix.hasFraction = true;
  prefix.seconds = seconds;
  prefix.nanoseconds = fraction;
  return p;
}
