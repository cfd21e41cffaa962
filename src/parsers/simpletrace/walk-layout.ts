/** What the kernel knows of simpletrace records: byte offsets in tables of words. Plain constants only, which it shares. */

/** Address of the bytes, positions in them: of the next record, of the end; of the record before (−1: none). */
export const T_BYTES = 0;
export const T_AT = 4;
export const T_END = 8;
export const T_PREVIOUS = 12;
/** Table of plans by id, and how many it has. */
export const T_PLANS = 16;
export const T_PLAN_COUNT = 20;
/** Set to 1 when an event is older than the row before. */
export const T_DISORDERED = 24;
export const T_TABLE_BYTES = 28;

/**
 * How an event of version 4 lies in the file (trace/simple.c): u64 type, then a header of u64 id, u64 ns, u32 length (of
 * header and arguments), u32 pid, then the arguments, 8 bytes each where there are no strings.
 */
export const RECORD_ID = 8;
export const RECORD_TIME = 16;
export const RECORD_LENGTH = 24;
export const RECORD_PID = 28;
export const RECORD_ARGUMENTS = 32;
/** Bytes of the type, which the length does not count. */
export const TYPE_BYTES = 8;
export const TYPE_EVENT = 1;

/** A plan: the length that its records state (0: there is no plan), event code, F_* bits, arguments that are kept. */
export const PLAN_LENGTH = 0;
export const PLAN_EVENT = 4;
export const PLAN_FIELDS = 6;
export const PLAN_COUNT = 8;
/** Of each: its place behind RECORD_ARGUMENTS in words of 64 bits, and its column's place in the table of an event batch. */
export const PLAN_ARGUMENTS = 9;
/** scripts/tracetool allows no more. */
export const MAX_ARGUMENTS = 10;
export const PLAN_BYTES = 32;
/** Added to the column's place if it has 64 bits. */
export const WIDE = 128;
