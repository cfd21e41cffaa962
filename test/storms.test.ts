/** Storms: what is found in made-up recordings, how often nothing is found where there is nothing, merged parts. */

import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { findBursts, findChanges } from '../src/analysis/change-points.ts';
import { copyExit, createExitBatch } from '../src/analysis/exit-batch.ts';
import { type StormResult, stormPass } from '../src/analysis/storms.ts';
import { tailChances } from '../src/analysis/tail-chances.ts';
import type { EventBatch } from '../src/core/event-batch.ts';
import { EV_ENTRY, EV_EXIT, EV_MMIO, EV_MSR, EV_PAGE_FAULT, EV_PIO } from '../src/core/events.ts';
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

/** Deterministic random numbers (mulberry32). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

function poisson(mean: number, next: () => number): number {
  let count = 0;
  let sum = -Math.log(1 - next());
  while (sum < mean) {
    sum -= Math.log(1 - next());
    count++;
  }
  return count;
}

const RUNS = 400;

describe('changes of level', () => {
  test.each([
    ['random arrivals', (next: () => number) => Array.from({ length: 300 }, () => poisson(20, next))],
    ['rare arrivals', (next: () => number) => Array.from({ length: 300 }, () => poisson(0.3, next))],
    [
      'uneven arrivals',
      (next: () => number) => Array.from({ length: 300 }, () => poisson(20 * -Math.log(1 - next()), next)),
    ],
    [
      'arrivals that resemble those before them',
      (next: () => number) => {
        let level = 0;
        return Array.from({ length: 300 }, () => {
          level = 0.7 * level + (next() + next() + next() - 1.5);
          return poisson(30 * Math.exp(0.3 * level), next);
        });
      },
    ],
  ])('%s without change: false alarms stay below the stated level', (_, series) => {
    const next = random(42);
    let alarms = 0;
    for (let run = 0; run < RUNS; run++) if (findChanges(series(next), 0.05).length > 0) alarms++;
    expect(alarms / RUNS).toBeLessThanOrEqual(0.05);
  });

  test('a doubled rate is found at its place', () => {
    const next = random(7);
    for (let run = 0; run < 50; run++) {
      const series = Array.from({ length: 200 }, (_, i) => poisson(i < 120 ? 20 : 40, next));
      const [change, ...others] = findChanges(series, 0.01);
      expect(others).toEqual([]);
      expect(Math.abs(change.bucket - 120)).toBeLessThanOrEqual(5);
    }
  });

  test('up and down again: both are found', () => {
    const next = random(8);
    const series = Array.from({ length: 300 }, (_, i) => poisson(i >= 100 && i < 200 ? 60 : 10, next));
    expect(findChanges(series, 0.01).map(({ bucket }) => bucket)).toEqual([100, 200]);
  });
});

describe('bursts', () => {
  test('random arrivals rarely look like one', () => {
    const next = random(99);
    for (const mean of [0.2, 3, 200]) {
      let alarms = 0;
      for (let run = 0; run < RUNS; run++)
        if (
          findBursts(
            Array.from({ length: 300 }, () => poisson(mean, next)),
            [],
            0.05,
          ).length > 0
        )
          alarms++;
      expect(alarms / RUNS).toBeLessThanOrEqual(0.05);
    }
  });

  test('a few full buckets are one burst, with their exits', () => {
    const next = random(3);
    const series = Array.from({ length: 300 }, () => poisson(5, next));
    series[50] = 200;
    series[51] = 300;
    expect(findBursts(series, [], 0.01)).toEqual([{ from: 50, to: 52, count: 500, usual: 5 }]);
  });
});

function run(batch: EventBatch, parts = 1): StormResult {
  const origin = [batch.time[0], batch.time[1]] as const;
  const exits = exitsOf(batch);
  const share = (length: number, part: number) => Math.floor((length * part) / parts);
  const states = Array.from({ length: parts }, (_, part) => {
    const fed = withKernels(stormPass, (arena) => stormPass.create({ origin }, ALL, arena));
    const { state } = fed;
    fed.events(sliceBatch(batch, share(batch.length, part), share(batch.length, part + 1)));
    fed.exits(sliceExits(exits, share(exits.length, part), share(exits.length, part + 1)));
    return state;
  });
  for (const later of states.slice(1)) stormPass.merge(states[0], later);
  return stormPass.result(states[0]);
}

/** Each time an exit of thread `tid` and its entry 1 us later. */
function exitsAt(
  times: readonly (readonly [number, number])[],
  detail?: (time: number, tid: number) => TestEvent,
): TestEvent[] {
  return times
    .flatMap(([time, tid]): TestEvent[] => [
      { time: Math.round(time), event: EV_EXIT, tid, cpu: tid, isa: 1, code: 32 },
      ...(detail ? [detail(Math.round(time) + 300, tid)] : []),
      { time: Math.round(time) + 1000, event: EV_ENTRY, tid, cpu: tid },
    ])
    .sort((a, b) => Number(a.time) - Number(b.time));
}

