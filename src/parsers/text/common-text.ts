/**
 * The commonest event texts, byte for byte, read without knowing where the line ends: kvm_exit of x86 since 5.10 and
 * of arm64, kvm_entry, kvm_userspace_exit. No byte that matches is a line feed, so that nothing is read beyond it.
 * Every function returns the position behind what it read or −1; anything unusual is −1 and left to parseEvent().
 *
 * Words are compared four bytes at a time through a DataView of the same buffer: a third faster on whole files.
 */
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
import { HEX_DIGITS, readDecimal, readHex, word } from './numbers.ts';
import { type ReasonNames, setReason } from './reason-names.ts';

/** Four ASCII bytes as the little-endian number that getInt32(…, true) gives. */
function four(text: string): number {
  return (
    text.charCodeAt(0) | (text.charCodeAt(1) << 8) | (text.charCodeAt(2) << 16) | (text.charCodeAt(3) << 24)
  );
}

const KVM_ = four('kvm_');
const EXIT = four('exit');
const ENTR = four('entr');
const USER = four('user');
const SPAC = four('spac');
const E_EX = four('e_ex');
const IT_COLON = four('it: ');
const VCPU = four('vcpu');
const REAS = four('reas');
const SON_ = four('son ');
const RIP_ = four('rip ');
const COMMA_RIP = four(', ri');
const P_0X = four('p 0x');
const INFO = four('info');
const ONE_0X = four('1 0x');
const TWO_0X = four('2 0x');
const INTR = four('intr');
const _INF = four('_inf');
const O_0X = four('o 0x');
const ERRO = four('erro');
const R_CO = four('r_co');
const DE_0 = four('de 0');
const REQU = four('requ');
const ESTS = four('ests');
const BLANK_0X = four(' 0x0') & 0xffffff;
const ZEROS = four('0000');
const TRAP = four('TRAP');
const IRQ_COLON = four('IRQ:');
const HSR_ = four('HSR_');
const EC_COLON = four('EC: ');
const CLOSE_COMMA = four('), P');
const C_COLON = four('C: 0');
const PC_COLON = four('PC: ');
const REST = four('rest');
const ERROR = four('erro');

const LINE_FEED = 10;
const BLANK = 32;

/** Eight hexadecimal digits as an unsigned number, −1 if one is none. */
function hex8(view: DataView, buf: Uint8Array, p: number): number {
  // Most recorded words are 0.
  if (view.getInt32(p, true) === ZEROS && view.getInt32(p + 4, true) === ZEROS) return 0;
  const a = HEX_DIGITS[buf[p]];
  const b = HEX_DIGITS[buf[p + 1]];
  const c = HEX_DIGITS[buf[p + 2]];
  const d = HEX_DIGITS[buf[p + 3]];
  const e = HEX_DIGITS[buf[p + 4]];
  const f = HEX_DIGITS[buf[p + 5]];
  const g = HEX_DIGITS[buf[p + 6]];
  const h = HEX_DIGITS[buf[p + 7]];
  if ((a | b | c | d | e | f | g | h) > 15) return -1;
  return ((a << 28) | (b << 24) | (c << 20) | (d << 16) | (e << 12) | (f << 8) | (g << 4) | h) >>> 0;
}

/**
 * `EVENT: TEXT` at `pos` into the row's event and value columns. Returns the position of the line's end (a line feed,
 * or a CR before one).
 */
