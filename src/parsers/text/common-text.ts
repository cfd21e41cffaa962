/**
 * The commonest event texts, byte for byte, read without knowing where the line ends: kvm_exit of x86 since 5.10 and
 * of arm64, kvm_entry, kvm_userspace_exit. No byte that matches is a line feed, so that nothing is read beyond it.
 * Every function returns the position behind what it read or −1; anything unusual is −1 and left to parseEvent().
 *
 * Fixed words are compared four or eight bytes at a time; names that were seen before are known by their bytes.
 */
import {
  BLANK,
  CARRIAGE_RETURN,
  CLOSE_PAREN,
  COLON,
  LINE_FEED,
  LOWER_X,
  LOWER_Y,
  OPEN_PAREN,
  ZERO,
} from '../../core/ascii.ts';
import {
  type EventBatch,
  F_ADDRESS,
  F_ARG0,
  F_CODE,
  F_ERROR_CODE,
  F_INFO1,
  F_INFO2,
  F_INTR_INFO,
  F_ISA,
} from '../../core/event-batch.ts';
import { EV_ENTRY, EV_EXIT, EV_USERSPACE_EXIT } from '../../core/events.ts';
import { ISA_ARM64 } from '../../core/isa-codes.ts';
import { armReasonCode } from '../../isa/reasons.ts';
import { isHex8, readHex8, readHexPairs } from './digit-pairs.ts';
import {
  createKnownBytes,
  eightBytes,
  fourBytes,
  type KnownBytes,
  keepKnown,
  matchKnown,
  placeOf,
} from './known-bytes.ts';
import { readDecimal, readHex, word } from './numbers.ts';
import { knownReason, type ReasonNames, setReasonId } from './reason-names.ts';

const KVM_EXIT = eightBytes('kvm_exit');
const KVM_ENTR = eightBytes('kvm_entr');
const KVM_USER = eightBytes('kvm_user');
const SPACE_EX = eightBytes('space_ex');
const IT_COLON = fourBytes('it: ');
const VCPU = fourBytes('vcpu');
const _REASON_ = eightBytes(' reason ');
const REAS = fourBytes('reas');
const SON_ = fourBytes('son ');
const RIP_ = fourBytes('rip ');
const COMMA_RIP = eightBytes(', rip 0x');
const _INFO1_0 = eightBytes(' info1 0');
const INFO1_0X = eightBytes('info1 0x');
const _INFO2_0 = eightBytes(' info2 0');
const INFO2_0X = eightBytes('info2 0x');
const _INTR_IN = eightBytes(' intr_in');
const _INFO_0X = eightBytes('_info 0x');
const _ERROR_C = eightBytes(' error_c');
const _CODE_0X = eightBytes('_code 0x');
const _REQUEST = eightBytes(' request');
const UESTS_0X = eightBytes('uests 0x');
const TRAP = fourBytes('TRAP');
const IRQ_COLON = fourBytes('IRQ:');
const HSR_EC_COLON = eightBytes(' HSR_EC:');
const CLOSE_PC = eightBytes('), PC: 0');
const PC_COLON = fourBytes('PC: ');
const REST = fourBytes('rest');
const ERRO = fourBytes('erro');

export interface CommonText {
  readonly reasons: ReasonNames;
  /** Columns that ParseOptions.coreOnly leaves out are checked, but not stored. */
  readonly coreOnly: boolean;
  /** arm64 exits up to the PC, with their code; texts of kvm_userspace_exit, with theirs. */
  readonly armExits: KnownBytes;
  readonly userspaceExits: KnownBytes;
}

export function createCommonText(reasons: ReasonNames, coreOnly: boolean): CommonText {
  return {
    reasons,
    coreOnly,
    armExits: createKnownBytes(256),
    userspaceExits: createKnownBytes(256),
  };
}

/**
 * `EVENT: TEXT` at `pos` into the row's event and value columns. Returns the position of the line's end (a line feed,
 * or a CR before one).
 */
export function readCommonEvent(
  common: CommonText,
  view: DataView,
  buf: Uint8Array,
  pos: number,
  batch: EventBatch,
  row: number,
): number {
  const name = view.getFloat64(pos, true);
  let p = pos + 8;
  if (name === KVM_EXIT) {
    if (buf[p] !== COLON || buf[p + 1] !== BLANK) return -1;
    p += 2;
    p =
      view.getInt32(p, true) === VCPU
        ? readExit(common, view, buf, p, batch, row)
        : readArmExit(common, view, buf, p, batch, row);
    batch.event[row] = EV_EXIT;
  } else if (name === KVM_ENTR) {
    if (buf[p] !== LOWER_Y || buf[p + 1] !== COLON || buf[p + 2] !== BLANK) return -1;
    p = readEntry(view, buf, p + 3, batch, row);
    batch.event[row] = EV_ENTRY;
  } else if (name === KVM_USER) {
    if (view.getFloat64(p, true) !== SPACE_EX || view.getInt32(p + 8, true) !== IT_COLON) return -1;
    p += 12;
    // trace-cmd pads names.
    while (buf[p] === BLANK) p++;
    p = readUserspaceExit(common, view, buf, p, batch, row);
    batch.event[row] = EV_USERSPACE_EXIT;
  } else return -1;
  if (p < 0) return -1;
  return buf[p] === LINE_FEED || (buf[p] === CARRIAGE_RETURN && buf[p + 1] === LINE_FEED) ? p : -1;
}

