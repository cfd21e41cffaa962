/**
 * Pairing: events in time order → exits with their fate. Per host thread, `kvm_exit` → the next `kvm_entry` of the
 * same tid, wherever the thread migrated in between; what lies between decides escalation, level and detail.
 * The common case is matched by a kernel (pairing-match.ts); pairing-rules.ts says what each event does, pairing-losses.ts what
 * losses do to pairs.
 */
import { type ArenaBatch, copyRows, createArenaBatch, type EventBatch, liesIn } from '../core/event-batch.ts';
import { OPEN_AT_END } from './exit-batch.ts';
import { followCpu, settleDeferred, startLoss } from './pairing-losses.ts';
import { matchRows } from './pairing-match.ts';
import { closeExit, countThreadless, emitOpen, keepExit, openExit, takeBetween } from './pairing-rules.ts';
import { addThread, CPUS, flush, IS_OPEN, P_POOL_USED, type Pairing, STRIDE } from './pairing-state.ts';
import { EVENT_ROLES, ROLE_ENTRY, ROLE_EXIT, ROLE_LOST, ROLE_NONE } from './roles.ts';
import { slotOf } from './thread-slots.ts';

export { createPairing, type EntryCounts, type EntryFilter, type Pairing } from './pairing-state.ts';

/** Rows that are copied at once, where a batch lies outside of the pairing's arena. */
const COPIED_ROWS = 16384;

/** Takes in the events of a batch. */
export function pairBatch(pairing: Pairing, batch: EventBatch): void {
  if (liesIn(pairing.arena, batch)) matchBatch(pairing, batch);
  else {
    pairing.scratch ??= createArenaBatch(pairing.arena, COPIED_ROWS);
    for (let from = 0; from < batch.length; from += COPIED_ROWS) {
      copyRows(batch, from, pairing.scratch, Math.min(COPIED_ROWS, batch.length - from));
      matchBatch(pairing, pairing.scratch);
    }
  }
}

/** The same without the kernel, row by row: what the kernel is compared with. */
export function pairByRules(pairing: Pairing, batch: EventBatch): void {
  for (let row = 0; row < batch.length; row++) takeRow(pairing, batch, row);
}

function matchBatch(pairing: Pairing, batch: ArenaBatch): void {
  const { out } = pairing;
  let row = matchRows(pairing, batch, 0);
  while (row < batch.length) {
    if (out.length === out.capacity) flush(pairing);
    else takeRow(pairing, batch, row++);
    row = matchRows(pairing, batch, row);
  }
  for (let slot = 0; slot < pairing.slotsKnown; slot++) keepExit(pairing, batch, slot);
}

/** Any event, by the rules. */
function takeRow(pairing: Pairing, batch: EventBatch, row: number): void {
  const cpu = batch.cpu[row];
  const tid = batch.tid[row];
  const role = EVENT_ROLES[batch.event[row]];
  if (role === ROLE_LOST) {
    pairing.sawLoss = true;
    startLoss(pairing, cpu);
    return;
  }
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
  const waited = pairing.view[P_POOL_USED / 4] > 0;
  for (let cpu = 0; waited && cpu < CPUS; cpu++)
    if (pairing.deferredHead[cpu] >= 0) settleDeferred(pairing, cpu, false);
  for (let slot = 0; slot < pairing.slotsKnown; slot++)
    if (pairing.open[slot * STRIDE + IS_OPEN] === 1) emitOpen(pairing, slot, OPEN_AT_END);
  flush(pairing);
}
