/** What the kernels of passes over events are given, as byte offsets. Plain constants only, which kernels share. */

/** ThreadSlots, and how many of them a kernel may use. */
export const EV_SLOT_TABLE = 0;
export const EV_SLOT_MASK = 4;
export const EV_SLOT_TIDS = 8;
export const EV_THREADS = 12;
/** Roles (role-codes.ts), or what else a pass tells events apart by, for every number that an event column can hold. */
export const EV_KINDS = 16;
export const EV_BYTES = 24;

/** Simultaneous: origin (64 bits), width, number of the window at hand and its mark (doubles), when it begins and ends. */
export const SM_ORIGIN = EV_BYTES;
export const SM_WIDTH = EV_BYTES + 8;
export const SM_INDEX = EV_BYTES + 16;
export const SM_MARK = EV_BYTES + 24;
export const SM_FROM = EV_BYTES + 32;
export const SM_TO = EV_BYTES + 40;
/** The least full of the listed windows: its number (a double) and vCPUs; fuller ones stop the kernel. */
export const SM_FLOOR_INDEX = EV_BYTES + 48;
export const SM_FLOOR = EV_BYTES + 56;
/** Who exited in the window: how many, and their slots. By slot: windows and marks. Windows by number of vCPUs. */
export const SM_COUNT = EV_BYTES + 60;
export const SM_MEMBERS = EV_BYTES + 64;
export const SM_WINDOWS = EV_BYTES + 68;
export const SM_MARKS = EV_BYTES + 72;
export const SM_HISTOGRAM = EV_BYTES + 76;
/** 1: the first window is over. */
export const SM_BEGUN = EV_BYTES + 80;
export const SM_BYTES = EV_BYTES + 88;

/** Nested: exits, pid and vCPU by slot. */
export const NE_EXITS = EV_BYTES;
export const NE_PIDS = EV_BYTES + 4;
export const NE_VCPUS = EV_BYTES + 8;
export const NE_BYTES = EV_BYTES + 16;

/** Kinds of events: nothing to do, the kernel's, TypeScript's. */
export const K_NONE = 0;
export const K_COMMON = 1;
export const K_RARE = 2;
/** The kernel's: says whose thread it is, and no more. */
export const K_TELLS = 3;

/** QemuCheck: threads by vCPU number that need not be learned any more, −1 none, −2 any; how many numbers. */
export const QC_TIDS = EV_BYTES;
export const QC_VCPUS = EV_BYTES + 4;
export const QC_BYTES = EV_BYTES + 8;
export const KNOWN_VCPUS = 4096;
export const NO_THREAD = -1;
export const ANY_THREAD = -2;

/** Context: by slot whether an exit is open, its time, reason and row; whether a thread is for TypeScript. */
export const CX_OPEN = EV_BYTES;
export const CX_TIME = EV_BYTES + 4;
export const CX_ISA = EV_BYTES + 8;
export const CX_CODE = EV_BYTES + 12;
export const CX_ROW = EV_BYTES + 16;
export const CX_SPECIAL = EV_BYTES + 20;
/** Memory of idle reasons (idle-memory.ts); whether idle exits count; whether events of unknown threads are to be told. */
export const CX_IDLE = EV_BYTES + 24;
export const CX_WITH_IDLE = EV_BYTES + 28;
export const CX_ALL_THREADS = EV_BYTES + 32;
/** Says whether there were events between exits and entries. */
export const CX_SAW_OTHER = EV_BYTES + 36;
/** Latency that an exit must exceed, and the one that it must reach (doubles). */
export const CX_THAN = EV_BYTES + 40;
export const CX_FLOOR = EV_BYTES + 48;
export const CX_BYTES = EV_BYTES + 56;
/** Kinds of events in a context. */
export const CX_OTHER = 0;
export const CX_EXIT = 1;
export const CX_ENTRY = 2;
export const CX_LOST = 3;
export const CX_SCHED = 4;
