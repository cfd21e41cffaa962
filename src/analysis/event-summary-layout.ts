/** What the kernel that counts events is given: byte offsets of words. Plain constants only, which kernels share. */

/** Doubles by event code, for every number that an event column can hold. */
export const S_COUNTS = 0;
/** By CPU: last time (64 bits), and CPU_SEEN in bytes. */
export const S_CPU_LAST = 4;
export const S_CPU_STATE = 8;
/** What it says: all F_* bits of the rows that it took. */
export const S_FIELDS = 12;
export const S_BYTES = 16;

export const CPU_SEEN = 1;
/** Event code of losses (EV_LOST in core/events.ts), which are not for the kernel. */
export const LOST = 5;
