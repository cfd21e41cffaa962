/**
 * What became of a vCPU thread's time between two of its KVM events. The state that the first left it in, the kind of
 * the second, a halt that the second reports and what the scheduler did in between decide (docs/ledger.md).
 */
import {
  CATEGORIES,
  GUEST,
  IDLE,
  KERNEL,
  KINDS,
  STATES,
  UNKNOWN_STATE,
  USER_HALT,
  USERSPACE,
} from './ledger-layout.ts';
import { ASLEEP, PREEMPTED, RUNNABLE, type SchedLog, SLEEP, walkLog } from './sched-log.ts';

export { CATEGORIES, GUEST, IDLE, KERNEL, UNKNOWN_STATE, USER_HALT, USERSPACE };

/** Kinds of KVM events. */
export const TO_KERNEL = 1;
export const TO_GUEST = 2;
export const TO_USERSPACE = 3;
/** kvm_vcpu_wakeup: a halt has ended. */
export const HALT_END = 4;

/** Where time goes: columns of the ledger's sums. */
export const T_GUEST = 0;
export const T_KERNEL = 1;
export const T_USERSPACE = 2;
/** Halted and on the CPU: polling. */
export const T_POLLING = 3;
/** Halted and off the CPU, or in a halt that was not caught by polling. */
export const T_BLOCKED = 4;
/** From an idle exit on, without kvm_vcpu_wakeup: halted if that event was not recorded, else handling in the kernel. */
export const T_IDLE = 5;
/** Halted in user space. */
export const T_USER_HALT = 6;
export const T_RUNNABLE = 7;
export const T_PREEMPTED = 8;
/** Between two userspace exits without an entry: in user space, if entries are recorded at all. */
export const T_USER_AGAIN = 9;
/** Events were lost. */
export const T_LOST = 10;
/** An exit or entry is missing. */
export const T_UNPAIRED = 11;
export const T_BEFORE = 12;
export const T_AFTER = 13;

/** Where a state's time goes when the event that ends it fits; −1 where one is missing in between. */
function categoryOf(state: number, kind: number): number {
  switch (state) {
    case UNKNOWN_STATE:
      return T_BEFORE;
    case GUEST:
      return kind === TO_KERNEL ? T_GUEST : -1;
    case KERNEL:
      return kind === TO_KERNEL ? -1 : T_KERNEL;
    case IDLE:
      return kind === TO_KERNEL ? -1 : kind === HALT_END ? T_KERNEL : T_IDLE;
    case USERSPACE:
      return kind === TO_KERNEL ? -1 : kind === TO_USERSPACE ? T_USER_AGAIN : T_USERSPACE;
    default:
      return kind === TO_KERNEL ? -1 : T_USER_HALT;
  }
}

/** Columns of segments without halt and scheduling, by state · KINDS + kind. */
export function fillColumns(columns: Uint8Array): void {
  for (let state = 0; state < STATES; state++)
    for (let kind = 0; kind < KINDS; kind++) {
      const category = categoryOf(state, kind);
      columns[state * KINDS + kind] = category < 0 ? T_UNPAIRED : category;
    }
}

export interface Ending {
  readonly kind: number;
  readonly time: number;
  /** HALT_END: when the halt began and whether it was slept through (not caught by polling). */
  readonly haltStart: number;
  readonly waited: boolean;
}

/** Adds the time in [start, ending) to `sums` (CATEGORIES columns from `at` on), of it only what lies in [0, limit). */
export function classify(
  sums: Float64Array,
  at: number,
  state: number,
  start: number,
  ending: Ending,
  log: SchedLog | null,
  limit: number,
): void {
  const end = Math.max(start, ending.time);
  if ((log === null || log.count + log.folded === 0) && ending.kind !== HALT_END) {
    const column = categoryOf(state, ending.kind);
    const length = Math.min(end, limit) - Math.max(start, 0);
    if (length > 0) sums[at + (column < 0 ? T_UNPAIRED : column)] += length;
    return;
  }
  const category = categoryOf(state, ending.kind);
  const known = category >= 0 && state !== UNKNOWN_STATE;
  const halt = ending.kind === HALT_END ? Math.min(end, Math.max(start, ending.haltStart)) : end;
  let slept = false;
  const add = (column: number, from: number, to: number) => {
    const length = Math.min(to, limit) - Math.max(from, 0);
    if (length > 0) sums[at + column] += length;
  };
  walkLog(log, start, end, (scheduled, from, to) => {
    const middle = Math.min(to, Math.max(from, halt));
    if (!known) add(category < 0 ? T_UNPAIRED : category, from, middle);
    else if (scheduled === RUNNABLE) add(T_RUNNABLE, from, middle);
    else if (scheduled === PREEMPTED) add(T_PREEMPTED, from, middle);
    else add(category, from, middle);
    if (to <= middle) return;
    if (scheduled === RUNNABLE) add(T_RUNNABLE, middle, to);
    else if (scheduled === PREEMPTED) add(T_PREEMPTED, middle, to);
    else if (scheduled === ASLEEP) {
      slept = true;
      add(T_BLOCKED, middle, to);
    } else if (!ending.waited) add(T_POLLING, middle, to);
    else if (slept)
      add(T_KERNEL, middle, to); // on the way back from the wait
    else add(sleepsLater(log, from) ? T_POLLING : T_BLOCKED, middle, to);
  });
}

/** Whether the log has the thread go to sleep after `time`: only then is time on the CPU known to be polling. */
function sleepsLater(log: SchedLog | null, time: number): boolean {
  if (log === null) return false;
  for (let i = 0; i < log.count; i++) if (log.kinds[i] === SLEEP && log.times[i] > time) return true;
  return false;
}
