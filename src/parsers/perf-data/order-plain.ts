/** Merges the window's ready runs as long as they hold plain samples: the hot part of bringing records in order. */
import { TWO_32 } from '../../core/words.ts';
import { ID_MAIN, type RecordState } from './record-state.ts';
import { RECORD_SAMPLE } from './record-types.ts';

/**
 * Writes the word positions of up to `room` samples to state.order, in the order of time, and returns how many. Ends
 * early where the heap's first run is used up, beyond the limit or at another record, all of which are the caller's
 * part (see record-window.ts for the heap: the same rules, in one loop without calls).
 */
export function orderPlain(state: RecordState, room: number): number {
  const { window, order, idKinds } = state;
  const { words, heap, heapSize, runAt, runEnd, runKey, limit, baseLow, baseHigh } = window;
  const { variable } = state.layout;
  const timeWord = state.layout.time >> 2;
  const idWord = state.layout.id >> 2;
  let count = 0;
  while (count < room) {
    const run = heap[0];
    // The next best run is one of the heap's second level; of equal keys the earlier run goes first.
    let bound = limit;
    let boundRun = 0x7fffffff;
    if (heapSize > 1) {
      let next = heap[1];
      if (heapSize > 2) {
        const other = heap[2];
        if (runKey[other] < runKey[next] || (runKey[other] === runKey[next] && other < next)) next = other;
      }
      if (runKey[next] <= bound) {
        bound = runKey[next];
        boundRun = next;
      }
    }
    const end = runEnd[run];
    let at = runAt[run];
    let key = runKey[run];
    let plain = true;
    // The run's key is that of the record at `at`, and it is in order.
    while (at < end) {
      const word = at >>> 2;
      const size = words[word + 1] >>> 16;
      plain =
        words[word] === RECORD_SAMPLE &&
        (at & 7) === 0 &&
        size >= variable &&
        (idKinds === null || idKinds[words[word + idWord]] === ID_MAIN);
      if (!plain) break;
      key = ((words[word + timeWord + 1] - baseHigh) | 0) * TWO_32 + (words[word + timeWord] - baseLow);
      if (count === room || key > bound || (key === bound && run > boundRun)) break;
      order[count++] = word;
      at += size;
    }
    runAt[run] = at;
    runKey[run] = key;
    if (at >= end || !plain || key > limit) return count;
    if (heapSize === 1) continue;
    // siftDown(window, 0)
    let hole = 0;
    while (true) {
      let child = 2 * hole + 1;
      if (child >= heapSize) break;
      let below = heap[child];
      if (child + 1 < heapSize) {
        const right = heap[child + 1];
        if (runKey[right] < runKey[below] || (runKey[right] === runKey[below] && right < below)) {
          below = right;
          child++;
        }
      }
      if (runKey[below] > key || (runKey[below] === key && below > run)) break;
      heap[hole] = below;
      hole = child;
    }
    heap[hole] = run;
  }
  return count;
}
