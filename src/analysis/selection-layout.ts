/** How a Selection (selection.ts) lies in memory for its kernels. Plain constants only, which kernels share. */

/**
 * Words that describe it, as byte offsets. Sets of numbers: address of a set of bits, 0 if anything passes, and its
 * highest number, which is never in it: whatever is larger counts as that one.
 */
export const S_PIDS = 0;
export const S_PID_LIMIT = 4;
export const S_TIDS = 8;
export const S_TID_LIMIT = 12;
export const S_VCPUS = 16;
export const S_VCPU_LIMIT = 20;
export const S_CPUS = 24;
export const S_CPU_LIMIT = 28;
/** Reasons to take and to leave out: address of a hash table (0: anything passes, nothing is left out) and its mask. */
export const S_REASONS = 32;
export const S_REASON_MASK = 36;
export const S_EXCLUDES = 40;
export const S_EXCLUDE_MASK = 44;
/** Bit per level (0 to 31) that passes. */
export const S_LEVELS = 48;
/** Whether there are times (i64, ns) to begin with and to end before. */
export const S_HAS_FROM = 52;
export const S_HAS_TO = 56;
export const S_FROM = 64;
export const S_TO = 72;
export const S_BYTES = 80;

/** Bytes of a place in a table of reasons: the code, then isa + 1 (0: the place is free). */
export const REASON_BYTES = 8;
/** Where a reason is looked for first: the product's bits from this one on. */
export const REASON_FACTOR = 0x9e3779b1;
export const REASON_SHIFT = 7;
