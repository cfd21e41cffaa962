/**
 * Losses. A loss on a CPU lies between that CPU's last record before it and the first after it. A pair is invalid if
 * such a gap on its exit's or entry's CPU overlaps it; one that takes no time lies in none, as both its ends are records.
 * Of the entry's CPU everything up to the entry has been seen by
 * then. The exit's CPU, if it is another one, may still report a loss that began before the entry; such pairs wait
 * until that CPU's next record shows whether it did (`deferred`).
 */
import { allocateI32 } from '../core/arena.ts';
import { compareWords } from '../core/words.ts';
import { D_BYTES, D_NEXT } from './deferred-layout.ts';
import { invalidate, LOSS_OPEN, P_POOL_FREE, P_POOL_USED, type Pairing, pushRow } from './pairing-state.ts';

/** Words of a record of a pair that waits. */
const WORDS = D_BYTES / 4;

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

function endLoss(pairing: Pairing, cpu: number, low: number, high: number): void {
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
  const at = takeRecord(pairing);
  const { arena, out, pool } = pairing;
  arena.kernels.keepRow(out.address, row, pool.byteOffset + at * D_BYTES);
  pool[at * WORDS + D_NEXT / 4] = pairing.deferredHead[cpu];
  pairing.deferredHead[cpu] = at;
}

/** Number of a free record. */
function takeRecord(pairing: Pairing): number {
  const { view, pool } = pairing;
  const free = view[P_POOL_FREE / 4];
  if (free >= 0) {
    view[P_POOL_FREE / 4] = pool[free * WORDS + D_NEXT / 4];
    return free;
  }
  if (view[P_POOL_USED / 4] === pool.length / WORDS) {
    pairing.pool = allocateI32(pairing.arena, 2 * pool.length);
    pairing.pool.set(pool);
  }
  return view[P_POOL_USED / 4]++;
}

/** Decides the pairs that waited for `cpu`: its next record is a loss, or it is not. */
export function settleDeferred(pairing: Pairing, cpu: number, lost: boolean): void {
  const { view, pool, arena, out } = pairing;
  let at = pairing.deferredHead[cpu];
  while (at >= 0) {
    arena.kernels.putRow(pool.byteOffset + at * D_BYTES, out.address, out.length);
    if (lost && beganBefore(pairing, cpu, out.length)) invalidate(out, out.length);
    pushRow(pairing);
    const next = pool[at * WORDS + D_NEXT / 4];
    pool[at * WORDS + D_NEXT / 4] = view[P_POOL_FREE / 4];
    view[P_POOL_FREE / 4] = at;
    at = next;
  }
  pairing.deferredHead[cpu] = -1;
}

/** Whether the CPU's loss began before the entry of a row of the output. */
function beganBefore({ lossStart, out: { entryTime } }: Pairing, cpu: number, row: number): boolean {
  const at = 2 * cpu;
  return compareWords(lossStart[at], lossStart[at + 1], entryTime[2 * row], entryTime[2 * row + 1]) < 0;
}
