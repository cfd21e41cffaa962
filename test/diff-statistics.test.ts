/** What a comparison calls a change: nothing where nothing changed, and what was changed on purpose. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { analyzeBatch, createAnalysis, finishAnalysis } from '../src/analysis/analyze.ts';
import { createRandom, spreadOf } from '../src/analysis/bootstrap.ts';
import {
  coarseBounds,
  coarseCounts,
  countCoarse,
  createCoarseHistograms,
} from '../src/analysis/coarse-histogram.ts';
import { createExitBatch, PAIRED } from '../src/analysis/exit-batch.ts';
import { loadPasses } from '../src/analysis/passes.ts';
import {
  createSlices,
  mergeSlices,
  SLICES,
  type Slices,
  slicesPass,
  slicesResult,
} from '../src/analysis/slices.ts';
import { normalQuantile, studentQuantile } from '../src/analysis/student.ts';
import { copyRow, createEventBatch, type EventBatch } from '../src/core/event-batch.ts';
import { EV_ENTRY, EV_EXIT, EV_LOST, EV_USERSPACE_EXIT } from '../src/core/events.ts';
import { ISA_VMX } from '../src/core/isa-codes.ts';
import { createTraceContext, type TraceContext } from '../src/core/trace-context.ts';
import { storeBigInt, wordsToBigInt } from '../src/core/words.ts';
import { buildModel } from '../src/report/build-model.ts';
import { buildDiff, DIFF_PASSES, diffInput } from '../src/report/diff/build.ts';
import type { DiffFigure, DiffModel } from '../src/report/diff/model.ts';
import { HAS_SHARED, SAMPLES, SHARED } from './support/corpus.ts';
import { ALL, eventBatch, readEvents, sliceBatch, type TestEvent, timeOf } from './support/events.ts';
import { exitsOf, sliceExits } from './support/exits.ts';
import { eventsOf, step } from './support/made-up-events.ts';

const passOf = await loadPasses(DIFF_PASSES);

function inputOf(batch: EventBatch, context: TraceContext) {
  const analysis = createAnalysis(
    null,
    {
      selection: null,
      grouping: { pid: false, tid: false, vcpu: false, cpu: false, level: false },
      slowLimit: 1,
      slowThanNs: 0,
      slowIncludeIdle: false,
      passes: DIFF_PASSES,
    },
    passOf,
  );
  analyzeBatch(analysis, batch);
  const result = finishAnalysis(analysis);
  return diffInput(context, buildModel(context, result, { toolVersion: '0', by: [], filters: [] }), result);
}

function compare(a: EventBatch, b: EventBatch, context: TraceContext = madeContext()): DiffModel {
  return buildDiff(inputOf(a, context), inputOf(b, context), '0');
}

function madeContext(): TraceContext {
  return Object.assign(createTraceContext(), { enabledEvents: new Set(['kvm_userspace_exit']) });
}

function figuresOf(model: DiffModel): { name: string; figure: DiffFigure }[] {
  const keys = ['costNs', 'rate', 'guestRate', 'p50Ns', 'p90Ns', 'p99Ns', 'escalation'] as const;
  return [{ ...model.busyTotals, name: 'busy' }, { ...model.totals, name: 'all' }, ...model.reasons].flatMap(
    (row) => keys.map((key) => ({ name: `${row.name}.${key}`, figure: row[key] })),
  );
}

const changed = (model: DiffModel) =>
  [...figuresOf(model), ...model.userspace.map(({ name, rate }) => ({ name, figure: rate }))]
    .filter(({ figure }) => figure.verdict === 'higher' || figure.verdict === 'lower')
    .map(({ name, figure }) => `${name} ${figure.verdict}`);

/** Cuts a recording into blocks of time and gives each to one of two recordings, in which it follows without a gap. */
function splitByTime(batch: EventBatch, blocks: number, random: () => number): [EventBatch, EventBatch] {
  const first = timeOf(batch, 0);
  const width = (timeOf(batch, batch.length - 1) - first) / BigInt(blocks) + 1n;
  const order = [...Array(blocks).keys()];
  for (let i = blocks - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  const half = new Set(order.slice(0, blocks / 2));
  const sides = [createEventBatch(batch.length), createEventBatch(batch.length)] as const;
  const skipped = [0n, 0n];
  let row = 0;
  for (let block = 0; block < blocks; block++) {
    const side = half.has(block) ? 0 : 1;
    skipped[1 - side] += width;
    for (; row < batch.length && timeOf(batch, row) < first + width * BigInt(block + 1); row++) {
      const target = sides[side];
      copyRow(batch, row, target, target.length++);
      storeBigInt(target.time, 2 * (target.length - 1), timeOf(batch, row) - skipped[side]);
    }
  }
  return [sides[0], sides[1]];
}

const CAPTURES = [
  join(SAMPLES, 'intel-perf/perf.data'),
  ...(HAS_SHARED
    ? ['intel/linux-pf/perf.data', 'x86/pf-min/perf.data', 'arm64/61v3-perf-all/perf.data']
        .map((path) => join(SHARED, 'corpus', path))
        .filter(existsSync)
    : []),
];

describe.each(CAPTURES)('%s', (path) => {
  test('against itself nothing changes, to the last digit', async () => {
    const { batch, context } = await readEvents(path);
    const model = compare(batch, batch, context);
    expect(model.method.figures).toBeGreaterThan(10);
    expect(changed(model)).toEqual([]);
    for (const { figure } of figuresOf(model)) if (figure.change !== null) expect(figure.change).toBe(0);
  });

  test('halves of it hardly ever differ', async () => {
    const { batch, context } = await readEvents(path);
    const random = createRandom(20260101);
    let comparisons = 0;
    let withFindings = 0;
    let figures = 0;
    for (let split = 0; split < 12; split++) {
      const [a, b] = splitByTime(batch, 32, random);
      const model = compare(a, b, context);
      comparisons++;
      figures += model.method.figures;
      if (changed(model).length > 0) withFindings++;
    }
    expect(figures / comparisons).toBeGreaterThan(10);
    // Intervals hold together at 95 %: one comparison in twenty may be wrong. A phase of the load in one half is real.
    expect(withFindings).toBeLessThanOrEqual(2);
  });
});

/** A guest that leaves again and again, with jitter; `scale` changes latencies, `period` the time between exits. */
function madeEvents(
  seed: number,
  { scale = 1, period = 40_000, count = 6000, escalate = 0.2, tail = 1, hlt = false, rare = 0 } = {},
): EventBatch {
  const random = createRandom(seed);
  const events: TestEvent[] = [];
  let time = 1_000_000;
  for (let i = 0; i < count; i++) {
    const code = rare > 0 && random() < rare ? 54 : hlt && i % 10 === 0 ? 12 : i % 3 === 0 ? 30 : 32;
    const slow = i % 50 === 7 ? 10 * tail : 1;
    const latency = Math.round((2000 + 1000 * random()) * (code === 30 ? scale * slow : 1));
    const at = { tid: 7, pid: 7, cpu: 1, vcpu: 0 };
    events.push({ ...at, time, event: EV_EXIT, isa: ISA_VMX, code });
    if (code === 30 && random() < escalate)
      events.push({ ...at, time: time + 500, event: EV_USERSPACE_EXIT, code: 2, arg0: 0 });
    events.push({ ...at, time: time + latency, event: EV_ENTRY });
    time += latency + Math.round(period * (0.5 + random()));
  }
  return eventBatch(events);
}

describe('made recordings', () => {
  test('of the same load show no change', () => {
    for (let seed = 1; seed <= 10; seed++)
      expect(changed(compare(madeEvents(seed), madeEvents(seed + 100)))).toEqual([]);
  });

  test('of the same load show no change where one is too short for what is rare', () => {
    const load = { escalate: 0.01, rare: 0.004 };
    let unseen = 0;
    for (let seed = 1; seed <= 30; seed++) {
      const model = compare(madeEvents(seed, { ...load, count: 600 }), madeEvents(seed + 100, load));
      unseen += Number(model.reasons.some(({ before }) => before.exits === 0));
      unseen += Number(model.totals.before.escalated === 0);
      expect([seed, ...changed(model)]).toEqual([seed]);
    }
    expect(unseen).toBeGreaterThan(2);
  });

  test('with longer times of one reason show it where it is, and nowhere else', () => {
    const found = changed(compare(madeEvents(1), madeEvents(2, { scale: 1.5 })));
    expect(found).toContain('IO_INSTRUCTION.costNs higher');
    expect(found).toContain('IO_INSTRUCTION.p50Ns higher');
    expect(found).toContain('busy.costNs higher');
    expect(found.filter((name) => name.startsWith('MSR_WRITE') || name.includes('escalation'))).toEqual([]);
  });

  test('with a longer tail only show it in the tail', () => {
    const found = changed(compare(madeEvents(1), madeEvents(2, { tail: 4 })));
    expect(found).toContain('IO_INSTRUCTION.p99Ns higher');
    expect(found).not.toContain('IO_INSTRUCTION.p50Ns higher');
  });

  test('with more exits show rates, not times', () => {
    const found = changed(compare(madeEvents(1), madeEvents(2, { period: 25_000 })));
    expect(found).toEqual(
      expect.arrayContaining([
        'MSR_WRITE.rate higher',
        'MSR_WRITE.guestRate higher',
        'MSR_WRITE.costNs higher',
      ]),
    );
    expect(found.filter((name) => name.includes('p50Ns'))).toEqual([]);
  });

  test('with more escalations show them by exit reason and by KVM_EXIT reason', () => {
    const model = compare(madeEvents(1), madeEvents(2, { escalate: 0.6 }));
    const found = changed(model);
    expect(found).toContain('IO_INSTRUCTION.escalation higher');
    expect(found).toContain('KVM_EXIT_IO higher');
    const row = model.reasons.find(({ name }) => name === 'IO_INSTRUCTION')!;
    expect(row.escalation.after).toBe(row.after.escalated! / row.after.exits);
  });

  test('show a reason that is new or gone, whichever way they are compared', () => {
    const without = madeEvents(1);
    const withIt = madeEvents(2, { hlt: true });
    expect(changed(compare(without, withIt))).toContain('HLT.rate higher');
    expect(changed(compare(withIt, without))).toContain('HLT.rate lower');
    expect(compare(without, withIt).reasons.at(-1)!.name).toBe('HLT');
  });

  test('compared the other way round give the mirrored result', () => {
    const [a, b] = [madeEvents(1), madeEvents(2, { scale: 1.3, period: 35_000 })];
    const forth = figuresOf(compare(a, b));
    const back = new Map(figuresOf(compare(b, a)).map(({ name, figure }) => [name, figure]));
    const mirrored = { higher: 'lower', lower: 'higher', noise: 'noise', unknown: 'unknown' } as const;
    for (const { name, figure } of forth) {
      const other = back.get(name)!;
      expect([name, other.before, other.after]).toEqual([name, figure.after, figure.before]);
      expect([name, other.verdict]).toEqual([name, mirrored[figure.verdict]]);
      if (figure.low === null) expect(other.high).toBeNull();
      else {
        expect(other.high).toBeCloseTo(-figure.low, 9);
        expect(other.low).toBeCloseTo(-figure.high!, 9);
      }
    }
  });

  test('that are very short are not judged', () => {
    const model = compare(madeEvents(1, { count: 3, period: 100 }), madeEvents(2, { count: 3, period: 100 }));
    expect(model.method.figures).toBe(0);
    expect(model.notes.join()).toContain('too short');
  });

  test('have the report’s numbers', () => {
    const batch = madeEvents(3, { hlt: true });
    const input = inputOf(batch, madeContext());
    const model = buildDiff(input, input, '0');
    const seconds = Number(input.model.capture.durationNs) / 1e9;
    for (const row of input.model.reasons) {
      const { before } = model.reasons.find(({ name }) => name === row.name)!;
      expect(before).toEqual({
        exits: row.exits,
        paired: row.paired,
        totalNs: row.totalNs,
        escalated: row.escalated,
      });
      const figures = model.reasons.find(({ name }) => name === row.name)!;
      expect(figures.rate.before).toBeCloseTo(row.exits / seconds, 6);
      expect(figures.costNs.before).toBeCloseTo(Number(row.totalNs) / seconds, 3);
      expect([figures.p50Ns.before, figures.p99Ns.before]).toEqual([row.p50Ns, row.p99Ns]);
    }
    expect(model.before.vcpuNs).toBe(input.model.capture.durationNs);
  });
});

describe('slices', () => {
  const batch = madeEvents(5, { count: 3000 });
  const whole = runSlices(batch);

  function runSlices(events: EventBatch, from = 0, to = events.length, origin?: Slices): Slices {
    const slices = createSlices(null, ALL);
    if (origin) {
      slices.axis.hasOrigin = true;
      slices.axis.origin.set(origin.axis.origin);
    }
    const part = sliceBatch(events, from, to);
    slicesPass.events!(slices, part);
    const exits = exitsOf(part);
    slicesPass.exits!(slices, exits, null);
    return slices;
  }

  test('are between half of the limit and the limit, and hold everything once', () => {
    const result = slicesResult(runSlices(batch));
    expect(result.slices).toBeGreaterThan(SLICES / 2 - 1);
    expect(result.slices).toBeLessThanOrEqual(SLICES);
    const sum = (values: Float64Array) => values.reduce((a, b) => a + b, 0);
    const exits = exitsOf(batch);
    expect(result.reasons.reduce((all, { exits: column }) => all + sum(column), 0)).toBe(exits.length);
    expect(result.reasons.reduce((all, { histogram }) => all + sum(histogram), 0)).toBe(exits.length);
    expect(result.reasons.reduce((all, { ns }) => all + sum(ns), 0)).toBe(
      exits.latency.subarray(0, exits.length).reduce((a, b) => a + b, 0),
    );
    expect(sum(result.exposure)).toBe(whole.last);
    const guest = sum(result.guest);
    const handling = result.reasons.reduce((all, { ns }) => all + sum(ns), 0);
    expect(guest + handling).toBe(whole.last);
  });

  test('escalations of any KVM_EXIT number have slices; numbers that nobody defined share those of the last', () => {
    const codes = [2, 64, 200, 255, 256, 0xffffffff];
    const events = codes.flatMap((code, i): TestEvent[] => [
      { time: 1000 * i, event: EV_EXIT, tid: 7, isa: ISA_VMX, code: 30 },
      { time: 1000 * i + 2, event: EV_USERSPACE_EXIT, tid: 7, code },
      { time: 1000 * i + 5, event: EV_ENTRY, tid: 7 },
    ]);
    const { userspace } = slicesResult(runSlices(eventBatch(events)));
    const counts = userspace.map(({ code, count }) => [code, count.reduce((a, b) => a + b, 0)]);
    expect(counts).toEqual([2, 64, 200].map((code) => [code, 1]).concat([[255, 3]]));
  });

  /** Time in the guest: from an entry to the exit that is the thread's next, if nothing was lost in between. */
  function guestStretches(events: EventBatch): { tid: number; from: number; exit: number }[] {
    const kinds = [EV_ENTRY, EV_EXIT];
    const rows = Array.from({ length: events.length }, (_, row) => row);
    return rows.flatMap((from) => {
      if (events.event[from] !== EV_ENTRY) return [];
      const tid = events.tid[from];
      const exit = rows.find(
        (row) => row > from && events.tid[row] === tid && kinds.includes(events.event[row]),
      );
      if (exit === undefined || events.event[exit] !== EV_EXIT) return [];
      return events.event.subarray(from, exit).includes(EV_LOST) ? [] : [{ tid, from, exit }];
    });
  }

  test('are what brute force finds in each, of chosen threads only, with losses, in parts as well', () => {
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 1, maxLength: 120 }).map((steps) => eventsOf(steps, true)),
        fc.constantFrom(null, new Set([100]), new Set([101, 102])),
        fc.array(fc.nat(120), { maxLength: 3 }),
        fc.boolean(),
        (events, tids, cuts, byVcpu) => {
          const none = { pids: null, vcpus: null, cpus: null, reasons: null, excludes: null, levels: null };
          const origin: [number, number] = [events.time[0], events.time[1]];
          const vcpus = tids && new Set([...tids].map((tid) => tid - 100));
          const selection = tids && {
            ...none,
            ...(byVcpu ? { vcpus, tids: null } : { tids }),
            from: null,
            to: null,
          };
          // As on older x86, where entries alone tell their vCPU.
          if (byVcpu)
            for (let row = 0; row < events.length; row++)
              if (events.event[row] === EV_EXIT) events.vcpu[row] = -1;
          const edges = [0, ...cuts.map((at) => Math.min(at, events.length)), events.length];
          edges.sort((a, b) => a - b);
          const exits = exitsOf(events);
          const chosen = Uint8Array.from(exits.tid, (tid) => (tids === null || tids.has(tid) ? 1 : 0));
          const parts = edges.slice(1).map((end, i) => {
            const scope = { selection, threads: null, ...(i === 0 ? {} : { recordingStart: origin }) };
            const slices = createSlices(null, scope);
            // A first part without any event is none.
            slices.axis.hasOrigin = true;
            slices.axis.origin.set(origin);
            slicesPass.events!(slices, sliceBatch(events, edges[i], end));
            return slices;
          });
          slicesPass.exits!(parts[0], exits, chosen);
          for (const later of parts.slice(1)) mergeSlices(parts[0], later);
          const result = slicesResult(parts[0]);
          const ns = (times: Uint32Array, row: number) =>
            Number(wordsToBigInt(times[2 * row], times[2 * row + 1]) - timeOf(events, 0));
          // A loss is no event: the recording ends with the last one.
          const ends = Array.from(events.event, (event, row) =>
            event === EV_LOST ? 0 : ns(events.time, row),
          );
          const last = Math.max(...ends);
          const sliceOf = (at: number) => Math.floor(at / result.widthNs);
          const bySlice = (list: readonly (readonly [number, number])[]) => {
            const sums = new Array(result.slices).fill(0);
            for (const [slice, value] of list) sums[slice] += value;
            return sums;
          };
          expect([...result.exposure].reduce((sum, width) => sum + width, 0)).toBe(last);
          expect([...result.guest]).toEqual(
            bySlice(
              guestStretches(events)
                .filter(({ tid }) => tids === null || tids.has(tid))
                .map(({ from, exit }) => {
                  const at = ns(events.time, exit);
                  return [sliceOf(at), at - ns(events.time, from)];
                }),
            ),
          );
          const rows = Array.from({ length: exits.length }, (_, row) => row).filter((row) => chosen[row]);
          const at = (row: number) => sliceOf(ns(exits.exitTime, row));
          const count = (list: readonly number[]) => bySlice(list.map((row) => [at(row), 1]));
          expect(result.reasons.map(({ code }) => code).sort()).toEqual(
            [...new Set(rows.map((row) => exits.code[row]))].sort(),
          );
          for (const reason of result.reasons) {
            const own = rows.filter((row) => exits.code[row] === reason.code);
            const pairs = own.filter((row) => exits.state[row] === PAIRED);
            expect([...reason.exits]).toEqual(count(own));
            expect([...reason.paired]).toEqual(count(pairs));
            expect([...reason.escalated]).toEqual(count(own.filter((row) => exits.userspaceExits[row] > 0)));
            expect([...reason.ns]).toEqual(bySlice(pairs.map((row) => [at(row), exits.latency[row]])));
          }
          const left = rows.filter((row) => exits.userspaceExits[row] > 0);
          const codes = [...new Set(left.map((row) => exits.userspaceCode[row]))].sort();
          expect(result.userspace.map(({ code, count: column }) => [code, [...column]])).toEqual(
            codes.map((code) => [code, count(left.filter((row) => exits.userspaceCode[row] === code))]),
          );
        },
      ),
      { numRuns: 200 },
    );
  });

  test('hold guest time between --from and --to only, whatever entered before and left after, in parts as well', () => {
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 1, maxLength: 120 }).map((steps) => eventsOf(steps, true)),
        fc.tuple(fc.integer({ min: -5, max: 120 }), fc.integer({ min: 0, max: 125 })),
        fc.nat(120),
        (events, [first, rows], at) => {
          // Times between those of events, so that no event lies on an edge.
          const edge = (row: number) =>
            timeOf(events, Math.max(0, Math.min(row, events.length - 1))) + BigInt(row < 0 ? row : 3);
          const [from, to] = [edge(first), edge(first + rows)];
          const pair = (time: bigint): [number, number] => [Number(time & 0xffffffffn), Number(time >> 32n)];
          const none = { pids: null, vcpus: null, cpus: null, reasons: null, excludes: null, levels: null };
          const selection = { ...none, tids: null, from: pair(from), to: pair(to) };
          const cut = Math.min(at, events.length);
          const parts = [
            [0, cut],
            [cut, events.length],
          ].map(([begin, end], i) => {
            const scope = { selection, threads: null, ...(i === 0 ? {} : { recordingStart: pair(from) }) };
            const slices = createSlices(null, scope);
            slicesPass.events!(slices, sliceBatch(events, begin, end));
            return slices;
          });
          mergeSlices(parts[0], parts[1]);
          const { guest, widthNs } = slicesResult(parts[0]);
          const expected = new Map<number, number>();
          for (const stretch of guestStretches(events)) {
            const begin = [timeOf(events, stretch.from), from].reduce((a, b) => (a > b ? a : b));
            const end = [timeOf(events, stretch.exit), to].reduce((a, b) => (a < b ? a : b));
            if (end <= begin) continue;
            const slice = Math.floor(Number(end - from) / widthNs);
            expected.set(slice, (expected.get(slice) ?? 0) + Number(end - begin));
          }
          expect(new Map([...guest.entries()].filter(([, ns]) => ns > 0))).toEqual(expected);
        },
      ),
      { numRuns: 300 },
    );
  });

  test('follow threads that were there before there were too many', () => {
    const strangers = Array.from({ length: 65_536 }, (_, i) => ({
      time: 100,
      event: EV_ENTRY,
      tid: 1000 + i,
      cpu: 0,
    }));
    const slices = createSlices(null, ALL);
    slicesPass.events!(
      slices,
      eventBatch([
        { time: 50, event: EV_ENTRY, tid: 7, cpu: 0 },
        ...strangers,
        { time: 250, event: EV_EXIT, tid: 7, cpu: 0 },
        // The one thread for which there is no room.
        { time: 300, event: EV_EXIT, tid: 1000 + 65_535, cpu: 0 },
      ]),
    );
    expect(slicesResult(slices).guest.reduce((sum, ns) => sum + ns, 0)).toBe(200);
  });

  test('hold more reasons than there is room for at first; what no slice counts is told', () => {
    const exits = createExitBatch(4000);
    for (let row = 0; row < 4000; row++) {
      storeBigInt(exits.exitTime, 2 * row, BigInt(10_000 * row));
      exits.isa[row] = 1;
      exits.code[row] = row % 200;
      exits.userspaceExits[row] = 1;
      exits.userspaceCode[row] = row % 2 === 0 ? 63 : 64;
      exits.latency[row] = row;
      exits.length++;
    }
    for (const cut of [0, 1000, 3999]) {
      const [slices, later] = [0, 1].map(() => createSlices(null, { ...ALL, recordingStart: [0, 0] }));
      slicesPass.exits!(slices, sliceExits(exits, 0, cut), null);
      slicesPass.exits!(later, sliceExits(exits, cut, 4000), null);
      mergeSlices(slices, later);
      slices.last = 40e6;
      const { reasons, ignored, userspace } = slicesResult(slices);
      const sum = (values: Float64Array) => values.reduce((a, b) => a + b, 0);
      expect(reasons.map(({ code, exits: column, ns }) => [code, sum(column), sum(ns)])).toEqual(
        Array.from({ length: 128 }, (_, code) => [code, 20, 20 * code + 200 * 190]),
      );
      expect(ignored).toBe(4000 - 128 * 20);
      expect(userspace.map(({ code, count }) => [code, sum(count)])).toEqual([
        [63, 2000],
        [64, 2000],
      ]);
    }
  });

  test('merge to what one pass gives, wherever exits are cut', () => {
    const exits = exitsOf(batch);
    for (const cut of [1, 500, 2999]) {
      const parts = [
        [0, cut],
        [cut, exits.length],
      ].map(([from, to]) => {
        const slices = createSlices(null, ALL);
        slices.axis.hasOrigin = true;
        slices.axis.origin.set(whole.axis.origin);
        slicesPass.exits!(slices, sliceExits(exits, from, to), null);
        return slices;
      });
      mergeSlices(parts[0], parts[1]);
      parts[0].last = whole.last;
      const { guest: _, ...merged } = slicesResult(parts[0]);
      const { guest: __, ...expected } = slicesResult(runSlices(batch));
      expect(merged).toEqual(expected);
    }
  });

  test('of a regular load scatter less than those of bursts', () => {
    const of = (events: EventBatch) => {
      const result = slicesResult(runSlices(events));
      return spreadOf(result.reasons.find(({ code }) => code === 32)!, result);
    };
    const bursts = createEventBatch(2 * batch.length);
    for (let row = 0; row < batch.length; row++) copyRow(batch, row, bursts, bursts.length++);
    const regular = of(batch);
    // The same events in a tenth of the time, then nothing until the same end.
    const first = timeOf(batch, 0);
    for (let row = 0; row < batch.length - 1; row++)
      storeBigInt(bursts.time, 2 * row, first + (timeOf(batch, row) - first) / 10n);
    expect(regular.rate).toBeLessThan(0.05);
    expect(of(bursts).rate).toBeGreaterThan(0.5);
  });
});

test('coarse counts lie in the limits of their buckets', () => {
  const histograms = createCoarseHistograms();
  const values = [0, 1, 7, 8, 127, 128, 135, 136, 255, 256, 1000, 123_456, 2 ** 40 + 12345];
  values.forEach((value, cell) => {
    countCoarse(histograms, cell, value);
  });
  values.forEach((value, cell) => {
    const { buckets, histogram } = coarseCounts(histograms, cell, 1);
    expect([...histogram]).toEqual([1]);
    const [from, to] = coarseBounds(buckets[0]);
    expect(value).toBeGreaterThanOrEqual(from);
    expect(value).toBeLessThan(to);
    expect((to - from) / Math.max(from, 128)).toBeLessThanOrEqual(1 / 16);
  });
});

test('quantiles of the distributions are those of the tables', () => {
  expect(normalQuantile(0.025)).toBeCloseTo(1.96, 2);
  expect(normalQuantile(0.0005)).toBeCloseTo(3.2905, 2);
  expect(studentQuantile(0.025, 10)).toBeCloseTo(2.228, 2);
  expect(studentQuantile(0.0005, 15)).toBeCloseTo(4.073, 1);
  expect(studentQuantile(0.0005, 60)).toBeCloseTo(3.46, 1);
});
