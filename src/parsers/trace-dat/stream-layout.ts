/**
 * What kernels know of a merge of CPU streams: byte offsets in the tables of one stream and of the merge. Plain constants
 * only, which kernels share.
 */

/** The streams' tables follow each other. */
export const STREAM_BYTES = 128;
export const STREAM_SHIFT = 7;
/** Time of the current event as reported and as recorded, u64 each. */
export const S_TIME = 0;
export const S_RAW = 8;
/** Positions in the window: the current record, and its length; the next event; the end of the page's data. */
export const S_AT = 16;
export const S_LENGTH = 20;
export const S_NEXT = 24;
export const S_END = 28;
/** Where the window's next page begins; the window's bytes in use; its address, 0 where it is not in the arena. */
export const S_PAGE = 32;
export const S_WINDOW = 36;
export const S_BYTES = 40;
export const S_PAGE_SIZE = 44;
/** As the column has it. */
export const S_CPU = 48;
/** f64: events lost before the current one, NO_LOSS or LOSS_UNKNOWN. */
export const S_LOSSES = 56;
/** f64: records handed out, pages entered. */
export const S_RECORDS = 64;
export const S_PAGES = 72;

/** `losses`: no loss before the current event. */
export const NO_LOSS = -1;
/** `losses`: events were lost, but not counted. */
export const LOSS_UNKNOWN = -2;

/** The merge: what is added to times (i64), addresses of streams, heap and record plans. */
export const M_OFFSET = 0;
export const M_STREAMS = 8;
export const M_HEAP = 12;
export const M_HEAP_SIZE = 16;
export const M_PLANS = 20;
/** Address of the rows' records (u32 each, of MERGED_ROWS rows at most); 0: the core columns are enough. */
export const M_RECORDS = 24;
export const MERGED_ROWS = 4096;
/** Places in a page's header. */
export const M_PAGE_TIME = 28;
export const M_PAGE_COMMIT = 32;
export const M_PAGE_DATA = 36;
/** Rows that TypeScript adds something to: address of [row, stream, position, length] entries, how many, at most. */
export const M_LISTED = 40;
export const M_LISTED_COUNT = 44;
export const M_LISTED_CAPACITY = 48;
/** What the top stream needs next, when the merge stops. */
export const M_STEP = 52;
/** Before M_OFFSET is added, times are multiplied and shifted to the right by so many bits; 0 and 0: not at all. */
export const M_MULT = 56;
export const M_SHIFT = 60;
export const M_TABLE_BYTES = 64;

/** Its event is to be written, or the batch is full. */
export const STEP_WRITE = 0;
/** Its event is in the batch; the next one has to be looked for. */
export const STEP_ADVANCE = 1;
/** Nothing: it goes on. */
export const STEP_AGAIN = 2;

/**
 * Bits of a page's commit word (kernel/trace/ring_buffer.c, RB_MISSED_EVENTS and RB_MISSED_STORED). Only its low 32 bits
 * count: RB_MISSED_EVENTS is a negative int that the kernel adds to a long, so the bits above come out as ones.
 */
export const LENGTH_MASK = 0x07ffffff;
export const LOST_EVENTS = 0x80000000;
export const LOST_STORED = 0x40000000;

/** Types of events from here on are no records. */
export const TYPE_PADDING = 29;
export const TYPE_TIME_EXTEND = 30;
