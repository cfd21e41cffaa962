/** What the kernel of the ledger sees of it, and what waits in its columns. */
import { type Arena, allocateF64, allocateI32, allocateU8 } from '../core/arena.ts';
import { NO_CPU } from '../core/event-batch.ts';
import { addressOf, createView, type KernelView } from '../core/kernel-view.ts';
import { ACTIONS } from './ledger-actions.ts';
import {
  KINDS,
  L_ACTIONS,
  L_BYTES,
  L_COLUMNS,
  L_CPU,
  L_ENTRIES,
  L_FIRST,
  L_FIRST_ROW,
  L_HAS_LOG,
  L_IDLE,
  L_LAST,
  L_LAST_ROW,
  L_LIMIT,
  L_LOSS_END,
  L_LOSS_STATE,
  L_ORIGIN,
  L_PID,
  L_ROW,
  L_SLOT_MASK,
  L_SLOT_TABLE,
  L_SLOT_TIDS,
  L_START,
  L_START_ROW,
  L_STATES,
  L_SUMS,
  L_THREADS,
  L_VCPU,
  L_WAIT_COLUMN,
  L_WAIT_NS,
  L_WAIT_SLOT,
  L_WAIT_STATE,
  MAX_SLOTS,
  STATES,
} from './ledger-layout.ts';
import { fillColumns } from './ledger-segment.ts';
import type { Ledger, Waits } from './ledger-state.ts';

const CPUS = NO_CPU + 1;

export function createWaits(arena: Arena): Waits {
  return {
    state: allocateU8(arena, CPUS),
    slot: allocateI32(arena, CPUS),
    column: allocateI32(arena, CPUS),
    ns: allocateF64(arena, CPUS),
  };
}

export function createLedgerView(arena: Arena, idle: Int32Array): KernelView {
  const view = createView(arena, L_BYTES);
  // For every number that a column can hold.
  const actions = allocateU8(arena, 65536);
  actions.set(ACTIONS);
  const columns = allocateU8(arena, STATES * KINDS);
  fillColumns(columns);
  view.words[L_ACTIONS / 4] = addressOf(actions);
  view.words[L_COLUMNS / 4] = addressOf(columns);
  view.words[L_IDLE / 4] = addressOf(idle);
  return view;
}

/** Tells the kernel what is; tables move when they grow. */
export function showLedger(ledger: Ledger, { words, doubles }: KernelView): void {
  const { losses, slots, threads, waits, origin } = ledger;
  doubles[L_ROW / 8] = losses.row;
  doubles[L_FIRST / 8] = ledger.first;
  doubles[L_LAST / 8] = ledger.last;
  doubles[L_LIMIT / 8] = ledger.limit;
  words[L_ORIGIN / 4] = origin[0];
  words[L_ORIGIN / 4 + 1] = origin[1];
  words[L_LOSS_STATE / 4] = addressOf(losses.state);
  words[L_LOSS_END / 4] = addressOf(losses.lossEnd);
  words[L_FIRST_ROW / 4] = addressOf(losses.first);
  words[L_LAST_ROW / 4] = addressOf(losses.last);
  words[L_WAIT_STATE / 4] = addressOf(waits!.state);
  words[L_WAIT_SLOT / 4] = addressOf(waits!.slot);
  words[L_WAIT_COLUMN / 4] = addressOf(waits!.column);
  words[L_WAIT_NS / 4] = addressOf(waits!.ns);
  words[L_SLOT_TABLE / 4] = addressOf(slots.table);
  words[L_SLOT_MASK / 4] = slots.table.length - 1;
  words[L_SLOT_TIDS / 4] = addressOf(slots.tids);
  words[L_THREADS / 4] = slots.count < MAX_SLOTS ? threads.capacity : 0;
  words[L_STATES / 4] = addressOf(threads.state);
  words[L_START / 4] = addressOf(threads.start);
  words[L_START_ROW / 4] = addressOf(threads.startRow);
  words[L_CPU / 4] = addressOf(threads.cpu);
  words[L_PID / 4] = addressOf(threads.pid);
  words[L_VCPU / 4] = addressOf(threads.vcpu);
  words[L_ENTRIES / 4] = addressOf(threads.entries);
  words[L_SUMS / 4] = addressOf(threads.sums);
  words[L_HAS_LOG / 4] = addressOf(threads.hasLog);
}

export function readLedger(ledger: Ledger, { doubles }: KernelView): void {
  ledger.losses.row = doubles[L_ROW / 8];
  ledger.first = doubles[L_FIRST / 8];
  ledger.last = doubles[L_LAST / 8];
}
