/** How the statistics of exits lie in memory while they are counted. Plain constants only, which kernels share. */

/** Words that describe an ExitCounter to its kernel, as byte offsets; first what it is given. */
export const C_SELECTED = 0;
/** GroupTable (group-layout.ts), and groups with a record. */
export const C_RECENT = 4;
export const C_GROUPS = 24;
/** Records of groups, threads and userspace reasons, pages of groups. */
export const C_RECORDS = 28;
export const C_THREADS = 32;
export const C_THREAD_COUNT = 36;
export const C_USERSPACE = 40;
export const C_PAGES = 44;
/** Chunk of kept values: groups, values, next place and end; whether values are kept at all. */
export const C_KEPT_GROUPS = 48;
export const C_KEPT_VALUES = 52;
export const C_KEPT = 56;
export const C_KEPT_END = 60;
export const C_KEEPS = 64;
/** Slow list: threshold and floor (doubles), whether idle exits may get in. */
export const C_WITH_IDLE = 68;
export const C_THAN = 72;
export const C_FLOOR = 80;
/** What it says: why it stopped, rows that qualified for the slow list, selected rows and of those in each state. */
export const C_STOP = 88;
export const C_QUALIFIED = 92;
export const C_SELECTED_ROWS = 96;
/** Four words; PAIRED's is not counted. */
export const C_STATES = 100;
/** Selected pairs with odd stamps, by ODD_*. */
export const C_ODD = 116;
export const C_BYTES = 128;

/** Odd stamps of a pair: entry before exit, both the same, farther apart than MAX_LATENCY. */
export const ODD_NEGATIVE = 0;
export const ODD_INSTANT = 1;
export const ODD_ABSURD = 2;
export const ODD_KINDS = 3;

/** Bits of C_STOP: the row that was counted last is slow; a sum is half full. None: the next row has no place yet. */
export const STOP_SLOW = 1;
export const STOP_FULL = 2;

/** Bits of C_USED_KEYS, in the order of the keys from KEY_PID on. */
export const USES_PID = 1;
export const USES_TID = 2;
export const USES_VCPU = 4;
export const USES_CPU = 8;
export const USES_LEVEL = 16;

/**
 * Record of a group: 64-bit sums but for the marked. Pairs are the counts of its histogram, exits the others as well.
 * The total of latencies is three sums: guest RIP not recorded, in the user half, in the kernel half.
 */
export const G_UNPAIRED = 0;
export const G_RIP_UNKNOWN = 8;
export const G_GUEST_USER = 16;
export const G_GUEST_KERNEL = 24;
export const G_SQUARE_LOW = 32;
export const G_SQUARE_CROSS = 40;
export const G_SQUARE_HIGH = 48;
/** Doubles. */
export const G_MIN = 56;
export const G_MAX = 64;
export const G_L2 = 72;
export const G_L2_REFLECTED = 80;
export const G_ESCALATED = 88;
export const G_RESTARTS = 96;
export const G_ERRORS = 104;
export const G_KERNEL_NS = 112;
export const G_USERSPACE_NS = 120;
/** A word: 1 if the reason is idle. Not a sum: it stays. */
export const G_IDLE = 128;
export const G_BYTES = 136;

/** Record of a thread: sums (latencies of busy and of idle pairs), then tid, pid, vcpu as words, −1 if not known. */
export const T_UNPAIRED = 0;
export const T_PAIRED = 8;
export const T_BUSY = 16;
export const T_IDLE = 24;
export const T_TID = 32;
export const T_PID = 36;
export const T_VCPU = 40;
export const T_BYTES = 64;

/** Record of a KVM_EXIT_*. Larger numbers (none exists) share the last, whose name says so. */
export const USERSPACE_REASONS = 256;
export const U_COUNT = 0;
export const U_NS = 8;
export const U_BYTES = 16;

/** Words per group with the addresses of its pages (0: none yet): as log-linear.ts has them, 128 buckets of 32 bits. */
export const PAGE_WORDS = 64;
export const PAGE_BYTES = 512;

/** Squares are summed from two 24-bit halves; longer latencies (78 h) count as this in the deviation. */
export const MAX_SQUARED = 281474976710655;
export const HALF_BITS = 24;

/** Entries of GroupTable.recent, of three words. */
export const RECENT = 256;
/** Ints of a group's key. */
export const KEY_INTS = 7;
