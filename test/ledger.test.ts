/** The time ledger: every ns in the right column, by hand-made streams, by brute force, and on real captures. */

import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ledgerPass } from '../src/analysis/ledger-pass.ts';
import type { LedgerResult } from '../src/analysis/ledger-result.ts';
import { CATEGORIES } from '../src/analysis/ledger-segment.ts';
import type { Ledger } from '../src/analysis/ledger-state.ts';
import type { EventBatch } from '../src/core/event-batch.ts';
import {
  EV_ENTRY,
  EV_EXIT,
  EV_LOST,
  EV_SCHED_SWITCH,
  EV_SCHED_WAKEUP,
  EV_USERSPACE_EXIT,
  EV_VCPU_WAKEUP,
} from '../src/core/events.ts';
import { HAS_SHARED, listCaptures, SAMPLES, SHARED } from './support/corpus.ts';
import {
  ALL,
  eventBatch,
  isReadable,
  readEvents,
  sliceBatch,
  type TestEvent,
  timeOf,
} from './support/events.ts';
import { withKernels } from './support/feed.ts';
import { COLUMNS, type Column, oracle } from './support/ledger-oracle.ts';

const VMX = 1;
const HLT = 12;
const IO = 30;

function run(
  batches: readonly EventBatch[],
  cuts: readonly number[] = [],
  fromRight = cuts.length > 1,
): LedgerResult {
  const begin = () => withKernels(ledgerPass, (arena) => ledgerPass.create(null, ALL, arena));
  const parts = [begin()];
  batches.forEach((batch, i) => {
    if (cuts.includes(i)) parts.push(begin());
    parts[parts.length - 1].events(batch);
  });
  const states: Ledger[] = parts.map(({ state }) => state);
  // From the right as well: merging must not depend on the order of merges.
  if (fromRight) while (states.length > 2) ledgerPass.merge(states[states.length - 2], states.pop()!);
  for (const later of states.slice(1)) ledgerPass.merge(states[0], later);
  return ledgerPass.result(states[0]);
}

function columnsOf(result: LedgerResult, tid: number): Record<Column, number> | null {
  const row = result.rows.find((entry) => entry.tid === tid);
  if (!row) return null;
  return Object.fromEntries(COLUMNS.map((name, i) => [name, row.sums[i]])) as Record<Column, number>;
}

const nonZero = (events: readonly TestEvent[], tid = 7) => {
  const columns = columnsOf(run([eventBatch(events)]), tid)!;
  return Object.fromEntries(Object.entries(columns).filter(([, value]) => value > 0));
};

const exit = (time: number, code = IO, rest: Partial<TestEvent> = {}): TestEvent => ({
  time,
  event: EV_EXIT,
  tid: 7,
  cpu: 0,
  isa: VMX,
  code,
  ...rest,
});
const entry = (time: number, rest: Partial<TestEvent> = {}): TestEvent => ({
  time,
  event: EV_ENTRY,
  tid: 7,
  cpu: 0,
  ...rest,
});
const user = (time: number, code = 2, arg0 = 0): TestEvent => ({
  time,
  event: EV_USERSPACE_EXIT,
  tid: 7,
  cpu: 0,
  code,
  arg0,
});
const wakeup = (time: number, ns: number, waited: boolean): TestEvent => ({
  time,
  event: EV_VCPU_WAKEUP,
  tid: 7,
  cpu: 0,
  arg0: ns,
  code: waited ? 1 : 0,
});
const out = (time: number, runnable: boolean, tid = 7): TestEvent => ({
  time,
  event: EV_SCHED_SWITCH,
  tid,
  cpu: 0,
  address: 0,
  arg0: tid,
  info1: runnable ? 0 : 1,
});
const into = (time: number, tid = 7): TestEvent => ({
  time,
  event: EV_SCHED_SWITCH,
  tid: 0,
  cpu: 0,
  address: tid,
  arg0: 0,
  info1: 0,
});
const wake = (time: number): TestEvent => ({ time, event: EV_SCHED_WAKEUP, tid: 0, cpu: 0, address: 7 });
const other = (time: number, cpu = 0): TestEvent => ({ time, event: 300, tid: 99, cpu });

