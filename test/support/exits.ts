/** Decided exits of events, for tests of passes over exits. */
import { copyExit, createExitBatch, type ExitBatch } from '../../src/analysis/exit-batch.ts';
import { createPairing, finishPairing, pairBatch } from '../../src/analysis/pairing.ts';
import type { EventBatch } from '../../src/core/event-batch.ts';
import { wordsToBigInt } from '../../src/core/words.ts';

export function exitsOf(events: EventBatch): ExitBatch {
  const all = createExitBatch(Math.max(1, events.length));
  const pairing = createPairing(null, (batch) => {
    for (let row = 0; row < batch.length; row++) copyExit(batch, row, all, all.length++);
  });
  pairBatch(pairing, events);
  finishPairing(pairing);
  return all;
}

export function sliceExits(batch: ExitBatch, from: number, to: number): ExitBatch {
  const slice = createExitBatch(Math.max(1, to - from));
  for (let row = from; row < to; row++) copyExit(batch, row, slice, slice.length++);
  return slice;
}

export const exitNs = (batch: ExitBatch, row: number): bigint =>
  wordsToBigInt(batch.exitTime[2 * row], batch.exitTime[2 * row + 1]);
