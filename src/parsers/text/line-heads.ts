/**
 * The columns before `EVENT: TEXT` of lines that begin as an earlier one did: the bytes up to `[` tell the thread and
 * are compared whole; behind them `[CPU]`, flags and time stand where they stood in the last line that was read with
 * care, and the time's seconds are those of that line. Everything else is −1 and left to the dialect's own grammar, as
 * is the first line of every thread and of every second.
 */

import {
  BLANK,
  CLOSE_BRACKET,
  CLOSE_PAREN,
  COLON,
  DASH,
  DOT,
  LOWER_A,
  LOWER_CASE,
  LOWER_Z,
  NINE,
  OPEN_BRACKET,
  OPEN_PAREN,
  SLASH,
  UPPER_A,
  ZERO,
} from '../../core/ascii.ts';
import { decimal6 } from './digit-pairs.ts';
import {
  createKnownBytes,
  fourBytes,
  type KnownBytes,
  keepKnown,
  MAX_KNOWN,
  matchKnown,
  placeOf,
} from './known-bytes.ts';
import { COMM_COLUMNS, type LinePrefix } from './line-prefix.ts';
import { isDigit } from './numbers.ts';
import { isKnownThread, type ThreadNames, threadSlot } from './thread-names.ts';

/** Where a dialect's lines have what tells them apart. */
export interface HeadShape {
  /** Two words here tell threads apart: the column of the thread's number. */
  readonly key: number;
  /** irq-info can stand between `[CPU]` and the time. */
  readonly flags: boolean;
  /** Events are printed as `kvm:EVENT`. */
  readonly system: boolean;
}

const PLACES = 1024;

export interface LineHeads {
  readonly shape: HeadShape;
  readonly threads: ThreadNames;
  /** Bytes of a line up to and with `[`. */
  readonly known: KnownBytes;
  /** By place in `known`. */
  readonly tid: Int32Array;
  readonly pid: Int32Array;
  /** Width of irq-info: 0, 4 or 5. */
  flags: number;
  /** From the blank before the time to its dot. */
  dot: number;
  /** The bytes from the blank to the dot, as three words that may overlap; where the second one is. */
  firstWord: number;
  secondWord: number;
  lastWord: number;
  secondAt: number;
  /** Digits behind the dot: 6 or 9. */
  digits: number;
  seconds: number;
}

export function createLineHeads(shape: HeadShape, threads: ThreadNames): LineHeads {
  return {
    shape,
    threads,
    known: createKnownBytes(PLACES),
    tid: new Int32Array(PLACES),
    pid: new Int32Array(PLACES),
    flags: 0,
    dot: 0,
    firstWord: 0,
    secondWord: 0,
    lastWord: 0,
    secondAt: 0,
    digits: 0,
    seconds: 0,
  };
}

const KVM_COLON = fourBytes('kvm:');

/**
 * Fills `prefix` as the dialect's parsePrefix() does for the line at `start` and returns the position of its
 * `EVENT: TEXT`; −1 if the line has to be read by parsePrefix(). No byte that matches is a line feed.
 */
export function matchHead(
  heads: LineHeads,
  prefix: LinePrefix,
  buf: Uint8Array,
  view: DataView,
  start: number,
): number {
  const { shape, known } = heads;
  const key = start + shape.key;
  const place = placeOf(known, view.getInt32(key, true), view.getInt32(key + 4, true));
  const length = matchKnown(known, place, view, start);
  if (length === 0) return -1;
  const tid = heads.tid[place];
  // The thread may have been seen under another name since.
  if (heads.threads.head[threadSlot(tid)] !== place) return -1;
  let p = start + length;
  // `001]`: three digits, tested all at once.
  const cpu = view.getInt32(p, true);
  if ((cpu & 0xfff0f0f0) !== 0x5d303030 || ((cpu + 0x060606) & 0xf0f0f0) !== 0x303030) return -1;
  p += 4;
  if (heads.flags !== 0) {
    if (buf[p] !== BLANK) return -1;
    const flags = view.getInt32(++p, true);
    // No byte below 33 among the four; the first one begins no time and no TGID.
    if (((flags - 0x21212121) & ~flags & 0x80808080) !== 0) return -1;
    const first = flags & 0xff;
    if (first === OPEN_PAREN || (first >= ZERO && first <= NINE)) return -1;
    p += 4;
    if (heads.flags === 5 && buf[p++] <= BLANK) return -1;
  }
  if (
    view.getInt32(p, true) !== heads.firstWord ||
    view.getInt32(p + heads.secondAt, true) !== heads.secondWord
  )
    return -1;
  p += heads.dot;
  if (view.getInt32(p - 4, true) !== heads.lastWord || buf[p] !== DOT) return -1;
  let nanoseconds = decimal6(view, p + 1);
  if (nanoseconds < 0) return -1;
  if (heads.digits === 6) {
    nanoseconds *= 1000;
    p += 7;
  } else {
    const a = buf[p + 7] - ZERO;
    const b = buf[p + 8] - ZERO;
    const c = buf[p + 9] - ZERO;
    if (a < 0 || a > 9 || b < 0 || b > 9 || c < 0 || c > 9) return -1;
    nanoseconds = nanoseconds * 1000 + a * 100 + b * 10 + c;
    p += 10;
  }
  if (buf[p] !== COLON || buf[p + 1] !== BLANK) return -1;
  p += 2;
  while (buf[p] === BLANK) p++;
  if (shape.system) {
    if (view.getInt32(p, true) !== KVM_COLON) return -1;
    p += 4;
    // Only names that every dialect reads alike.
    if ((buf[p] | LOWER_CASE) < LOWER_A || (buf[p] | LOWER_CASE) > LOWER_Z) return -1;
  } else if (buf[p] < UPPER_A) return -1;
  prefix.origin = start;
  prefix.commStart = start;
  prefix.commEnd = start + COMM_COLUMNS;
  prefix.tid = tid;
  prefix.pid = heads.pid[place];
  prefix.cpu = (cpu & 15) * 100 + ((cpu >> 8) & 15) * 10 + ((cpu >> 16) & 15);
  prefix.hasFraction = true;
  prefix.seconds = heads.seconds;
  prefix.nanoseconds = nanoseconds;
  prefix.fine = heads.digits === 9;
  prefix.waiting = false;
  prefix.hasThread = true;
  prefix.record = -1;
  return p;
}

