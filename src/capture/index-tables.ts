/**
 * What the kernel that writes dictionary indices (src/kernels/indices.ts) needs: words at these byte offsets. Plain
 * constants only, which kernels share.
 */

/** Kind of an event, by its code: what its `code` column is. */
export const KIND_NONE = 0;
export const KIND_EXIT = 1;
export const KIND_USERSPACE = 2;

/** Values of the tables besides indices: the name cannot be listed; TypeScript has not been asked for it yet. */
export const NO_INDEX = -1;
export const NOT_ASKED = -2;

/** Known exit reasons below this are looked up once per ISA. */
export const QUICK_CODES = 2048;
/** KVM_EXIT_* below this are looked up once. */
export const QUICK_USERSPACE = 256;

/** Kinds (u8) by event. */
export const R_KINDS = 0;
/** Indices (i32) by ISA · QUICK_CODES + code, and by KVM_EXIT_*. */
export const R_EXIT_REASONS = 4;
export const R_USERSPACE_REASONS = 8;
/** ISA of rows that do not carry one. */
export const R_DEFAULT_ISA = 12;
export const R_BYTES = 16;
