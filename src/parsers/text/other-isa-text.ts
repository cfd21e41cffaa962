/**
 * Exit texts of other machines than x86 (arch/ARCH/kvm/trace*.h). Each says by its shape which machine it is from.
 */
import {
  BLANK,
  COLON,
  GREATER,
  LOWER_R,
  LOWER_V,
  OPEN_BRACKET,
  UPPER_A,
  UPPER_I,
  UPPER_Q,
  UPPER_R,
  UPPER_T,
} from '../../core/ascii.ts';
import { type EventBatch, F_ADDRESS, F_CODE, F_ISA } from '../../core/event-batch.ts';
import {
  ISA_ARM,
  ISA_ARM64,
  ISA_LOONGARCH,
  ISA_MIPS,
  ISA_PPC,
  ISA_RISCV,
  ISA_S390,
} from '../../core/isa-codes.ts';
import { armReasonCode, parseArmReason, parseReasonName } from '../../isa/reasons.ts';
import { C_ADDRESS, C_INFO1, setColumn } from '../columns.ts';
import { hashBytes } from './byte-names.ts';
import { keyTable, readKeyed } from './keyed-text.ts';
import { ascii, decodeText, findIn, findLast, matchesAt, readAny, readHex, word } from './numbers.ts';
import { nameUnknown, type ReasonNames, setNoReason } from './reason-names.ts';

const HSR = ascii('HSR_EC: 0x');
const PC = ascii('PC: 0x');
const SCAUSE = ascii('SCAUSE:0x');
const EXIT = ascii('exit=');
const BRACKET = ascii('[');
const REASON = ascii('reason');
const EXIT_REASON = ascii('exit_reason=');
/** Fields alone, as trace-cmd report -R prints them. */
const RAW_RET = ascii('ret=');
const RAW_EC = ascii('esr_ec=');
const RAW_SCAUSE = ascii('scause=');

/** Whether the text of an exit event is none of x86's. */
export function isOtherIsaExit(buf: Uint8Array, pos: number, end: number): boolean {
  switch (buf[pos]) {
    case LOWER_V: // vcpu N [NAME] PC: … (LoongArch) or vcpu N reason … (x86)
      return findIn(buf, pos, end, REASON) < 0 && findIn(buf, pos, end, BRACKET) >= 0;
    case LOWER_R: // reason … (x86) or ret=2 esr_ec=1 (arm64)
      return findIn(buf, pos, end, RAW_EC) >= 0;
    default:
      return (
        findIn(buf, pos, end, PC) >= 0 ||
        findIn(buf, pos, end, HSR) >= 0 ||
        buf[pos] === OPEN_BRACKET ||
        findIn(buf, pos, end, SCAUSE) >= 0 ||
        findIn(buf, pos, end, RAW_EC) >= 0 ||
        findIn(buf, pos, end, RAW_SCAUSE) >= 0 ||
        (findIn(buf, pos, end, EXIT) === pos && findIn(buf, pos, end, EXIT_REASON) < 0)
      );
  }
}

export function readOtherIsaExit(
  reasons: ReasonNames,
  buf: Uint8Array,
  pos: number,
  end: number,
  batch: EventBatch,
  row: number,
): boolean {
  const hsr = findIn(buf, pos, end, HSR);
  if (hsr >= 0) return readArmExit(reasons, buf, pos, hsr, end, batch, row);
  if (findIn(buf, pos, end, SCAUSE) >= 0) return readRiscvExit(reasons, buf, pos, end, batch, row);
  if (findIn(buf, pos, end, RAW_EC) >= 0) return readRawArmExit(buf, pos, end, batch, row);
  if (findIn(buf, pos, end, RAW_SCAUSE) >= 0) return readRawRiscvExit(reasons, buf, pos, end, batch, row);
  if (findIn(buf, pos, end, EXIT) === pos) return readPpcExit(reasons, buf, pos, end, batch, row);
  const bracket = findIn(buf, pos, end, BRACKET);
  if (bracket >= 0) {
    const close = findIn(buf, bracket, end, CLOSE);
    if (close < 0) return false;
    // mips has no vCPU number: "[NAME]PC: 0x…".
    setNamed(reasons, bracket === pos ? ISA_MIPS : ISA_LOONGARCH, buf, bracket + 1, close, batch, row);
    readKeyed(PLACE_TABLE, buf, pos, end, batch, row);
    return (batch.fields[row] & F_ADDRESS) !== 0;
  }
  // 32-bit arm printed "PC: 0x…" alone up to 3.x: an exit without a reason.
  setNoReason(reasons, batch, row);
  return readKeyed(PLACE_TABLE, buf, pos, end, batch, row);
}

