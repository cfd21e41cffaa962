/**
 * Pass `userspace-events`: every kvm_userspace_exit by its reason, in an exit's handling or not. Where KVM_RUN failed
 * (errno < 0) the reason is what a call before left there, so that such events are counted by what they are: restarts
 * (−EINTR) and other errors.
 */
import { type EventBatch, F_ARG0, F_CODE } from '../core/event-batch.ts';
import { EV_USERSPACE_EXIT } from '../core/events.ts';
import { EVERYTHING, type Pass, type PassScope } from './pass.ts';
import { threadVerdict, timeInScope } from './thread-scope.ts';

/** Distinct reasons; hostile input must not make more. */
const MAX_REASONS = 1024;
const EINTR = 4;

/** Threads whose vCPU number is waited for; hostile input must not make more. */
const MAX_UNTOLD = 4096;

interface Counts {
  /** Events by KVM_EXIT_*. */
  readonly reasons: Map<number, number>;
  restarts: number;
  errors: number;
  /** Of reasons beyond the limit, or without a reason. */
  others: number;
}

export interface UserspaceEvents extends Counts {
  readonly scope: PassScope;
  /** By thread, where filters ask for a vCPU number that this event does not tell. */
  readonly untold: Map<number, Counts>;
}

export type UserspaceEventsResult = Omit<Counts, 'reasons'> & {
  readonly reasons: readonly { readonly code: number; readonly events: number }[];
};

const createCounts = (): Counts => ({ reasons: new Map(), restarts: 0, errors: 0, others: 0 });

/** Where the events of a thread are counted, null if filters leave it out. */
function countsOf(state: UserspaceEvents, { tid, pid, vcpu }: EventBatch, row: number): Counts | null {
  const chosen = threadVerdict(state.scope, tid[row], pid[row], vcpu[row]);
  if (chosen !== null) return chosen ? state : null;
  const known = state.untold.get(tid[row]);
  if (known) return known;
  // Beyond the limit they go to one more, of which nobody will tell anything.
  const thread = state.untold.size < MAX_UNTOLD ? tid[row] : -1;
  const made = state.untold.get(thread) ?? createCounts();
  state.untold.set(thread, made);
  return made;
}

function addEvents(state: UserspaceEvents, batch: EventBatch): void {
  const { event, time } = batch;
  for (let row = 0; row < batch.length; row++) {
    if (event[row] !== EV_USERSPACE_EXIT) continue;
    if (!timeInScope(state.scope, time[2 * row], time[2 * row + 1])) continue;
    const counts = countsOf(state, batch, row);
    if (counts === null) continue;
    const errno = batch.fields[row] & F_ARG0 ? batch.arg0[2 * row] | 0 : 0;
    if (errno === -EINTR) counts.restarts++;
    else if (errno < 0) counts.errors++;
    else if (batch.fields[row] & F_CODE) count(counts, batch.code[row], 1);
    else counts.others++;
  }
}

function count(counts: Counts, code: number, events: number): void {
  const { reasons } = counts;
  const known = reasons.get(code);
  if (known === undefined && reasons.size >= MAX_REASONS) counts.others += events;
  else reasons.set(code, (known ?? 0) + events);
}

function add(counts: Counts, more: Counts): void {
  for (const [code, events] of more.reasons) count(counts, code, events);
  for (const key of ['restarts', 'errors', 'others'] as const) counts[key] += more[key];
}

export const userspaceEventsPass: Pass<null, UserspaceEvents, UserspaceEventsResult> = {
  name: 'userspace-events',
  allColumns: false,
  create: (_options, scope: PassScope = EVERYTHING) => ({
    scope,
    untold: new Map(),
    ...createCounts(),
  }),
  events: addEvents,
  merge: (state, later) => {
    add(state, later);
    for (const [tid, counts] of later.untold) {
      const known = state.untold.get(tid) ?? createCounts();
      add(known, counts);
      state.untold.set(tid, known);
    }
  },
  result: (state, numbers) => {
    const vcpus = state.scope.selection?.vcpus;
    for (const [tid, counts] of state.untold) if (vcpus?.has(numbers?.get(tid) ?? -1)) add(state, counts);
    const { reasons, restarts, errors, others } = state;
    return {
      reasons: Array.from(reasons, ([code, events]) => ({ code, events })),
      restarts,
      errors,
      others,
    };
  },
};
