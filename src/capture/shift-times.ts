/** Moves all times of a stream by a constant. */
import type { EventBatch } from '../core/event-batch.ts';

/** Yields the same batches with `offsetNs` added to every time (64-bit, wrapping). */
export function* shiftTimes(
  batches: Iterator<EventBatch>,
  offsetNs: bigint,
): Generator<EventBatch, void, void> {
  const low = Number(BigInt.asUintN(32, offsetNs));
  const high = Number(BigInt.asUintN(32, offsetNs >> 32n));
  while (true) {
    const next = batches.next();
    if (next.done) return;
    const { time, length } = next.value;
    for (let row = 0; row < length; row++) {
      const sum = time[2 * row] + low;
      time[2 * row] = sum;
      time[2 * row + 1] += high + (sum > 0xffffffff ? 1 : 0);
    }
    yield next.value;
  }
}
