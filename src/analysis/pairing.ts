/**
 * Pairing: events in time order → exits with their fate. Per host thread, `kvm_exit` → the next `kvm_entry` of the
 * same tid, wherever the thread migrated in between; what lies between decides escalation, level and detail.
 * The common case is matched in pairing-match.ts; pairing-rules.ts says what each event does, pairing-losses.ts what
 * losses do to pairs.
 */
import type { EventBatch } from '../core/event-batch.ts';
import { EV_LOST } from '../core/events.ts';
import { OPEN_AT_END } from './exit-batch.ts';
import { fillMatches, startMatches } from './pairing-fill.ts';
import { followCpu, settleDeferred, startLoss } from './pairing-losses.ts';
import { matchRows } from './pairing-match.ts';
import { closeExit, countThreadless, emitOpen, keepExit, openExit, takeBetween } from './pairing-rules.ts';
import { addThread, CPUS, flush, IS_OPEN, type Pairing, STRIDE } from './pairing-state.ts';
import { EVENT_ROLES, ROLE_ENTRY, ROLE_EXIT, ROLE_NONE } from './roles.ts';
import { slotOf } from './thread-slots.ts';

export { createPairing, type EntryCounts, type EntryFilter, type Pairing } from './pairing-state.ts';

/** Takes in the events of a batch. */
export function pairBatch(pairing: Pairing, batch: EventBatch): void {
  const plain = !pairing.sawLoss && pairing.acceptEntry === null;
  for (let row = plain ? matchUntilLoss(pairing, batch) : 0; row < batch.length; row++) {
    if (batch.event[row] === EV_LOST) {
      pairing.sawLoss = true;
      startLoss(pairing, batch.cpu[row]);
    } else takeRow(pairing, batch, row);
  }
}

/** While nothing was lost and nothing is filtered; returns how many rows it took. */
function matchUntilLoss(pairing: Pairing, batch: EventBatch): number {
  const { matches, out } = pairing;
  startMatches(matches, batch);
  let row = matchRows(pairing, batch, 0);
  while (row < batch.length) {
    if (out.length === out.capacity) flush(pairing);
    else if (batch.event[row] === EV_LOST) break;
    else takeRow(pairing, batch, row++);
    row = matchRows(pairing, batch, row);
  }
  fillMatches(matches, out);
  for (let slot = 0; slot < pairing.slotsKnown; slot++) keepExit(pairing, batch, slot);
  return row;
}

/** Any event but a loss, by the rules. */
function takeRow(pairing: Pairing, batch: EventBatch, row: number): void {
  const cpu = batch.cpu[row];
  const tid = batch.tid[row];
  const role = EVENT_ROLES[batch.event[row]];
  followCpu(pairing, cpu, batch.time[2 * row], batch.time[2 * row + 1]);
  if (pairing.deferredHead[cpu] >= 0) settleDeferred(pairing, cpu, false);
  if (role === ROLE_NONE) return;
  if (tid < 0) {
    if (role === ROLE_EXIT || role === ROLE_ENTRY) countThreadless(pairing, batch, row, role);
    return;
  }
  const slot = slotOf(pairing.slots, tid);
  if (slot >= pairing.slotsKnown) addThread(pairing, slot);
  keepExit(pairing, batch, slot);
  if (role === ROLE_EXIT) openExit(pairing, batch, row, slot);
  else if (role === ROLE_ENTRY) closeExit(pairing, batch, row, slot);
  else takeBetween(pairing, batch, row, slot, role);
}

/** The recording has ended: what is open stays open, deferred pairs stand. */
export function finishPairing(pairing: Pairing): void {
  for (let cpu = 0; pairing.deferred > 0 && cpu < CPUS; cpu++)
    if (pairing.deferredHead[cpu] >= 0) settleDeferred(pairing, cpu, false);
  for (let slot = 0; slot < pairing.slotsKnown; slot++)
    if (pairing.open[slot * STRIDE + IS_OPEN] === 1) emitOpen(pairing, slot, OPEN_AT_END);
  flush(pairing);
}