/** Remembers how the line [start, end) begins, which parsePrefix() has read into `prefix`, if matchHead() can use it. */
export function learnHead(
  heads: LineHeads,
  prefix: LinePrefix,
  buf: Uint8Array,
  view: DataView,
  start: number,
  end: number,
): void {
  const { threads, shape } = heads;
  const { tid, pid } = prefix;
  if (!prefix.hasThread || tid < 0 || prefix.commStart !== start || prefix.origin !== start) return;
  if (prefix.commEnd !== start + COMM_COLUMNS || !isKnownThread(threads, view, start, tid, pid)) return;
  let bracket = prefix.commEnd + 1;
  while (isThreadByte(buf[bracket])) bracket++;
  if (
    buf[bracket] !== OPEN_BRACKET ||
    buf[bracket + 4] !== CLOSE_BRACKET ||
    !learnTime(heads, prefix, buf, view, bracket + 5, end)
  )
    return;
  const key = start + shape.key;
  const place = placeOf(heads.known, view.getInt32(key, true), view.getInt32(key + 4, true));
  const length = bracket + 1 - start;
  if (length > MAX_KNOWN || !keepKnown(heads.known, place, view, start, length, 0)) return;
  heads.tid[place] = tid;
  heads.pid[place] = pid;
  threads.head[threadSlot(tid)] = place;
}

/** Bytes that can stand between COMM and `[CPU]`: numbers of thread and process. */
function isThreadByte(byte: number): boolean {
  return (
    byte === BLANK ||
    (byte >= ZERO && byte <= NINE) ||
    byte === DASH ||
    byte === SLASH ||
    byte === OPEN_PAREN ||
    byte === CLOSE_PAREN
  );
}

/** Where flags and time stand behind `[CPU]`; `pos`: the blank there. */
function learnTime(
  heads: LineHeads,
  prefix: LinePrefix,
  buf: Uint8Array,
  view: DataView,
  pos: number,
  end: number,
): boolean {
  // 4.15 prints TGID here.
  if (buf[pos] !== BLANK || buf[pos + 1] === OPEN_PAREN || !prefix.hasFraction) return false;
  let blank = pos;
  let flags = 0;
  if (heads.shape.flags && buf[pos + 1] > BLANK && !isDigit(buf[pos + 1])) {
    while (buf[pos + 1 + flags] > BLANK) flags++;
    if (flags < 4 || flags > 5) return false;
    blank = pos + 1 + flags;
  }
  let dot = blank;
  while (buf[dot] === BLANK) dot++;
  while (isDigit(buf[dot])) dot++;
  const width = dot - blank;
  if (buf[dot] !== DOT || width < 4 || width > 12) return false;
  let digits = 0;
  while (isDigit(buf[dot + 1 + digits])) digits++;
  if ((digits !== 6 && digits !== 9) || dot + 1 + digits >= end) return false;
  heads.flags = flags;
  heads.dot = width;
  heads.secondAt = Math.min(4, width - 4);
  heads.firstWord = view.getInt32(blank, true);
  heads.secondWord = view.getInt32(blank + heads.secondAt, true);
  heads.lastWord = view.getInt32(dot - 4, true);
  heads.digits = digits;
  heads.seconds = prefix.seconds;
  return true;
}
