/**
 * The ledger by brute force: for each single ns of a short recording it is asked which events surround it and what the
 * definitions (docs/ledger.md) say. Shares no code with the analysis but the numbers of events and columns.
 */
import {
  EV_ENTRY,
  EV_EXIT,
  EV_LOST,
  EV_SCHED_SWITCH,
  EV_SCHED_WAKEUP,
  EV_USERSPACE_EXIT,
  EV_VCPU_WAKEUP,
} from '../../src/core/events.ts';
import type { TestEvent } from './events.ts';

export const COLUMNS = [
  'guest',
  'kernel',
  'userspace',
  'polling',
  'blocked',
  'idle',
  'userHalt',
  'runnable',
  'preempted',
  'userAgain',
  'lost',
  'unpaired',
  'before',
  'after',
] as const;
export type Column = (typeof COLUMNS)[number];

const KVM = [EV_EXIT, EV_ENTRY, EV_USERSPACE_EXIT, EV_VCPU_WAKEUP];

function lostBetween(events: readonly TestEvent[], a: number, b: number, cpus: readonly number[]): boolean {
  return cpus.some((cpu) =>
    events.some((event, row) => {
      if (event.event !== EV_LOST || event.cpu !== cpu) return false;
      let before = row - 1;
      while (before >= 0 && !(events[before].cpu === cpu && events[before].event !== EV_LOST)) before--;
      let after = row + 1;
      while (after < events.length && !(events[after].cpu === cpu && events[after].event !== EV_LOST))
        after++;
      return before < b && after > a;
    }),
  );
}

/** `from`, `to`: --from and --to. */
export function oracle(
  events: readonly TestEvent[],
  tid: number,
  from = Number.NEGATIVE_INFINITY,
  to = Number.POSITIVE_INFINITY,
): Record<Column, number> | null {
  const sums = Object.fromEntries(COLUMNS.map((name) => [name, 0])) as Record<Column, number>;
  const records = events.filter(({ event }) => event !== EV_LOST);
  const kvm = events.flatMap((event, row) => (event.tid === tid && KVM.includes(event.event) ? [row] : []));
  if (kvm.length === 0) return null;
  const first = Number(records[0].time);
  const last = Number(records[records.length - 1].time);
  for (let ns = Math.max(first, from); ns < Math.min(last, to); ns++) sums[label(events, tid, kvm, ns)]++;
  return sums;
}

function label(events: readonly TestEvent[], tid: number, kvm: readonly number[], ns: number): Column {
  const next = kvm.find((row) => Number(events[row].time) > ns);
  if (next === undefined) return 'after';
  const previous = kvm[kvm.indexOf(next) - 1];
  const b = events[next];
  const halt = b.event === EV_VCPU_WAKEUP && ns >= Number(b.time) - Number(b.arg0);
  if (previous === undefined)
    return halt && !lostBetween(events, -1, next, [b.cpu!]) ? (b.code ? 'blocked' : 'polling') : 'before';
  const a = events[previous];
  if (lostBetween(events, previous, next, [a.cpu!, b.cpu!])) return 'lost';
  const outside = state(a, b);
  const scheduled = schedule(events, tid, previous, next, ns);
  if (!halt && outside === 'unpaired') return 'unpaired';
  if (scheduled === 'runnable' || scheduled === 'preempted') return scheduled;
  if (!halt) return outside;
  if (scheduled === 'asleep') return 'blocked';
  if (!b.code) return 'polling';
  const begin = Math.max(Number(a.time), Number(b.time) - Number(b.arg0));
  for (let t = begin; t < ns; t++) if (schedule(events, tid, previous, next, t) === 'asleep') return 'kernel';
  const sleeps = events.some(
    (event, row) =>
      row > previous &&
      row < next &&
      event.event === EV_SCHED_SWITCH &&
      event.tid === tid &&
      event.info1! !== 0 &&
      Number(event.time) > ns,
  );
  return sleeps ? 'polling' : 'blocked';
}

function state(a: TestEvent, b: TestEvent): Column {
  if (a.event === EV_ENTRY) return b.event === EV_EXIT ? 'guest' : 'unpaired';
  if (b.event === EV_EXIT) return 'unpaired';
  if (a.event === EV_VCPU_WAKEUP) return 'kernel';
  if (a.event === EV_EXIT) return a.code === 12 && b.event !== EV_VCPU_WAKEUP ? 'idle' : 'kernel';
  if (a.code === 5 && Number(a.arg0) >= 0) return 'userHalt';
  return b.event === EV_USERSPACE_EXIT ? 'userAgain' : 'userspace';
}

function schedule(events: readonly TestEvent[], tid: number, a: number, b: number, ns: number): string {
  let now = 'on';
  for (let row = a + 1; row < b; row++) {
    const event = events[row];
    if (Number(event.time) > ns) break;
    if (event.event === EV_SCHED_SWITCH) {
      if (event.tid === tid) now = event.info1 === 0 ? 'preempted' : 'asleep';
      if (Number(event.address) === tid) now = 'on';
    } else if (event.event === EV_SCHED_WAKEUP && Number(event.address) === tid && now === 'asleep')
      now = 'runnable';
  }
  return now;
}
