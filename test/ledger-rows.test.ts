/** Rows of the ledger: which threads have one, between --from and --to, and who they are. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MAX_SLOTS } from '../src/analysis/ledger-layout.ts';
import { ledgerPass } from '../src/analysis/ledger-pass.ts';
import type { LedgerResult } from '../src/analysis/ledger-result.ts';
import { T_GUEST } from '../src/analysis/ledger-segment.ts';
import type { PassScope } from '../src/analysis/pass.ts';
import {
  EV_ENTRY,
  EV_EXIT,
  EV_SCHED_SWITCH,
  EV_SCHED_WAKEUP,
  EV_USERSPACE_EXIT,
} from '../src/core/events.ts';
import { ALL, eventBatch, sliceBatch, type TestEvent } from './support/events.ts';
import { withKernels } from './support/feed.ts';
import { oracle } from './support/ledger-oracle.ts';

const NONE = { pids: null, tids: null, vcpus: null, cpus: null, reasons: null, excludes: null, levels: null };
const scopeOf = (selection: object): PassScope => ({
  selection: { ...NONE, from: null, to: null, ...selection },
  threads: null,
});

/** By kernels, by TypeScript alone, and in two parts as another thread would send the later one: all the same. */
function ledgerOf(
  events: readonly TestEvent[],
  scope: PassScope = ALL,
  cut = events.length >> 1,
): LedgerResult {
  const batch = eventBatch(events);
  const begin = () => withKernels(ledgerPass, (arena) => ledgerPass.create(null, scope, arena), 16);
  const whole = begin();
  whole.events(batch);
  const [first, later] = [begin(), begin()];
  first.events(sliceBatch(batch, 0, cut));
  later.events(sliceBatch(batch, cut, batch.length));
  ledgerPass.merge(first.state, structuredClone(ledgerPass.plain!(later.state)));
  const alone = ledgerPass.create(null, scope);
  ledgerPass.events!(alone, batch);
  const result = ledgerPass.result(alone);
  expect(ledgerPass.result(whole.state)).toEqual(result);
  expect(ledgerPass.result(first.state)).toEqual(result);
  return result;
}

/** Far beyond 2^32 ns. */
const START = 5 * 2 ** 32 + 100;
const wordsOf = (ns: number) => [ns % 2 ** 32, Math.floor(ns / 2 ** 32)] as const;

const KINDS = [EV_EXIT, EV_ENTRY, EV_EXIT, EV_ENTRY, EV_USERSPACE_EXIT, EV_SCHED_SWITCH, EV_SCHED_WAKEUP];

/** Events of `threads` vCPUs, on any of three CPUs; some tell its process and number. */
const recording = (threads: number, minLength: number, maxLength: number) =>
  fc
    .array(
      fc.record({
        event: fc.constantFrom(...KINDS),
        thread: fc.nat(threads - 1),
        step: fc.nat(5),
        cpu: fc.nat(2),
        ids: fc.boolean(),
        code: fc.constantFrom(12, 30),
      }),
      { minLength, maxLength },
    )
    .map((items) => {
      let time = START;
      return items.map(({ event, thread, step, cpu, ids, code }): TestEvent => {
        time += step;
        const at = { time, event, cpu };
        const tid = 1000 + thread;
        switch (event) {
          case EV_SCHED_SWITCH:
            return { ...at, tid, address: 0, arg0: tid, info1: code === 12 ? 1 : 0 };
          case EV_SCHED_WAKEUP:
            return { ...at, tid: 0, address: tid };
          case EV_USERSPACE_EXIT:
            return { ...at, tid, code: 2, arg0: 0 };
          default:
            return {
              ...{ ...at, tid, ...(event === EV_EXIT ? { isa: 1, code } : {}) },
              ...(ids ? { pid: 10 * thread, vcpu: thread + 1 } : {}),
            };
        }
      });
    });

const isKvm = ({ event }: TestEvent) =>
  event === EV_EXIT || event === EV_ENTRY || event === EV_USERSPACE_EXIT;

function expectRows(result: LedgerResult, events: readonly TestEvent[], from?: number, to?: number): void {
  const tids = new Set(events.filter(isKvm).map(({ tid }) => tid!));
  expect(new Set(result.rows.map(({ tid }) => tid))).toEqual(tids);
  for (const { tid, pid, vcpu, entries, sums } of result.rows) {
    const own = events.filter((event) => event.tid === tid && isKvm(event));
    const told = own.find((event) => event.pid !== undefined);
    expect([tid, pid, vcpu]).toEqual([tid, told?.pid ?? -1, told?.vcpu ?? -1]);
    expect(entries).toBe(own.filter(({ event }) => event === EV_ENTRY).length);
    expect([tid, ...sums]).toEqual([tid, ...Object.values(oracle(events, tid, from, to)!)]);
  }
}

test('between --from and --to each ns is in the column that it is in without them', () => {
  fc.assert(
    fc.property(
      recording(3, 2, 60),
      fc.integer({ min: START - 40, max: START + 200 }),
      fc.integer({ min: 0, max: 250 }),
      fc.constantFrom('from', 'to', 'both'),
      fc.nat(60),
      (events, begin, length, which, cut) => {
        const from = which === 'to' ? undefined : begin;
        const to = which === 'from' ? undefined : begin + length;
        const scope = scopeOf({
          from: from === undefined ? null : wordsOf(from),
          to: to === undefined ? null : wordsOf(to),
        });
        const result = ledgerOf(events, scope, Math.min(cut, events.length));
        expectRows(result, events, from, to);
        const first = Math.max(Number(events[0].time), from ?? 0);
        const last = Math.min(Number(events.at(-1)!.time), to ?? Number.POSITIVE_INFINITY);
        expect(result.wallNs).toBe(Math.max(0, last - first));
      },
    ),
    { numRuns: 60 },
  );
});

