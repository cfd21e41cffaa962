/** A GroupTable (groups.ts) as kernels see it: byte offsets. Plain constants only, which kernels share. */

/** Its memory of reasons, hash table and keys; which keys are used (USES_*). */
export const GT_RECENT = 0;
export const GT_TABLE = 4;
export const GT_TABLE_MASK = 8;
export const GT_KEYS = 12;
export const GT_USED_KEYS = 16;
