/** kvm_msr, kvm_cr, kvm_apic (`msr_write 6e0 = 0x1 (#GP)`), kvm_inj_exception and arm64's kvm_sys_access. */
import { BLANK, HASH, OPEN_PAREN, ZERO } from '../../core/ascii.ts';
import {
  type EventBatch,
  F_ADDRESS,
  F_ARG0,
  F_ARG1,
  F_CODE,
  F_ERROR_CODE,
  F_INFO1,
} from '../../core/event-batch.ts';
import { C_ADDRESS, C_ARG0 } from '../columns.ts';
import { keyTable, readKeyed } from './keyed-text.ts';
import { ascii, decodeText, findIn, matchesAt, readAny, readHex, readHexPrefixed, word } from './numbers.ts';
import { recordNumber } from './recorded-numbers.ts';

export const MSR = 0;
export const CR = 1;
export const APIC = 2;

/** Register offsets of the kernel's kvm_trace_symbol_apic names (without APIC_). */
const APIC_REGISTERS: ReadonlyMap<string, number> = new Map([
  ['ID', 0x20],
  ['LVR', 0x30],
  ['TASKPRI', 0x80],
  ['ARBPRI', 0x90],
  ['PROCPRI', 0xa0],
  ['EOI', 0xb0],
  ['RRR', 0xc0],
  ['LDR', 0xd0],
  ['DFR', 0xe0],
  ['SPIV', 0xf0],
  ['ISR', 0x100],
  ['TMR', 0x180],
  ['IRR', 0x200],
  ['ESR', 0x280],
  ['LVTCMCI', 0x2f0],
  ['ICR', 0x300],
  ['ICR2', 0x310],
  ['LVTT', 0x320],
  ['LVTTHMR', 0x330],
  ['LVTPC', 0x340],
  ['LVT0', 0x350],
  ['LVT1', 0x360],
  ['LVTERR', 0x370],
  ['TMICT', 0x380],
  ['TMCCT', 0x390],
  ['TDCR', 0x3e0],
  ['SELF_IPI', 0x3f0],
  ['EFEAT', 0x400],
  ['ECTRL', 0x410],
]);

/** Names by their bytes; compared one by one: few and short. */
const APIC_NAMES = [...APIC_REGISTERS].map(([name, offset]) => ({ bytes: ascii(name), offset }));

const READ = ascii('_read ');
const WRITE = ascii('_write ');
const APIC_PREFIX = ascii('APIC_');
const EQUALS = ascii(' = ');
const FAULT = ascii('(#GP)');

const RAW_TABLES = ['kvm_msr', 'kvm_cr', 'kvm_apic'].map((event) => keyTable({}, F_CODE | F_ADDRESS, event));

/** `PREFIX_read|write REGISTER = 0xVALUE`; kind: MSR, CR or APIC. */
export function readRegister(
  kind: number,
  buf: Uint8Array,
  pos: number,
  end: number,
  batch: EventBatch,
  row: number,
): boolean {
  const prefix = kind === MSR ? 3 : kind === CR ? 2 : 4;
  let p: number;
  if (matchesAt(buf, pos + prefix, WRITE)) {
    batch.code[row] = 1;
    p = pos + prefix + 7;
  } else if (matchesAt(buf, pos + prefix, READ)) {
    batch.code[row] = 0;
    p = pos + prefix + 6;
  } else return readKeyed(RAW_TABLES[kind], buf, pos, end, batch, row);
  let fields = F_CODE;
  if (kind === APIC && matchesAt(buf, p, APIC_PREFIX)) p = readApicName(buf, p + 5);
  else {
    const register = p;
    p = readHexPrefixed(buf, register);
    if (p >= 0) recordNumber(buf, register, p, true, C_ADDRESS);
  }
  if (p >= 0 && p <= end) {
    batch.address[2 * row] = word[0];
    batch.address[2 * row + 1] = word[1];
    fields |= F_ADDRESS;
    const value = p + EQUALS.length;
    p = matchesAt(buf, p, EQUALS) ? readHexPrefixed(buf, value) : -1;
    if (p >= 0 && p <= end) {
      recordNumber(buf, value, p, true, C_ARG0);
      batch.arg0[2 * row] = word[0];
      batch.arg0[2 * row + 1] = word[1];
      fields |= F_ARG0;
      if (kind === MSR) {
        batch.arg1[2 * row] = findIn(buf, p, end, FAULT) >= 0 ? 1 : 0;
        batch.arg1[2 * row + 1] = 0;
        fields |= F_ARG1;
      }
    }
  }
  batch.fields[row] |= fields;
  return (fields & F_ARG0) !== 0;
}

