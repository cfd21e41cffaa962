/** Exits by key in bounded tables: the common case of analysis/exit-table.ts, for hot spots and details. */
import {
  PAIRED,
  X_CODE,
  X_DETAIL_ADDRESS,
  X_DETAIL_CODE,
  X_DETAIL_EVENT,
  X_HAS_RIP,
  X_ISA,
  X_KERNEL_NS,
  X_LATENCY,
  X_PID,
  X_RESTARTS,
  X_RIP,
  X_STATE,
  X_USERSPACE_CODE,
  X_USERSPACE_ERRORS,
  X_USERSPACE_EXITS,
  X_USERSPACE_NS,
  X_VECTOR,
} from '../analysis/exit-columns.ts';
import {
  D_CODE,
  D_EVENT,
  D_FLAGS,
  D_HIGH,
  D_ISA,
  D_LOW,
  D_USERSPACE,
  ES_DOUBLES,
  ES_ERRORS,
  ES_ESCALATED,
  ES_EXITS,
  ES_KERNEL_NS,
  ES_MAX,
  ES_MIN,
  ES_PAIRED,
  ES_RESTARTS,
  ES_TOTAL,
  ES_USERSPACE_NS,
  ESCALATED,
  ET_COUNT,
  ET_HEAP,
  ET_INTS,
  ET_KEY,
  ET_KEYS,
  ET_MASK,
  ET_MISSED,
  ET_OBSERVED,
  ET_PLACE,
  ET_RECENT,
  ET_RECENT_BITS,
  ET_ROOM,
  ET_SUMS,
  ET_TABLE,
  H_CODE,
  H_HALF,
  H_HIGH,
  H_ISA,
  H_LOW,
  H_PID,
  HALF_KERNEL,
  HALF_UNKNOWN,
  HALF_USER,
  PAGE_MASK,
  REGION_MASK,
} from '../analysis/exit-table-layout.ts';
import {
  DT_DETAILS,
  DT_KINDS,
  DT_PAGES,
  DT_VECTORS,
  HS_HALVES,
  HS_RIPS,
  V_SELECTED,
} from '../analysis/exits-view-layout.ts';
import { addExact, addOne } from './sums.ts';

/** Counts rows [from, length) up to the first with a key that has no slot; returns it. */
export function countHotspots(view: usize, batch: usize, from: i32, length: i32): i32 {
  const selected = load<usize>(view, V_SELECTED);
  const rips = load<usize>(view, HS_RIPS);
  const halves = load<usize>(view, HS_HALVES);
  const ripKey = load<usize>(rips, ET_KEY);
  const halfKey = load<usize>(halves, ET_KEY);
  let row = from;
  for (; row < length; row++) {
    const at: usize = row;
    if (selected !== 0) if (load<u8>(selected + at) === 0) continue;
    const isa = <u32>load<u8>(batch + at, X_ISA);
    const code = load<u32>(batch + (at << 2), X_CODE);
    let rip: i32 = -1;
    let half: u32 = HALF_UNKNOWN;
    const hasRip = load<u8>(batch + at, X_HAS_RIP) === 1;
    if (hasRip) {
      const high = load<u32>(batch + (at << 3), X_RIP + 4);
      half = high >= 0xffff0000 ? HALF_KERNEL : HALF_USER;
      store<u32>(ripKey, isa, H_ISA << 2);
      store<u32>(ripKey, code, H_CODE << 2);
      store<u32>(ripKey, load<u32>(batch + (at << 3), X_RIP), H_LOW << 2);
      store<u32>(ripKey, high, H_HIGH << 2);
      store<u32>(ripKey, load<u32>(batch + (at << 2), X_PID), H_PID << 2);
      rip = findTop(rips);
      if (rip < 0) break;
    }
    store<u32>(halfKey, isa, H_ISA << 2);
    store<u32>(halfKey, code, H_CODE << 2);
    store<u32>(halfKey, half, H_HALF << 2);
    const slot = findTop(halves);
    if (slot < 0) break;
    if (hasRip) addToSlot(rips, rip, batch, at);
    addToSlot(halves, slot, batch, at);
  }
  return row;
}

