/**
 * Numbers of an EventBatch's columns and bits of `fields`. Plain constants only: src/kernels/ compiles this file to
 * WebAssembly as well.
 */

/** Value of `cpu` where the format does not say which CPU recorded the event. */
export const NO_CPU = 0xffff;
/** Value of `tid`, `pid`, `vcpu` and `text` where it is not known. */
export const UNKNOWN = -1;

/** Bits of the `fields` column: which of the nullable columns hold a recorded value in this row. */
export const F_ISA = 1 << 0;
export const F_CODE = 1 << 1;
export const F_ADDRESS = 1 << 2;
export const F_INFO1 = 1 << 3;
export const F_INFO2 = 1 << 4;
export const F_INTR_INFO = 1 << 5;
export const F_ERROR_CODE = 1 << 6;
export const F_ARG0 = 1 << 7;
export const F_ARG1 = 1 << 8;
/** Not a column: user space wrote the event's text to trace_marker (QEMU's ftrace backend does); no tracepoint. */
export const F_MARKER = 1 << 9;

/**
 * A batch in an arena (arena.ts) is known to kernels by the address of a table of words: its capacity, then the
 * addresses of its columns. Here: byte offsets in that table.
 */
export const EVENT_CAPACITY = 0;
export const EVENT_TIME = 4;
export const EVENT_CPU = 8;
export const EVENT_TID = 12;
export const EVENT_PID = 16;
export const EVENT_VCPU = 20;
export const EVENT_EVENT = 24;
export const EVENT_ISA = 28;
export const EVENT_CODE = 32;
export const EVENT_ADDRESS = 36;
export const EVENT_INFO1 = 40;
export const EVENT_INFO2 = 44;
export const EVENT_INTR_INFO = 48;
export const EVENT_ERROR_CODE = 52;
export const EVENT_ARG0 = 56;
export const EVENT_ARG1 = 60;
export const EVENT_TEXT = 64;
export const EVENT_FIELDS = 68;
