/**
 * Decoders of binary tracepoint records, made once per event from its recorded format description. Shared by
 * every format that stores raw records (perf.data, trace.dat).
 *
 * A decoder is plain data: two short lists of "read this field, write that column". The loops over them stay
 * monomorphic, which measures as fast as generated code and needs no eval.
 */

import { type EventBatch, F_ADDRESS, F_CODE, F_ISA } from '../../core/event-batch.ts';
import { type FieldColumn, RECORDED_FIELDS } from '../../core/event-fields.ts';
import { type EventDictionary, eventCode } from '../../core/events.ts';
import { ARM64_NOT_TRAP, ARM64_RET_TRAP, ISA_ARM64, ISA_FOREIGN, ISA_RISCV } from '../../core/isa-codes.ts';
import { COLUMN_BITS, COLUMN_CODES, isColumn } from '../columns.ts';
import { type EventFormat, type FormatField, isInteger } from './format.ts';

/** Where the 64-bit value of a field goes. */
interface WideOp {
  readonly offset: number;
  readonly size: number;
  readonly signed: boolean;
  readonly column: 'address' | 'info1' | 'info2' | 'arg0' | 'arg1';
  readonly bit: number;
}

interface NarrowOp {
  readonly offset: number;
  readonly size: number;
  readonly signed: boolean;
  readonly column: 'vcpu' | 'isa' | 'code' | 'intrInfo' | 'errorCode';
  readonly bit: number;
}

export interface RecordDecoder {
  readonly format: EventFormat;
  /** Event dictionary code. */
  readonly event: number;
  readonly wide: readonly WideOp[];
  readonly narrow: readonly NarrowOp[];
  /** Fields that need arithmetic; null for most events. */
  readonly special:
    | ((view: DataView, base: number, length: number, batch: EventBatch, row: number) => void)
    | null;
  /** F_* bits of a record that holds all the fields. */
  readonly fields: number;
  /** Bytes that a record needs for all the fields. */
  readonly minimum: number;
  /** Offset of the 4-byte common_pid (the tid), −1 if the format has none. */
  readonly pidOffset: number;
  readonly littleEndian: boolean;
  /** Where the core columns lie, null if some of them cannot be read as whole aligned words. */
  readonly core: CorePlan | null;
}

/** Word offsets (4 bytes each) of the fields of the core columns; −1 where the event has none. */
interface CorePlan {
  readonly vcpu: number;
  readonly isa: number;
  readonly code: number;
  readonly address: number;
  readonly addressWide: boolean;
  readonly arg0: number;
  readonly arg0Wide: boolean;
  readonly arg0Signed: boolean;
  readonly fields: number;
}

/**
 * Makes the decoder of one event. Fields that the format lacks leave their columns unset. `kernel`: release of the
 * recording kernel, where it is known.
 */
export function compileDecoder(
  format: EventFormat,
  events: EventDictionary,
  littleEndian: boolean,
  kernel: string | null = null,
): RecordDecoder {
  const wanted = RECORDED_FIELDS[format.name] ?? {};
  const wide: WideOp[] = [];
  const narrow: NarrowOp[] = [];
  let fields = 0;
  let minimum = 0;
  for (const [column, names] of Object.entries(wanted) as [FieldColumn, string | readonly string[]][]) {
    const field = firstInteger(format, typeof names === 'string' ? [names] : names);
    // Fields that need arithmetic are specialDecoder()'s.
    if (!field || !isColumn(column)) continue;
    const bit = COLUMN_BITS[COLUMN_CODES[column]];
    const { offset, size, signed } = field;
    switch (column) {
      case 'address':
      case 'info1':
      case 'info2':
      case 'arg0':
      case 'arg1':
        wide.push({ offset, size, signed, column, bit });
        break;
      case 'vcpu':
      case 'isa':
      case 'code':
      case 'intrInfo':
      case 'errorCode':
        // A reason of 64 bits keeps its low word: no ISA defines larger numbers.
        if (size === 8)
          narrow.push({ offset: littleEndian ? offset : offset + 4, size: 4, signed, column, bit });
        else narrow.push({ offset, size, signed, column, bit });
        break;
    }
    fields |= bit;
    minimum = Math.max(minimum, offset + size);
  }
  const pid = format.fields.get('common_pid');
  const special = specialDecoder(format, littleEndian, kernel);
  return {
    format,
    event: eventCode(events, format.name),
    wide,
    narrow,
    special,
    fields,
    minimum,
    pidOffset: pid && pid.size === 4 ? pid.offset : -1,
    littleEndian,
    core: littleEndian && special === null ? corePlan(wide, narrow) : null,
  };
}

