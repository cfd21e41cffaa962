/**
 * Texts of kvm_exit, kvm_nested_vmexit and kvm_nested_vmexit_inject, all layouts since 2.6.3x, by the kernel and by
 * libtraceevent's kvm plugin (arch/x86/kvm/trace.h, plugin_kvm.c; docs of the columns: core/event-fields.ts).
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
} from '../../core/event-batch.ts';
import { keyTable, readKeyed } from './keyed-text.ts';
import { ascii, findIn, matchesAt, readDecimal, readHex, readHexPrefixed, word } from './numbers.ts';
import { isOtherIsaExit, readOtherIsaExit } from './other-isa-text.ts';
import { type ReasonNames, setReason } from './reason-names.ts';

const VCPU = ascii('vcpu ');
const REASON = ascii('reason ');
const INFO1 = ascii(' info1 0x');
const INFO2 = ascii(' info2 0x');
const INTR_INFO = ascii(' intr_info 0x');
const ERROR_CODE = ascii(' error_code 0x');
const REQUESTS = ascii(' requests 0x');

/** `text` of an exit event in [pos, end). Returns false if the reason was not found. */
export function readExit(
  reasons: ReasonNames,
  buf: Uint8Array,
  pos: number,
  end: number,
  batch: EventBatch,
  row: number,
): boolean {
  if (buf[pos] === 118 && readNewLayout(reasons, buf, pos, end, batch, row)) return true;
  batch.fields[row] = 0;
  batch.vcpu[row] = -1;
  batch.text[row] = -1;
  if (isOtherIsaExit(buf, pos, end)) return readOtherIsaExit(reasons, buf, pos, end, batch, row);
  return readAnyLayout(reasons, buf, pos, end, batch, row);
}

/**
 * `vcpu 0 reason NAME rip 0x… info1 0x… info2 0x… intr_info 0x… error_code 0x…[ requests 0x…]` (5.10 and later),
 * byte for byte; false for anything else.
 */
function readNewLayout(
  reasons: ReasonNames,
  buf: Uint8Array,
  pos: number,
  end: number,
  batch: EventBatch,
  row: number,
): boolean {
  if (!matchesAt(buf, pos, VCPU)) return false;
  let p = pos + 5;
  let vcpu = 0;
  let digit = buf[p] - 48;
  if (digit < 0 || digit > 9) return false;
  do {
    vcpu = vcpu * 10 + digit;
    digit = buf[++p] - 48;
  } while (digit >= 0 && digit <= 9);
  if (buf[p] !== 32 || vcpu > 0x7fffffff || !matchesAt(buf, ++p, REASON)) return false;
  p += 7;
  const start = p;
  let hash = 0;
  // Names can hold blanks ("PF excp"), so that the name ends at " rip 0x".
  for (;;) {
    const byte = buf[p];
    if (byte === 32) {
      if (buf[p + 1] === 114 && buf[p + 2] === 105 && buf[p + 3] === 112 && buf[p + 4] === 32) break;
    } else if (byte === 10) return false;
    hash = (Math.imul(hash, 31) + byte) | 0;
    p++;
  }
  if (p === start || buf[p + 5] !== 48 || buf[p + 6] !== 120) return false;
  const nameEnd = p;
  const wide = 2 * row;
  p = readHex(buf, p + 7);
  if (p < 0 || !matchesAt(buf, p, INFO1)) return false;
  batch.address[wide] = word[0];
  batch.address[wide + 1] = word[1];
  p = readHex(buf, p + 9);
  if (p < 0 || !matchesAt(buf, p, INFO2)) return false;
  batch.info1[wide] = word[0];
  batch.info1[wide + 1] = word[1];
  p = readHex(buf, p + 9);
  if (p < 0 || !matchesAt(buf, p, INTR_INFO)) return false;
  batch.info2[wide] = word[0];
  batch.info2[wide + 1] = word[1];
  p = readHex(buf, p + 13);
  if (p < 0 || !matchesAt(buf, p, ERROR_CODE)) return false;
  batch.intrInfo[row] = word[0];
  p = readHex(buf, p + 14);
  if (p < 0) return false;
  batch.errorCode[row] = word[0];
  let fields = F_ADDRESS | F_INFO1 | F_INFO2 | F_INTR_INFO | F_ERROR_CODE;
  if (p !== end) {
    if (!matchesAt(buf, p, REQUESTS)) return false;
    p = readHex(buf, p + 12);
    if (p !== end) return false;
    batch.arg0[wide] = word[0];
    batch.arg0[wide + 1] = word[1];
    fields |= F_ARG0;
  }
  batch.vcpu[row] = vcpu;
  batch.fields[row] = fields;
  setReason(reasons, buf, start, nameEnd, hash, batch, row);
  return true;
}

/** Words of every x86 layout but `reason` and the pair behind `info`. */
const EXIT_TABLE = keyTable(
  {
    vcpu: { column: 'vcpu', base: 'd' },
    rip: { column: 'address', base: 'x' },
    info1: { column: 'info1', base: 'x' },
    info2: { column: 'info2', base: 'x' },
    intr_info: { column: 'intrInfo', base: 'x' },
    error_code: { column: 'errorCode', base: 'x' },
    requests: { column: 'arg0', base: 'x' },
    // kvm_nested_vmexit up to 5.4, kvm_nested_vmexit_inject.
    ext_inf1: { column: 'info1', base: 'x' },
    ext_inf2: { column: 'info2', base: 'x' },
    ext_int: { column: 'intrInfo', base: 'x' },
    ext_int_err: { column: 'errorCode', base: 'x' },
    // The plugin's words for the same.
    int_info: { column: 'intrInfo', base: 'x' },
    int_info_err: { column: 'errorCode', base: 'x' },
  },
  F_CODE,
  'kvm_exit',
);

