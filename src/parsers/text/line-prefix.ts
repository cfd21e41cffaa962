/**
 * What stands before `EVENT: TEXT` on a line of tracefs' `trace` and `trace_pipe` (kernel/trace/trace_output.c,
 * trace_print_context) and of `trace-cmd report` (tracecmd/trace-read.c, trace_show_data):
 *
 *     COMM(16 columns)-PID [(TGID)] [CPU] [FLAGS] TIME: EVENT: TEXT
 *
 * trace-cmd may put `NAME: ` of a file or instance in front, prints times without a unit right behind `[CPU]`, flags
 * of a raw report as `-0x5`, and `(+12)` behind the time with --ts-diff.
 *
 * COMM is free text. It fills 16 columns, so the dash at column 16 is tried first; lines that lost their padding
 * are read from the first dash behind which the rest has the full shape.
 */
import {
  BLANK,
  CLOSE_BRACKET,
  CLOSE_PAREN,
  COLON,
  DASH,
  DOT,
  GREATER,
  LOWER_S,
  LOWER_U,
  LOWER_X,
  OPEN_BRACKET,
  OPEN_PAREN,
  PLUS,
  ZERO,
} from '../../core/ascii.ts';
import { NO_CPU } from '../../core/event-batch.ts';
import { HEX_DIGITS, isDigit, readDecimal, word } from './numbers.ts';

export interface LinePrefix {
  /** Start of what trace-cmd prints before COMM (name of a file or instance); commStart if there is nothing. */
  origin: number;
  /** COMM's columns; empty if the line has none. */
  commStart: number;
  commEnd: number;
  /** −1 if the line does not tell, as pid. */
  tid: number;
  /** TGID column, −1 if there is none or it is unknown. */
  pid: number;
  /** NO_CPU if the line does not tell. */
  cpu: number;
  /** Time with a fraction: seconds and nanoseconds; else the number is in `timeWords`. */
  hasFraction: boolean;
  seconds: number;
  nanoseconds: number;
  /** The fraction had more than six digits. */
  fine: boolean;
  readonly timeWords: Uint32Array;
  /** The line ends behind the time: its event is on the next one. */
  waiting: boolean;
  /** The line has a column for the thread, whether or not its number is a valid one. */
  hasThread: boolean;
  /** perf script: the event was printed with its system; where a side-band record's text stands, −1 for none. */
  hasSystem: boolean;
  record: number;
}

export function createLinePrefix(): LinePrefix {
  return {
    origin: 0,
    commStart: 0,
    commEnd: 0,
    tid: -1,
    pid: -1,
    cpu: NO_CPU,
    hasFraction: true,
    seconds: 0,
    nanoseconds: 0,
    fine: false,
    timeWords: new Uint32Array(2),
    waiting: false,
    hasThread: false,
    hasSystem: false,
    record: -1,
  };
}

/** Width of COMM in every format. */
export const COMM_COLUMNS = 16;
/** How far a dash is searched: a name has 15 bytes, quoting and mail add a few, trace-cmd a file's name. */
const MAX_COMM = 96;

/** Position of `EVENT: TEXT` in the line [start, end), −1 if the line has no such prefix. */
export function parsePrefix(prefix: LinePrefix, buf: Uint8Array, start: number, end: number): number {
  prefix.waiting = false;
  if (end - start > COMM_COLUMNS && buf[start + COMM_COLUMNS] === DASH) {
    const at = afterDash(prefix, buf, start + COMM_COLUMNS, end);
    prefix.commStart = start;
    prefix.origin = start;
    if (at >= 0 || prefix.waiting) return at;
  }
  const last = Math.min(end, start + MAX_COMM);
  for (let p = start; p < last; p++) {
    if (buf[p] !== DASH) continue;
    // A name that ends in a dash; only <XXX> has a negative number.
    if (buf[p + 1] === DASH && buf[p - 1] !== GREATER) continue;
    const at = afterDash(prefix, buf, p, end);
    prefix.commStart = Math.max(start, p - COMM_COLUMNS);
    prefix.origin = start;
    if (at >= 0 || prefix.waiting) return at;
  }
  return -1;
}