/** Plan of the core columns (ParseOptions.coreOnly); fields that are no whole words stay unset but for those that count. */
function corePlan(wide: readonly WideOp[], narrow: readonly NarrowOp[]): CorePlan | null {
  let whole = true;
  let fields = 0;
  const word = (op: WideOp | NarrowOp | undefined, needed: boolean) => {
    if (!op) return -1;
    if (op.size < 4 || op.offset % 4 !== 0) {
      if (needed) whole = false;
      return -1;
    }
    fields |= op.bit;
    return op.offset / 4;
  };
  const find = (column: string) => [...wide, ...narrow].find((op) => op.column === column);
  const address = find('address');
  const arg0 = find('arg0');
  const plan = {
    vcpu: word(find('vcpu'), true),
    isa: word(find('isa'), true),
    code: word(find('code'), true),
    address: word(address, true),
    addressWide: address?.size === 8,
    // kvm_entry's immediate_exit is a bool that no core analysis reads.
    arg0: word(arg0, false),
    arg0Wide: arg0?.size === 8,
    arg0Signed: arg0?.signed ?? false,
  };
  return whole ? { ...plan, fields } : null;
}

function firstInteger(format: EventFormat, names: readonly string[]): FormatField | null {
  for (const name of names) {
    const field = format.fields.get(name);
    if (isInteger(field)) return field;
  }
  return null;
}

/**
 * Decodes the record of `length` bytes at `base` into the row's event, reason and detail columns; time, cpu, tid
 * and pid are the caller's. Fields that lie beyond the record are left out (a shorter record than its format is
 * damage, which the caller counts: see `minimum`).
 */
export function decodeRecord(
  decoder: RecordDecoder,
  view: DataView,
  base: number,
  length: number,
  batch: EventBatch,
  row: number,
): void {
  const little = decoder.littleEndian;
  batch.event[row] = decoder.event;
  batch.vcpu[row] = -1;
  batch.isa[row] = 0;
  batch.code[row] = 0;
  batch.text[row] = -1;
  const whole = length >= decoder.minimum;
  let fields = whole ? decoder.fields : 0;
  const { wide, narrow } = decoder;
  for (let i = 0; i < wide.length; i++) {
    const op = wide[i];
    if (!whole) {
      if (op.offset + op.size > length) continue;
      fields |= op.bit;
    }
    const at = base + op.offset;
    let low: number;
    let high = 0;
    if (op.size === 8) {
      low = view.getUint32(little ? at : at + 4, little);
      high = view.getUint32(little ? at + 4 : at, little);
    } else {
      low = readNarrow(view, at, op.size, op.signed, little);
      if (op.signed && low < 0) high = 0xffffffff;
    }
    const column = wideColumn(batch, op.column);
    column[2 * row] = low;
    column[2 * row + 1] = high;
  }
  for (let i = 0; i < narrow.length; i++) {
    const op = narrow[i];
    if (!whole) {
      if (op.offset + op.size > length) continue;
      fields |= op.bit;
    }
    const value = readNarrow(view, base + op.offset, op.size, op.signed, little);
    switch (op.column) {
      case 'code':
        batch.code[row] = value;
        break;
      case 'vcpu':
        batch.vcpu[row] = value;
        break;
      case 'isa':
        batch.isa[row] = value === 1 || value === 2 ? value : ISA_FOREIGN | (value & 0x7f);
        break;
      case 'intrInfo':
        batch.intrInfo[row] = value;
        break;
      default:
        batch.errorCode[row] = value;
    }
  }
  batch.fields[row] = fields;
  if (decoder.special !== null) decoder.special(view, base, length, batch, row);
}

/** A switch instead of `batch[name]`: keyed access with varying names is megamorphic and measured 5× slower. */
function wideColumn(batch: EventBatch, column: WideOp['column']): Uint32Array {
  switch (column) {
    case 'address':
      return batch.address;
    case 'info1':
      return batch.info1;
    case 'info2':
      return batch.info2;
    case 'arg0':
      return batch.arg0;
    default:
      return batch.arg1;
  }
}

