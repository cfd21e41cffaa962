/**
 * The ledger as a pass, and how ledgers of consecutive parts of a recording are put together: what was open at the end
 * of one part is decided by the first events of the next.
 */

import { diffWords } from '../core/words.ts';
import {
  hadLossBefore,
  LOSS,
  lostSince,
  mayBeLostBefore,
  mergeCpuLosses,
  NOTHING,
  nextOn,
  openAtEnd,
  plainLosses,
  RECORD,
} from './cpu-losses.ts';
import { addLedgerEvents } from './ledger.ts';
import { book, bookSegment, keep, settle, takeOutWaits } from './ledger-booking.ts';
import { type LedgerResult, ledgerResult } from './ledger-result.ts';
import { CATEGORIES, UNKNOWN_STATE } from './ledger-segment.ts';
import {
  createLedger,
  type Head,
  type Ledger,
  ledgerSlot,
  logOf,
  type Pending,
  plainThreads,
  setOrigin,
} from './ledger-state.ts';
import type { Pass } from './pass.ts';
import { appendLog, createSchedLog } from './sched-log.ts';
import { plainSlots } from './thread-slots.ts';

/** Adds a later part, which must not be used afterwards. */
function mergeLedgers(ledger: Ledger, later: Ledger): void {
  if (!later.hasOrigin) return;
  takeOutWaits(ledger);
  takeOutWaits(later);
  setOrigin(ledger, later.origin[0], later.origin[1]);
  const shift = diffWords(later.origin[0], later.origin[1], ledger.origin[0], ledger.origin[1]);
  for (const cpu of [...ledger.waiting.keys()]) {
    const next = nextOn(later.losses, cpu, -1);
    if (next !== NOTHING) settle(ledger, cpu, next === LOSS);
  }
  const slots = new Int32Array(later.slots.count);
  for (let from = 0; from < slots.length; from++) slots[from] = mergeThread(ledger, later, from, shift);
  for (const list of later.waiting.values()) for (const pending of list) addPending(ledger, pending, slots);
  for (const pending of later.provisional) addPending(ledger, pending, slots);
  mergeCpuLosses(ledger.losses, later.losses);
  ledger.first = Math.min(ledger.first, later.first + shift);
  ledger.last = Math.max(ledger.last, later.last + shift);
  ledger.halts += later.halts;
  ledger.switches += later.switches;
  ledger.switchesWithoutState += later.switchesWithoutState;
  ledger.wakes += later.wakes;
  ledger.ignored += later.ignored;
}

/** Adds a thread of the later part. Returns its slot here. */
function mergeThread(ledger: Ledger, later: Ledger, from: number, shift: number): number {
  const slot = ledgerSlot(ledger, later.slots.tids[from]);
  if (slot < 0) return slot;
  const { threads } = ledger;
  const other = later.threads;
  const head = other.heads[from];
  const log = other.logs[from];
  if (head === null) {
    if (log !== null) appendLog(logOf(threads, slot), log, shift);
    return slot;
  }
  if (head.log !== null) appendLog(logOf(threads, slot), head.log, shift);
  const moved: Head = {
    ...head,
    time: head.time + shift,
    haltStart: head.haltStart + shift,
    row: head.row + ledger.losses.row,
    log: null,
  };
  if (threads.state[slot] === UNKNOWN_STATE) threads.heads[slot] = { ...moved, log: threads.logs[slot] };
  else join(ledger, later, slot, head.row, moved);
  for (let i = 0; i < CATEGORIES; i++)
    threads.sums[slot * CATEGORIES + i] += other.sums[from * CATEGORIES + i];
  threads.logs[slot] = null;
  threads.hasLog[slot] = other.hasLog[from];
  if (log !== null) {
    threads.logs[slot] = createSchedLog(true);
    appendLog(threads.logs[slot], log, shift);
  }
  const before = threads.state[slot] === UNKNOWN_STATE ? Number.NEGATIVE_INFINITY : threads.start[slot];
  threads.start[slot] = Math.max(before, other.start[from] + shift);
  threads.state[slot] = other.state[from];
  threads.startRow[slot] = other.startRow[from] + ledger.losses.row;
  threads.cpu[slot] = other.cpu[from];
  if (other.pid[from] >= 0) threads.pid[slot] = other.pid[from];
  if (other.vcpu[from] >= 0) threads.vcpu[slot] = other.vcpu[from];
  threads.entries[slot] += other.entries[from];
  return slot;
}

/** Books the time from the thread's last event before the seam to its first one behind it (`row` of the later part). */
function join(ledger: Ledger, later: Ledger, slot: number, row: number, head: Head): void {
  const { losses, threads } = ledger;
  const start = threads.startRow[slot];
  const from = threads.cpu[slot];
  const lostOn = (cpu: number) => lostSince(losses, cpu, start) || hadLossBefore(later.losses, cpu, row);
  let lost = lostOn(head.cpu) || lostOn(from);
  let wait = -1;
  if (from !== head.cpu && !lost) {
    const next = nextOn(later.losses, from, row);
    lost = next === LOSS;
    wait = next === RECORD || lost ? -1 : from;
  }
  const headCpu = mayBeLostBefore(losses, head.cpu, start) ? head.cpu : -1;
  bookSegment(ledger, slot, head, lost, wait, headCpu);
}

/** Takes over what the later part could not decide, as far as this part knows more. */
function addPending(ledger: Ledger, pending: Pending, slots: Int32Array): void {
  const slot = slots[pending.slot];
  if (slot < 0) return;
  const open = pending.headCpu < 0 ? false : openAtEnd(ledger.losses, pending.headCpu);
  const moved: Pending = { ...pending, slot, headCpu: open === null ? pending.headCpu : -1 };
  if (open === true) book(ledger.threads, moved, true);
  else if (moved.waitCpu < 0 && moved.headCpu < 0) book(ledger.threads, moved, false);
  else keep(ledger, moved);
}

function plainLedger(ledger: Ledger): Ledger {
  takeOutWaits(ledger);
  return {
    ...ledger,
    losses: plainLosses(ledger.losses),
    slots: plainSlots(ledger.slots),
    threads: plainThreads(ledger.threads),
    waits: null,
    view: null,
    idle: null,
  };
}

export const ledgerPass: Pass<null, Ledger, LedgerResult> = {
  name: 'ledger',
  // prev_state of sched_switch.
  allColumns: true,
  create: createLedger,
  events: addLedgerEvents,
  merge: mergeLedgers,
  plain: plainLedger,
  result: ledgerResult,
};
