/**
 * A record plan: which field of a tracepoint's record goes to which column, all of them, by tracepoint id. Byte offsets
 * in it. A column is (field & mask ^ sign) − sign: places are bytes from the start of the record, 0 with a mask of 0 for
 * what the tracepoint lacks; `sign` is the sign's bit where a narrow field is signed, else 0. Plain constants only, which
 * kernels share.
 */
export const RECORD_PLAN_BYTES = 192;
/** Shortest record that has all the fields; 0: no plan, TypeScript decodes the record. */
export const RECORD_MINIMUM = 0;
/** Not 0: the row's columns are filled as planned, and then TypeScript adds something. */
export const RECORD_LISTED = 4;
/** 16 bits each. */
export const RECORD_EVENT = 8;
export const RECORD_FIELDS = 10;
/** 32 bits each; the second is what the column holds besides: −1, or the host's ISA, where the field is not there. */
export const RECORD_VCPU_ELSE = 12;
export const RECORD_ISA_ELSE = 16;
export const RECORD_VCPU = 20;
export const RECORD_VCPU_MASK = 24;
export const RECORD_ISA = 28;
export const RECORD_ISA_MASK = 32;
export const RECORD_CODE = 36;
export const RECORD_CODE_MASK = 40;
export const RECORD_ADDRESS = 44;
export const RECORD_ARG0 = 48;
/** 64 bits each. */
export const RECORD_ADDRESS_MASK = 56;
export const RECORD_ADDRESS_SIGN = 64;
export const RECORD_ARG0_MASK = 72;
export const RECORD_ARG0_SIGN = 80;
/** Columns beyond the core ones. */
export const RECORD_INTR_INFO = 88;
export const RECORD_INTR_INFO_MASK = 92;
export const RECORD_ERROR_CODE = 96;
export const RECORD_ERROR_CODE_MASK = 100;
export const RECORD_INFO1 = 104;
export const RECORD_INFO2 = 108;
export const RECORD_ARG1 = 112;
export const RECORD_INFO1_MASK = 120;
export const RECORD_INFO1_SIGN = 128;
export const RECORD_INFO2_MASK = 136;
export const RECORD_INFO2_SIGN = 144;
export const RECORD_ARG1_MASK = 152;
export const RECORD_ARG1_SIGN = 160;