/** `vcpu 0 reason NAME rip 0x… info1 0x… info2 0x… intr_info 0x… error_code 0x…[ requests 0x…]`. */
function readExit(
  common: CommonText,
  view: DataView,
  buf: Uint8Array,
  pos: number,
  batch: EventBatch,
  row: number,
): number {
  if (buf[pos + 4] !== BLANK) return -1;
  let p = pos + 5;
  let vcpu = 0;
  let digit = buf[p] - ZERO;
  if (digit < 0 || digit > 9) return -1;
  do {
    vcpu = vcpu * 10 + digit;
    digit = buf[++p] - ZERO;
  } while (digit >= 0 && digit <= 9);
  if (vcpu > 0x7fffffff || view.getFloat64(p, true) !== _REASON_) return -1;
  p = readReason(common.reasons, view, buf, p + 8, batch, row);
  if (p < 0) return -1;
  p = readHexPairs(view, p);
  if (p < 0) return -1;
  const wide = 2 * row;
  batch.address[wide] = word[0];
  batch.address[wide + 1] = word[1];
  p = common.coreOnly ? skipExitInfo(view, p) : readExitInfo(view, p, batch, row);
  if (p < 0) return -1;
  batch.vcpu[row] = vcpu;
  batch.fields[row] |= F_ADDRESS | F_INFO1 | F_INFO2 | F_INTR_INFO | F_ERROR_CODE;
  if (buf[p] !== BLANK) return p;
  if (view.getFloat64(p, true) !== _REQUEST || view.getFloat64(p + 4, true) !== UESTS_0X) return -1;
  p = readHexPairs(view, p + 12);
  if (p < 0) return -1;
  batch.arg0[wide] = word[0];
  batch.arg0[wide + 1] = word[1];
  batch.fields[row] |= F_ARG0;
  return p;
}

/** ` info1 0x… info2 0x… intr_info 0x… error_code 0x…`, all of fixed width. */
function readExitInfo(view: DataView, p: number, batch: EventBatch, row: number): number {
  return isExitInfo(view, p) &&
    readHex8(view, p + 9, batch.info1, 2 * row + 1) &&
    readHex8(view, p + 17, batch.info1, 2 * row) &&
    readHex8(view, p + 34, batch.info2, 2 * row + 1) &&
    readHex8(view, p + 42, batch.info2, 2 * row) &&
    readHex8(view, p + 63, batch.intrInfo, row) &&
    readHex8(view, p + 85, batch.errorCode, row)
    ? p + 93
    : -1;
}

function skipExitInfo(view: DataView, p: number): number {
  return isExitInfo(view, p) &&
    isHex8(view, p + 9) &&
    isHex8(view, p + 17) &&
    isHex8(view, p + 34) &&
    isHex8(view, p + 42) &&
    isHex8(view, p + 63) &&
    isHex8(view, p + 85)
    ? p + 93
    : -1;
}

/** Whether the words of readExitInfo() stand where they must. */
function isExitInfo(view: DataView, p: number): boolean {
  return (
    view.getFloat64(p, true) === _INFO1_0 &&
    view.getFloat64(p + 1, true) === INFO1_0X &&
    view.getFloat64(p + 25, true) === _INFO2_0 &&
    view.getFloat64(p + 26, true) === INFO2_0X &&
    view.getFloat64(p + 50, true) === _INTR_IN &&
    view.getFloat64(p + 55, true) === _INFO_0X &&
    view.getFloat64(p + 71, true) === _ERROR_C &&
    view.getFloat64(p + 77, true) === _CODE_0X
  );
}

/** `NAME rip 0x`: the reason's columns; all other columns that texts do not have are cleared. */
function readReason(
  reasons: ReasonNames,
  view: DataView,
  buf: Uint8Array,
  start: number,
  batch: EventBatch,
  row: number,
): number {
  const { known } = reasons;
  const place = placeOf(known, view.getInt32(start, true), view.getInt32(start + 4, true));
  const length = matchKnown(known, place, view, start);
  if (length > 0) {
    batch.fields[row] = 0;
    setReasonId(reasons, known.value[place], batch, row);
    return start + length;
  }
  let p = start;
  let hash = 0;
  // A name with blanks ("PF excp") is for parseEvent().
  for (let byte = buf[p]; byte !== BLANK; byte = buf[++p]) {
    if (byte < BLANK) return -1;
    hash = (Math.imul(hash, 31) + byte) | 0;
  }
  if (p === start || view.getInt32(p + 1, true) !== RIP_ || buf[p + 5] !== ZERO || buf[p + 6] !== LOWER_X)
    return -1;
  const id = knownReason(reasons, buf, start, p, hash);
  if (id < 0) return -1;
  keepKnown(known, place, view, start, p + 7 - start, id);
  batch.fields[row] = 0;
  setReasonId(reasons, id, batch, row);
  return p + 7;
}

