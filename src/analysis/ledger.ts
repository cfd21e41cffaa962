/**
 * The time ledger: where each vCPU thread's time went, from the first event of the recording (or --from) to the last.
 * Every ns of that span is in exactly one column. Guest = entry → exit; kernel = exit → entry or userspace exit;
 * user space = userspace exit → entry; halts as kvm_vcpu_wakeup tells them; what the scheduler took away by sched_switch
 * and sched_wakeup. docs/ledger.md has the definitions.
 *
 * One pass in order of time, one fixed-size row per thread; parts of a recording merge in their order.
 */
import { type EventBatch, F_ARG0, F_INFO1, UNKNOWN } from '../core/event-batch.ts';
import { diffWords, TWO_32 } from '../core/words.ts';
import { isIdle } from '../isa/reasons.ts';
import { addLoss, addRecord } from './cpu-losses.ts';
import { addEventRows } from './event-kernels.ts';
import { rememberIdle } from './idle-memory.ts';
import { ACTIONS } from './ledger-actions.ts';
import { endSegment, settle } from './ledger-booking.ts';
import { readLedger, showLedger } from './ledger-kernel.ts';
import { A_ENTRY, A_EXIT, A_HALT, A_LOST, A_SWITCH, A_WAKE, KVM_EXIT_HLT } from './ledger-layout.ts';
import {
  GUEST,
  HALT_END,
  IDLE,
  KERNEL,
  TO_GUEST,
  TO_KERNEL,
  TO_USERSPACE,
  UNKNOWN_STATE,
  USER_HALT,
  USERSPACE,
} from './ledger-segment.ts';
import { type Ledger, ledgerSlot, logOf, setOrigin } from './ledger-state.ts';
import { addChange, PREEMPT, restartLog, SLEEP, SWITCH_IN, WAKE } from './sched-log.ts';

/** Bits of prev_state that mean "not runnable": S D T t X Z in every kernel, P I since 4.14 (in 4.9 such bits are x K). */
const NOT_RUNNABLE = 0xff;

export function addLedgerEvents(ledger: Ledger, batch: EventBatch): void {
  if (batch.length === 0) return;
  if (ledger.first === Number.POSITIVE_INFINITY) setOrigin(ledger, batch.time[0], batch.time[1]);
  addEventRows(
    ledger.view,
    'bookTime',
    batch,
    (row) => addEvent(ledger, batch, row),
    (view) => showLedger(ledger, view),
    (view) => readLedger(ledger, view),
  );
}

function addEvent(ledger: Ledger, batch: EventBatch, row: number): void {
  const { losses, origin } = ledger;
  const action = ACTIONS[batch.event[row]];
  const cpu = batch.cpu[row];
  settle(ledger, cpu, action === A_LOST);
  if (action === A_LOST) {
    addLoss(losses, cpu);
    return;
  }
  const at = addRecord(losses, cpu);
  const time = diffWords(batch.time[2 * row], batch.time[2 * row + 1], origin[0], origin[1]);
  if (time < ledger.first) ledger.first = time;
  if (time > ledger.last) ledger.last = time;
  if (action === 0) return;
  if (action === A_SWITCH) addSwitch(ledger, batch, row, time);
  else if (action === A_WAKE) addWake(ledger, batch, row, time);
  else if (batch.tid[row] >= 0) addKvmEvent(ledger, batch, row, action, time, at);
}

function addSwitch(ledger: Ledger, batch: EventBatch, row: number, time: number): void {
  const fields = batch.fields[row];
  ledger.switches++;
  if ((fields & F_INFO1) === 0) ledger.switchesWithoutState++;
  const leaving = batch.tid[row];
  // 0 is the idle thread of each CPU, many under one number.
  if (leaving > 0) {
    const slot = ledgerSlot(ledger, leaving);
    const runnable = (fields & F_INFO1) !== 0 && (batch.info1[2 * row] & NOT_RUNNABLE) === 0;
    if (slot >= 0) addChange(logOf(ledger.threads, slot), runnable ? PREEMPT : SLEEP, time);
  }
  const coming = batch.address[2 * row] | 0;
  if (coming > 0) {
    const slot = ledgerSlot(ledger, coming);
    if (slot >= 0) addChange(logOf(ledger.threads, slot), SWITCH_IN, time);
  }
}

function addWake(ledger: Ledger, batch: EventBatch, row: number, time: number): void {
  ledger.wakes++;
  const tid = batch.address[2 * row] | 0;
  const slot = tid > 0 ? ledgerSlot(ledger, tid) : -1;
  if (slot >= 0) addChange(logOf(ledger.threads, slot), WAKE, time);
}

const ENDING_KINDS = Uint8Array.of(0, TO_KERNEL, TO_GUEST, TO_USERSPACE, HALT_END);
/** The ending at hand: one object for all, as there is one per KVM event. */
const ending = { kind: 0, time: 0, haltStart: 0, waited: false };

function addKvmEvent(
  ledger: Ledger,
  batch: EventBatch,
  row: number,
  action: number,
  time: number,
  at: number,
): void {
  const slot = ledgerSlot(ledger, batch.tid[row]);
  if (slot < 0) return;
  const { threads } = ledger;
  if (batch.pid[row] !== UNKNOWN) threads.pid[slot] = batch.pid[row];
  if (batch.vcpu[row] !== UNKNOWN && action !== A_HALT) threads.vcpu[slot] = batch.vcpu[row];
  ending.kind = ENDING_KINDS[action];
  ending.time = time;
  if (action === A_HALT) {
    if ((batch.fields[row] & F_ARG0) === 0) return;
    ledger.halts++;
    ending.haltStart = time - (batch.arg0[2 * row] + batch.arg0[2 * row + 1] * TWO_32);
    ending.waited = batch.code[row] !== 0;
  } else if (action === A_ENTRY) threads.entries[slot]++;
  const cpu = batch.cpu[row];
  const state = threads.state[slot];
  if (state === UNKNOWN_STATE) {
    threads.heads[slot] = { ...ending, cpu, row: at, log: threads.logs[slot] };
    threads.logs[slot] = null;
    threads.hasLog[slot] = 0;
  } else {
    endSegment(ledger, slot, ending, cpu);
    const log = threads.logs[slot];
    if (log !== null) restartLog(log);
    threads.hasLog[slot] = 0;
  }
  if (ledger.idle !== null && action === A_EXIT) rememberIdle(ledger.idle, batch.isa[row], batch.code[row]);
  threads.state[slot] = stateAfter(batch, row, action);
  threads.start[slot] = state === UNKNOWN_STATE ? time : Math.max(threads.start[slot], time);
  threads.startRow[slot] = at;
  threads.cpu[slot] = cpu;
}

function stateAfter(batch: EventBatch, row: number, action: number): number {
  switch (action) {
    case A_EXIT:
      return isIdle(batch.isa[row], batch.code[row]) ? IDLE : KERNEL;
    case A_ENTRY:
      return GUEST;
    case A_HALT:
      return KERNEL;
    default: {
      const failed = (batch.fields[row] & F_ARG0) !== 0 && (batch.arg0[2 * row] | 0) < 0;
      return batch.code[row] === KVM_EXIT_HLT && !failed ? USER_HALT : USERSPACE;
    }
  }
}
