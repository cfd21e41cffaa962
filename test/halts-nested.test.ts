/** Halt polling and nesting: by hand, by brute force over decoded events of real captures, and merged parts. */

import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createExitBatch, EXIT_WITHOUT_ENTRY, PAIRED } from '../src/analysis/exit-batch.ts';
import { type HaltPollingResult, haltPollingPass, WINDOWS } from '../src/analysis/halt-polling.ts';
import { type NestedResult, nestedPass } from '../src/analysis/nested.ts';
import type { PassScope } from '../src/analysis/pass.ts';
import type { EventBatch } from '../src/core/event-batch.ts';
import {
  EV_ENTRY,
  EV_EXIT,
  EV_HALT_POLL_NS,
  EV_LOST,
  EV_NESTED_VMENTER,
  EV_NESTED_VMEXIT,
  EV_NESTED_VMEXIT_INJECT,
  EV_NESTED_VMRUN,
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
import { exitsOf, sliceExits } from './support/exits.ts';
import { withKernels } from './support/feed.ts';

/** Parts of an odd number from the left, others from the right: the order of merges must not matter. */
function mergeAll<State>(states: State[], merge: (state: State, later: State) => void): State {
  const all = [...states];
  if (all.length % 2 === 0) while (all.length > 1) merge(all[all.length - 2], all.pop()!);
  for (const later of all.slice(1)) merge(all[0], later);
  return all[0];
}

function halts(parts: readonly EventBatch[], scope: PassScope = ALL): HaltPollingResult {
  const states = parts.map((part) => {
    const state = haltPollingPass.create(null, scope);
    haltPollingPass.events!(state, part);
    return state;
  });
  return haltPollingPass.result(mergeAll(states, haltPollingPass.merge));
}

function nested(parts: readonly EventBatch[], whole: EventBatch, scope: PassScope = ALL): NestedResult {
  const states = parts.map((part) => {
    const fed = withKernels(nestedPass, (arena) => nestedPass.create(null, scope, arena));
    fed.events(part);
    return fed;
  });
  states[0].exits(exitsOf(whole));
  return nestedPass.result(
    mergeAll(
      states.map(({ state }) => state),
      nestedPass.merge,
    ),
  );
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

  test('filters choose halts by the time of their end, and rows by process and thread', () => {
    const events = [1, 2, 3, 4, 5].map((i) => ({
      ...wakeup(i * 1000, 10 ** i, true),
      tid: 7 + (i % 2),
      pid: 70,
    }));
    const none = {
      pids: null,
      tids: null,
      vcpus: null,
      cpus: null,
      reasons: null,
      excludes: null,
      levels: null,
    };
    const chosen = (over: object) =>
      halts([eventBatch(events)], {
        threads: null,
        selection: { ...none, from: null, to: null, ...over },
      }).rows.map(({ tid, halts: count, waitedNs }) => [tid, count, waitedNs]);
    expect(chosen({ from: [2000, 0], to: [4000, 0] })).toEqual([
      [7, 1, 100],
      [8, 1, 1000],
    ]);
    expect(chosen({ tids: new Set([7]) })).toEqual([[7, 2, 10_100]]);
    expect(chosen({ pids: new Set([71]) })).toEqual([]);
  });

  test('a wakeup that does not say how long it was, or of which thread, is counted apart', () => {
    const { arg0: _, ...timeless } = wakeup(1, 5, true);
    const { arg1: __, ...windowless } = grow(4, 10, 5);
    const { rows, unusable, windowEvents } = halts([
      eventBatch([timeless, { ...wakeup(2, 5, true), tid: -1 }, wakeup(3, 600, false), windowless]),
    ]);
    expect(unusable).toBe(2);
    expect(windowEvents).toBe(1);
    // What the window was before is not taken from whatever the column holds.
    expect(rows).toMatchObject([{ tid: 7, halts: 1, polledNs: 600, lastWindowNs: 10, maxWindowNs: 10 }]);
  });

  test('threads that were there before there were too many keep their rows; later ones share the last', () => {
    const strangers = Array.from({ length: 65_535 }, (_, i) => ({ ...wakeup(2, 10, false), tid: 1000 + i }));
    const parts = [
      [wakeup(1, 100, false), ...strangers],
      [wakeup(3, 50, false), { ...wakeup(4, 7, false), tid: 8 }],
    ];
    for (const batches of [[parts.flat()], parts]) {
      const { rows } = halts(batches.map(eventBatch));
      expect(rows.length).toBe(65_536);
      expect(rows[0]).toMatchObject({ tid: 7, halts: 2, polledNs: 150 });
      expect(rows[65_535]).toMatchObject({ halts: 2, polledNs: 17 });
    }
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
        ns: fc.oneof(fc.integer({ min: 0, max: 4e5 }), fc.constant(0)),
        flag: fc.boolean(),
      }),
    ),
    { maxLength: 40 },
  );
  /** Of one thread's events. A poll was in vain if the halt right after the change of its window was slept through. */
  function haltFigures(events: readonly TestEvent[]) {
    const number = (value: TestEvent['arg0']) => Number(value ?? 0);
    const total = (list: readonly number[]) => list.reduce((sum, value) => sum + value, 0);
    const wakeups = events.filter(({ event }) => event === EV_VCPU_WAKEUP);
    const windows = events.filter(({ event }) => event === EV_HALT_POLL_NS);
    const inVain = events.flatMap((event, i) => {
      const before = events[i - 1];
      if (event.event !== EV_VCPU_WAKEUP || event.code === 0 || before?.event !== EV_HALT_POLL_NS) return [];
      return number(before.arg1) > 0 ? [Math.min(number(event.arg0), number(before.arg1))] : [];
    });
    const lengths = (waited: number) =>
      wakeups.filter(({ code }) => code === waited).map(({ arg0 }) => number(arg0));
    return {
      halts: wakeups.length,
      polled: lengths(0).length,
      polledNs: total(lengths(0)),
      waitedNs: total(lengths(1)),
      invalid: wakeups.filter(({ arg1 }) => arg1 === 0).length,
      failed: inVain.length,
      failedNs: total(inVain),
      grown: windows.filter(({ code }) => code === 1).length,
      shrunk: windows.filter(({ code }) => code === 0).length,
      firstWindowNs: windows.length > 0 ? number(windows[0].arg1) : -1,
      lastWindowNs: windows.length > 0 ? number(windows[windows.length - 1].arg0) : -1,
      maxWindowNs: Math.max(-1, ...windows.flatMap(({ arg0, arg1 }) => [number(arg0), number(arg1)])),
      vcpu: windows.length > 0 ? 3 : -1,
    };
  }

  test('parts merge to one pass, figures equal brute force', () => {
    fc.assert(
      fc.property(stream, fc.array(fc.nat(40), { maxLength: 4 }), (items, at) => {
        const events = items.map(
          ({ kind, tid, ns, flag }, i): TestEvent =>
            kind === 'wakeup'
              ? { ...wakeup(i, ns, flag, ns % 3 > 0), tid }
              : { ...(flag ? grow(i, 2 * ns, ns) : grow(i, 0, ns)), tid },
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
          expect(row).toMatchObject(haltFigures(events.filter(({ tid }) => tid === row.tid)));
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
    // Wherever it is cut, also around events of which none begins or ends a cycle.
    for (let at = 1; at < events.length - 3; at++)
      for (const edges of [[at], [at, at + 3], [at, at + 2, at + 3]])
        expect(nested(cut(batch, edges), batch)).toEqual(result);
  });

  const EVENTS = {
    exit: EV_EXIT,
    nested: EV_NESTED_VMEXIT,
    inject: EV_NESTED_VMEXIT_INJECT,
    enter: EV_NESTED_VMENTER,
    run: EV_NESTED_VMRUN,
    lost: EV_LOST,
    entry: EV_ENTRY,
  };
  const stream = fc
    .array(
      fc.record({
        kind: fc.constantFrom(
          'exit',
          'exit',
          'exit',
          'nested',
          'inject',
          'inject',
          'enter',
          'run',
          'lost',
          'entry',
        ),
        tid: fc.constantFrom(7, 8),
        code: fc.constantFrom(1, 2),
        step: fc.constantFrom(0, 1, 3, 3, 1000, -2),
        told: fc.boolean(),
      }),
      { maxLength: 60 },
    )
    .map((items) => {
      let time = 1000;
      return items.map(({ kind, tid, code, step, told }): TestEvent => {
        time += step;
        const event = EVENTS[kind as keyof typeof EVENTS];
        // Each thread is a process' vCPU; not every exit says so.
        const ids = event === EV_EXIT && told ? { pid: 10 * tid, vcpu: tid - 7 } : {};
        return { time, event, tid, isa: 1, code, ...ids };
      });
    });
  /** Anywhere, or twice in a few events: parts in which a cycle neither begins nor ends. */
  const cuts = fc.oneof(
    fc.array(fc.nat(60), { maxLength: 4 }),
    fc.tuple(fc.nat(20), fc.integer({ min: 1, max: 4 })).map(([at, rows]) => [at, at + rows]),
  );
  const byReason = (result: NestedResult) => ({
    ...result,
    cycles: [...result.cycles].sort((a, b) => a.code - b.code),
  });

  test('cycles and what breaks them equal brute force, also in parts', () => {
    fc.assert(
      fc.property(stream, cuts, (events, at) => {
        const batch = eventBatch(events);
        const whole = byReason(nested([batch], batch));
        expect(byReason(nested(cut(batch, at), batch))).toEqual(whole);
        expect(whole).toMatchObject(nestedFigures(events, cyclesOf(events)));
      }),
      { numRuns: 500 },
    );
  });

  test('filters choose cycles by the process and vCPU that exits told until their end, and by their begin', () => {
    const none = { tids: null, cpus: null, reasons: null, excludes: null, levels: null };
    fc.assert(
      fc.property(
        stream,
        fc.constantFrom(null, new Set([70]), new Set([80, 90])),
        fc.constantFrom(null, new Set([0]), new Set([1])),
        fc.constantFrom(null, 1005, 2000),
        fc.constantFrom(null, 1010, 3000),
        (events, pids, vcpus, from, to) => {
          const batch = eventBatch(events);
          const scope: PassScope = {
            threads: null,
            selection: { ...none, pids, vcpus, from: from && [from, 0], to: to && [to, 0] },
          };
          const inTime = (ns: number) => (from === null || ns >= from) && (to === null || ns < to);
          const told = (tid: number, end: number) =>
            events.slice(0, end).some((event) => event.tid === tid && (event.pid ?? -1) >= 0);
          const chosen = cyclesOf(events)
            .filter(({ start }) => inTime(start))
            .filter(
              ({ tid, end, fate }) =>
                fate !== 'cycle' ||
                ((pids === null || (told(tid, end) && pids.has(10 * tid))) &&
                  (vcpus === null || (told(tid, end) && vcpus.has(tid - 7)))),
            );
          expect(byReason(nested([batch], batch, scope))).toMatchObject(nestedFigures(events, chosen));
        },
      ),
      { numRuns: 500 },
    );
  });
});

test('levels of each reason add up, of more reasons than tables have room for at first, also in parts', () => {
  const exits = createExitBatch(3000);
  for (let row = 0; row < 3000; row++) {
    exits.isa[row] = 1 + (row % 2);
    exits.code[row] = row % 331;
    exits.level[row] = row % 3;
    exits.state[row] = row % 7 === 0 ? EXIT_WITHOUT_ENTRY : PAIRED;
    exits.latency[row] = row % 7 === 0 ? 0 : 100 + row;
    exits.length++;
  }
  const levelsOf = (cuts: readonly number[]) => {
    const edges = [0, ...cuts, exits.length];
    const parts = edges.slice(1).map((end, i) => {
      const fed = withKernels(nestedPass, (arena) => nestedPass.create(null, ALL, arena));
      fed.exits(sliceExits(exits, edges[i], end));
      return fed.state;
    });
    for (const later of parts.slice(1)) nestedPass.merge(parts[0], later);
    return nestedPass.result(parts[0]).levels;
  };
  const wanted = new Map<string, { exits: number; paired: number; totalNs: number }[]>();
  for (let row = 0; row < exits.length; row++) {
    const key = `${exits.isa[row]} ${exits.code[row]}`;
    const cells = wanted.get(key) ?? [0, 1, 2].map(() => ({ exits: 0, paired: 0, totalNs: 0 }));
    wanted.set(key, cells);
    const cell = cells[exits.level[row]];
    cell.exits++;
    if (exits.state[row] === PAIRED) cell.paired++;
    cell.totalNs += exits.latency[row];
  }
  for (const cuts of [[], [1000], [5, 200, 2900]]) {
    const found = levelsOf(cuts);
    expect(new Map(found.map(({ isa, code, levels }) => [`${isa} ${code}`, levels]))).toEqual(wanted);
    expect(found.length).toBe(wanted.size);
  }
});

interface Cycle {
  readonly tid: number;
  readonly code: number;
  readonly start: number;
  /** Row of the event that ended it. */
  readonly end: number;
  readonly exits: number;
  readonly ns: number;
  readonly fate: 'cycle' | 'lost' | 'broken' | 'negative';
}

/** From every inject to the thread's next boundary: a cycle if that is a vmenter and nothing was lost. */
function cyclesOf(events: readonly TestEvent[]): Cycle[] {
  const enters = [EV_NESTED_VMENTER, EV_NESTED_VMRUN];
  return events.flatMap((event, from): Cycle[] => {
    if (event.event !== EV_NESTED_VMEXIT_INJECT) return [];
    const end = events.findIndex(
      (e, row) =>
        row > from &&
        e.tid === event.tid &&
        (enters.includes(e.event) || e.event === EV_NESTED_VMEXIT_INJECT),
    );
    if (end < 0) return [];
    const between = events.slice(from + 1, end);
    const ns = Number(events[end].time) - Number(event.time);
    const lost = between.some((e) => e.event === EV_LOST);
    const broken = !enters.includes(events[end].event);
    return [
      {
        tid: event.tid!,
        code: event.code!,
        start: Number(event.time),
        end,
        exits: between.filter((e) => e.event === EV_EXIT && e.tid === event.tid).length,
        ns,
        fate: lost ? 'lost' : broken ? 'broken' : ns < 0 ? 'negative' : 'cycle',
      },
    ];
  });
}

function nestedFigures(events: readonly TestEvent[], all: readonly Cycle[]): Partial<NestedResult> {
  const count = (...kinds: number[]) => events.filter(({ event }) => kinds.includes(event)).length;
  const whole = all.filter(({ fate }) => fate === 'cycle');
  const codes = [...new Set(whole.map(({ code }) => code))].sort((a, b) => a - b);
  return {
    cycles: codes.map((code) => {
      const own = whole.filter((cycle) => cycle.code === code);
      const exits = own.map((cycle) => cycle.exits).sort((a, b) => a - b);
      const rank = (q: number) => exits[Math.ceil(q * exits.length) - 1];
      return {
        isa: 1,
        code,
        cycles: own.length,
        exits: exits.reduce((sum, n) => sum + n, 0),
        maxExits: exits[exits.length - 1],
        p50Exits: rank(0.5),
        p99Exits: rank(0.99),
        totalNs: own.reduce((sum, { ns }) => sum + ns, 0),
        maxNs: Math.max(...own.map(({ ns }) => ns)),
      };
    }),
    nestedExits: count(EV_NESTED_VMEXIT),
    injected: count(EV_NESTED_VMEXIT_INJECT),
    entered: count(EV_NESTED_VMENTER, EV_NESTED_VMRUN),
    lostCycles: all.filter(({ fate }) => fate === 'lost').length,
    brokenCycles: all.filter(({ fate }) => fate === 'broken').length,
    negative: all.filter(({ fate }) => fate === 'negative').length,
    ignored: 0,
  };
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
    const cycles = cyclesOf(events).filter(({ fate }) => fate === 'cycle');
    expect(result.cycles.reduce((total, row) => total + row.cycles, 0)).toBe(cycles.length);
    expect(result.cycles.reduce((total, row) => total + row.exits, 0)).toBe(
      cycles.reduce((all, { exits }) => all + exits, 0),
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
