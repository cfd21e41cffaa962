/** How the open exits of threads lie in memory. Plain constants only, which kernels share. */

/** −1 as a word. */
export const NONE = 0xffffffff;
/** 52 days; sums and histograms are exact up to here. */
export const MAX_LATENCY = 4503599627370495;

/**
 * Open exit of each thread slot, one row of STRIDE words: what one exit touches lies in two cache lines instead of
 * twenty columns.
 */
export const STRIDE = 32;
export const IS_OPEN = 0;
export const TIME_LOW = 1;
export const TIME_HIGH = 2;
export const CPU = 3;
export const ISA = 4;
export const CODE = 5;
export const LEVEL = 6;
export const RIP_LOW = 7;
export const RIP_HIGH = 8;
export const HAS_RIP = 9;
/** Userspace exits without error, KVM_EXIT_* and time of the first; restarts; other errors. */
export const USERSPACE = 10;
export const USERSPACE_CODE = 11;
export const USERSPACE_LOW = 12;
export const USERSPACE_HIGH = 13;
export const RESTARTS = 14;
export const ERRORS = 15;
export const DETAIL = 16;
export const DETAIL_CODE = 17;
export const DETAIL_LOW = 18;
export const DETAIL_HIGH = 19;
/** vCPU of the open exit, and what is known of the thread: vCPU and process (−1 as 0xffffffff). */
export const VCPU = 20;
export const KNOWN_VCPU = 21;
export const KNOWN_PID = 22;
export const VECTOR = 23;
export const INTR_INFO = 24;

/**
 * What the kernel needs of a pairing: words at these byte offsets. Addresses of tables first; then what goes in and
 * comes out with each call.
 */
export const P_ROLES = 0;
export const P_DEFERRED = 4;
export const P_LAST_TIME = 8;
export const P_SLOT_TABLE = 12;
export const P_SLOT_MASK = 16;
export const P_SLOT_TIDS = 20;
export const P_SLOTS_KNOWN = 24;
export const P_OPEN = 28;
export const P_EXIT_ROW = 32;
/** Table of the output's columns, and its rows in use. */
export const P_OUT = 36;
export const P_TO = 40;
/** Whether userspace exits, details were seen; stays 1. */
export const P_SAW_USERSPACE = 44;
export const P_SAW_DETAIL = 48;
/** Records of pairs that wait (deferred-layout.ts): how many there is room for, were ever used, and the first free, or −1. */
export const P_POOL = 52;
export const P_POOL_ROOM = 56;
export const P_POOL_USED = 60;
export const P_POOL_FREE = 64;
/** Whether anything was lost; each CPU's latest loss (u8, LOSS_*), and when it ended (i64). */
export const P_SAW_LOSS = 68;
export const P_LOSS_STATE = 72;
export const P_LOSS_END = 76;
/** Which entries are counted (selection-layout.ts); 0: all. */
export const P_ENTRY_FILTER = 80;
/** What the call has counted. */
export const P_ENTRIES = 84;
export const P_USERSPACE_EXITS = 88;
export const P_RESTARTS = 92;
export const P_ERRORS = 96;
export const P_RUN_EXITS = 100;
export const P_BYTES = 104;

/** The CPU's latest loss goes on: it has no record since. */
export const LOSS_OPEN = 1;