describe('definitions', () => {
  test('guest, kernel and user space lie between entry, exit, userspace exit and entry', () => {
    expect(
      nonZero([other(0), entry(10), exit(30), user(37), entry(50), exit(55), entry(56), other(60)]),
    ).toEqual({
      before: 10,
      guest: 25,
      kernel: 8,
      userspace: 13,
      after: 4,
    });
  });

  test('a halt is cut out of the handling of its exit; waited or not decides between blocked and polling', () => {
    expect(nonZero([entry(0), exit(10, HLT), wakeup(50, 35, true), entry(53)])).toEqual({
      guest: 10,
      kernel: 8,
      blocked: 35,
    });
    expect(nonZero([entry(0), exit(10, HLT), wakeup(50, 35, false), entry(53)])).toEqual({
      guest: 10,
      kernel: 8,
      polling: 35,
    });
  });

  test('a halt that claims to have begun before the event before it is cut there', () => {
    expect(nonZero([entry(0), exit(10, HLT), wakeup(50, 1000, true), entry(53)])).toEqual({
      guest: 10,
      kernel: 3,
      blocked: 40,
    });
  });

  test('an idle exit without wakeup is idle; one that user space waits for is halted there', () => {
    expect(nonZero([exit(0, HLT), entry(40)])).toEqual({ idle: 40 });
    expect(nonZero([exit(0, HLT), user(5, 5), entry(40)])).toEqual({ idle: 5, userHalt: 35 });
    // A restart's reason is stale.
    expect(nonZero([exit(0, IO), user(5, 5, -4), entry(40)])).toEqual({ kernel: 5, userspace: 35 });
  });

  test('with the scheduler: polling until asleep, blocked until woken, runnable until on a CPU', () => {
    expect(
      nonZero([exit(0, HLT), out(20, false), wake(60), into(65), wakeup(70, 65, true), entry(75)]),
    ).toEqual({
      kernel: 5 + 5 + 5,
      polling: 15,
      blocked: 40,
      runnable: 5,
    });
  });

  test('preempted is time off the CPU while it wanted to run; asleep in user space stays user space', () => {
    expect(nonZero([exit(0), out(5, true), into(15), entry(20)])).toEqual({ kernel: 10, preempted: 10 });
    expect(nonZero([exit(0), user(1), out(5, false), wake(12), into(15), entry(20)])).toEqual({
      kernel: 1,
      userspace: 16,
      runnable: 3,
    });
  });

  test('a missing exit or entry makes the time unknown, a halt in it stays known', () => {
    expect(nonZero([entry(0), entry(10), exit(20), exit(25), entry(30)])).toEqual({
      unpaired: 15,
      guest: 10,
      kernel: 5,
    });
    expect(nonZero([entry(0), wakeup(30, 12, true), entry(33)])).toEqual({
      unpaired: 18,
      blocked: 12,
      kernel: 3,
    });
  });

  test.each<[string, Partial<Record<Column, number>>, (lost: (time: number) => TestEvent) => TestEvent[]]>([
    [
      'what it overlaps is unknown',
      { guest: 20, lost: 10 },
      (lost) => [entry(0), exit(10), lost(12), entry(20), exit(30)],
    ],
    [
      'also where the CPU goes on before the entry',
      { guest: 20, lost: 10 },
      (lost) => [entry(0), exit(10), lost(12), other(14), other(16), entry(20), exit(30)],
    ],
    [
      'on the CPU that the thread came from as well: it is reported after the entry, and began before it',
      { guest: 20, lost: 10 },
      (lost) => [
        ...[entry(0), exit(10), entry(20, { cpu: 1 }), lost(25), other(26)],
        exit(30, IO, { cpu: 1 }),
      ],
    ],
    [
      'but not if that CPU recorded something after the entry: the loss began later',
      { guest: 20, kernel: 10 },
      (lost) => [
        ...[entry(0), exit(10), entry(20, { cpu: 1 }), other(22), lost(25), other(26)],
        exit(30, IO, { cpu: 1 }),
      ],
    ],
  ])('a loss: %s, wherever the recording is cut', (_, wanted, stream) => {
    const events = stream((time) => ({ time, event: EV_LOST, cpu: 0 }));
    expect(nonZero(events)).toEqual(wanted);
    const whole = columnsOf(run([eventBatch(events)]), 7);
    const batches = events.map((event) => eventBatch([event]));
    for (let one = 1; one < events.length; one++)
      for (let two = one; two < events.length; two++)
        for (const fromRight of [false, true])
          expect(columnsOf(run(batches, [one, two], fromRight), 7)).toEqual(whole);
  });

  test('a thread that sleeps and wakes thousands of times in one state keeps exact sums', () => {
    const events: TestEvent[] = [exit(0), user(1)];
    for (let i = 0; i < 5000; i++) events.push(out(10 * i + 2, false), wake(10 * i + 5), into(10 * i + 6));
    events.push(entry(60000));
    expect(nonZero(events)).toEqual({ kernel: 1, userspace: 60000 - 1 - 5000, runnable: 5000 });
  });
});

