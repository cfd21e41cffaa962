/** trace.dat: from one event of a CPU's stream to the next, through the ring buffer's pages as far as they are sound. */
import {
  LENGTH_MASK,
  LOST_EVENTS,
  M_MULT,
  M_OFFSET,
  M_PAGE_COMMIT,
  M_PAGE_DATA,
  M_PAGE_TIME,
  M_SHIFT,
  S_AT,
  S_BYTES,
  S_END,
  S_LENGTH,
  S_NEXT,
  S_PAGE,
  S_PAGE_SIZE,
  S_PAGES,
  S_RAW,
  S_RECORDS,
  S_TIME,
  S_WINDOW,
  TYPE_PADDING,
  TYPE_TIME_EXTEND,
} from '../parsers/trace-dat/stream-layout.ts';

/**
 * Moves the stream to its next record. 0, and nothing has changed, where that takes more: another window, a page with
 * losses, damage. advance() in cpu-streams.ts does the same for any page.
 */
export function stepStream(merge: usize, stream: usize): i32 {
  const bytes = load<usize>(stream, S_BYTES);
  let next = bytes + load<usize>(stream, S_NEXT);
  let end = bytes + load<usize>(stream, S_END);
  let time = load<u64>(stream, S_RAW);
  let page = load<usize>(stream, S_PAGE);
  let entered: i32 = 0;
  while (true) {
    if (next + 4 > end) {
      const window = load<usize>(stream, S_WINDOW);
      const pageSize = load<usize>(stream, S_PAGE_SIZE);
      const dataAt = load<usize>(merge, M_PAGE_DATA);
      if (page > window || pageSize > window - page || pageSize < dataAt) return 0;
      const start = bytes + page;
      const commit = load<u32>(start + load<usize>(merge, M_PAGE_COMMIT));
      const length = <usize>(commit & LENGTH_MASK);
      if ((commit & LOST_EVENTS) !== 0 || length > pageSize - dataAt) return 0;
      const pageTime = load<u64>(start + load<usize>(merge, M_PAGE_TIME));
      if (length > 0 && pageTime < time) return 0;
      time = pageTime;
      next = start + dataAt;
      end = next + length;
      page += pageSize;
      entered++;
      continue;
    }
    const head = load<u32>(next);
    const type: i32 = <i32>(head & 31);
    const delta = <u64>(head >> 5);
    if (type < TYPE_PADDING) {
      let record = next + 4;
      let length = (<usize>type) << 2;
      let after = record + length;
      if (type === 0) {
        // The length stands in the next word and counts that word.
        if (next + 8 > end) return 0;
        const size = load<usize>(record);
        if (size < 4 || size > end - record) return 0;
        length = size - 4;
        after = record + ((size + 3) & ~3);
        record += 4;
      } else if (after > end) return 0;
      time += delta;
      store<u64>(stream, reported(merge, time), S_TIME);
      store<u64>(stream, time, S_RAW);
      store<usize>(stream, record - bytes, S_AT);
      store<usize>(stream, length, S_LENGTH);
      store<usize>(stream, after - bytes, S_NEXT);
      store<usize>(stream, end - bytes, S_END);
      store<usize>(stream, page, S_PAGE);
      store<f64>(stream, load<f64>(stream, S_RECORDS) + 1, S_RECORDS);
      store<f64>(stream, load<f64>(stream, S_PAGES) + <f64>entered, S_PAGES);
      return 1;
    }
    // Padding without a time: the rest of the page is unused.
    if (type === TYPE_PADDING && delta === 0) {
      next = end;
      continue;
    }
    if (next + 8 > end) return 0;
    const upper = load<u32>(next, 4);
    if (type === TYPE_PADDING) {
      // A discarded event; later deltas count from its time.
      if (upper < 4 || <usize>upper > end - next - 4) return 0;
      time += delta;
      next += 4 + ((<usize>upper + 3) & ~3);
    } else {
      const extra = ((<u64>upper) << 27) | delta;
      time = type === TYPE_TIME_EXTEND ? time + extra : stamped(time, extra);
      next += 8;
    }
  }
}

/** 59 bits of an absolute time: the top five are those of the time so far, or the next if it wrapped. */
function stamped(time: u64, low: u64): u64 {
  const back = <i64>((time >> 32) & 0x07ffffff) - <i64>(low >> 32);
  const wrapped = (<u64>(back > 0x04000000)) << 59;
  return (time & 0xf800000000000000) + low + wrapped;
}

/** A recorded time as it is reported, as convertTime() does it: with 96 bits in between. */
function reported(merge: usize, time: u64): u64 {
  const mult = <u64>load<u32>(merge, M_MULT);
  const offset = load<u64>(merge, M_OFFSET);
  if (mult === 0) return time + offset;
  const shift = <u64>load<u32>(merge, M_SHIFT);
  const low = (time & 0xffffffff) * mult;
  const high = (time >> 32) * mult;
  const shifted = shift > 32 ? (high + (low >> 32)) >> (shift - 32) : (low >> shift) + (high << (32 - shift));
  return shifted + offset;
}
