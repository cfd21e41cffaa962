/** Every kvm_userspace_exit by what it is: its reason, or, where KVM_RUN failed, restart or error. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { PassScope } from '../src/analysis/pass.ts';
import { type UserspaceEventsResult, userspaceEventsPass } from '../src/analysis/userspace-events.ts';
import { EV_ENTRY, EV_RUN_EXIT, EV_USERSPACE_EXIT } from '../src/core/events.ts';
import { ALL, eventBatch, sliceBatch, type TestEvent } from './support/events.ts';

function run(events: readonly TestEvent[], scope: PassScope = ALL, cuts: readonly number[] = []) {
  const batch = eventBatch(events);
  const edges = [0, ...cuts.map((at) => Math.min(at, events.length)).sort((a, b) => a - b), events.length];
  const states = edges.slice(1).map((end, i) => {
    const state = userspaceEventsPass.create(null, scope);
    userspaceEventsPass.events!(state, sliceBatch(batch, edges[i], end));
    return state;
  });
  for (const later of states.slice(1)) userspaceEventsPass.merge(states[0], later);
  return sorted(userspaceEventsPass.result(states[0]));
}

const sorted = ({ reasons, ...rest }: UserspaceEventsResult) => ({
  ...rest,
  reasons: [...reasons].sort((a, b) => a.code - b.code),
});

const userspace = fc.record({
  event: fc.constantFrom(EV_USERSPACE_EXIT, EV_USERSPACE_EXIT, EV_USERSPACE_EXIT, EV_RUN_EXIT, EV_ENTRY),
  tid: fc.constantFrom(7, 8),
  code: fc.constantFrom(undefined, 0, 2, 6, 10),
  arg0: fc.constantFrom(undefined, 0, 0, 0, 1, -4, -14),
});

test('reasons of calls that succeeded, restarts and errors; of chosen threads and times, in parts as well', () => {
  const none = { pids: null, vcpus: null, cpus: null, reasons: null, excludes: null, levels: null };
  fc.assert(
    fc.property(
      fc.array(userspace, { maxLength: 40 }),
      fc.constantFrom(null, new Set([7])),
      fc.constantFrom<[number | null, number | null]>([null, null], [5, 20]),
      fc.array(fc.nat(40), { maxLength: 3 }),
      (list, tids, [from, to], cuts) => {
        const events = list.map(
          ({ code, arg0, ...rest }, time): TestEvent => ({
            ...{ time, ...rest },
            ...(code === undefined ? {} : { code }),
            ...(arg0 === undefined ? {} : { arg0 }),
          }),
        );
        const selection = {
          ...none,
          tids,
          from: from === null ? null : [from, 0],
          to: to === null ? null : [to, 0],
        };
        const own = events.filter(
          ({ event, tid, time }) =>
            event === EV_USERSPACE_EXIT &&
            (tids === null || tids.has(tid!)) &&
            (from === null || (Number(time) >= from && Number(time) < to!)),
        );
        const errno = ({ arg0 }: TestEvent) => Number(arg0 ?? 0);
        const good = own.filter((event) => errno(event) >= 0);
        const codes = [...new Set(good.flatMap(({ code }) => code ?? []))].sort((a, b) => a - b);
        const scope = { selection, threads: null } as PassScope;
        expect(run(events, scope, cuts)).toEqual({
          restarts: own.filter((event) => errno(event) === -4).length,
          errors: own.filter((event) => errno(event) < 0 && errno(event) !== -4).length,
          others: good.filter(({ code }) => code === undefined).length,
          reasons: codes.map((code) => ({
            code,
            events: good.filter((event) => event.code === code).length,
          })),
        });
      },
    ),
  );
});

test('more reasons than there are can be: what is in no row is counted with the others', () => {
  const events = Array.from(
    { length: 4000 },
    (_, i): TestEvent => ({ time: i, event: EV_USERSPACE_EXIT, tid: 7, code: i % 2000, arg0: 0 }),
  );
  const { reasons, others } = run(events);
  expect(reasons).toEqual(Array.from({ length: 1024 }, (_, code) => ({ code, events: 2 })));
  expect(others).toBe(4000 - 2048);
  for (const cuts of [[500], [1500, 1600]]) {
    const parts = run(events, ALL, cuts);
    expect(parts.reasons.length).toBe(1024);
    expect(parts.reasons.reduce((sum, row) => sum + row.events, parts.others)).toBe(4000);
  }
});

test('of a vCPU whose number other events tell, in parts as well', () => {
  const none = { pids: null, tids: null, cpus: null, reasons: null, excludes: null, levels: null };
  const scope: PassScope = {
    selection: { ...none, vcpus: new Set([1]), from: null, to: null },
    threads: null,
  };
  const at = (time: number, tid: number, code: number, over: Partial<TestEvent> = {}): TestEvent => ({
    ...{ time, event: EV_USERSPACE_EXIT, tid, code, ...over },
  });
  const events = [at(1, 7, 2), at(2, 8, 6), at(3, 7, 6), at(4, 7, 2, { arg0: -4 }), at(5, 9, 2)];
  // This event carries it.
  events.push(at(6, 10, 5, { vcpu: 1 }), at(7, 11, 5, { vcpu: 0 }));
  for (let cut = 0; cut <= events.length; cut++) {
    const states = [events.slice(0, cut), events.slice(cut)].map((part) => {
      const state = userspaceEventsPass.create(null, scope);
      userspaceEventsPass.events!(state, eventBatch(part));
      return state;
    });
    userspaceEventsPass.merge(states[0], states[1]);
    const numbers = new Map([7, 8, 9].map((tid) => [tid, tid === 9 ? -1 : tid - 6]));
    expect(sorted(userspaceEventsPass.result(states[0], numbers))).toEqual({
      ...{ restarts: 1, errors: 0, others: 0 },
      reasons: [2, 5, 6].map((code) => ({ code, events: 1 })),
    });
  }
});
