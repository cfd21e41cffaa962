/**
 * Losses. A loss on a CPU lies between that CPU's last record before it and the first after it; the order is that of the
 * recording's rows, so that equal times do not matter. A pair is invalid if such a gap on its exit's or entry's CPU
 * overlaps it. Of the entry's CPU everything up to the entry has been seen by then. The exit's CPU, if it is another one,
 * may still report a loss that began before the entry: such pairs wait until that CPU's next record shows whether it did
 * (`deferred`).
 */
import { allocateI32 } from '../core/arena.ts';
import { D_BYTES, D_NEXT } from './deferred-layout.ts';
import {
  invalidate,
  LOSS_ENDED,
  LOSS_OPEN,
  P_POOL_FREE,
  P_POOL_USED,
  type Pairing,
  pushRow,
} from './pairing-state.ts';

/** Words of a record of a pair that waits. */
const WORDS = D_BYTES / 4;

export function startLoss(pairing: Pairing, cpu: number): void {
  pairing.lossState[cpu] = LOSS_OPEN;
  if (pairing.deferredHead[cpu] >= 0) settleDeferred(pairing, cpu, true);
}

/** Row `row` of the batch is the first record after a loss on its CPU. */
export function endLoss(pairing: Pairing, cpu: number, row: number): void {
  pairing.lossState[cpu] = LOSS_ENDED;
  pairing.lossEnd[cpu] = pairing.rowsBefore[0] + row;
}

/** Whether the CPU's latest loss ends after the given row of the recording (it has begun before now). */
export function overlapsLoss({ lossState, lossEnd }: Pairing, cpu: number, row: number): boolean {
  return lossState[cpu] === LOSS_OPEN || (lossState[cpu] === LOSS_ENDED && lossEnd[cpu] > row);
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
    if (lost) invalidate(out, out.length);
    pushRow(pairing);
    const next = pool[at * WORDS + D_NEXT / 4];
    pool[at * WORDS + D_NEXT / 4] = view[P_POOL_FREE / 4];
    view[P_POOL_FREE / 4] = at;
    at = next;
  }
  pairing.deferredHead[cpu] = -1;
}
