/**
 * A binary heap of numbers by the keys of type T that lie, 1 << shift bytes apart, at `keys`; equal keys in the order of
 * the numbers. core/heap.ts is the same for TypeScript.
 */
export function isBefore<T>(keys: usize, shift: usize, a: u32, b: u32): bool {
  const keyA = load<T>(keys + ((<usize>a) << shift));
  const keyB = load<T>(keys + ((<usize>b) << shift));
  return keyA < keyB || (keyA === keyB && a < b);
}

/** Restores the heap when its first number's key has grown. */
export function siftDown<T>(heap: usize, heapSize: u32, keys: usize, shift: usize): void {
  const moved = load<u32>(heap);
  let hole: u32 = 0;
  while (true) {
    let child: u32 = 2 * hole + 1;
    if (child >= heapSize) break;
    let below = load<u32>(heap + ((<usize>child) << 2));
    if (child + 1 < heapSize) {
      const right = load<u32>(heap + ((<usize>child) << 2), 4);
      if (isBefore<T>(keys, shift, right, below)) {
        below = right;
        child++;
      }
    }
    if (!isBefore<T>(keys, shift, below, moved)) break;
    store<u32>(heap + ((<usize>hole) << 2), below);
    hole = child;
  }
  store<u32>(heap + ((<usize>hole) << 2), moved);
}
