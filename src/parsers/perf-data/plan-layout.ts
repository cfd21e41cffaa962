/**
 * A plan: what to do for a tracepoint, one cache line each, by tracepoint id. Byte offsets in it; places are bytes from
 * the start of the raw data, 0 for fields that the tracepoint lacks; masks are all ones where a field is to be taken.
 * Plain constants only, which kernels share.
 */
export const PLAN_BYTES = 64;
/** Shortest raw data that has all the fields; 0: no plan, samples must be looked at one by one. */
export const PLAN_MINIMUM = 0;
export const PLAN_KIND = 4;
/** All core columns but arg0. */
export const KIND_CORE = 0;
/** … and arg0. */
export const KIND_ARGUMENT = 1;
/** Only time, CPU, process and thread: TypeScript does the rest. */
export const KIND_LISTED = 2;
/** 16 bits each, in one word. */
export const PLAN_EVENT = 8;
export const PLAN_FIELDS = 10;
export const PLAN_VCPU = 12;
export const PLAN_VCPU_MASK = 16;
export const PLAN_ISA = 20;
export const PLAN_ISA_MASK = 24;
export const PLAN_CODE = 28;
export const PLAN_CODE_MASK = 32;
export const PLAN_ADDRESS = 36;
/** 64 bits wide: its high word is all ones where the field has 64 bits. */
export const PLAN_ADDRESS_MASK = 40;
export const PLAN_ADDRESS_MASK_HIGH = 44;
export const PLAN_ARG0 = 48;
/** Bits to be shifted out to the left and back: 32 for an argument of 32 bits, with its sign if PLAN_ARG0_SIGNED. */
export const PLAN_ARG0_SHIFT = 52;
export const PLAN_ARG0_SIGNED = 56;
