/** Calls the kernel that matches exits with entries (src/kernels/pairing.ts) and keeps its view of a pairing. */
import type { ArenaBatch } from '../core/event-batch.ts';
import { D_BYTES } from './deferred-layout.ts';
import type { ArenaExits } from './exit-batch.ts';
import {
  P_BYTES,
  P_DEFERRED,
  P_ENTRIES,
  P_ERRORS,
  P_EXIT_ROW,
  P_LAST_TIME,
  P_LOSS_END,
  P_LOSS_STATE,
  P_OPEN,
  P_OUT,
  P_POOL,
  P_POOL_ROOM,
  P_RESTARTS,
  P_ROLES,
  P_RUN_EXITS,
  P_SAW_DETAIL,
  P_SAW_LOSS,
  P_SAW_USERSPACE,
  P_SLOT_MASK,
  P_SLOT_TABLE,
  P_SLOT_TIDS,
  P_SLOTS_KNOWN,
  P_TO,
  P_USERSPACE_EXITS,
  type Pairing,
} from './pairing-state.ts';

/**
 * Takes rows from `from` on and stops at the first that needs more than matching, or when the output is full; returns
 * that row (the batch's length at its end). Exits are only remembered by their rows (`exitRow`).
 */
export function matchRows(pairing: Pairing, batch: ArenaBatch, from: number): number {
  const { view, out, counts, arena } = pairing;
  showTables(pairing, out);
  view[P_TO >> 2] = out.length;
  const row = arena.kernels.matchRows(view.byteOffset, batch.table, from, batch.length);
  out.length = view[P_TO >> 2];
  pairing.sawUserspace = view[P_SAW_USERSPACE >> 2] !== 0;
  pairing.sawDetail = view[P_SAW_DETAIL >> 2] !== 0;
  counts.entries += view[P_ENTRIES >> 2];
  counts.userspaceExits += view[P_USERSPACE_EXITS >> 2];
  counts.userspaceRestarts += view[P_RESTARTS >> 2];
  counts.userspaceErrors += view[P_ERRORS >> 2];
  counts.runExits += view[P_RUN_EXITS >> 2];
  view.fill(0, P_ENTRIES >> 2, P_BYTES >> 2);
  return row;
}

/** Tables move when they grow. */
function showTables(pairing: Pairing, out: ArenaExits): void {
  const { view, slots } = pairing;
  view[P_ROLES >> 2] = pairing.roles.byteOffset;
  view[P_DEFERRED >> 2] = pairing.deferredHead.byteOffset;
  view[P_LAST_TIME >> 2] = pairing.lastTime.byteOffset;
  view[P_SLOT_TABLE >> 2] = slots.table.byteOffset;
  view[P_SLOT_MASK >> 2] = slots.table.length - 1;
  view[P_SLOT_TIDS >> 2] = slots.tids.byteOffset;
  view[P_SLOTS_KNOWN >> 2] = pairing.slotsKnown;
  view[P_OPEN >> 2] = pairing.open.byteOffset;
  view[P_EXIT_ROW >> 2] = pairing.exitRow.byteOffset;
  view[P_OUT >> 2] = out.address;
  view[P_POOL >> 2] = pairing.pool.byteOffset;
  view[P_POOL_ROOM >> 2] = (4 * pairing.pool.length) / D_BYTES;
  view[P_SAW_LOSS >> 2] = pairing.sawLoss ? 1 : 0;
  view[P_LOSS_STATE >> 2] = pairing.lossState.byteOffset;
  view[P_LOSS_END >> 2] = pairing.lossEnd.byteOffset;
  view[P_SAW_USERSPACE >> 2] = pairing.sawUserspace ? 1 : 0;
  view[P_SAW_DETAIL >> 2] = pairing.sawDetail ? 1 : 0;
}
