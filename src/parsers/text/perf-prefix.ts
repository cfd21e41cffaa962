/**
 * What stands before `EVENT: TEXT` on a line of `perf script` (tools/perf/builtin-script.c, perf_sample__fprintf_start):
 *
 *     COMM(16 columns) PID/TID [CPU] [MISC] [DATE] TIME: [PERIOD] SYSTEM:EVENT: TEXT
 *
 * Any column may be missing (-F); perf-prof has the date in front and irq flags before [CPU]. COMM is free text and
 * nothing but a blank ends it: the line is read from the first place behind which everything has its shape. No name of
 * 15 bytes holds a whole such line, so that the first place is the right one. With callchains COMM is not padded; with
 * -L it is cut at 8 bytes and CPU has no brackets.
 */
import {
  BLANK,
  CARRIAGE_RETURN,
  CLOSE_BRACKET,
  COLON,
  DASH,
  DOT,
  LINE_FEED,
  LOWER_A,
  LOWER_CASE,
  LOWER_Z,
  OPEN_BRACKET,
  SLASH,
  UNDERSCORE,
} from '../../core/ascii.ts';
import { NO_CPU } from '../../core/event-batch.ts';
import { COMM_COLUMNS, type LinePrefix, readTime } from './line-prefix.ts';
import { ascii, findIn, isDigit, matchesAt, readDecimal, word } from './numbers.ts';

const SOFT_BREAK = 61;
/** Width of COMM in latency format. */
const LATENCY_COMM = 8;
/** How far the end of COMM is searched. */
const MAX_COMM = 64;
const RECORD = ascii('PERF_RECORD_');
const GUEST = ascii('[guest/');
const VM = ascii('VM:');
const VCPU = ascii('VCPU:');

/** Position of `EVENT: TEXT` in the line [start, end), −1 if it is no sample; `prefix.record`: it is a side-band record. */
export function parsePerfPrefix(prefix: LinePrefix, buf: Uint8Array, start: number, end: number): number {
  prefix.waiting = false;
  prefix.record = -1;
  const from = skipDate(buf, start);
  if (isLatencyLine(buf, from, end)) return afterComm(prefix, buf, from, from + LATENCY_COMM, end, true);
  // A name of 15 bytes leaves a column free in front of it if it is padded.
  if (buf[from] === BLANK && end - from > COMM_COLUMNS && buf[from + COMM_COLUMNS] === BLANK) {
    const at = afterComm(prefix, buf, from, from + COMM_COLUMNS, end);
    if (at >= 0 || prefix.record >= 0 || prefix.waiting) return at;
  }
  const last = Math.min(end, from + MAX_COMM);
  for (let p = from; p < last; p++) {
    if (p > from && buf[p] !== BLANK) continue;
    // One attempt per run of blanks.
    if (p > from && buf[p - 1] === BLANK) continue;
    const at = afterComm(prefix, buf, from, p, end);
    if (at >= 0 || prefix.record >= 0 || prefix.waiting) return at;
  }
  return -1;
}

function isNameByte(byte: number): boolean {
  const letter = byte | LOWER_CASE;
  return (letter >= LOWER_A && letter <= LOWER_Z) || isDigit(byte) || byte === UNDERSCORE;
}

function skipBlanks(buf: Uint8Array, pos: number): number {
  let p = pos;
  while (buf[p] === BLANK) p++;
  return p;
}

/** Position behind `2021-12-12 16:11:10.214139 ` at `pos`, or `pos`. */
function skipDate(buf: Uint8Array, pos: number): number {
  if (buf[pos + 4] !== DASH || buf[pos + 7] !== DASH || buf[pos + 10] !== BLANK || buf[pos + 13] !== COLON)
    return pos;
  let p = pos + 11;
  while (isDigit(buf[p]) || buf[p] === COLON || buf[p] === DOT) p++;
  return buf[p] === BLANK ? p + 1 : pos;
}

/** `%8.8s %5d %3d TIME`, with `%5d/%-5d` if the process is shown, as -L prints COMM, TID and CPU. */
function isLatencyLine(buf: Uint8Array, from: number, end: number): boolean {
  let p = from + LATENCY_COMM;
  if (end - p < 8 || buf[p - 1] <= BLANK || buf[p] !== BLANK) return false;
  for (let column = 0; column < 2; column++) {
    p = skipBlanks(buf, p);
    const first = p;
    while (isDigit(buf[p]) || (column === 0 && p > first && buf[p] === SLASH)) p++;
    if (p === first || buf[p] !== BLANK) return false;
  }
  p = skipBlanks(buf, p);
  while (isDigit(buf[p])) p++;
  return buf[p] === DOT;
}

/**
 * The columns behind a COMM in [start, pos). No byte that matches is a line feed.
 * `latency`: CPU has no brackets.
 */