/** Random arrivals at `rate(ns)` per second, each of one of the threads, 100 us apart from 0 to `end`. */
function arrivals(
  end: number,
  rate: (ns: number) => number,
  threads: number,
  next: () => number,
): [number, number][] {
  const times: [number, number][] = [];
  for (let from = 0; from < end; from += 1e5)
    for (let n = poisson(rate(from) / 1e4, next); n > 0; n--)
      times.push([from + Math.floor(next() * 1e5), 1 + Math.floor(next() * threads)]);
  // The recording lasts until its last event.
  return [[0, 1], ...times, [end, 1]].map(([time, tid]): [number, number] => [time, tid]);
}

describe('of a recording', () => {
  const exitsIn = (
    times: readonly (readonly [number, number])[],
    from: number,
    to: number,
    tid: number | null,
  ) => times.filter(([time, of]) => time >= from && time < to && (tid === null || of === tid)).length;

  test('a doubled rate is told of all exits, of their reason and of their threads, in exits per second', () => {
    const times = arrivals(600e6, (ns) => (ns < 300e6 ? 10_000 : 20_000), 2, random(21));
    const { changes, bucketNs } = run(eventBatch(exitsAt(times)));
    const names = changes.map(({ reason, tid }) => `reason ${reason?.code ?? 'any'}, thread ${tid ?? 'any'}`);
    expect(names.sort()).toEqual([
      'reason 32, thread any',
      'reason any, thread 1',
      'reason any, thread 2',
      'reason any, thread any',
    ]);
    for (const { tid, atNs, before, after, p } of changes) {
      expect(Math.abs(atNs - 300e6)).toBeLessThan(15e6);
      expect(p).toBeLessThan(0.01);
      // What a rate says is what was counted in its time; the last bucket may not be a whole one.
      expect((before * atNs) / 1e9).toBeCloseTo(exitsIn(times, 0, atNs, tid), 3);
      const end = Math.floor(600e6 / bucketNs) * bucketNs;
      expect((after * (end - atNs)) / 1e9).toBeCloseTo(exitsIn(times, atNs, end, tid), 3);
    }
  });

  test('a burst is told with its exits and what is usual around it', () => {
    const times = arrivals(600e6, (ns) => (ns >= 300e6 && ns < 304e6 ? 200_000 : 10_000), 1, random(22));
    const { bursts, changes } = run(eventBatch(exitsAt(times)));
    expect(changes).toEqual([]);
    expect(bursts.length).toBe(3);
    for (const { fromNs, toNs, exits, perSecond, usualPerSecond } of bursts) {
      expect(fromNs).toBeLessThanOrEqual(300e6 + 1e6);
      expect(toNs).toBeGreaterThanOrEqual(304e6 - 1e6);
      expect(toNs - fromNs).toBeLessThan(8e6);
      expect(exits).toBe(exitsIn(times, fromNs, toNs, null));
      expect((perSecond * (toNs - fromNs)) / 1e9).toBeCloseTo(exits, 3);
      expect(Math.abs(usualPerSecond - 10_000)).toBeLessThan(1000);
    }
  });

  test('without either, alarms are rare over all its series together', () => {
    const next = random(23);
    let alarms = 0;
    for (let i = 0; i < 60; i++) {
      const { changes, bursts } = run(eventBatch(exitsAt(arrivals(200e6, () => 10_000, 6, next))));
      if (changes.length + bursts.length > 0) alarms++;
    }
    expect(alarms).toBeLessThanOrEqual(1);
  });
});

