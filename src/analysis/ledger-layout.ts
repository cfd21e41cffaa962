/** What the kernel of the ledger (src/kernels/ledger.ts) is given, as byte offsets. Plain constants only. */

/** Doubles: rows so far, first and last event, end of the selection (ns from the origin); 64 bits: the origin. */
export const L_ROW = 0;
export const L_FIRST = 8;
export const L_LAST = 16;
export const L_LIMIT = 24;
export const L_ORIGIN = 32;
/** ACTIONS by event code, for every number that a column can hold. */
export const L_ACTIONS = 40;
/** CpuLosses by CPU: state, row of the loss' end, row of the first and last record. */
export const L_LOSS_STATE = 44;
export const L_LOSS_END = 48;
export const L_FIRST_ROW = 52;
export const L_LAST_ROW = 56;
/** Waits by CPU (ledger-state.ts). */
export const L_WAIT_STATE = 60;
export const L_WAIT_SLOT = 64;
export const L_WAIT_COLUMN = 68;
export const L_WAIT_NS = 72;
/** ThreadSlots, and how many of them the kernel may use. */
export const L_SLOT_TABLE = 76;
export const L_SLOT_MASK = 80;
export const L_SLOT_TIDS = 84;
export const L_THREADS = 88;
/** LedgerThreads. */
export const L_STATES = 92;
export const L_START = 96;
export const L_START_ROW = 100;
export const L_CPU = 104;
export const L_PID = 108;
export const L_VCPU = 112;
export const L_ENTRIES = 116;
export const L_SUMS = 120;
export const L_HAS_LOG = 124;
/** Column of a segment by state · KINDS + kind, and the memory of idle reasons (idle-memory.ts). */
export const L_COLUMNS = 128;
export const L_IDLE = 132;
export const L_BYTES = 136;

/** What happens in the ledger on rows of each event code; 0: nothing. The first three are kinds of KVM events. */
export const A_EXIT = 1;
export const A_ENTRY = 2;
export const A_USERSPACE = 3;
export const A_HALT = 4;
export const A_SWITCH = 5;
export const A_WAKE = 6;
export const A_LOST = 7;
export const KINDS = 5;

/** States that KVM events leave a thread in. */
export const UNKNOWN_STATE = 0;
/** After an entry. */
export const GUEST = 1;
/** After an exit, or after a halt ended. */
export const KERNEL = 2;
/** After an exit by which the guest idles. */
export const IDLE = 3;
/** After a userspace exit. */
export const USERSPACE = 4;
/** After a userspace exit with KVM_EXIT_HLT: user space waits for the guest (no interrupt controller in the kernel). */
export const USER_HALT = 5;
export const STATES = 6;

/** Columns of the ledger's sums. */
export const CATEGORIES = 14;

/** What waits for a CPU's next record: nothing, one segment in columns by CPU, or segments that TypeScript keeps. */
export const NO_WAIT = 0;
export const ONE_WAIT = 1;
export const MANY_WAITS = 2;

export const KVM_EXIT_HLT = 5;
/** Threads beyond this are not followed: as many as Linux can have. */
export const MAX_SLOTS = 4194304;