export function readCommonEvent(
  reasons: ReasonNames,
  view: DataView,
  buf: Uint8Array,
  pos: number,
  batch: EventBatch,
  row: number,
): number {
  if (view.getInt32(pos, true) !== KVM_) return -1;
  const next = view.getInt32(pos + 4, true);
  let p: number;
  if (next === EXIT) {
    if (buf[pos + 8] !== 58 || buf[pos + 9] !== BLANK) return -1;
    p = pos + 10;
    p =
      view.getInt32(p, true) === VCPU
        ? readExit(reasons, view, buf, p, batch, row)
        : readArmExit(view, buf, p, batch, row);
    batch.event[row] = EV_EXIT;
  } else if (next === ENTR) {
    if (buf[pos + 8] !== 121 || buf[pos + 9] !== 58 || buf[pos + 10] !== BLANK) return -1;
    p = readEntry(view, buf, pos + 11, batch, row);
    batch.event[row] = EV_ENTRY;
  } else if (next === USER) {
    if (
      view.getInt32(pos + 8, true) !== SPAC ||
      view.getInt32(pos + 12, true) !== E_EX ||
      view.getInt32(pos + 16, true) !== IT_COLON
    )
      return -1;
    p = readUserspaceExit(view, buf, pos + 20, batch, row);
    batch.event[row] = EV_USERSPACE_EXIT;
  } else return -1;
  if (p < 0) return -1;
  return buf[p] === LINE_FEED || (buf[p] === 13 && buf[p + 1] === LINE_FEED) ? p : -1;
}

/** `vcpu 0 reason NAME rip 0x… info1 0x… info2 0x… intr_info 0x… error_code 0x…[ requests 0x…]`. */
function readExit(
  reasons: ReasonNames,
  view: DataView,
  buf: Uint8Array,
  pos: number,
  batch: EventBatch,
  row: number,
): number {
  if (buf[pos + 4] !== BLANK) return -1;
  let p = pos + 5;
  let vcpu = 0;
  let digit = buf[p] - 48;
  if (digit < 0 || digit > 9) return -1;
  do {
    vcpu = vcpu * 10 + digit;
    digit = buf[++p] - 48;
  } while (digit >= 0 && digit <= 9);
  if (buf[p] !== BLANK || vcpu > 0x7fffffff) return -1;
  if (view.getInt32(p + 1, true) !== REAS || view.getInt32(p + 4, true) !== SON_) return -1;
  p += 8;
  const start = p;
  let hash = 0;
  // Names can hold blanks ("PF excp"), so that the name ends at " rip ".
  for (let byte = buf[p]; byte !== BLANK || view.getInt32(p + 1, true) !== RIP_; byte = buf[++p]) {
    if (byte === LINE_FEED) return -1;
    hash = (Math.imul(hash, 31) + byte) | 0;
  }
  const nameEnd = p;
  if (p === start || buf[p + 5] !== 48 || buf[p + 6] !== 120) return -1;
  const wide = 2 * row;
  p = readHex(buf, p + 7);
  if (p < 0) return -1;
  batch.address[wide] = word[0];
  batch.address[wide + 1] = word[1];
  if (buf[p] !== BLANK || view.getInt32(p + 1, true) !== INFO || view.getInt32(p + 5, true) !== ONE_0X)
    return -1;
  const info1High = hex8(view, buf, p + 9);
  const info1Low = hex8(view, buf, p + 17);
  p += 25;
  if (buf[p] !== BLANK || view.getInt32(p + 1, true) !== INFO || view.getInt32(p + 5, true) !== TWO_0X)
    return -1;
  const info2High = hex8(view, buf, p + 9);
  const info2Low = hex8(view, buf, p + 17);
  if (info1High < 0 || info1Low < 0 || info2High < 0 || info2Low < 0) return -1;
  batch.info1[wide] = info1Low;
  batch.info1[wide + 1] = info1High;
  batch.info2[wide] = info2Low;
  batch.info2[wide + 1] = info2High;
  p += 25;
  if (
    buf[p] !== BLANK ||
    view.getInt32(p + 1, true) !== INTR ||
    view.getInt32(p + 5, true) !== _INF ||
    view.getInt32(p + 9, true) !== O_0X
  )
    return -1;
  const intrInfo = hex8(view, buf, p + 13);
  p += 21;
  if (
    buf[p] !== BLANK ||
    view.getInt32(p + 1, true) !== ERRO ||
    view.getInt32(p + 5, true) !== R_CO ||
    view.getInt32(p + 9, true) !== DE_0 ||
    buf[p + 13] !== 120
  )
    return -1;
  const errorCode = hex8(view, buf, p + 14);
  if (intrInfo < 0 || errorCode < 0) return -1;
  batch.intrInfo[row] = intrInfo;
  batch.errorCode[row] = errorCode;
  p += 22;
  let fields = F_ADDRESS | F_INFO1 | F_INFO2 | F_INTR_INFO | F_ERROR_CODE;
  if (buf[p] === BLANK) {
    if (
      view.getInt32(p + 1, true) !== REQU ||
      view.getInt32(p + 5, true) !== ESTS ||
      (view.getInt32(p + 9, true) & 0xffffff) !== BLANK_0X
    )
      return -1;
    p = readHex(buf, p + 12);
    if (p < 0) return -1;
    batch.arg0[wide] = word[0];
    batch.arg0[wide + 1] = word[1];
    fields |= F_ARG0;
  }
  batch.vcpu[row] = vcpu;
  batch.fields[row] = fields;
  setReason(reasons, buf, start, nameEnd, hash, batch, row);
  return p;
}