describe('periodic exits', () => {
  const msr =
    (address: number) =>
    (time: number, tid: number): TestEvent => ({ time, event: EV_MSR, tid, cpu: tid, code: 1, address });

  test.each([1000, 250, 100, 64])('a %i Hz timer with jitter and gaps is found among random exits', (hz) => {
    const next = random(hz);
    const times: [number, number][] = [];
    for (let t = 1e6; t < 4e9; t += 1e9 / hz) if (next() > 0.1) times.push([t + 2e4 * next(), 1]);
    const random2: [number, number][] = [];
    for (let t = 1e6; t < 4e9; t += 2e6 * -Math.log(1 - next())) random2.push([t, 2]);
    const result = run(
      eventBatch(
        [...exitsAt(times, msr(0x6e0)), ...exitsAt(random2)].sort((a, b) => Number(a.time) - Number(b.time)),
      ),
    );
    expect(result.periodic.beats).toHaveLength(1);
    const [beat] = result.periodic.beats;
    expect(beat).toMatchObject({ tid: 1, isa: 1, code: 32, detailEvent: EV_MSR, detailAddress: [0x6e0, 0] });
    expect(Math.abs(1e9 / beat.periodNs / hz - 1)).toBeLessThan(0.005);
    expect(beat.strength).toBeGreaterThan(0.75);
  });

  /** Exits so many ns apart, of thread 1. */
  const apart = (intervals: readonly number[]): [number, number][] => {
    let time = 1e6;
    return [0, ...intervals].map((ns): [number, number] => {
      time += ns;
      return [time, 1];
    });
  };

  test.each([
    [60, 60],
    [100, 100],
    [40, null],
  ])(
    '%i of 250 intervals at one beat, the others much shorter: told with their share, from a fifth on',
    (n, told) => {
      const next = random(n);
      const intervals = Array.from({ length: 250 }, (_, i) =>
        // 37 has no divisor in common with 250: they are spread over the recording.
        (i * 37) % 250 < n ? 4e6 * (0.99 + 0.02 * next()) : 5e4 + 1e5 * next(),
      );
      const { beats, judged } = run(eventBatch(exitsAt(apart(intervals)))).periodic;
      expect(judged).toBe(1);
      expect(beats.length).toBe(told === null ? 0 : 1);
      for (const { strength, exits, intervals: all, periodNs } of beats) {
        expect([exits, all]).toEqual([251, 250]);
        expect(strength).toBe(told! / 250);
        expect(Math.abs(periodNs / 4e6 - 1)).toBeLessThan(0.005);
      }
    },
  );

  test('timers of one reason are told apart by MSR, port and MMIO page, not by anything else', () => {
    const beatsOf = (event: number, address: (i: number) => number) => {
      // Two timers of 250 Hz each, the second 1 ms after the first.
      const times = apart(Array.from({ length: 400 }, (_, i) => (i % 2 === 0 ? 1e6 : 3e6)));
      let i = 0;
      const events = exitsAt(times, (time, tid) => ({
        ...{ time, event, tid, cpu: tid, code: 0 },
        address: address(i++ % 2),
      }));
      const { beats } = run(eventBatch(events)).periodic;
      return beats.map(({ periodNs, detailEvent, detailAddress: [low] }) => {
        expect(Math.min(...[1e6, 3e6, 4e6].map((ns) => Math.abs(periodNs / ns - 1)))).toBeLessThan(0.005);
        return [Math.round(periodNs / 1e6), detailEvent, low];
      });
    };
    for (const event of [EV_MSR, EV_PIO])
      expect(beatsOf(event, (i) => 0x6e0 + i)).toEqual([
        [4, event, 0x6e0],
        [4, event, 0x6e1],
      ]);
    expect(beatsOf(EV_MMIO, (i) => 0xfee00380 + 0x1000 * i)).toEqual([
      [4, EV_MMIO, 0xfee00000],
      [4, EV_MMIO, 0xfee01000],
    ]);
    // One page: each second interval is 1 ms, the others 3 ms.
    expect(beatsOf(EV_MMIO, (i) => 0xfee00380 + 0x10 * i)).toEqual([[1, EV_MMIO, 0xfee00000]]);
    expect(beatsOf(EV_PAGE_FAULT, (i) => 0xfee00380 + 0x1000 * i)).toEqual([[1, 0, 0]]);
  });

  test('an exit that is told late makes no interval, and the next one is counted from the latest', () => {
    const exits = exitsOf(eventBatch(exitsAt(apart(Array.from({ length: 100 }, () => 4e6)))));
    const late = createExitBatch(exits.length);
    for (let row = 0; row <= 100; row++) {
      if (row !== 50) copyExit(exits, row, late, late.length++);
      if (row === 60) copyExit(exits, 50, late, late.length++);
    }
    const fed = withKernels(stormPass, (arena) => stormPass.create({ origin: [0, 0] }, ALL, arena));
    fed.exits(late);
    const plain = stormPass.create({ origin: [0, 0] }, ALL);
    stormPass.exits!(plain, late, null);
    for (const state of [fed.state, plain]) {
      const { late: count, beats } = stormPass.result(state).periodic;
      expect(count).toBe(1);
      expect(beats).toMatchObject([{ exits: 101, intervals: 99, strength: 98 / 99 }]);
    }
  });

  test('random exits have no beat', () => {
    const next = random(5);
    for (let trial = 0; trial < 40; trial++) {
      const times: [number, number][] = [];
      for (let t = 0; t < 2e9; t += 3e6 * -Math.log(1 - next())) times.push([t, 1]);
      expect(run(eventBatch(exitsAt(times))).periodic.beats).toEqual([]);
    }
  });
});

