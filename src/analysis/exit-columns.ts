/** Fates and levels of exits, and numbers of an ExitBatch's columns. Plain constants only, which kernels share. */

/** The entry that ended the exit was found; the row has a latency. */
export const PAIRED = 0;
/** Another exit of the same thread came before any entry. */
export const EXIT_WITHOUT_ENTRY = 1;
/** The recording ended (or the thread number was reused) before an entry. */
export const OPEN_AT_END = 2;
/** Events were lost between exit and entry on a CPU involved: counted, but without latency. */
export const INVALIDATED_BY_LOSS = 3;

export const LEVEL_L1 = 0;
/** Exit of a nested guest, handled by this host's KVM. */
export const LEVEL_L2 = 1;
/** Exit of a nested guest, handed on to the L1 hypervisor. */
export const LEVEL_L2_REFLECTED = 2;

/** Byte offsets in the table of an ExitBatch's columns (core/column-table.ts). */
export const X_CAPACITY = 0;
export const X_EXIT_TIME = 4;
export const X_ENTRY_TIME = 8;
export const X_LATENCY = 12;
export const X_STATE = 16;
export const X_TID = 20;
export const X_THREAD = 24;
export const X_PID = 28;
export const X_VCPU = 32;
export const X_EXIT_CPU = 36;
export const X_ENTRY_CPU = 40;
export const X_ISA = 44;
export const X_CODE = 48;
export const X_LEVEL = 52;
export const X_RIP = 56;
export const X_HAS_RIP = 60;
export const X_USERSPACE_EXITS = 64;
export const X_USERSPACE_CODE = 68;
export const X_RESTARTS = 72;
export const X_USERSPACE_ERRORS = 76;
export const X_KERNEL_NS = 80;
export const X_USERSPACE_NS = 84;
export const X_DETAIL_EVENT = 88;
export const X_DETAIL_CODE = 92;
export const X_DETAIL_ADDRESS = 96;
export const X_VECTOR = 100;
export const X_INTR_INFO = 104;
export const X_TABLE_BYTES = 108;