const CLOSE = ascii(']');

const PLACE_TABLE = keyTable(
  {
    vcpu: { column: 'vcpu', base: 'd' },
    PC: { column: 'address', base: 'x' },
    pc: { column: 'address', base: 'x' },
  },
  F_ADDRESS,
);

/** Number of a name in the tables of `isa`, or the name itself where they do not have it. */
function setNamed(
  reasons: ReasonNames,
  isa: number,
  buf: Uint8Array,
  start: number,
  end: number,
  batch: EventBatch,
  row: number,
): void {
  const p = readAny(buf, start);
  const isNumber = p === end && word[1] === 0;
  const code = isNumber
    ? word[0]
    : (parseReasonName(decodeText(buf, start, Math.min(end, start + 64)), isa)?.code ?? -1);
  if (code < 0) {
    nameUnknown(reasons, buf, start, end, hashBytes(buf, start, end), batch, row);
    return;
  }
  setCode(batch, row, isa, code);
}

function setCode(batch: EventBatch, row: number, isa: number, code: number): void {
  batch.isa[row] = isa;
  batch.code[row] = code;
  batch.fields[row] |= F_ISA | F_CODE;
}

/**
 * `TRAP: HSR_EC: 0x0001 (WFx), PC: 0x…`; `hsr` is where HSR_EC stands. For anything but TRAP the class is stale.
 * libtraceevent puts `<CANT FIND FIELD exit_reason>` in front.
 */
function readArmExit(
  reasons: ReasonNames,
  buf: Uint8Array,
  pos: number,
  hsr: number,
  end: number,
  batch: EventBatch,
  row: number,
): boolean {
  let p = readHex(buf, hsr + 10);
  if (p < 0) return false;
  const ec = word[0];
  // The word before ": HSR_EC".
  let stop = hsr;
  while (stop > pos && (buf[stop - 1] === BLANK || buf[stop - 1] === COLON)) stop--;
  let start = stop;
  while (start > pos && buf[start - 1] !== GREATER && buf[start - 1] !== BLANK) start--;
  if (
    stop - start === 4 &&
    buf[start] === UPPER_T &&
    buf[start + 1] === UPPER_R &&
    buf[start + 2] === UPPER_A
  ) {
    setCode(batch, row, ISA_ARM64, armReasonCode(2, ec));
  } else if (
    stop - start === 3 &&
    buf[start] === UPPER_I &&
    buf[start + 1] === UPPER_R &&
    buf[start + 2] === UPPER_Q
  ) {
    setCode(batch, row, ISA_ARM64, armReasonCode(0, ec));
  } else if (start === stop) {
    // 32-bit arm of 3.x and 4.x prints the class alone.
    setCode(batch, row, ISA_ARM, ec);
  } else {
    const reason = parseArmReason(decodeText(buf, start, Math.min(stop, start + 64)), ec);
    if (reason) setCode(batch, row, reason.isa, reason.code);
    else nameUnknown(reasons, buf, start, stop, hashBytes(buf, start, stop), batch, row);
  }
  p = findIn(buf, p, end, PC);
  if (p < 0 || readHex(buf, p + 6) < 0) return false;
  batch.address[2 * row] = word[0];
  batch.address[2 * row + 1] = word[1];
  batch.fields[row] |= F_ADDRESS;
  return true;
}

const RAW_TABLE = keyTable({}, F_ADDRESS, 'kvm_exit');

/** `ret=2 esr_ec=1 vcpu_pc=0x…`. */
function readRawArmExit(buf: Uint8Array, pos: number, end: number, batch: EventBatch, row: number): boolean {
  const ret = findIn(buf, pos, end, RAW_RET);
  if (ret < 0 || readAny(buf, ret + RAW_RET.length) < 0) return false;
  const type = word[0];
  if (readAny(buf, findIn(buf, pos, end, RAW_EC) + RAW_EC.length) < 0) return false;
  setCode(batch, row, ISA_ARM64, armReasonCode(type, word[0]));
  return readKeyed(RAW_TABLE, buf, pos, end, batch, row);
}

/** `sepc=0x… scause=0x… stval=0x… htval=0x… htinst=0x…`. */
function readRawRiscvExit(
  reasons: ReasonNames,
  buf: Uint8Array,
  pos: number,
  end: number,
  batch: EventBatch,
  row: number,
): boolean {
  if (readAny(buf, findIn(buf, pos, end, RAW_SCAUSE) + RAW_SCAUSE.length) < 0) return false;
  setScause(reasons, batch, row);
  return readKeyed(RAW_TABLE, buf, pos, end, batch, row);
}

