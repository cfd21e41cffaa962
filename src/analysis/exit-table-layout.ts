/** An ExitTableState (exit-table.ts) as kernels see it: byte offsets. Plain constants only, which kernels share. */

/** The key to look for, ints of a key; TopTable: keys, hash table, counts, and (0: not overflowed) heap and places there. */
export const ET_KEY = 0;
export const ET_INTS = 4;
export const ET_KEYS = 8;
export const ET_TABLE = 12;
export const ET_MASK = 16;
export const ET_OBSERVED = 20;
export const ET_MISSED = 24;
export const ET_COUNT = 28;
export const ET_HEAP = 32;
export const ET_PLACE = 36;
/** SumRecords: their address, and how many there is room for. */
export const ET_SUMS = 40;
export const ET_ROOM = 44;
/** Memory of slots by the last key that they were found by: slot + 1, 0 none. It may be wrong. */
export const ET_RECENT = 48;
export const ET_BYTES = 56;
/** Entries of it, as a power of two. */
export const ET_RECENT_BITS = 9;

/** A record of sums (exit-sums.ts): places of its doubles, and how many it has. ns are exact sums of two. */
export const ES_EXITS = 0;
export const ES_PAIRED = 1;
export const ES_ESCALATED = 2;
export const ES_RESTARTS = 3;
export const ES_ERRORS = 4;
export const ES_MIN = 5;
export const ES_MAX = 6;
export const ES_TOTAL = 8;
export const ES_KERNEL_NS = 10;
export const ES_USERSPACE_NS = 12;
export const ES_DOUBLES = 16;

/** Ints of a key of hot spots (hotspots.ts): address words and process (VM: each has its own kernel), −1 unknown; HALF_*. */
export const H_ISA = 0;
export const H_CODE = 1;
export const H_LOW = 2;
export const H_HIGH = 3;
export const H_PID = 4;
export const H_HALF = 2;
export const RIP_INTS = 5;
export const HALF_INTS = 3;

export const HALF_UNKNOWN = 0;
export const HALF_USER = 1;
export const HALF_KERNEL = 2;

/** Ints of a key of details (exit-detail.ts). */
export const D_ISA = 0;
export const D_CODE = 1;
/** KVM_EXIT_* of an escalated exit (D_FLAGS says which are), else 0. */
export const D_USERSPACE = 2;
/** Event code of the detail, 0: none. */
export const D_EVENT = 3;
/** Direction (detail-key.ts) in the bits of DIRECTION_MASK; ESCALATED. */
export const D_FLAGS = 4;
/** Address; of page faults the 2 MiB region. */
export const D_LOW = 5;
export const D_HIGH = 6;
export const DETAIL_INTS = 7;
export const DIRECTION_MASK = 3;
export const ESCALATED = 4;

/** Bits of an address that tell faults apart: regions of 2 MiB, pages of 4 KiB. */
export const REGION_MASK = -2097152;
export const PAGE_MASK = -4096;
