/**
 * Adds the time between two KVM events of a thread to its sums. What a loss may touch waits until the CPU concerned
 * has spoken, in this part of the recording or in an earlier one.
 */
import { lostSince, mayBeLostBefore } from './cpu-losses.ts';
import { MANY_WAITS, NO_WAIT, ONE_WAIT } from './ledger-layout.ts';
import { CATEGORIES, classify, type Ending, T_LOST } from './ledger-segment.ts';
import type { Ledger, LedgerThreads, Pending } from './ledger-state.ts';

const scratch = new Float64Array(CATEGORIES);

/** Books the time since the thread's latest KVM event. */
export function endSegment(ledger: Ledger, slot: number, end: Ending, cpu: number): void {
  const { threads, losses } = ledger;
  const start = threads.startRow[slot];
  const from = threads.cpu[slot];
  const lost = lostSince(losses, cpu, start) || (from !== cpu && lostSince(losses, from, start));
  const wait = from !== cpu && !lost ? from : -1;
  const headCpu = mayBeLostBefore(losses, cpu, start) ? cpu : -1;
  bookSegment(ledger, slot, end, lost, wait, headCpu);
}

/** Adds the segment to the thread's sums, or keeps it until it is decided. */
export function bookSegment(
  ledger: Ledger,
  slot: number,
  end: Ending,
  lost: boolean,
  waitCpu: number,
  headCpu: number,
): void {
  const { threads } = ledger;
  const state = threads.state[slot];
  const start = threads.start[slot];
  const log = threads.logs[slot];
  if (!lost && waitCpu < 0 && headCpu < 0) {
    classify(threads.sums, slot * CATEGORIES, state, start, end, log, ledger.limit);
    return;
  }
  scratch.fill(0);
  classify(scratch, 0, state, start, end, log, ledger.limit);
  if (lost) {
    threads.sums[slot * CATEGORIES + T_LOST] += total(scratch);
    return;
  }
  keep(ledger, { slot, waitCpu, headCpu, sums: scratch.slice() });
}

export function keep(ledger: Ledger, pending: Pending): void {
  if (pending.waitCpu < 0) {
    ledger.provisional.push(pending);
    return;
  }
  takeOutWait(ledger, pending.waitCpu);
  addWaiting(ledger, pending);
}

function addWaiting({ waiting, waits }: Ledger, pending: Pending): void {
  const list = waiting.get(pending.waitCpu);
  if (list) list.push(pending);
  else waiting.set(pending.waitCpu, [pending]);
  if (waits !== null) waits.state[pending.waitCpu] = MANY_WAITS;
}

/** Makes what waits in the kernel's columns one of those in `waiting`. */
function takeOutWait(ledger: Ledger, cpu: number): void {
  const { waits } = ledger;
  if (waits === null || waits.state[cpu] !== ONE_WAIT) return;
  const sums = new Float64Array(CATEGORIES);
  sums[waits.column[cpu]] = waits.ns[cpu];
  waits.state[cpu] = NO_WAIT;
  addWaiting(ledger, { slot: waits.slot[cpu], waitCpu: cpu, headCpu: -1, sums });
}

/** The same for all CPUs. */
export function takeOutWaits(ledger: Ledger): void {
  const { waits } = ledger;
  if (waits === null) return;
  for (let cpu = waits.state.indexOf(ONE_WAIT); cpu >= 0; cpu = waits.state.indexOf(ONE_WAIT, cpu + 1))
    takeOutWait(ledger, cpu);
}

function total(sums: Float64Array): number {
  let sum = 0;
  for (const value of sums) sum += value;
  return sum;
}

/** Decides what waited for the CPU: its next record is a loss, or it is not. */
export function settle(ledger: Ledger, cpu: number, lost: boolean): void {
  const { waits, waiting } = ledger;
  if (waits !== null) {
    if (waits.state[cpu] === NO_WAIT) return;
    takeOutWait(ledger, cpu);
    waits.state[cpu] = NO_WAIT;
  } else if (waiting.size === 0) return;
  const list = waiting.get(cpu);
  if (!list) return;
  waiting.delete(cpu);
  for (const pending of list) decide(ledger, pending, lost);
}

/** The CPU that a pending segment waited for has spoken. */
function decide(ledger: Ledger, pending: Pending, lost: boolean): void {
  pending.waitCpu = -1;
  if (!lost && pending.headCpu >= 0) ledger.provisional.push(pending);
  else book(ledger.threads, pending, lost);
}

export function book({ sums }: LedgerThreads, pending: Pending, lost: boolean): void {
  const at = pending.slot * CATEGORIES;
  if (lost) sums[at + T_LOST] += total(pending.sums);
  else for (let i = 0; i < CATEGORIES; i++) sums[at + i] += pending.sums[i];
}
