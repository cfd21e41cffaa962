/**
 * What passes over exits tell their kernels, as byte offsets. Every one begins with the rows that are selected and, where
 * it asks for them, a time axis and a table of groups. Plain constants only, which kernels share.
 */
import { AX_BYTES } from './time-axis-layout.ts';

/** Time axis (time-axis-layout.ts). */
export const V_AXIS = 0;
/** Address of one byte per row, 0 for those that are left out; 0: all are selected. */
export const V_SELECTED = AX_BYTES;
/** GroupTable (group-layout.ts). */
export const V_GROUPS = AX_BYTES + 4;
export const V_BYTES = AX_BYTES + 24;

/** RateSeries: threads (ThreadSlots), counts of all exits, by reason and by thread, and how many of them have room. */
export const RS_SLOT_TABLE = V_BYTES;
export const RS_SLOT_MASK = V_BYTES + 4;
export const RS_SLOT_TIDS = V_BYTES + 8;
export const RS_ALL = V_BYTES + 12;
export const RS_BY_REASON = V_BYTES + 16;
export const RS_BY_THREAD = V_BYTES + 20;
export const RS_REASONS = V_BYTES + 24;
export const RS_THREADS = V_BYTES + 28;
export const RS_BYTES = V_BYTES + 32;
/** Buckets of a series. */
export const SERIES_BUCKETS = 512;

/** Heatmap: pairs by column and row. */
export const HM_COUNTS = V_BYTES;
export const HM_BYTES = V_BYTES + 8;
/** Rows of a heatmap: four per power of two. */
export const HEAT_ROWS = 188;

/** LevelTable: columns by group and level, and how many groups have room. */
export const LV_EXITS = V_BYTES;
export const LV_PAIRED = V_BYTES + 4;
export const LV_TOTAL = V_BYTES + 8;
export const LV_ROOM = V_BYTES + 12;
export const LV_BYTES = V_BYTES + 16;
export const LEVELS = 3;

/** Intervals: the latest cell of each group and how many groups have one; hash table of cells and their columns. */
export const IV_LATEST = V_BYTES;
export const IV_GROUPS = V_BYTES + 4;
export const IV_TABLE = V_BYTES + 8;
export const IV_MASK = V_BYTES + 12;
export const IV_GROUP = V_BYTES + 16;
export const IV_BUCKET = V_BYTES + 20;
export const IV_EXITS = V_BYTES + 24;
export const IV_PAIRED = V_BYTES + 28;
export const IV_MAX = V_BYTES + 32;
export const IV_TOTAL = V_BYTES + 36;
/** Histograms of the cells: pages by cell and power of two (number + 1, 0 none), cells with a place there, pages. */
export const IV_PAGE_OF = V_BYTES + 40;
export const IV_PAGED = V_BYTES + 44;
export const IV_BLOCKS = V_BYTES + 48;
export const IV_BYTES = V_BYTES + 56;
/** Powers of two that have a page, steps of a page, pages of a block (powers of two). */
export const COARSE_PAGES = 47;
export const COARSE_STEP_BITS = 4;
export const COARSE_BLOCK_BITS = 9;

/** Periodic: by key exits, latest time and longer or shorter intervals; counts of the others by key and bucket. */
export const PE_EXITS = V_BYTES;
export const PE_LAST = V_BYTES + 4;
export const PE_OTHERS = V_BYTES + 8;
export const PE_COUNTS = V_BYTES + 12;
/** Keys with a place in these. */
export const PE_KEYS = V_BYTES + 16;
/** Memory of keys by what they are mixed to: key + 1, 0 none. It may be wrong. */
export const PE_RECENT = V_BYTES + 20;
export const PE_BYTES = V_BYTES + 24;
/** Entries of it, as a power of two. */
export const PE_RECENT_BITS = 10;
/** Log-linear buckets of the intervals that a beat is looked for in: the first, and how many. */
export const PE_FIRST = 1595;
export const PE_BUCKETS = 1164;

/** Hot spots and details: their tables (exit-table-layout.ts), and what each detail event is (detail-key.ts). */
export const HS_RIPS = V_BYTES;
export const HS_HALVES = V_BYTES + 4;
export const HS_BYTES = V_BYTES + 8;
export const DT_DETAILS = V_BYTES;
export const DT_PAGES = V_BYTES + 4;
export const DT_VECTORS = V_BYTES + 8;
export const DT_KINDS = V_BYTES + 12;
export const DT_BYTES = V_BYTES + 16;
