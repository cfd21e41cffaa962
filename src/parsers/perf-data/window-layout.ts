/** What kernels know of a record window: byte offsets in its table of words. Plain constants only, which kernels share. */

/** Time that keys are counted from, i64. */
export const W_BASE = 0;
/** Keys of the latest record, of the newest, and up to which records may be handed out: f64. */
export const W_LAST_KEY = 8;
export const W_MAX_KEY = 16;
export const W_LIMIT = 24;
/** Address of the bytes that positions count from, and how many are in use. */
export const W_BYTES = 32;
export const W_USED = 36;
/** Runs: how many, how many there is room for, addresses of their columns (u32, u32, f64). */
export const W_RUNS = 40;
export const W_RUN_CAPACITY = 44;
export const W_RUN_AT = 48;
export const W_RUN_END = 52;
export const W_RUN_KEY = 56;
export const W_HEAP = 60;
export const W_HEAP_SIZE = 64;
/** Layout of the main samples: byte offsets in a record; W_CPU 0 where there is none. */
export const W_TIME = 68;
export const W_ID = 72;
export const W_TID = 76;
export const W_CPU = 80;
export const W_VARIABLE = 84;
/** What lies between there and the raw data: read_format + 1 and 1, or 0 where there is none. */
export const W_READ = 88;
export const W_CALLCHAIN = 92;
/** Address of the kinds of ids (sample-ids.ts), 0 where all samples are alike; of the plans (plan-layout.ts). */
export const W_ID_KINDS = 96;
export const W_PLANS = 100;
/** Samples whose rows are finished in TypeScript: address of [row, position of the raw data] pairs, and their number. */
export const W_LISTED = 104;
export const W_LISTED_COUNT = 108;
export const W_TABLE_BYTES = 112;