describe('simultaneous exits', () => {
  test('independent vCPUs meet as often as chance says; a kick of all stands out', () => {
    const next = random(11);
    const times: [number, number][] = [];
    for (let tid = 1; tid <= 4; tid++)
      for (let t = 0; t < 1e9; t += 2e5 * -Math.log(1 - next())) times.push([t, tid]);
    const calm = run(eventBatch(exitsAt(times))).simultaneous;
    expect(calm.vcpus).toBe(4);
    const two = calm.rows.find(({ vcpus }) => vcpus === 2)!;
    expect(two.observed / two.expected).toBeGreaterThan(0.85);
    expect(two.observed / two.expected).toBeLessThan(1.15);
    for (let i = 0; i < 20; i++) for (let tid = 1; tid <= 4; tid++) times.push([i * 4e7 + 1000 * tid, tid]);
    const four = run(eventBatch(exitsAt(times))).simultaneous.rows.find(({ vcpus }) => vcpus === 4)!;
    expect(four.observed).toBeGreaterThanOrEqual(20);
    expect(four.expected).toBeLessThan(1);
  });

  test('threads that were there before there were too many are counted on; exits of later ones are told', () => {
    const times: [number, number][] = [
      [0, 1],
      [0, 2],
    ];
    for (let i = 0; i < 4095; i++) times.push([1e6, 1000 + i]);
    for (let i = 0; i < 5; i++) times.push([2e6 + i * 1e6, 1], [2e6 + i * 1e6, 2]);
    // By two or more: at first, the crowd, and five times.
    const { vcpus, ignored, rows } = run(eventBatch(exitsAt(times))).simultaneous;
    expect([vcpus, ignored]).toEqual([4096, 1]);
    expect(rows.find(({ vcpus: together }) => together === 2)!.observed).toBe(7);
  });

  test('chances of a number of independent events equal counting all outcomes', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 8 }),
        (chances) => {
          const atLeast = new Float64Array(chances.length + 1);
          for (let outcome = 0; outcome < 1 << chances.length; outcome++) {
            let p = 1;
            let number = 0;
            chances.forEach((chance, i) => {
              const happens = (outcome >> i) & 1;
              p *= happens ? chance : 1 - chance;
              number += happens;
            });
            for (let k = 0; k <= number; k++) atLeast[k] += p;
          }
          const found = tailChances(chances, chances.length);
          for (const [k, p] of atLeast.entries()) expect(found[k]).toBeCloseTo(p, 9);
        },
      ),
    );
  });
});

test('parts of random recordings merge to one pass', () => {
  const items = fc.array(
    fc.record({ gap: fc.integer({ min: 0, max: 2e7 }), tid: fc.integer({ min: 1, max: 4 }) }),
    { minLength: 1, maxLength: 200 },
  );
  fc.assert(
    fc.property(items, fc.integer({ min: 2, max: 9 }), (list, parts) => {
      let time = 0;
      const batch = eventBatch(
        exitsAt(
          list.map(({ gap, tid }) => {
            time += gap;
            return [time, tid] as const;
          }),
        ),
      );
      expect(run(batch, parts)).toEqual(run(batch));
    }),
    { numRuns: 200 },
  );
});

const captures = [
  ...listCaptures(SAMPLES),
  ...(HAS_SHARED ? listCaptures(join(SHARED, 'corpus')) : []),
].filter(({ path }) => isReadable(path));

describe.each(captures.map((capture) => [capture.id, capture] as const))('%s', (_, { path, expected }) => {
  test('parts merge to one pass; windows equal brute force', async () => {
    const { batch } = await readEvents(path);
    const whole = run(batch);
    expect(run(batch, 3)).toEqual(whole);
    const windows = new Map<number, Set<number>>();
    for (let row = 0; row < batch.length; row++) {
      if (batch.event[row] !== EV_EXIT) continue;
      const index = Number((timeOf(batch, row) - timeOf(batch, 0)) / BigInt(whole.simultaneous.windowNs));
      windows.set(index, (windows.get(index) ?? new Set()).add(batch.tid[row]));
    }
    for (const { vcpus, observed } of whole.simultaneous.rows)
      expect(observed).toBe([...windows.values()].filter(({ size }) => size >= vcpus).length);
    expect(whole.simultaneous.vcpus).toBe(expected.threads.length);
  });
});