/** `TRAP: HSR_EC: 0x0001 (WFx), PC: 0x…` and `IRQ: …`. */
function readArmExit(view: DataView, buf: Uint8Array, pos: number, batch: EventBatch, row: number): number {
  let p = pos + 4;
  let type = 0;
  const first = view.getInt32(pos, true);
  if (first === TRAP && buf[p] === 58) {
    type = 2;
    p++;
  } else if (first !== IRQ_COLON) return -1;
  if (buf[p] !== BLANK || view.getInt32(p + 1, true) !== HSR_ || view.getInt32(p + 5, true) !== EC_COLON)
    return -1;
  p += 9;
  if (buf[p] !== 48 || buf[p + 1] !== 120) return -1;
  p = readHex(buf, p + 2);
  if (p < 0) return -1;
  const ec = word[0];
  while (buf[p] !== 41) if (buf[p++] === LINE_FEED) return -1;
  if (view.getInt32(p, true) !== CLOSE_COMMA || view.getInt32(p + 4, true) !== C_COLON || buf[p + 8] !== 120)
    return -1;
  p = readHex(buf, p + 9);
  if (p < 0) return -1;
  batch.vcpu[row] = -1;
  batch.text[row] = -1;
  batch.isa[row] = ISA_ARM64;
  batch.code[row] = armReasonCode(type, ec);
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
    if (view.getInt32(p, true) !== COMMA_RIP || view.getInt32(p + 4, true) !== P_0X) return -1;
    p += 8;
  } else {
    if (first !== PC_COLON || buf[p + 4] !== 48 || buf[p + 5] !== 120) return -1;
    p += 6;
    if (buf[p] === 48 && buf[p + 1] === 49 && buf[p + 2] === 54) return -1;
  }
  p = readHex(buf, p);
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
  view: DataView,
  buf: Uint8Array,
  pos: number,
  batch: EventBatch,
  row: number,
): number {
  if (view.getInt32(pos, true) !== REAS || view.getInt32(pos + 3, true) !== SON_) return -1;
  let p = pos + 7;
  const name = view.getInt32(p, true);
  if (name === REST || name === ERROR) return -1;
  while (buf[p] !== 40) if (buf[p++] === LINE_FEED) return -1;
  p = readDecimal(buf, p + 1);
  if (p < 0 || buf[p] !== 41 || word[1] !== 0) return -1;
  batch.vcpu[row] = -1;
  batch.text[row] = -1;
  batch.isa[row] = 0;
  batch.code[row] = word[0];
  batch.arg0[2 * row] = 0;
  batch.arg0[2 * row + 1] = 0;
  batch.fields[row] = F_CODE | F_ARG0;
  return p + 1;
}