test('threads that come when tables have grown have rows like any others', () => {
  const before = Array.from({ length: 130 }, (_, i): TestEvent[] => [
    // Of some nothing tells the process and vCPU.
    {
      time: START - 50,
      event: EV_ENTRY,
      tid: 2000 + i,
      cpu: 1,
      ...(i % 64 === 0 ? {} : { pid: i, vcpu: i }),
    },
    { time: START - 10, event: EV_EXIT, tid: 2000 + i, cpu: 1, isa: 1, code: 30 },
  ]).flat();
  fc.assert(
    fc.property(recording(3, 20, 60), (events) => {
      const all = [...before, ...events];
      expectRows(ledgerOf(all, ALL, before.length - 1), all);
    }),
    { numRuns: 10 },
  );
});

test('threads beyond the most that are followed are counted, and the others go on', () => {
  const { state, events: feed } = withKernels(ledgerPass, (arena) => ledgerPass.create(null, ALL, arena));
  feed(eventBatch([{ time: 0, event: EV_ENTRY, tid: 7 }]));
  const { count } = state.slots;
  // As if so many had been there.
  state.slots.count = MAX_SLOTS;
  feed(eventBatch([8, 7, 9].map((tid, i) => ({ time: 10 + i, event: EV_EXIT, tid, isa: 1, code: 30 }))));
  state.slots.count = count;
  const { rows, ignored } = ledgerPass.result(state);
  expect(rows.map(({ tid, sums }) => [tid, sums[T_GUEST]])).toEqual([[7, 11]]);
  expect(ignored).toBe(2);
});

test('threads are chosen by number, process and vCPU', () => {
  const events = [0, 1, 2].flatMap((thread): TestEvent[] => [
    { time: 10 * thread, event: EV_ENTRY, tid: 1000 + thread, pid: thread, vcpu: thread + 1, cpu: thread },
    { time: 10 * thread + 5, event: EV_EXIT, tid: 1000 + thread, cpu: thread, isa: 1, code: 30 },
  ]);
  const chosen = (selection: object) => ledgerOf(events, scopeOf(selection)).rows.map(({ tid }) => tid);
  expect(chosen({})).toEqual([1000, 1001, 1002]);
  expect(chosen({ tids: new Set([1001]) })).toEqual([1001]);
  expect(chosen({ pids: new Set([2, 0]) })).toEqual([1000, 1002]);
  expect(chosen({ vcpus: new Set([2, 7]) })).toEqual([1001]);
});

describe('a recording', () => {
  const long = (ns: bigint): TestEvent[] => [
    { time: 5, event: EV_ENTRY, tid: 7 },
    { time: 5n + ns, event: EV_EXIT, tid: 7, isa: 1, code: 30 },
  ];

  test('longer than doubles count exactly has no rows', () => {
    const { wallNs, rows } = ledgerOf(long(2n ** 53n - 1n));
    expect([wallNs, rows[0].sums[0]]).toEqual([2 ** 53 - 1, 2 ** 53 - 1]);
    expect(ledgerOf(long(2n ** 53n))).toMatchObject({ wallNs: null, rows: [] });
    // What is asked for is short enough.
    const to = scopeOf({ to: [1005, 0] });
    expect(ledgerOf(long(2n ** 53n), to)).toMatchObject({ wallNs: 1000, rows: [{ tid: 7 }] });
  });

  test('by the clock of the day is counted from its first event', () => {
    const day = 1_700_000_000_000_000_000n;
    const events = long(100n).map((event) => ({ ...event, time: day + BigInt(event.time) }));
    const { wallNs, rows } = ledgerOf(events);
    expect([wallNs, rows[0].sums[T_GUEST]]).toEqual([100, 100]);
  });

  test('without events has no time and no rows, one that begins behind --to no time', () => {
    const empty = ledgerPass.result(ledgerPass.create(null, ALL));
    expect(empty).toMatchObject({ wallNs: 0, rows: [], halts: 0, switches: 0, wakes: 0, ignored: 0 });
    const { wallNs, rows } = ledgerOf(long(100n), scopeOf({ to: [3, 0] }));
    expect([wallNs, ...rows[0].sums]).toEqual(new Array(1 + rows[0].sums.length).fill(0));
  });

  test('counts the events that some columns need', () => {
    const change = (time: number, rest: object): TestEvent => ({
      time,
      tid: 7,
      event: EV_SCHED_SWITCH,
      address: 0,
      ...rest,
    });
    const events = [
      ...long(100n),
      change(200, { info1: 1 }),
      change(201, {}),
      change(202, { info1: 0 }),
      { time: 203, event: EV_SCHED_WAKEUP, tid: 0, address: 7 },
    ];
    expect(ledgerOf(events)).toMatchObject({ switches: 3, switchesWithoutState: 1, wakes: 1, halts: 0 });
  });
});