/** Offset of the register named at `pos` to `word`; returns the position after the name or −1. */
function readApicName(buf: Uint8Array, pos: number): number {
  let p = pos;
  while (buf[p] > BLANK) p++;
  for (let i = 0; i < APIC_NAMES.length; i++) {
    const { bytes, offset } = APIC_NAMES[i];
    if (bytes.length === p - pos && matchesAt(buf, pos, bytes)) {
      word[0] = offset;
      word[1] = 0;
      return p;
    }
  }
  return -1;
}

/** Vectors of the kernel's kvm_trace_sym_exc names. */
const EXCEPTIONS: ReadonlyMap<string, number> = new Map([
  ['DE', 0],
  ['DB', 1],
  ['BP', 3],
  ['OF', 4],
  ['BR', 5],
  ['UD', 6],
  ['NM', 7],
  ['DF', 8],
  ['TS', 10],
  ['NP', 11],
  ['SS', 12],
  ['GP', 13],
  ['PF', 14],
  ['MF', 16],
  ['AC', 17],
  ['MC', 18],
  // Printed by 7.2, not yet by 6.1.
  ['XM', 19],
  ['VE', 20],
  ['CP', 21],
  ['HV', 28],
  ['VC', 29],
  ['SX', 30],
]);

const REINJECTED = ascii('[reinjected]');
const RAW_EXCEPTION = keyTable({}, F_ADDRESS, 'kvm_inj_exception');

/** `#GP (0x0) [reinjected]`; 6.1 prints the parenthesis only if there is an error code, 5.10 always. */
export function readException(
  buf: Uint8Array,
  pos: number,
  end: number,
  batch: EventBatch,
  row: number,
): boolean {
  const hash = buf[pos] === HASH ? pos + 1 : pos;
  const vector = EXCEPTIONS.get(decodeText(buf, hash, Math.min(hash + 2, end)));
  let p = hash + 2;
  if (vector !== undefined) {
    word[0] = vector;
    word[1] = 0;
  } else {
    p = buf[hash] === ZERO ? readAny(buf, hash) : -1;
    if (p < 0) return readKeyed(RAW_EXCEPTION, buf, pos, end, batch, row);
  }
  batch.address[2 * row] = word[0];
  batch.address[2 * row + 1] = word[1];
  batch.code[row] = 0;
  let fields = F_ADDRESS | F_CODE;
  if (buf[p] === BLANK && buf[p + 1] === OPEN_PAREN) {
    p = readHexPrefixed(buf, p + 2);
    if (p < 0 || p > end) return false;
    batch.code[row] = 1;
    batch.errorCode[row] = word[0];
    fields |= F_ERROR_CODE;
  }
  if (findIn(buf, hash, end, REINJECTED) >= 0) {
    batch.arg0[2 * row] = 1;
    batch.arg0[2 * row + 1] = 0;
    fields |= F_ARG0;
  }
  batch.fields[row] |= fields;
  return true;
}

const PC = ascii('PC: ');
const OPEN = ascii(' (');
const SYS_WRITE = ascii(') write');

/** arm64 `PC: X NAME (op0,op1,crn,crm,op2) write|read`: the register as Op0<<16 | Op1<<12 | CRn<<8 | CRm<<4 | Op2. */
export function readSysAccess(
  buf: Uint8Array,
  pos: number,
  end: number,
  batch: EventBatch,
  row: number,
): boolean {
  if (!matchesAt(buf, pos, PC)) return false;
  let p = readHex(buf, pos + 4);
  if (p < 0) return false;
  batch.info1[2 * row] = word[0];
  batch.info1[2 * row + 1] = word[1];
  batch.fields[row] |= F_INFO1;
  p = findIn(buf, p, end, OPEN);
  if (p < 0) return false;
  p += 2;
  let register = 0;
  for (let shift = 16; shift >= 0; shift -= 4) {
    const next = readAny(buf, p);
    if (next < 0 || buf[next] !== (shift > 0 ? 44 : 41) || word[1] !== 0 || word[0] > 255) return false;
    register |= word[0] << shift;
    p = next + 1;
  }
  batch.address[2 * row] = register;
  batch.address[2 * row + 1] = 0;
  batch.code[row] = matchesAt(buf, p - 1, SYS_WRITE) ? 1 : 0;
  batch.fields[row] |= F_ADDRESS | F_CODE;
  return true;
}