/** scause is in `word`; its top bit (interrupt) becomes bit 31. */
function setScause(reasons: ReasonNames, batch: EventBatch, row: number): void {
  setCode(batch, row, ISA_RISCV, ((word[0] & 0x7fffffff) | (word[1] & 0x80000000)) >>> 0);
  if (reasons.hint !== ISA_RISCV) {
    reasons.hint = ISA_RISCV;
    reasons.changes++;
  }
}

const RISCV_TABLE = keyTable(
  {
    SEPC: { column: 'address', base: 'x' },
    STVAL: { column: 'info1', base: 'x' },
    HTVAL: { column: 'info2', base: 'x' },
    HTINST: { column: 'arg0', base: 'x' },
  },
  F_ADDRESS,
);

/** `SEPC:0x…, SCAUSE:0x…, STVAL:0x…, HTVAL:0x…, HTINST:0x…`. */
function readRiscvExit(
  reasons: ReasonNames,
  buf: Uint8Array,
  pos: number,
  end: number,
  batch: EventBatch,
  row: number,
): boolean {
  const at = findIn(buf, pos, end, SCAUSE) + SCAUSE.length;
  if (readHex(buf, at) < 0) return false;
  setScause(reasons, batch, row);
  return readKeyed(RISCV_TABLE, buf, pos, end, batch, row);
}

const SPACE_BAR = ascii(' |');

/** `exit=NAME | pc=0x… | msr=0x… | dar=0x… | last_inst=0x…` of the systems kvm_pr and kvm_booke. */
function readPpcExit(
  reasons: ReasonNames,
  buf: Uint8Array,
  pos: number,
  end: number,
  batch: EventBatch,
  row: number,
): boolean {
  const bar = findIn(buf, pos, end, SPACE_BAR);
  if (bar < 0) return false;
  setNamed(reasons, ISA_PPC, buf, pos + 5, bar, batch, row);
  return readKeyed(PLACE_TABLE, buf, bar, end, batch, row);
}

const VCPU_UPPER = ascii('VCPU ');
const TRAP = ascii('trap=');

const PPC_TABLE = keyTable(
  {
    VCPU: { column: 'vcpu', base: 'd' },
    pc: { column: 'address', base: 'x' },
    msr: { column: 'info1', base: 'x' },
  },
  F_ADDRESS,
);

/** Book3S HV: `VCPU 0: trap=NAME pc=0x… msr=0x…, ceded=0` and, without trap and msr, kvm_guest_enter. */
export function readPpcGuest(
  reasons: ReasonNames,
  buf: Uint8Array,
  pos: number,
  end: number,
  batch: EventBatch,
  row: number,
  exit: boolean,
): boolean {
  reasons.context.arch ??= 'ppc64';
  const trap = exit ? findIn(buf, pos, end, TRAP) : -1;
  if (exit && trap < 0) return false;
  if (trap >= 0) {
    let stop = trap + 5;
    while (stop < end && buf[stop] !== BLANK) stop++;
    if (stop === end) return false;
    setNamed(reasons, ISA_PPC, buf, trap + 5, stop, batch, row);
  }
  return matchesAt(buf, pos, VCPU_UPPER) && readKeyed(PPC_TABLE, buf, pos, end, batch, row);
}

const DASH = ascii('-');
const ICPT = ascii('icptcode ');

/** s390: `00[mask-address]: entering sie flags 0` and `00[mask-address]: exit sie icptcode 4 (Instruction)`. */
export function readS390Sie(
  buf: Uint8Array,
  pos: number,
  end: number,
  batch: EventBatch,
  row: number,
  exit: boolean,
): boolean {
  let p = readAny(buf, pos);
  if (p < 0 || buf[p] !== OPEN_BRACKET) return false;
  batch.vcpu[row] = word[0];
  p = readHex(buf, p + 1);
  if (p < 0 || buf[p] !== DASH[0]) return false;
  setColumn(batch, row, C_INFO1, word[0], word[1]);
  p = readHex(buf, p + 1);
  if (p < 0) return false;
  setColumn(batch, row, C_ADDRESS, word[0], word[1]);
  if (!exit) return true;
  const code = findLast(buf, p, end, ICPT);
  if (code < 0 || readAny(buf, code + 9) < 0) return false;
  setCode(batch, row, ISA_S390, word[0]);
  return true;
}