function readNarrow(view: DataView, at: number, size: number, signed: boolean, little: boolean): number {
  switch (size) {
    case 4:
      return signed ? view.getInt32(at, little) : view.getUint32(at, little);
    case 2:
      return signed ? view.getInt16(at, little) : view.getUint16(at, little);
    default:
      return signed ? view.getInt8(at) : view.getUint8(at);
  }
}

/** ARM_EXCEPTION_TRAP before 4.9, where 1 is EL1_SERROR. The print format does not tell: its list stayed as it was. */
const OLD_RET_TRAP = 1;
const hasOldTrap = (kernel: string | null) => kernel !== null && /^4\.[0-8]\./.test(kernel);

function specialDecoder(
  format: EventFormat,
  little: boolean,
  kernel: string | null,
): RecordDecoder['special'] {
  const wanted = RECORDED_FIELDS[format.name];
  if (!wanted) return null;
  if (wanted.armRet !== undefined) {
    // 'idx' and 'exit_reason' were the names of 'ret' and 'esr_ec' (arch/arm/kvm/trace.h in 4.9, virt/kvm/arm/trace.h
    // in 4.19).
    const pc = format.fields.get('vcpu_pc');
    const ret = format.fields.get('ret') ?? (pc ? format.fields.get('idx') : undefined);
    const ec = format.fields.get('esr_ec') ?? (pc ? format.fields.get('exit_reason') : undefined);
    if (isInteger(ret) && isInteger(ec) && ret.size === 4 && ec.size === 4)
      return armExit(ret, ec, little, hasOldTrap(kernel) ? OLD_RET_TRAP : ARM64_RET_TRAP);
    const scause = format.fields.get('scause');
    if (isInteger(scause)) return riscvExit(scause, little);
  }
  if (wanted.sysReg !== undefined) return sysAccess(format);
  return null;
}

/**
 * arm64: the type of the exit is in `ret` (ARM_EXCEPTION_*, arch/arm64/include/asm/kvm_asm.h); only a TRAP has an
 * exception class: of any other 4.x records that of an earlier exit, 5.10 and later 0.
 */
function armExit(ret: FormatField, ec: FormatField, little: boolean, trap: number): RecordDecoder['special'] {
  return (view, base, length, batch, row) => {
    batch.isa[row] = ISA_ARM64;
    batch.fields[row] |= F_ISA;
    if (ret.offset + 4 > length || ec.offset + 4 > length) {
      batch.fields[row] &= ~F_CODE;
      return;
    }
    const type = view.getUint32(base + ret.offset, little) & 0x3fffffff;
    batch.code[row] = type === trap ? view.getUint32(base + ec.offset, little) : ARM64_NOT_TRAP | type;
    batch.fields[row] |= F_CODE;
  };
}

/** riscv: the top bit of scause (interrupt) becomes bit 31 of `code`. */
function riscvExit(scause: FormatField, little: boolean): RecordDecoder['special'] {
  return (view, base, length, batch, row) => {
    if (scause.offset + scause.size > length) return;
    const at = base + scause.offset;
    const low = view.getUint32(scause.size === 8 && !little ? at + 4 : at, little);
    const high = scause.size === 8 ? view.getUint32(little ? at + 4 : at, little) : low;
    batch.isa[row] = ISA_RISCV;
    batch.code[row] = (low & 0x7fffffff) | (high & 0x80000000);
    batch.fields[row] |= F_ISA | F_CODE;
  };
}

/** arm64 kvm_sys_access: Op0, Op1, CRn, CRm, Op2 (one byte each) packed into `address`. */
function sysAccess(format: EventFormat): RecordDecoder['special'] {
  const parts = ['Op0', 'Op1', 'CRn', 'CRm', 'Op2'].map((name) => format.fields.get(name));
  if (!parts.every((field) => isInteger(field) && field.size === 1)) return null;
  const [op0, op1, crn, crm, op2] = parts.map((field) => field!.offset) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const end = Math.max(op0, op1, crn, crm, op2) + 1;
  return (view, base, length, batch, row) => {
    if (end > length) return;
    batch.address[2 * row] =
      (view.getUint8(base + op0) << 16) |
      (view.getUint8(base + op1) << 12) |
      (view.getUint8(base + crn) << 8) |
      (view.getUint8(base + crm) << 4) |
      view.getUint8(base + op2);
    batch.address[2 * row + 1] = 0;
    batch.fields[row] |= F_ADDRESS;
  };
}
