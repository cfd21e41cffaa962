/**
 * Recognises the ring buffer's own pages, as `per_cpu/cpuN/trace_pipe_raw` and the NAME.cpuN files of a trace-cmd that
 * was killed hold them: they name no event, so that nothing but a word on what they are can be said (Linux
 * include/linux/ring_buffer.h: enum ring_buffer_type; kernel/trace/ring_buffer.c, in 7.2 include/linux/
 * ring_buffer_types.h: struct buffer_data_page).
 */

/**
 * u64 time stamp, then u64 commit: bytes of events in the page, flags from bit 30 on. That events were lost
 * (RB_MISSED_EVENTS) is a negative int which the kernel adds: then all bits above are ones.
 */
const PAGE_HEADER = 16;
const COMMIT_BYTES = 0x3fff_ffff;
const LOST_EVENTS = 0x8000_0000;
const LARGEST_PAGE = 65536;
/** Chance makes fewer events that end where the page says. */
const MIN_EVENTS = 3;

const MAX_DATA_WORDS = 28;
const PADDING = 29;

/** Whether `head` begins with a page of events: their lengths must add up to what the page says. */
export function isRingPage(head: Uint8Array): boolean {
  if (head.length < PAGE_HEADER + 4) return false;
  const view = new DataView(head.buffer, head.byteOffset, head.length);
  const word = view.getUint32(8, true);
  const commit = word & COMMIT_BYTES;
  const above = view.getUint32(12, true);
  if (above !== 0 && (above !== 0xffffffff || word < LOST_EVENTS)) return false;
  if (commit < 4 || commit > LARGEST_PAGE - PAGE_HEADER) return false;
  const end = PAGE_HEADER + commit;
  let events = 0;
  let p = PAGE_HEADER;
  while (p < end && p + 8 <= head.length) {
    const type = view.getUint32(p, true) & 31;
    let length = 8;
    if (type === 0 || type === PADDING) length = 4 + view.getUint32(p + 4, true);
    else if (type <= MAX_DATA_WORDS) length = 4 + 4 * type;
    if (length < 8 || length % 4 !== 0) return false;
    p += length;
    events++;
  }
  return (p === end || p > head.length - 8) && p <= end && events >= MIN_EVENTS;
}