/** As countHotspots(). */
export function countDetails(view: usize, batch: usize, from: i32, length: i32): i32 {
  const selected = load<usize>(view, V_SELECTED);
  const details = load<usize>(view, DT_DETAILS);
  const pages = load<usize>(view, DT_PAGES);
  const vectors = load<usize>(view, DT_VECTORS);
  const kinds = load<usize>(view, DT_KINDS);
  const key = load<usize>(details, ET_KEY);
  const pageKey = load<usize>(pages, ET_KEY);
  let row = from;
  for (; row < length; row++) {
    const at: usize = row;
    if (selected !== 0) if (load<u8>(selected + at) === 0) continue;
    const row2 = batch + (at << 1);
    const row4 = batch + (at << 2);
    const row8 = batch + (at << 3);
    const event = <u32>load<u16>(row2, X_DETAIL_EVENT);
    let direction: u32 = 0;
    let low: u32 = 0;
    let high: u32 = 0;
    let page: i32 = -1;
    if (event !== 0) {
      const kind = <u32>load<u8>(kinds + <usize>event);
      const code = load<u32>(row4, X_DETAIL_CODE);
      // Two bits each for codes 0, 2 and others, then whether it is a page fault.
      direction = (kind >> (code === 0 ? 0 : code === 2 ? 2 : 4)) & 3;
      low = load<u32>(row8, X_DETAIL_ADDRESS);
      high = load<u32>(row8, X_DETAIL_ADDRESS + 4);
      if (kind >> 6) {
        store<u32>(pageKey, low & <u32>PAGE_MASK);
        store<u32>(pageKey, high, 4);
        low &= <u32>REGION_MASK;
        page = findTop(pages);
        if (page < 0) break;
      }
    }
    const escalated = load<u16>(row2, X_USERSPACE_EXITS) > 0;
    store<u32>(key, <u32>load<u8>(batch + at, X_ISA), D_ISA << 2);
    store<u32>(key, load<u32>(row4, X_CODE), D_CODE << 2);
    store<u32>(key, escalated ? load<u32>(row4, X_USERSPACE_CODE) : 0, D_USERSPACE << 2);
    store<u32>(key, event, D_EVENT << 2);
    store<u32>(key, direction | (escalated ? ESCALATED : 0), D_FLAGS << 2);
    store<u32>(key, low, D_LOW << 2);
    store<u32>(key, high, D_HIGH << 2);
    const slot = findTop(details);
    if (slot < 0) break;
    const vector = load<i32>(row4, X_VECTOR);
    if (vector >= 0) {
      store<i32>(load<usize>(vectors, ET_KEY), vector);
      const vectorSlot = findTop(vectors);
      if (vectorSlot < 0) break;
      addToSlot(vectors, vectorSlot, batch, at);
    }
    if (page >= 0) addToSlot(pages, page, batch, at);
    addToSlot(details, slot, batch, at);
  }
  return row;
}

/** Slot of the table's key, −1 if it has none, or one without room for sums (analysis/top-table.ts). */
function findTop(table: usize): i32 {
  const ints = load<usize>(table, ET_INTS);
  const key = load<usize>(table, ET_KEY);
  let mixed: u32 = 0;
  for (let i: usize = 0; i < ints; i++) mixed ^= load<u32>(key + (i << 2));
  const seen =
    load<usize>(table, ET_RECENT) + ((<usize>((mixed * 0x9e3779b1) >>> (32 - ET_RECENT_BITS))) << 2);
  const recent = load<i32>(seen) - 1;
  if (recent >= 0 && recent < load<i32>(table, ET_COUNT) && isKey(table, recent, key, ints)) return recent;
  const slot = searchTop(table, key, ints);
  if (slot >= load<i32>(table, ET_ROOM)) return -1;
  if (slot >= 0) store<i32>(seen, slot + 1);
  return slot;
}

