/**
 * sched_switch, sched_wakeup and sched_waking: thread names are free text, so that the fields are found from the
 * fixed words around them.
 */
import {
  BLANK,
  CARRIAGE_RETURN,
  COLON,
  DASH,
  EQUALS,
  GREATER,
  LINE_FEED,
  LOWER_D,
  LOWER_M,
  NINE,
  OPEN_BRACKET,
  PLUS,
  ZERO,
} from '../../core/ascii.ts';
import { type EventBatch, F_ADDRESS, F_ARG0, F_INFO1 } from '../../core/event-batch.ts';
import { type KeyTable, readKeyed } from './keyed-text.ts';
import { eightBytes, fourBytes } from './known-bytes.ts';
import { ascii, findLast, readDecimal, readSigned, word } from './numbers.ts';

const ARROW = ascii(' ==> ');
const PREV_PID = ascii(' prev_pid=');
const PREV_STATE = ascii(' prev_state=');
const NEXT_COMM = ascii(' next_comm=');
const NEXT_PID = ascii(' next_pid=');
const PID = ascii(' pid=');
const CPU = ascii(' CPU:');

/** `prev_state` letters as printed since 4.14 (include/trace/events/sched.h); R is 0. */
const STATES: Readonly<Record<number, number | undefined>> = {
  82: 0, // R
  83: 0x01, // S
  68: 0x02, // D
  84: 0x04, // T
  116: 0x08, // t
  88: 0x10, // X
  90: 0x20, // Z
  80: 0x40, // P
  73: 0x80, // I
};
/** `+`: preempted (TASK_REPORT_MAX). */
const PREEMPTED = 0x100;

function storePid(buf: Uint8Array, at: number, column: Uint32Array, row: number): boolean {
  if (readSigned(buf, at) < 0) return false;
  column[2 * row] = word[0];
  column[2 * row + 1] = word[1];
  return true;
}

function storeState(buf: Uint8Array, pos: number, batch: EventBatch, row: number): void {
  let state = 0;
  let p = readDecimal(buf, pos);
  if (p >= 0) state = word[0];
  else p = pos;
  for (; buf[p] > BLANK; p++) state |= buf[p] === PLUS ? PREEMPTED : (STATES[buf[p]] ?? 0);
  if (p === pos) return;
  batch.info1[2 * row] = state;
  batch.info1[2 * row + 1] = 0;
  batch.fields[row] |= F_INFO1;
}

/**
 * `prev_comm=A prev_pid=1 prev_prio=120 prev_state=R+ ==> next_comm=B next_pid=2 next_prio=120`, or by
 * libtraceevent's plugin `A:1 [120] R+ ==> B:2 [120]`; raw fields have the state as a number.
 */
export function readSwitch(
  buf: Uint8Array,
  pos: number,
  end: number,
  batch: EventBatch,
  row: number,
): boolean {
  // A name cannot hold the arrow and a field after it (15 bytes), so that the last of each is the real one.
  const next = findLast(buf, pos, end, NEXT_PID);
  // trace-cmd report -R prints the fields alone.
  const arrow = Math.max(
    findLast(buf, pos, next >= 0 ? next : end, ARROW),
    next >= 0 ? findLast(buf, pos, next, NEXT_COMM) : -1,
  );
  if (arrow < 0) return false;
  if (next >= 0) {
    const prev = findLast(buf, pos, arrow, PREV_PID);
    if (prev < 0 || !storePid(buf, prev + PREV_PID.length, batch.arg0, row)) return false;
    if (!storePid(buf, next + NEXT_PID.length, batch.address, row)) return false;
    const state = findLast(buf, pos, arrow, PREV_STATE);
    if (state >= 0) storeState(buf, state + PREV_STATE.length, batch, row);
  } else {
    const prev = pidBeforePriority(buf, pos, arrow);
    const after = pidBeforePriority(buf, arrow, end);
    if (prev < 0 || after < 0) return false;
    if (!storePid(buf, prev, batch.arg0, row) || !storePid(buf, after, batch.address, row)) return false;
    let p = arrow;
    while (p > prev && buf[p - 1] !== BLANK) p--;
    storeState(buf, p, batch, row);
  }
  batch.fields[row] |= F_ADDRESS | F_ARG0;
  return true;
}

const PREV_COM = eightBytes('prev_com');
const _PREV_PI = eightBytes(' prev_pi');
const _PREV_PR = eightBytes(' prev_pr');
const IO_EQUALS = fourBytes('rio=');
const _PREV_ST = eightBytes(' prev_st');
const ATE_EQUALS = fourBytes('ate=');
const _ARROW_NE = eightBytes(' ==> nex');
const T_COMM_EQ = eightBytes('xt_comm=');
const _NEXT_PI = eightBytes(' next_pi');
const _NEXT_PR = eightBytes(' next_pr');
const D_EQUALS = LOWER_D | (EQUALS << 8);