/** Streams of two vCPU threads and another one on three CPUs, with ties, losses and the scheduler. */
const streams = fc
  .array(
    fc.record({
      step: fc.integer({ min: 0, max: 6 }),
      kind: fc.constantFrom(
        'exit',
        'hlt',
        'entry',
        'entry',
        'exit',
        'user',
        'hltUser',
        'wakeup',
        'out',
        'in',
        'wake',
        'lost',
        'other',
      ),
      tid: fc.constantFrom(7, 8),
      cpu: fc.integer({ min: 0, max: 2 }),
      ns: fc.integer({ min: 0, max: 25 }),
      flag: fc.boolean(),
    }),
    { minLength: 1, maxLength: 60 },
  )
  .map((items) => {
    let time = 1000;
    return items.map(({ step, kind, tid, cpu, ns, flag }): TestEvent => {
      time += step;
      const base = { time, tid, cpu };
      switch (kind) {
        case 'exit':
          return { ...base, event: EV_EXIT, isa: VMX, code: IO };
        case 'hlt':
          return { ...base, event: EV_EXIT, isa: VMX, code: HLT };
        case 'entry':
          return { ...base, event: EV_ENTRY };
        case 'user':
          return { ...base, event: EV_USERSPACE_EXIT, code: 2, arg0: flag ? 0 : -4 };
        case 'hltUser':
          return { ...base, event: EV_USERSPACE_EXIT, code: 5, arg0: flag ? 0 : -4 };
        case 'wakeup':
          return { ...base, event: EV_VCPU_WAKEUP, arg0: ns, code: flag ? 1 : 0 };
        case 'out':
          return { ...base, event: EV_SCHED_SWITCH, address: 0, arg0: tid, info1: flag ? 0 : 1 };
        case 'in':
          return { ...base, tid: 0, event: EV_SCHED_SWITCH, address: tid, arg0: 0, info1: 0 };
        case 'wake':
          return { ...base, tid: 0, event: EV_SCHED_WAKEUP, address: tid };
        case 'lost':
          return { time, cpu, event: EV_LOST };
        default:
          return { ...base, tid: 99, event: 300 };
      }
    });
  })
  .filter((events) => events.some(({ event }) => event !== EV_LOST));

test('equals brute force over every ns', () => {
  fc.assert(
    fc.property(streams, (events) => {
      // A loss before the first record has no time of its own.
      while (events[0].event === EV_LOST && events.length > 1) events.push(...events.splice(0, 1));
      if (events[0].event === EV_LOST) return;
      const sorted = [...events].sort((a, b) => Number(a.time) - Number(b.time));
      const result = run([eventBatch(sorted)]);
      for (const tid of [7, 8]) expect(columnsOf(result, tid)).toEqual(oracle(sorted, tid));
    }),
    { numRuns: 3000 },
  );
});

test('parts of a recording merge to what one pass finds', () => {
  fc.assert(
    fc.property(
      streams,
      fc.array(fc.integer({ min: 0, max: 60 }), { minLength: 1, maxLength: 4 }),
      (events, at) => {
        const whole = eventBatch(events);
        const cuts = [...new Set(at.map((cut) => Math.min(cut, events.length)))].sort((a, b) => a - b);
        const edges = [0, ...cuts, events.length];
        const parts = edges.slice(1).map((end, i) => sliceBatch(whole, edges[i], end));
        expect(run(parts, parts.map((_, i) => i).slice(1))).toEqual(run([whole]));
      },
    ),
    { numRuns: 3000 },
  );
});

/** Captures of formats that are read. */
const captures = [
  ...listCaptures(SAMPLES),
  ...(HAS_SHARED ? listCaptures(join(SHARED, 'corpus')) : []),
].filter(({ path }) => isReadable(path));

describe.each(captures.map((capture) => [capture.id, capture] as const))('%s', (_, capture) => {
  test('adds up to wall time, and cut in parts as well', async () => {
    const { batch } = await readEvents(capture.path);
    const whole = run([batch]);
    let last = timeOf(batch, 0);
    for (let row = 0; row < batch.length; row++) if (timeOf(batch, row) > last) last = timeOf(batch, row);
    expect(whole.wallNs).toBe(Number(last - timeOf(batch, 0)));
    for (const row of whole.rows) {
      expect(row.sums.length).toBe(CATEGORIES);
      expect(row.sums.reduce((sum, value) => sum + BigInt(value), 0n)).toBe(BigInt(whole.wallNs!));
      expect(Math.min(...row.sums)).toBeGreaterThanOrEqual(0);
    }
    const third = Math.floor(batch.length / 3);
    const parts = [
      sliceBatch(batch, 0, third),
      sliceBatch(batch, third, 2 * third + 1),
      sliceBatch(batch, 2 * third + 1, batch.length),
    ];
    expect(run(parts, [1, 2])).toEqual(whole);
  });
});
