/** Halt polling and nesting: by hand, by brute force over decoded events of real captures, and merged parts. */

import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type HaltPollingResult, haltPollingPass, WINDOWS } from '../src/analysis/halt-polling.ts';
import { type NestedResult, nestedPass } from '../src/analysis/nested.ts';
import type { EventBatch } from '../src/core/event-batch.ts';
import {
  EV_ENTRY,
  EV_EXIT,
  EV_HALT_POLL_NS,
  EV_LOST,
  EV_NESTED_VMENTER,
  EV_NESTED_VMEXIT,
  EV_NESTED_VMEXIT_INJECT,
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
import { exitsOf } from './support/exits.ts';
import { withKernels } from './support/feed.ts';

function halts(parts: readonly EventBatch[]): HaltPollingResult {
  const states = parts.map((part) => {
    const state = haltPollingPass.create(null, ALL);
    haltPollingPass.events!(state, part);
    return state;
  });
  for (const later of states.slice(1)) haltPollingPass.merge(states[0], later);
  return haltPollingPass.result(states[0]);
}

function nested(parts: readonly EventBatch[], whole: EventBatch): NestedResult {
  const states = parts.map((part) => {
    const fed = withKernels(nestedPass, (arena) => nestedPass.create(null, ALL, arena));
    fed.events(part);
    return fed;
  });
  for (const { state } of states.slice(1)) nestedPass.merge(states[0].state, state);
  states[0].exits(exitsOf(whole));
  return nestedPass.result(states[0].state);
}

function cut(batch: EventBatch, at: readonly number[]): EventBatch[] {
  const edges = [0, ...at.map((edge) => Math.min(edge, batch.length)).sort((a, b) => a - b), batch.length];
  return edges.slice(1).map((end, i) => sliceBatch(batch, edges[i], end));
}

const wakeup = (time: number, ns: number, waited: boolean, valid = true): TestEvent => ({
  time,
  event: EV_VCPU_WAKEUP,
  tid: 7,
  arg0: ns,
  code: waited ? 1 : 0,
  arg1: valid ? 1 : 0,
});
const grow = (time: number, now: number, before: number): TestEvent => ({
  time,
  event: EV_HALT_POLL_NS,
  tid: 7,
  vcpu: 3,
  code: now >= before ? 1 : 0,
  arg0: now,
  arg1: before,
});

describe('halt polling', () => {
  test('polled, waited, polls in vain, windows', () => {
    const [row] = halts([
      eventBatch([
        wakeup(1e6, 300_000, true),
        // Slept through after polling for 10 us; KVM grew the window.
        grow(2e6 - 1, 20_000, 10_000),
        wakeup(2e6, 60_000, true),
        wakeup(3e6, 15_000, false),
        grow(4e6 - 1, 0, 20_000),
        wakeup(4e6, 900_000, true, false),
      ]),
    ]).rows;
    expect(row).toMatchObject({
      tid: 7,
      vcpu: 3,
      halts: 4,
      polled: 1,
      invalid: 1,
      polledNs: 15_000,
      waitedNs: 1_260_000,
      failed: 2,
      failedNs: 30_000,
      grown: 1,
      shrunk: 1,
      firstWindowNs: 10_000,
      lastWindowNs: 0,
      maxWindowNs: 20_000,
    });
    const at = (ns: number) => row.windows.find(({ windowNs }) => windowNs === ns);
    expect(at(200_000)).toEqual({
      windowNs: 200_000,
      caught: 2,
      pollNs: 60_000 + 15_000 + 2 * 200_000,
      wastedNs: 400_000,
    });
    expect(at(1e6)).toEqual({ windowNs: 1e6, caught: 4, pollNs: 1_275_000, wastedNs: 0 });
  });

  const stream = fc.array(
    fc.oneof(
      fc.record({
        kind: fc.constant('wakeup'),
        tid: fc.constantFrom(7, 8),
        ns: fc.integer({ min: 0, max: 3e6 }),
        flag: fc.boolean(),
      }),
      fc.record({
        kind: fc.constant('window'),
        tid: fc.constantFrom(7, 8),
        ns: fc.integer({ min: 0, max: 4e5 }),
        flag: fc.boolean(),
      }),
    ),
    { maxLength: 40 },
  );
  test('parts merge to one pass, figures equal brute force', () => {
    fc.assert(
      fc.property(stream, fc.array(fc.nat(40), { maxLength: 4 }), (items, at) => {
        const events = items.map(
          ({ kind, tid, ns, flag }, i): TestEvent =>
            kind === 'wakeup' ? { ...wakeup(i, ns, flag), tid } : { ...grow(i, 2 * ns, ns), tid },
        );
        const batch = eventBatch(events);
        const whole = halts([batch]);
        expect(halts(cut(batch, at))).toEqual(whole);
        for (const row of whole.rows) {
          const lengths = events
            .filter(({ event, tid }) => event === EV_VCPU_WAKEUP && tid === row.tid)
            .map(({ arg0 }) => Number(arg0));
          for (const { windowNs, caught, pollNs } of row.windows) {
            expect(caught).toBe(lengths.filter((ns) => ns <= windowNs).length);
            expect(pollNs).toBe(lengths.reduce((sum, ns) => sum + Math.min(ns, windowNs), 0));
          }
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('nested', () => {
  const exit = (time: number, code: number): TestEvent => ({ time, event: EV_EXIT, tid: 7, isa: 2, code });
  const entry = (time: number): TestEvent => ({ time, event: EV_ENTRY, tid: 7 });
  const event = (time: number, kind: number, code = 0): TestEvent => ({
    time,
    event: kind,
    tid: 7,
    isa: 2,
    code,
  });

  test('a cycle costs the exits from inject to vmenter, the one by VMRUN included', () => {
    const events = [
      exit(0, 124),
      event(1, EV_NESTED_VMEXIT, 124),
      event(2, EV_NESTED_VMEXIT_INJECT, 124),
      entry(3),
      exit(10, 131),
      entry(11),
      exit(20, 130),
      entry(21),
      exit(30, 128),
      event(32, EV_NESTED_VMENTER),
      entry(33),
      // L2 exit that this host handles itself: no cycle.
      exit(40, 96),
      event(41, EV_NESTED_VMEXIT, 96),
      entry(42),
    ];
    const batch = eventBatch(events);
    const result = nested([batch], batch);
    expect(result.cycles).toEqual([
      {
        isa: 2,
        code: 124,
        cycles: 1,
        exits: 3,
        maxExits: 3,
        p50Exits: 3,
        p99Exits: 3,
        totalNs: 30,
        maxNs: 30,
      },
    ]);
    expect(result.levels.find(({ code }) => code === 124)!.levels).toEqual([
      { exits: 0, paired: 0, totalNs: 0 },
      { exits: 0, paired: 0, totalNs: 0 },
      { exits: 1, paired: 1, totalNs: 3 },
    ]);
    expect(result.levels.find(({ code }) => code === 96)!.levels[1]).toEqual({
      exits: 1,
      paired: 1,
      totalNs: 2,
    });
    expect(result).toMatchObject({ nestedExits: 2, injected: 1, entered: 1, lostCycles: 0, brokenCycles: 0 });
  });

  test('parts merge to one pass; losses and broken cycles are counted', () => {
    const kinds = fc.record({
      kind: fc.constantFrom('exit', 'exit', 'exit', 'inject', 'enter', 'lost', 'entry'),
      tid: fc.constantFrom(7, 8),
      code: fc.constantFrom(1, 2),
    });
    fc.assert(
      fc.property(fc.array(kinds, { maxLength: 60 }), fc.array(fc.nat(60), { maxLength: 4 }), (items, at) => {
        const codes = {
          exit: EV_EXIT,
          inject: EV_NESTED_VMEXIT_INJECT,
          enter: EV_NESTED_VMENTER,
          lost: EV_LOST,
          entry: EV_ENTRY,
        } as Record<string, number>;
        const events = items.map(
          ({ kind, tid, code }, i): TestEvent => ({ time: 3 * i, event: codes[kind], tid, isa: 1, code }),
        );
        const batch = eventBatch(events);
        const whole = nested([batch], batch);
        const byReason = (result: NestedResult) => ({
          ...result,
          cycles: [...result.cycles].sort((a, b) => a.code - b.code),
        });
        expect(byReason(nested(cut(batch, at), batch))).toEqual(byReason(whole));
        expect(whole.cycles.reduce((sum, row) => sum + row.cycles, 0)).toBe(countCycles(events).length);
        expect(whole.cycles.reduce((sum, row) => sum + row.exits, 0)).toBe(
          countCycles(events).reduce((a, b) => a + b, 0),
        );
      }),
      { numRuns: 500 },
    );
  });
});

/** Exits of every whole cycle: from an inject, the thread's next boundary is a vmenter and nothing was lost. */
function countCycles(events: readonly TestEvent[]): number[] {
  const cycles: number[] = [];
  events.forEach((event, from) => {
    if (event.event !== EV_NESTED_VMEXIT_INJECT) return;
    const to = events.findIndex(
      (e, row) =>
        row > from &&
        e.tid === event.tid &&
        (e.event === EV_NESTED_VMENTER || e.event === EV_NESTED_VMEXIT_INJECT),
    );
    if (to < 0 || events[to].event !== EV_NESTED_VMENTER) return;
    const between = events.slice(from + 1, to);
    if (between.some((e) => e.event === EV_LOST)) return;
    cycles.push(between.filter((e) => e.event === EV_EXIT && e.tid === event.tid).length);
  });
  return cycles;
}

const captures = [
  ...listCaptures(SAMPLES),
  ...(HAS_SHARED ? listCaptures(join(SHARED, 'corpus')) : []),
].filter(({ path }) => isReadable(path));

describe.each(captures.map((capture) => [capture.id, capture] as const))('%s', (_, { path, expected }) => {
  test('levels sum to exits, cycles and halts equal brute force, parts merge', async () => {
    const { batch } = await readEvents(path);
    const events = Array.from(
      { length: batch.length },
      (_, row): TestEvent => ({
        time: timeOf(batch, row),
        event: batch.event[row],
        tid: batch.tid[row],
        code: batch.code[row],
        arg0: batch.arg0[2 * row],
      }),
    );
    const cuts = [Math.floor(batch.length / 5), Math.floor(batch.length / 2)];
    const result = nested([batch], batch);
    expect(nested(cut(batch, cuts), batch)).toEqual(result);
    const sum = (level: number) => result.levels.reduce((total, row) => total + row.levels[level].exits, 0);
    expect(sum(0) + sum(1) + sum(2)).toBe(expected.quality.exits);
    expect(sum(1) + sum(2)).toBe(expected.reasons.reduce((total, reason) => total + reason.l2, 0));
    expect(result.injected).toBe(events.filter(({ event }) => event === EV_NESTED_VMEXIT_INJECT).length);
    const cycles = countCycles(events);
    expect(result.cycles.reduce((total, row) => total + row.cycles, 0)).toBe(cycles.length);
    expect(result.cycles.reduce((total, row) => total + row.exits, 0)).toBe(
      cycles.reduce((a, b) => a + b, 0),
    );

    const halted = halts([batch]);
    expect(halts(cut(batch, cuts))).toEqual(halted);
    const lengths = events.filter(({ event }) => event === EV_VCPU_WAKEUP).map(({ arg0 }) => Number(arg0));
    for (const [i, window] of WINDOWS.entries())
      expect(halted.rows.reduce((total, row) => total + row.windows[i].caught, 0)).toBe(
        lengths.filter((ns) => ns <= window).length,
      );
  });
});