/** No test against `end` is needed: the byte there is a line feed or CR, which ends every run below. */
function afterDash(prefix: LinePrefix, buf: Uint8Array, dash: number, end: number): number {
  let p = dash + 1;
  const negative = buf[p] === DASH;
  if (negative) p++;
  let first = p;
  let tid = 0;
  let digit = buf[p] - ZERO;
  while (digit >= 0 && digit <= 9) {
    tid = tid * 10 + digit;
    digit = buf[++p] - ZERO;
  }
  if (p === first || tid > 0x7fffffff || buf[p] !== BLANK) return -1;
  do p++;
  while (buf[p] === BLANK);
  let pid = -1;
  // TGID before [CPU] since 4.19, behind it in 4.15.
  if (buf[p] === OPEN_PAREN) {
    p = readTgid(buf, p);
    if (p < 0) return -1;
    pid = tgid;
  }
  if (buf[p] !== OPEN_BRACKET) return -1;
  first = ++p;
  let cpu = 0;
  digit = buf[p] - ZERO;
  while (digit >= 0 && digit <= 9) {
    cpu = cpu * 10 + digit;
    digit = buf[++p] - ZERO;
  }
  if (p - first < 3 || buf[p] !== CLOSE_BRACKET) return -1;
  p++;
  if (buf[p] === DASH && buf[p + 1] === ZERO && buf[p + 2] === LOWER_X) {
    p += 3;
    while (HEX_DIGITS[buf[p]] < 16) p++;
  }
  while (buf[p] === BLANK) p++;
  if (buf[p] === OPEN_PAREN) {
    p = readTgid(buf, p);
    if (p < 0) return -1;
    pid = tgid;
  }
  digit = buf[p] - ZERO;
  if (!(digit >= 0 && digit <= 9)) {
    // irq-info: 4 characters in 5.10, 5 in 6.1; more where a preempt count is above 15, and from libtraceevent.
    first = p;
    while (buf[p] > BLANK) p++;
    const width = p - first;
    if (width < 4 || width > 10 || buf[p] !== BLANK) return -1;
    while (buf[p] === BLANK) p++;
  }
  prefix.hasThread = true;
  prefix.commEnd = dash;
  prefix.tid = negative ? -1 : tid;
  prefix.pid = pid;
  prefix.cpu = cpu;
  return eventAfterTime(prefix, buf, p, end);
}

/** Time at `pos` and where the event begins behind it. */
function eventAfterTime(prefix: LinePrefix, buf: Uint8Array, pos: number, end: number): number {
  let p = readTime(prefix, buf, pos);
  if (p < 0 || buf[p] !== COLON) return -1;
  if (buf[++p] !== BLANK && p < end) return -1;
  while (buf[p] === BLANK) p++;
  if (buf[p] === OPEN_PAREN && buf[p + 1] === PLUS) {
    const close = readDecimal(buf, p + 2);
    if (close >= 0 && buf[close] === CLOSE_PAREN) {
      p = close + 1;
      while (buf[p] === BLANK) p++;
    }
  }
  if (p >= end) {
    prefix.waiting = true;
    return -1;
  }
  return p;
}

/**
 * Excerpts whose columns before the time were cut: `[CPU] TIME: EVENT: TEXT` or `TIME: EVENT: TEXT`. Only times with a
 * fraction count, as any text could begin with a number.
 */
export function parseCutPrefix(prefix: LinePrefix, buf: Uint8Array, start: number, end: number): number {
  prefix.waiting = false;
  let p = start;
  while (buf[p] === BLANK) p++;
  let cpu: number = NO_CPU;
  if (buf[p] === OPEN_BRACKET) {
    const close = readDecimal(buf, p + 1);
    if (close < 0 || buf[close] !== CLOSE_BRACKET || word[1] !== 0) return -1;
    cpu = word[0];
    p = close + 1;
    while (buf[p] === BLANK) p++;
  }
  prefix.hasThread = false;
  prefix.origin = start;
  prefix.commStart = start;
  prefix.commEnd = start;
  prefix.tid = -1;
  prefix.pid = -1;
  prefix.cpu = cpu;
  const at = eventAfterTime(prefix, buf, p, end);
  if (!prefix.hasFraction) {
    prefix.waiting = false;
    return -1;
  }
  return at;
}

/** Columns of COMM in latency-format. */
const LATENCY_COMM = 8;

/**
 * `trace-cmd report -l`: `[NAME: ]COMM(8 columns)-PID CPUFLAGS TIME: EVENT: TEXT`; a time without unit has no blank
 * before it where it fills its 12 columns.
 */
export function parseLatencyPrefix(prefix: LinePrefix, buf: Uint8Array, start: number, end: number): number {
  const last = Math.min(end, start + MAX_COMM);
  for (let dash = start + LATENCY_COMM; dash < last; dash++) {
    if (buf[dash] !== DASH || !isOrigin(buf, start, dash - LATENCY_COMM)) continue;
    const p = latencyColumns(prefix, buf, start, dash, end);
    const at = p < 0 ? -1 : eventAfterTime(prefix, buf, p, end);
    if (at >= 0 || prefix.waiting) return at;
  }
  return -1;
}

/** What trace-cmd puts in front of COMM: nothing, blanks (top buffer) or `NAME: ` (file, instance). */
function isOrigin(buf: Uint8Array, start: number, end: number): boolean {
  if (end === start) return true;
  if (end < start + 2 || buf[end - 1] !== BLANK) return false;
  if (buf[end - 2] === COLON) return true;
  let p = start;
  while (p < end && buf[p] === BLANK) p++;
  return p === end;
}

/** A clock of ns that began later than this is none: 285 years in µs. */
const MAX_MICROSECONDS = 9e15;

