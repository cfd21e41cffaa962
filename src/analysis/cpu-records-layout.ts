/** What the kernel that follows CPUs' records (src/kernels/cpu-records.ts) is given. Plain constants only. */

/** A CPU's state (cpu-losses.ts): it has no record after its latest loss yet. */
export const LOSS_OPEN = 1;

/** Rows of the part so far (a double); it is counted on. */
export const F_ROW = 0;
/** By CPU: state (u8), row of the first and last record (doubles), and their times (i64). */
export const F_STATE = 8;
export const F_FIRST = 12;
export const F_LAST = 16;
export const F_FIRST_TIME = 20;
export const F_LAST_TIME = 24;
export const F_BYTES = 28;
