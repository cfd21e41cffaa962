/**
 * Texts of kvm_exit, kvm_nested_vmexit and kvm_nested_vmexit_inject, all layouts since 2.6.32, by the kernel and by
 * libtraceevent's kvm plugin (arch/x86/kvm/trace.h, plugin_kvm.c; docs of the columns: core/event-fields.ts).
 */
import { BLANK, COLON } from '../../core/ascii.ts';
import {
  type EventBatch,
  F_ADDRESS,
  F_ARG0,
  F_CODE,
  F_INFO1,
  F_INFO2,
  F_INTR_INFO,
} from '../../core/event-batch.ts';
import { C_INFO1, C_INFO2 } from '../columns.ts';
import { keyTable, readKeyed } from './keyed-text.ts';
import { ascii, findIn, matchesAt, readHex, readHexPrefixed, word } from './numbers.ts';
import { isOtherIsaExit, readOtherIsaExit } from './other-isa-text.ts';
import { type ReasonNames, setNoReason, setReason } from './reason-names.ts';
import { recordNumber } from './recorded-numbers.ts';

/** `text` of an exit event in [pos, end). Returns false if the reason was not found. */
export function readExit(
  reasons: ReasonNames,
  buf: Uint8Array,
  pos: number,
  end: number,
  batch: EventBatch,
  row: number,
): boolean {
  if (isOtherIsaExit(buf, pos, end)) return readOtherIsaExit(reasons, buf, pos, end, batch, row);
  return readAnyLayout(reasons, buf, pos, end, batch, row);
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
    // kvm_nested_vmexit before 5.10, kvm_nested_vmexit_inject.
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
  if (at >= 0 && (buf[at + 6] === BLANK || buf[at + 6] === COLON)) {
    readKeyed(EXIT_TABLE, buf, pos, at, batch, row);
    const start = buf[at + 6] === COLON ? at + 8 : at + 7;
    after = end;
    for (const literal of AFTER_NAME) {
      const found = findIn(buf, start, after, literal);
      if (found >= 0) after = found;
    }
    let stop = after;
    while (stop > start && buf[stop - 1] === BLANK) stop--;
    // A name that is the last thing on the line may be cut off; no layout ends with it.
    if (after === end) return false;
    if (stop <= start) {
      // Kernels with options/hash-ptr off print no names (6.1): `reason  rip 0x…`.
      setNoReason(reasons, batch, row);
    } else {
      let hash = 0;
      for (let p = start; p < stop; p++) hash = (Math.imul(hash, 31) + buf[p]) | 0;
      setReason(reasons, buf, start, stop, hash, batch, row);
    }
    readInfoPair(buf, after, end, batch, row);
  }
  const complete = readKeyed(EXIT_TABLE, buf, after, end, batch, row);
  if (complete && batch.isa[row] === 0 && reasons.hint !== 0) batch.isa[row] = reasons.hint;
  return complete;
}

/** `info A B` (hexadecimal without 0x) of layouts before 5.10 and of the plugin. */
function readInfoPair(buf: Uint8Array, pos: number, end: number, batch: EventBatch, row: number): void {
  const at = findIn(buf, pos, end, INFO);
  if (at < 0) return;
  let p = readHexPrefixed(buf, at + 6);
  if (p < 0 || p > end) return;
  recordNumber(buf, at + 6, p, true, C_INFO1);
  batch.info1[2 * row] = word[0];
  batch.info1[2 * row + 1] = word[1];
  batch.fields[row] |= F_INFO1;
  if (buf[p] !== BLANK) return;
  const second = p + 1;
  p = readHexPrefixed(buf, second);
  if (p < 0 || p > end) return;
  recordNumber(buf, second, p, true, C_INFO2);
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
  if (matchesAt(buf, pos, PC) && matchesAt(buf, pos + 6, RISCV_SLIP)) {
    const digits = end - pos - 6;
    const slip = digits > 3 && (digits > 16 || digits < 8 || riscv);
    if (readHex(buf, slip ? pos + 9 : pos + 6) === end) {
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
