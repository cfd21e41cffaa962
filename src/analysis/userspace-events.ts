/**
 * Pass `userspace-events`: every kvm_userspace_exit by its reason, in an exit's handling or not. Where KVM_RUN failed
 * (errno < 0) the reason is what a call before left there, so that such events are counted by what they are: restarts
 * (−EINTR) and other errors.
 */
import { type EventBatch, F_ARG0, F_CODE } from '../core/event-batch.ts';
import { EV_USERSPACE_EXIT } from '../core/events.ts';
import { EVERYTHING, type Pass, type PassScope } from './pass.ts';
import { threadInScope, timeInScope } from './thread-scope.ts';

/** Distinct reasons; hostile input must not make more. */
const MAX_REASONS = 1024;
const EINTR = 4;

export interface UserspaceEvents {
  readonly scope: PassScope;
  /** Events by KVM_EXIT_*. */
  readonly reasons: Map<number, number>;
  restarts: number;
  errors: number;
  /** Of reasons beyond the limit, or without a reason. */
  others: number;
}

export type UserspaceEventsResult = Omit<UserspaceEvents, 'scope' | 'reasons'> & {
  readonly reasons: readonly { readonly code: number; readonly events: number }[];
};

function addEvents(state: UserspaceEvents, batch: EventBatch): void {
  const { event, tid, pid, vcpu, time } = batch;
  for (let row = 0; row < batch.length; row++) {
    if (event[row] !== EV_USERSPACE_EXIT) continue;
    if (!threadInScope(state.scope, tid[row], pid[row], vcpu[row])) continue;
    if (!timeInScope(state.scope, time[2 * row], time[2 * row + 1])) continue;
    const errno = batch.fields[row] & F_ARG0 ? batch.arg0[2 * row] | 0 : 0;
    if (errno === -EINTR) state.restarts++;
    else if (errno < 0) state.errors++;
    else if (batch.fields[row] & F_CODE) count(state, batch.code[row], 1);
    else state.others++;
  }
}

function count(state: UserspaceEvents, code: number, events: number): void {
  const { reasons } = state;
  const known = reasons.get(code);
  if (known === undefined && reasons.size >= MAX_REASONS) state.others += events;
  else reasons.set(code, (known ?? 0) + events);
}

export const userspaceEventsPass: Pass<null, UserspaceEvents, UserspaceEventsResult> = {
  name: 'userspace-events',
  allColumns: false,
  create: (_options, scope: PassScope = EVERYTHING) => ({
    scope,
    reasons: new Map(),
    restarts: 0,
    errors: 0,
    others: 0,
  }),
  events: addEvents,
  merge: (state, later) => {
    for (const [code, events] of later.reasons) count(state, code, events);
    for (const key of ['restarts', 'errors', 'others'] as const) state[key] += later[key];
  },
  result: ({ reasons, restarts, errors, others }) => ({
    reasons: Array.from(reasons, ([code, events]) => ({ code, events })),
    restarts,
    errors,
    others,
  }),
};
