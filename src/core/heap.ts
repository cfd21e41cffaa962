/**
 * A binary heap of numbers that stand for something, the first on top. Whoever merges keeps the heap and its size, and
 * says which of two comes before the other. Kernels have kernels/heap.ts.
 */

export type ComesBefore = (a: number, b: number) => boolean;

/** Makes a heap of the first `size` numbers. */
export function buildHeap(heap: Int32Array, size: number, comesBefore: ComesBefore): void {
  for (let place = (size >> 1) - 1; place >= 0; place--) siftDown(heap, size, place, comesBefore);
}

/** Moves the number at `start`, which comes later than it did, down to where it belongs. */
export function siftDown(heap: Int32Array, size: number, start: number, comesBefore: ComesBefore): void {
  const moved = heap[start];
  let place = start;
  for (;;) {
    let child = 2 * place + 1;
    if (child >= size) break;
    if (child + 1 < size && comesBefore(heap[child + 1], heap[child])) child++;
    if (!comesBefore(heap[child], moved)) break;
    heap[place] = heap[child];
    place = child;
  }
  heap[place] = moved;
}
