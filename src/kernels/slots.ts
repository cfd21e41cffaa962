/** Slots of threads by their numbers: the lookup of analysis/thread-slots.ts. */

/** Slot of a tid, −1 if it has none. */
export function findThread(table: usize, mask: u32, tids: usize, tid: i32): i32 {
  let at = (<u32>tid * 0x9e3779b1) >>> 7;
  while (true) {
    at &= mask;
    const slot = load<i32>(table + ((<usize>at) << 2)) - 1;
    if (slot < 0 || load<i32>(tids + ((<usize>slot) << 2)) === tid) return slot;
    at++;
  }
}
