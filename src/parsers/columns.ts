/** Columns of values by number, for rules that are data: which bit of `fields` they set, writing one into a row. */
import {
  type EventBatch,
  F_ADDRESS,
  F_ARG0,
  F_ARG1,
  F_CODE,
  F_ERROR_CODE,
  F_INFO1,
  F_INFO2,
  F_INTR_INFO,
  F_ISA,
} from '../core/event-batch.ts';
import type { FieldColumn, NarrowColumn, WideColumn } from '../core/event-fields.ts';
import { ISA_FOREIGN } from '../core/isa-codes.ts';

export const C_ADDRESS = 0;
export const C_INFO1 = 1;
export const C_INFO2 = 2;
export const C_ARG0 = 3;
export const C_ARG1 = 4;
export const C_CODE = 5;
export const C_INTR_INFO = 6;
export const C_ERROR_CODE = 7;
export const C_VCPU = 8;
export const C_ISA = 9;

/** By the name in core/event-fields.ts. */
export const COLUMN_CODES: Readonly<Record<NarrowColumn | WideColumn, number>> = {
  address: C_ADDRESS,
  info1: C_INFO1,
  info2: C_INFO2,
  arg0: C_ARG0,
  arg1: C_ARG1,
  code: C_CODE,
  intrInfo: C_INTR_INFO,
  errorCode: C_ERROR_CODE,
  vcpu: C_VCPU,
  isa: C_ISA,
};

/** Others need arithmetic before they are columns. */
export function isColumn(name: FieldColumn): name is NarrowColumn | WideColumn {
  return Object.hasOwn(COLUMN_CODES, name);
}

/** F_* bit by column code; 0 for vcpu, whose absence is −1. */
export const COLUMN_BITS = Uint16Array.of(
  F_ADDRESS,
  F_INFO1,
  F_INFO2,
  F_ARG0,
  F_ARG1,
  F_CODE,
  F_INTR_INFO,
  F_ERROR_CODE,
  0,
  F_ISA,
);

/** Whether the row has a value in the column already. */
export function hasColumn(batch: EventBatch, row: number, column: number): boolean {
  return column === C_VCPU ? batch.vcpu[row] !== -1 : (batch.fields[row] & COLUMN_BITS[column]) !== 0;
}

/** Stores a 64-bit value (narrow columns take the low word) and marks the column as recorded. */
export function setColumn(batch: EventBatch, row: number, column: number, low: number, high: number): void {
  batch.fields[row] |= COLUMN_BITS[column];
  switch (column) {
    case C_ADDRESS:
      batch.address[2 * row] = low;
      batch.address[2 * row + 1] = high;
      break;
    case C_INFO1:
      batch.info1[2 * row] = low;
      batch.info1[2 * row + 1] = high;
      break;
    case C_INFO2:
      batch.info2[2 * row] = low;
      batch.info2[2 * row + 1] = high;
      break;
    case C_ARG0:
      batch.arg0[2 * row] = low;
      batch.arg0[2 * row + 1] = high;
      break;
    case C_ARG1:
      batch.arg1[2 * row] = low;
      batch.arg1[2 * row + 1] = high;
      break;
    case C_CODE:
      batch.code[row] = low;
      break;
    case C_INTR_INFO:
      batch.intrInfo[row] = low;
      break;
    case C_ERROR_CODE:
      batch.errorCode[row] = low;
      break;
    case C_VCPU:
      batch.vcpu[row] = low;
      break;
    case C_ISA:
      batch.isa[row] = low === 1 || low === 2 ? low : ISA_FOREIGN | (low & 0x7f);
      break;
  }
}