/** tracefs in latency-format: the same with microseconds since tracing began and a mark of long waits (`1234us+: `). */
export function parseTracefsLatency(prefix: LinePrefix, buf: Uint8Array, start: number, end: number): number {
  let p = latencyColumns(prefix, buf, start, start + LATENCY_COMM, end);
  if (p < 0) return -1;
  p = readDecimal(buf, p);
  if (p < 0 || buf[p] !== LOWER_U || buf[p + 1] !== LOWER_S || buf[p + 3] !== COLON || buf[p + 4] !== BLANK)
    return -1;
  const micros = word[1] * 4294967296 + word[0];
  if (micros > MAX_MICROSECONDS) return -1;
  prefix.hasFraction = true;
  prefix.fine = false;
  prefix.seconds = Math.floor(micros / 1e6);
  prefix.nanoseconds = (micros % 1e6) * 1000;
  p += 5;
  while (buf[p] === BLANK) p++;
  return p < end ? p : -1;
}

/** Position of the time in a line whose COMM's 8 columns end at `dash`, −1 if they do not. */
function latencyColumns(
  prefix: LinePrefix,
  buf: Uint8Array,
  start: number,
  dash: number,
  end: number,
): number {
  if (end - dash < 16 || buf[dash] !== DASH) return -1;
  let p = readDecimal(buf, dash + 1);
  if (p < 0 || buf[p] !== BLANK || word[1] !== 0 || word[0] > 0x7fffffff) return -1;
  const tid = word[0];
  while (buf[p] === BLANK) p++;
  p = readDecimal(buf, p);
  if (p < 0 || word[1] !== 0) return -1;
  const cpu = word[0];
  const first = p;
  while (buf[p] > BLANK && buf[p] !== COLON) p++;
  if (buf[p] === COLON) {
    p = endOfFlags(buf, first);
    if (p < 0) return -1;
  } else if (p - first < 3 || p - first > 10) return -1;
  while (buf[p] === BLANK) p++;
  prefix.waiting = false;
  prefix.hasThread = true;
  prefix.origin = start;
  prefix.commStart = dash - LATENCY_COMM;
  prefix.commEnd = dash;
  prefix.tid = tid;
  prefix.pid = -1;
  prefix.cpu = cpu;
  return p;
}

/**
 * Where a time begins that follows the flags at `pos` without a blank. The 4th flag (preempt count) and the 5th (migration
 * disabled; 6.1 has it, 5.10 not) are a digit or a dot: if both places hold digits, the second may be the time's first, and
 * nothing can be told.
 */
function endOfFlags(buf: Uint8Array, pos: number): number {
  for (let p = pos; p < pos + 3; p++) if (buf[p] <= BLANK || isDigit(buf[p])) return -1;
  if (!isDigit(buf[pos + 4])) return pos + 5;
  return isDigit(buf[pos + 3]) ? -1 : pos + 4;
}

let tgid = -1;

/** `(%7d) ` or `(-------) ` (5 columns in 4.19) at `pos`; the number is in `tgid`. */
function readTgid(buf: Uint8Array, pos: number): number {
  let p = pos + 1;
  while (buf[p] === BLANK) p++;
  tgid = -1;
  if (buf[p] === DASH) {
    while (buf[p] === DASH) p++;
  } else {
    p = readDecimal(buf, p);
    if (p < 0 || word[1] !== 0 || word[0] > 0x7fffffff) return -1;
    tgid = word[0];
  }
  if (buf[p] !== CLOSE_PAREN) return -1;
  p++;
  while (buf[p] === BLANK) p++;
  return p;
}

/** Seconds that fit a signed 64-bit number of nanoseconds. */
const MAX_SECONDS = 9_000_000_000;

/** `12.345678` or a plain number (clocks counter, x86-tsc, uptime); returns the position behind it or −1. */
export function readTime(prefix: LinePrefix, buf: Uint8Array, pos: number): number {
  let p = pos;
  let seconds = 0;
  let digit = buf[p] - ZERO;
  while (digit >= 0 && digit <= 9 && p - pos < 15) {
    seconds = seconds * 10 + digit;
    digit = buf[++p] - ZERO;
  }
  if (p === pos) return -1;
  if (buf[p] !== DOT) {
    p = readDecimal(buf, pos);
    if (p < 0 || word[1] > 0x7fffffff) return -1;
    prefix.hasFraction = false;
    prefix.timeWords[0] = word[0];
    prefix.timeWords[1] = word[1];
    return p;
  }
  const start = ++p;
  let fraction = 0;
  digit = buf[p] - ZERO;
  while (digit >= 0 && digit <= 9 && p - start < 9) {
    fraction = fraction * 10 + digit;
    digit = buf[++p] - ZERO;
  }
  const digits = p - start;
  if (digits < 6 || seconds > MAX_SECONDS) return -1;
  if (digits === 6) fraction *= 1000;
  else for (let i = digits; i < 9; i++) fraction *= 10;
  prefix.hasFraction = true;
  prefix.fine = digits > 6;
  prefix.seconds = seconds;
  prefix.nanoseconds = fraction;
  return p;
}
