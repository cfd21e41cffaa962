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

/** Rows of an ExitBatch in an arena: so many that its columns stay in a processor's cache from kernel to kernel. */
export const EXIT_ROWS = 4096;

/**
 * Byte offsets of the columns in such a batch: constants, so that kernels need no address but the batch's. A cache line
 * between columns keeps the same row of all of them from meeting in one set of the cache.
 */
const LINE = 64;
export const X_EXIT_TIME = 0;
export const X_ENTRY_TIME = X_EXIT_TIME + 8 * EXIT_ROWS + LINE;
export const X_LATENCY = X_ENTRY_TIME + 8 * EXIT_ROWS + LINE;
export const X_RIP = X_LATENCY + 8 * EXIT_ROWS + LINE;
export const X_KERNEL_NS = X_RIP + 8 * EXIT_ROWS + LINE;
export const X_USERSPACE_NS = X_KERNEL_NS + 8 * EXIT_ROWS + LINE;
export const X_DETAIL_ADDRESS = X_USERSPACE_NS + 8 * EXIT_ROWS + LINE;
export const X_TID = X_DETAIL_ADDRESS + 8 * EXIT_ROWS + LINE;
export const X_THREAD = X_TID + 4 * EXIT_ROWS + LINE;
export const X_PID = X_THREAD + 4 * EXIT_ROWS + LINE;
export const X_VCPU = X_PID + 4 * EXIT_ROWS + LINE;
export const X_CODE = X_VCPU + 4 * EXIT_ROWS + LINE;
export const X_USERSPACE_CODE = X_CODE + 4 * EXIT_ROWS + LINE;
export const X_DETAIL_CODE = X_USERSPACE_CODE + 4 * EXIT_ROWS + LINE;
export const X_VECTOR = X_DETAIL_CODE + 4 * EXIT_ROWS + LINE;
export const X_INTR_INFO = X_VECTOR + 4 * EXIT_ROWS + LINE;
export const X_EXIT_CPU = X_INTR_INFO + 4 * EXIT_ROWS + LINE;
export const X_ENTRY_CPU = X_EXIT_CPU + 2 * EXIT_ROWS + LINE;
export const X_USERSPACE_EXITS = X_ENTRY_CPU + 2 * EXIT_ROWS + LINE;
export const X_RESTARTS = X_USERSPACE_EXITS + 2 * EXIT_ROWS + LINE;
export const X_USERSPACE_ERRORS = X_RESTARTS + 2 * EXIT_ROWS + LINE;
export const X_DETAIL_EVENT = X_USERSPACE_ERRORS + 2 * EXIT_ROWS + LINE;
export const X_STATE = X_DETAIL_EVENT + 2 * EXIT_ROWS + LINE;
export const X_ISA = X_STATE + 1 * EXIT_ROWS + LINE;
export const X_LEVEL = X_ISA + 1 * EXIT_ROWS + LINE;
export const X_HAS_RIP = X_LEVEL + 1 * EXIT_ROWS + LINE;
export const X_BYTES = X_HAS_RIP + 1 * EXIT_ROWS;