/**
 * The kernel's form of sched_switch since 4.14, read forwards without knowing where the line ends; returns the position
 * of the line's end or −1. Only names that make no difference to readSwitch(): the second one must not look like fields.
 */
export function readCommonSwitch(
  view: DataView,
  buf: Uint8Array,
  pos: number,
  batch: EventBatch,
  row: number,
): number {
  if (view.getFloat64(pos, true) !== PREV_COM || buf[pos + 8] !== LOWER_M || buf[pos + 9] !== EQUALS)
    return -1;
  let p = pos + 10;
  while (buf[p] !== BLANK || view.getFloat64(p, true) !== _PREV_PI) if (buf[p++] < BLANK) return -1;
  if (view.getUint16(p + 8, true) !== D_EQUALS) return -1;
  p = readSigned(buf, p + 10);
  if (p < 0) return -1;
  batch.arg0[2 * row] = word[0];
  batch.arg0[2 * row + 1] = word[1];
  if (view.getFloat64(p, true) !== _PREV_PR || view.getInt32(p + 7, true) !== IO_EQUALS) return -1;
  p = skipSigned(buf, p + 11);
  if (view.getFloat64(p, true) !== _PREV_ST || view.getInt32(p + 8, true) !== ATE_EQUALS) return -1;
  p += 12;
  const letter = STATES[buf[p]];
  if (letter === undefined) return -1;
  let state = letter;
  if (buf[++p] === PLUS) {
    state |= PREEMPTED;
    p++;
  }
  if (view.getFloat64(p, true) !== _ARROW_NE || view.getFloat64(p + 7, true) !== T_COMM_EQ) return -1;
  p += 15;
  while (buf[p] !== BLANK || view.getFloat64(p, true) !== _NEXT_PI) {
    const byte = buf[p++];
    if (byte < BLANK || byte === EQUALS || byte === GREATER) return -1;
  }
  if (view.getUint16(p + 8, true) !== D_EQUALS) return -1;
  p = readSigned(buf, p + 10);
  if (p < 0) return -1;
  batch.address[2 * row] = word[0];
  batch.address[2 * row + 1] = word[1];
  if (view.getFloat64(p, true) !== _NEXT_PR || view.getInt32(p + 7, true) !== IO_EQUALS) return -1;
  p = skipSigned(buf, p + 11);
  batch.info1[2 * row] = state;
  batch.info1[2 * row + 1] = 0;
  batch.fields[row] = F_ADDRESS | F_ARG0 | F_INFO1;
  return buf[p] === LINE_FEED || (buf[p] === CARRIAGE_RETURN && buf[p + 1] === LINE_FEED) ? p : -1;
}

function skipSigned(buf: Uint8Array, pos: number): number {
  let p = buf[pos] === DASH ? pos + 1 : pos;
  while (buf[p] >= ZERO && buf[p] <= NINE) p++;
  return p;
}

/** Position of the number in the last `NAME:number [prio]` of the range, −1 if there is none. */
function pidBeforePriority(buf: Uint8Array, pos: number, end: number): number {
  let bracket = end - 1;
  while (bracket > pos && !(buf[bracket] === OPEN_BRACKET && buf[bracket - 1] === BLANK)) bracket--;
  let p = bracket - 1;
  while (p > pos && buf[p] !== COLON) p--;
  return p > pos ? p + 1 : -1;
}

/** `comm=A pid=1 prio=120 target_cpu=000`, or the plugin's `A:1 [120] CPU:000` (older: ` success=1 CPU:000`). */
export function readWakeup(
  table: KeyTable,
  buf: Uint8Array,
  pos: number,
  end: number,
  batch: EventBatch,
  row: number,
): boolean {
  const pid = findLast(buf, pos, end, PID);
  if (pid >= 0) return readKeyed(table, buf, pid, end, batch, row);
  const cpu = findLast(buf, pos, end, CPU);
  const at = pidBeforePriority(buf, pos, cpu >= 0 ? cpu : end);
  if (at < 0 || !storePid(buf, at, batch.address, row)) return false;
  batch.fields[row] |= F_ADDRESS;
  if (cpu >= 0 && readDecimal(buf, cpu + CPU.length) >= 0) {
    batch.arg0[2 * row] = word[0];
    batch.arg0[2 * row + 1] = word[1];
    batch.fields[row] |= F_ARG0;
  }
  return true;
}