function isKey(table: usize, slot: i32, key: usize, ints: usize): bool {
  const own = load<usize>(table, ET_KEYS) + <usize>slot * (ints << 2);
  let different: u32 = 0;
  for (let i: usize = 0; i < ints; i++) different |= load<u32>(own + (i << 2)) ^ load<u32>(key + (i << 2));
  return different === 0;
}

/** The same by the hash table. */
export function searchTop(table: usize, key: usize, ints: usize): i32 {
  let hash: u32 = 0;
  for (let i: usize = 0; i < ints; i++)
    hash = ((hash ^ load<u32>(key + (i << 2))) * 0x9e3779b1) ^ (hash >>> 15);
  hash ^= hash >>> 13;
  const mask = load<u32>(table, ET_MASK);
  const slots = load<usize>(table, ET_TABLE);
  while (true) {
    hash &= mask;
    const slot = load<i32>(slots + ((<usize>hash) << 2)) - 1;
    if (slot < 0 || isKey(table, slot, key, ints)) return slot;
    hash++;
  }
}

/** Adds an exit to a slot (analysis/exit-sums.ts). */
export function addToSlot(table: usize, slot: i32, batch: usize, row: usize): void {
  addOne(load<usize>(table, ET_OBSERVED) + ((<usize>slot) << 3));
  if (load<usize>(table, ET_HEAP) !== 0)
    sink(table, load<u32>(load<usize>(table, ET_PLACE) + ((<usize>slot) << 2)));
  const record = load<usize>(table, ET_SUMS) + <usize>slot * (8 * ES_DOUBLES);
  addOne(record + 8 * ES_EXITS);
  const row2 = batch + (row << 1);
  if (load<u16>(row2, X_RESTARTS)) addOne(record + 8 * ES_RESTARTS);
  if (load<u16>(row2, X_USERSPACE_ERRORS)) addOne(record + 8 * ES_ERRORS);
  const escalated = load<u16>(row2, X_USERSPACE_EXITS) > 0;
  if (escalated) addOne(record + 8 * ES_ESCALATED);
  if (load<u8>(batch + row, X_STATE) !== PAIRED) return;
  const row8 = batch + (row << 3);
  const latency = load<f64>(row8, X_LATENCY);
  addOne(record + 8 * ES_PAIRED);
  addExact(record + 8 * ES_TOTAL, latency);
  if (latency < load<f64>(record, 8 * ES_MIN)) store<f64>(record, latency, 8 * ES_MIN);
  if (latency > load<f64>(record, 8 * ES_MAX)) store<f64>(record, latency, 8 * ES_MAX);
  if (!escalated) return;
  addExact(record + 8 * ES_KERNEL_NS, load<f64>(row8, X_KERNEL_NS));
  addExact(record + 8 * ES_USERSPACE_NS, load<f64>(row8, X_USERSPACE_NS));
}

function weight(table: usize, slot: u32): f64 {
  const place = (<usize>slot) << 3;
  return (
    load<f64>(load<usize>(table, ET_OBSERVED) + place) + load<f64>(load<usize>(table, ET_MISSED) + place)
  );
}

/** Moves a slot that became heavier down the heap to where it belongs. */
export function sink(table: usize, at: u32): void {
  const heap = load<usize>(table, ET_HEAP);
  const places = load<usize>(table, ET_PLACE);
  const count = load<u32>(table, ET_COUNT);
  const slot = load<u32>(heap + ((<usize>at) << 2));
  const own = weight(table, slot);
  let hole = at;
  while (true) {
    let child: u32 = hole * 2 + 1;
    if (child >= count) break;
    let lightest = load<u32>(heap + ((<usize>child) << 2));
    if (child + 1 < count) {
      const other = load<u32>(heap + ((<usize>child) << 2), 4);
      if (weight(table, other) < weight(table, lightest)) {
        child++;
        lightest = other;
      }
    }
    if (weight(table, lightest) >= own) break;
    store<u32>(heap + ((<usize>hole) << 2), lightest);
    store<u32>(places + ((<usize>lightest) << 2), hole);
    hole = child;
  }
  store<u32>(heap + ((<usize>hole) << 2), slot);
  store<u32>(places + ((<usize>slot) << 2), hole);
}
