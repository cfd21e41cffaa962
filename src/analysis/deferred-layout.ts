/** How a pair that waits lies in memory: the row of an ExitBatch in one piece. Plain constants only, which kernels share. */

/** Byte offsets of the row's cells. */
export const D_EXIT_TIME = 0;
export const D_ENTRY_TIME = 8;
export const D_LATENCY = 16;
export const D_RIP = 24;
export const D_KERNEL_NS = 32;
export const D_USERSPACE_NS = 40;
export const D_DETAIL_ADDRESS = 48;
export const D_TID = 56;
export const D_THREAD = 60;
export const D_PID = 64;
export const D_VCPU = 68;
export const D_CODE = 72;
export const D_USERSPACE_CODE = 76;
export const D_DETAIL_CODE = 80;
export const D_VECTOR = 84;
export const D_INTR_INFO = 88;
export const D_EXIT_CPU = 92;
export const D_ENTRY_CPU = 94;
export const D_USERSPACE_EXITS = 96;
export const D_RESTARTS = 98;
export const D_USERSPACE_ERRORS = 100;
export const D_DETAIL_EVENT = 102;
export const D_STATE = 104;
export const D_ISA = 105;
export const D_LEVEL = 106;
export const D_HAS_RIP = 107;
/** Number of the next record in its list, −1 at the end. */
export const D_NEXT = 108;
export const D_BYTES = 128;