/** `TRAP: HSR_EC: 0x0001 (WFx), PC: 0x…` and `IRQ: …`. */
function readArmExit(
  { armExits }: CommonText,
  view: DataView,
  buf: Uint8Array,
  pos: number,
  batch: EventBatch,
  row: number,
): number {
  const first = view.getInt32(pos, true);
  const place = placeOf(armExits, first, view.getInt32(pos + 16, true));
  let p = pos + matchKnown(armExits, place, view, pos);
  let code = armExits.value[place];
  if (p === pos) {
    p = pos + 4;
    let type = 0;
    if (first === TRAP && buf[p] === COLON) {
      type = 2;
      p++;
    } else if (first !== IRQ_COLON) return -1;
    if (view.getFloat64(p, true) !== HSR_EC_COLON || buf[p + 8] !== BLANK) return -1;
    p += 9;
    if (buf[p] !== ZERO || buf[p + 1] !== LOWER_X) return -1;
    p = readHex(buf, p + 2);
    if (p < 0) return -1;
    code = armReasonCode(type, word[0]);
    while (buf[p] !== CLOSE_PAREN) if (buf[p++] === LINE_FEED) return -1;
    if (view.getFloat64(p, true) !== CLOSE_PC || buf[p + 8] !== LOWER_X) return -1;
    p += 9;
    keepKnown(armExits, place, view, pos, p - pos, code);
  }
  p = readHexPairs(view, p);
  if (p < 0) return -1;
  batch.vcpu[row] = -1;
  batch.text[row] = -1;
  batch.isa[row] = ISA_ARM64;
  batch.code[row] = code;
  batch.address[2 * row] = word[0];
  batch.address[2 * row + 1] = word[1];
  batch.fields[row] = F_ISA | F_CODE | F_ADDRESS;
  return p;
}

/** `vcpu 0, rip 0x…` and `PC: 0x…` (not riscv's, which begins with 0x016). */
function readEntry(view: DataView, buf: Uint8Array, pos: number, batch: EventBatch, row: number): number {
  let p = pos;
  let vcpu = -1;
  const first = view.getInt32(p, true);
  if (first === VCPU) {
    if (buf[p + 4] !== BLANK) return -1;
    p = readDecimal(buf, p + 5);
    if (p < 0 || word[1] !== 0 || word[0] > 0x7fffffff) return -1;
    vcpu = word[0];
    if (view.getFloat64(p, true) !== COMMA_RIP) return -1;
    p += 8;
  } else {
    if (first !== PC_COLON || buf[p + 4] !== ZERO || buf[p + 5] !== LOWER_X) return -1;
    p += 6;
    if (buf[p] === ZERO && buf[p + 1] === ZERO + 1 && buf[p + 2] === ZERO + 6) return -1;
  }
  p = readHexPairs(view, p);
  if (p < 0) return -1;
  batch.vcpu[row] = vcpu;
  batch.text[row] = -1;
  batch.isa[row] = 0;
  batch.code[row] = 0;
  batch.address[2 * row] = word[0];
  batch.address[2 * row + 1] = word[1];
  batch.fields[row] = F_ADDRESS;
  return p;
}

/** `reason NAME (N)` without error. */
function readUserspaceExit(
  { userspaceExits }: CommonText,
  view: DataView,
  buf: Uint8Array,
  pos: number,
  batch: EventBatch,
  row: number,
): number {
  // What stands behind `reason KVM_EXIT_`.
  const place = placeOf(userspaceExits, view.getInt32(pos + 16, true), 0);
  let p = pos + matchKnown(userspaceExits, place, view, pos);
  let code = userspaceExits.value[place];
  if (p === pos) {
    if (view.getInt32(pos, true) !== REAS || view.getInt32(pos + 3, true) !== SON_) return -1;
    p = pos + 7;
    const name = view.getInt32(p, true);
    if (name === REST || name === ERRO) return -1;
    while (buf[p] !== OPEN_PAREN) if (buf[p++] === LINE_FEED) return -1;
    p = readDecimal(buf, p + 1);
    if (p < 0 || buf[p] !== CLOSE_PAREN || word[1] !== 0) return -1;
    code = word[0];
    p++;
    keepKnown(userspaceExits, place, view, pos, p - pos, code);
  }
  batch.vcpu[row] = -1;
  batch.text[row] = -1;
  batch.isa[row] = 0;
  batch.code[row] = code;
  batch.arg0[2 * row] = 0;
  batch.arg0[2 * row + 1] = 0;
  batch.fields[row] = F_CODE | F_ARG0;
  return p;
}
