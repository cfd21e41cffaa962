/**
 * Losses. A loss on a CPU lies between that CPU's last record before it and the first after it. A pair is invalid if
 * such a gap on its exit's or entry's CPU overlaps it. Of the entry's CPU everything up to the entry has been seen by
 * then. The exit's CPU, if it is another one, may still report a loss that began before the entry; such pairs wait
 * until that CPU's next record shows whether it did (`deferred`).
 */

import { allocateI32 } from '../core/arena.ts';
import { compareWords } from '../core/words.ts';
import { copyExit, createArenaExits } from './exit-batch.ts';
import { invalidate, LOSS_OPEN, type Pairing, pushRow } from './pairing-state.ts';

/** A record of a CPU: a loss before it has ended. */
export function followCpu(pairing: Pairing, cpu: number, low: number, high: number): void {
  if (pairing.lossState[cpu] === LOSS_OPEN) endLoss(pairing, cpu, low, high);
  pairing.lastTime[2 * cpu] = low;
  pairing.lastTime[2 * cpu + 1] = high;
}

export function startLoss(pairing: Pairing, cpu: number): void {
  const { lossState, lossStart, lastTime } = pairing;
  if (lossState[cpu] !== LOSS_OPEN) {
    lossState[cpu] = LOSS_OPEN;
    // A loss before the first record of a CPU reaches back to the start of the recording.
    lossStart[2 * cpu] = lastTime[2 * cpu];
    lossStart[2 * cpu + 1] = lastTime[2 * cpu + 1];
  }
  if (pairing.deferredHead[cpu] >= 0) settleDeferred(pairing, cpu, true);
}

export function endLoss(pairing: Pairing, cpu: number, low: number, high: number): void {
  pairing.lossState[cpu] = 2;
  pairing.lossEnd[2 * cpu] = low;
  pairing.lossEnd[2 * cpu + 1] = high;
}

/** Whether the CPU's latest loss ends after the given time (it has begun before now). */
export function overlapsLoss(pairing: Pairing, cpu: number, low: number, high: number): boolean {
  const state = pairing.lossState[cpu];
  if (state === 0) return false;
  return (
    state === LOSS_OPEN || compareWords(pairing.lossEnd[2 * cpu], pairing.lossEnd[2 * cpu + 1], low, high) > 0
  );
}

/** Keeps row `row` of the output aside until the next record of `cpu`. */
export function defer(pairing: Pairing, row: number, cpu: number): void {
  const at = takePoolRow(pairing);
  copyExit(pairing.out, row, pairing.pool, at);
  pairing.poolNext[at] = pairing.deferredHead[cpu];
  pairing.deferredHead[cpu] = at;
}

function takePoolRow(pairing: Pairing): number {
  const free = pairing.poolFree;
  if (free >= 0) {
    pairing.poolFree = pairing.poolNext[free];
    return free;
  }
  if (pairing.poolUsed === pairing.pool.capacity) {
    const pool = createArenaExits(pairing.arena, 2 * pairing.pool.capacity);
    for (let i = 0; i < pairing.poolUsed; i++) copyExit(pairing.pool, i, pool, i);
    const next = allocateI32(pairing.arena, pool.capacity);
    next.set(pairing.poolNext);
    pairing.pool = pool;
    pairing.poolNext = next;
  }
  return pairing.poolUsed++;
}

/** Decides the pairs that waited for `cpu`: its next record is a loss, or it is not. */
export function settleDeferred(pairing: Pairing, cpu: number, lost: boolean): void {
  const { pool, lossStart } = pairing;
  let at = pairing.deferredHead[cpu];
  while (at >= 0) {
    if (
      lost &&
      compareWords(
        lossStart[2 * cpu],
        lossStart[2 * cpu + 1],
        pool.entryTime[2 * at],
        pool.entryTime[2 * at + 1],
      ) < 0
    )
      invalidate(pool, at);
    copyExit(pool, at, pairing.out, pairing.out.length);
    pushRow(pairing);
    const next = pairing.poolNext[at];
    pairing.poolNext[at] = pairing.poolFree;
    pairing.poolFree = at;
    at = next;
  }
  pairing.deferredHead[cpu] = -1;
}
