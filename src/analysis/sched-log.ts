/**
 * What the scheduler did with a thread since some moment: on the CPU, asleep, woken but waiting for a CPU, or preempted.
 * Only the most recent changes are kept one by one; earlier ones are folded into sums, so that a thread's log has a
 * fixed size however long it sleeps and wakes in one state of the vCPU. Times are ns from the ledger's origin.
 */

export const ON_CPU = 0;
export const ASLEEP = 1;
/** Woken up, not yet on a CPU. */
export const RUNNABLE = 2;
/** Taken off the CPU although it wanted to run. */
export const PREEMPTED = 3;
/** As before the log began (of a part of a recording), but for a wake-up. */
const UNSURE = 4;

/** Kinds of changes. */
export const SWITCH_IN = 0;
export const SLEEP = 1;
export const WAKE = 2;
export const PREEMPT = 3;

/** Changes kept one by one: more than a halt with its spurious wake-ups makes. */
const KEPT = 32;

export interface SchedLog {
  readonly times: Float64Array;
  readonly kinds: Uint8Array;
  count: number;
  /** Changes that were folded, time and kind of the first of them. */
  folded: number;
  foldFirst: number;
  foldFirstKind: number;
  /** Time from foldFirst to foldEnd by state, and the state there. */
  readonly sums: Float64Array;
  foldEnd: number;
  foldState: number;
}

/** `begun`: the log begins with the thread on a CPU; else in a state that an earlier part knows. */
export function createSchedLog(begun: boolean): SchedLog {
  return {
    times: new Float64Array(KEPT),
    kinds: new Uint8Array(KEPT),
    count: 0,
    folded: 0,
    foldFirst: 0,
    foldFirstKind: 0,
    sums: new Float64Array(5),
    foldEnd: 0,
    foldState: begun ? ON_CPU : UNSURE,
  };
}

/** Begins anew, with the thread on a CPU. */
export function restartLog(log: SchedLog): void {
  log.count = 0;
  log.folded = 0;
  log.sums.fill(0);
  log.foldState = ON_CPU;
}

/** State after a change. A wake-up of a thread that is not asleep changes nothing. */
function afterChange(state: number, kind: number): number {
  switch (kind) {
    case SWITCH_IN:
      return ON_CPU;
    case SLEEP:
      return ASLEEP;
    case PREEMPT:
      return PREEMPTED;
    default:
      return state === ASLEEP ? RUNNABLE : state;
  }
}

export function addChange(log: SchedLog, kind: number, time: number): void {
  if (log.count === KEPT) {
    fold(log, log.kinds[0], log.times[0]);
    log.times.copyWithin(0, 1);
    log.kinds.copyWithin(0, 1);
    log.count--;
  }
  log.times[log.count] = time;
  log.kinds[log.count++] = kind;
}

function fold(log: SchedLog, kind: number, time: number): void {
  if (log.folded === 0) {
    log.foldFirst = time;
    log.foldFirstKind = kind;
  } else log.sums[log.foldState] += Math.max(0, time - log.foldEnd);
  log.foldState = afterChange(log.foldState, kind);
  log.foldEnd = time;
  log.folded++;
}

/** Appends what happened later, `later`'s times moved by `shift`: the same as if one log had seen all. */
export function appendLog(log: SchedLog, later: SchedLog, shift: number): void {
  if (later.folded > 0) {
    for (let i = 0; i < log.count; i++) fold(log, log.kinds[i], log.times[i]);
    log.count = 0;
    fold(log, later.foldFirstKind, later.foldFirst + shift);
    const resolved = log.foldState;
    for (let state = 0; state < UNSURE; state++) log.sums[state] += later.sums[state];
    log.sums[resolved] += later.sums[UNSURE];
    if (later.foldState !== UNSURE) log.foldState = later.foldState;
    log.foldEnd = later.foldEnd + shift;
    log.folded += later.folded - 1;
  }
  for (let i = 0; i < later.count; i++) addChange(log, later.kinds[i], later.times[i] + shift);
}

/**
 * Calls `visit(state, from, to)` for the pieces of [start, end), which began on a CPU. Of the folded part only how long
 * each state lasted is known: it comes as one piece per state.
 */
export function walkLog(
  log: SchedLog | null,
  start: number,
  end: number,
  visit: (state: number, from: number, to: number) => void,
): void {
  let state = ON_CPU;
  let position = start;
  if (log !== null && log.folded > 0) {
    visit(ON_CPU, start, Math.max(start, log.foldFirst));
    position = Math.max(start, log.foldFirst);
    for (let s = 0; s < UNSURE; s++)
      if (log.sums[s] > 0) {
        visit(s, position, position + log.sums[s]);
        position += log.sums[s];
      }
    state = log.foldState;
  }
  for (let i = 0; i < (log?.count ?? 0); i++) {
    const time = Math.min(end, Math.max(position, log!.times[i]));
    if (time > position) visit(state, position, time);
    position = time;
    state = afterChange(state, log!.kinds[i]);
  }
  if (end > position) visit(state, position, end);
}
