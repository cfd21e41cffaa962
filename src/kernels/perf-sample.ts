/** perf.data: what both the walk and the merge ask of a sample. */
import { ID_TABLE } from '../parsers/perf-data/sample-ids.ts';
import { W_CALLCHAIN, W_READ, W_VARIABLE } from '../parsers/perf-data/window-layout.ts';

/** ID_* of the id at `address`; 0 for one that the table does not know. */
export function idKind(idKinds: usize, address: usize): u32 {
  const id = load<usize>(address);
  return id < <usize>ID_TABLE ? load<u8>(idKinds + id) : 0;
}

/**
 * Address of the size word in front of the raw data of the sample [at, end) where counts or a call chain lie before it;
 * 0 if it is damaged. rawOffset() in attr.ts says the same for any sample.
 */
export function findRaw(window: usize, at: usize, end: usize): usize {
  let position = at + load<usize>(window, W_VARIABLE);
  const read = load<u32>(window, W_READ);
  // No group (PERF_FORMAT_GROUP): TOTAL_TIME_ENABLED 1, TOTAL_TIME_RUNNING 2, ID 4, LOST 16.
  if (read !== 0) position += 8 + ((<usize>popcnt((read - 1) & 0x17)) << 3);
  if (load<u32>(window, W_CALLCHAIN) !== 0) {
    if (position + 8 > end) return 0;
    const count = load<usize>(position);
    if (count > 8192) return 0;
    position += 8 + (count << 3);
  }
  return position + 12 <= end ? position : 0;
}