function afterComm(
  prefix: LinePrefix,
  buf: Uint8Array,
  start: number,
  pos: number,
  end: number,
  latency = false,
): number {
  prefix.record = -1;
  let p = skipBlanks(buf, pos);
  let tid = -1;
  let pid = -1;
  let hasThread = false;
  const negative = buf[p] === DASH;
  let next = readDecimal(buf, negative ? p + 1 : p);
  if (next >= 0) {
    if (word[1] !== 0 || word[0] > 0x7fffffff) return -1;
    tid = negative ? -1 : word[0];
    if (buf[next] === SLASH) {
      pid = tid;
      const minus = buf[next + 1] === DASH;
      next = readDecimal(buf, minus ? next + 2 : next + 1);
      if (next < 0 || word[1] !== 0 || word[0] > 0x7fffffff) return -1;
      tid = minus ? -1 : word[0];
    }
    if (buf[next] === BLANK) {
      hasThread = true;
      p = skipBlanks(buf, next);
    } else if (buf[next] === DOT && pid < 0) tid = -1;
    else return -1;
  } else if (negative) return -1;
  if (matchesAt(buf, p, VM)) p = skipNumber(buf, p + VM.length);
  if (p >= 0 && matchesAt(buf, p, VCPU)) p = skipNumber(buf, p + VCPU.length);
  if (p < 0) return -1;
  if (buf[p] !== OPEN_BRACKET && !isDigit(buf[p])) {
    // irq flags, as ftrace has them, or MISC if there is no CPU.
    const first = p;
    while (buf[p] > BLANK) p++;
    const width = p - first;
    if (width > 6 || buf[p] !== BLANK || !hasThread) return -1;
    p = skipBlanks(buf, p);
    if (buf[p] === OPEN_BRACKET ? width < 4 : !isDigit(buf[p])) return -1;
  }
  let cpu: number = NO_CPU;
  if (latency) {
    p = skipBlanks(buf, readDecimal(buf, p));
    if (word[1] === 0) cpu = Math.min(word[0], NO_CPU);
  } else if (buf[p] === OPEN_BRACKET) {
    p = readDecimal(buf, p + 1);
    if (p < 0 || buf[p] !== CLOSE_BRACKET || buf[p + 1] !== BLANK || word[1] !== 0) return -1;
    cpu = Math.min(word[0], NO_CPU);
    p = skipBlanks(buf, p + 1);
  }
  // MISC: letters of the CPU mode.
  if (!isDigit(buf[p])) {
    const first = p;
    while (isNameByte(buf[p])) p++;
    if (p === first || p - first > 6 || buf[p] !== BLANK) return -1;
    p = skipBlanks(buf, p);
  }
  p = skipDate(buf, p);
  p = readTime(prefix, buf, skipBlanks(buf, p));
  if (p < 0 || buf[p] !== COLON || !prefix.hasFraction) return -1;
  p = skipBlanks(buf, p + 1);
  prefix.hasThread = hasThread;
  prefix.origin = start;
  prefix.commStart = start;
  prefix.commEnd = pos;
  prefix.tid = tid;
  prefix.pid = pid;
  prefix.cpu = cpu;
  if (matchesAt(buf, p, RECORD)) {
    prefix.record = p;
    return -1;
  }
  const event = eventName(prefix, buf, p, end);
  if (event >= 0) takeGuestName(prefix, buf);
  else if (hasThread && endsBeforeEvent(buf, p, end)) prefix.waiting = true;
  return event;
}

/** Mail wraps behind the time, or, as quoted-printable text, inside the event's name (`kvm:kvm_ex=`). */
function endsBeforeEvent(buf: Uint8Array, pos: number, end: number): boolean {
  if (pos >= end) return true;
  if (buf[end - 1] !== SOFT_BREAK) return false;
  let p = pos;
  while (isNameByte(buf[p]) || buf[p] === COLON) p++;
  return p === end - 1;
}

function skipNumber(buf: Uint8Array, pos: number): number {
  const p = readDecimal(buf, pos);
  return p < 0 || buf[p] !== BLANK ? -1 : skipBlanks(buf, p);
}

/** `[PERIOD] SYSTEM:EVENT:` at `pos`: where EVENT stands. Events of other kinds (`cycles:`) have no system. */
function eventName(prefix: LinePrefix, buf: Uint8Array, pos: number, end: number): number {
  let p = pos;
  while (isDigit(buf[p])) p++;
  if (p > pos) {
    if (buf[p] !== BLANK) return -1;
    p = skipBlanks(buf, p);
  }
  const first = p;
  while (isNameByte(buf[p]) || buf[p] === DASH) p++;
  if (p === first || buf[p] !== COLON) return -1;
  let event = first;
  prefix.hasSystem = isNameByte(buf[p + 1]);
  if (prefix.hasSystem) {
    event = ++p;
    while (isNameByte(buf[p])) p++;
    if (buf[p] !== COLON) return -1;
  } else if (!prefix.hasThread) return -1;
  return p + 1 >= end || buf[p + 1] === BLANK || buf[p + 1] === LINE_FEED || buf[p + 1] === CARRIAGE_RETURN
    ? event
    : -1;
}

/** `--guest-code` names a vCPU thread `[guest/PID]`, `--guestkallsyms` `:TID`: its name is not told. */
function takeGuestName(prefix: LinePrefix, buf: Uint8Array): void {
  const p = skipBlanks(buf, prefix.commStart);
  if (buf[p] === OPEN_BRACKET && findIn(buf, p, prefix.commEnd, GUEST) === p) {
    const close = readDecimal(buf, p + GUEST.length);
    if (close < 0 || buf[close] !== CLOSE_BRACKET || word[1] !== 0) return;
    if (prefix.pid < 0) prefix.pid = word[0];
    prefix.commEnd = prefix.commStart;
  } else if (buf[p] === COLON && readDecimal(buf, p + 1) >= 0) prefix.commEnd = prefix.commStart;
}