/** What can follow a reason's name. */
const AFTER_NAME = [' rip ', ' rip:', ' info', ' ext_inf1', ' intr_info'].map(ascii);
const REASON_WORD = ascii('reason');
const INFO = ascii(' info ');

function readAnyLayout(
  reasons: ReasonNames,
  buf: Uint8Array,
  pos: number,
  end: number,
  batch: EventBatch,
  row: number,
): boolean {
  const at = findIn(buf, pos, end, REASON_WORD);
  let after = pos;
  if (at >= 0 && (buf[at + 6] === 32 || buf[at + 6] === 58)) {
    readKeyed(EXIT_TABLE, buf, pos, at, batch, row);
    const start = buf[at + 6] === 58 ? at + 8 : at + 7;
    after = end;
    for (const literal of AFTER_NAME) {
      const found = findIn(buf, start, after, literal);
      if (found >= 0) after = found;
    }
    let stop = after;
    while (stop > start && buf[stop - 1] === 32) stop--;
    // A name that is the last thing on the line may be cut off; no layout ends with it.
    if (stop <= start || after === end) return false;
    let hash = 0;
    for (let p = start; p < stop; p++) hash = (Math.imul(hash, 31) + buf[p]) | 0;
    setReason(reasons, buf, start, stop, hash, batch, row);
    readInfoPair(buf, after, end, batch, row);
  }
  const complete = readKeyed(EXIT_TABLE, buf, after, end, batch, row);
  if (complete && batch.isa[row] === 0 && reasons.hint !== 0) batch.isa[row] = reasons.hint;
  return complete;
}

/** `info A B` (hexadecimal without 0x) of layouts up to 5.9 and of the plugin. */
function readInfoPair(buf: Uint8Array, pos: number, end: number, batch: EventBatch, row: number): void {
  const at = findIn(buf, pos, end, INFO);
  if (at < 0) return;
  let p = readHexPrefixed(buf, at + 6);
  if (p < 0 || p > end) return;
  batch.info1[2 * row] = word[0];
  batch.info1[2 * row + 1] = word[1];
  batch.fields[row] |= F_INFO1;
  if (buf[p] !== 32) return;
  p = readHexPrefixed(buf, p + 1);
  if (p < 0 || p > end) return;
  batch.info2[2 * row] = word[0];
  batch.info2[2 * row + 1] = word[1];
  batch.fields[row] |= F_INFO2;
}

const ENTRY_TABLE = keyTable(
  {
    vcpu: { column: 'vcpu', base: 'd' },
    rip: { column: 'address', base: 'x' },
    PC: { column: 'address', base: 'x' },
    pc: { column: 'address', base: 'x' },
    intr_info: { column: 'intrInfo', base: 'x' },
    error_code: { column: 'errorCode', base: 'x' },
    immediate: { sets: ['arg0', 1] },
  },
  0,
  'kvm_entry',
);

const RIP = ascii(', rip 0x');
const PC = ascii('PC: 0x');
/** riscv prints `PC: 0x016` and then the digits: a slip in arch/riscv/kvm/trace.h ("0x016%lx"). */
const RISCV_SLIP = ascii('016');

/** `text` of kvm_entry, kvm_enter and kvm_reenter; `riscv`: the capture has riscv exits. */
export function readEntry(
  buf: Uint8Array,
  pos: number,
  end: number,
  batch: EventBatch,
  row: number,
  riscv: boolean,
): boolean {
  if (buf[pos] === 118 && matchesAt(buf, pos, VCPU)) {
    const p = readDecimal(buf, pos + 5);
    const vcpu = word[0];
    if (p > 0 && matchesAt(buf, p, RIP)) {
      const stop = readHex(buf, p + 8);
      if (stop === end) {
        batch.vcpu[row] = vcpu;
        storeAddress(batch, row);
        return true;
      }
    }
  } else if (buf[pos] === 80 && matchesAt(buf, pos, PC)) {
    let p = pos + 6;
    const digits = end - p;
    if (matchesAt(buf, p, RISCV_SLIP) && digits > 3 && (digits > 16 || digits < 8 || riscv)) p += 3;
    if (readHex(buf, p) === end) {
      storeAddress(batch, row);
      return true;
    }
  }
  readKeyed(ENTRY_TABLE, buf, pos, end, batch, row);
  const fields = batch.fields[row];
  // The kernels that print intr_info have immediate_exit as well.
  if (fields & F_INTR_INFO && !(fields & F_ARG0)) {
    batch.fields[row] |= F_ARG0;
    batch.arg0[2 * row] = 0;
    batch.arg0[2 * row + 1] = 0;
  }
  return batch.vcpu[row] >= 0 || (fields & F_ADDRESS) !== 0;
}

function storeAddress(batch: EventBatch, row: number): void {
  batch.address[2 * row] = word[0];
  batch.address[2 * row + 1] = word[1];
  batch.fields[row] |= F_ADDRESS;
}
