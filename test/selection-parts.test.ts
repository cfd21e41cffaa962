/** Filters in a recording that is analysed in parts: the same entries and exits are counted as in one pass. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type AnalysisOptions,
  analyzeBatch,
  createAnalysis,
  finishAnalysis,
} from '../src/analysis/analyze.ts';
import {
  analyzePart,
  createAnalysisPart,
  endPart,
  finishAnalysisParts,
  mergeParts,
} from '../src/analysis/analyze-parts.ts';
import type { AnyPass } from '../src/analysis/pass.ts';
import { reasonKey } from '../src/analysis/selection.ts';
import { type Arena, createArena } from '../src/core/arena.ts';
import { copyRows, createArenaBatch, type EventBatch } from '../src/core/event-batch.ts';
import { EV_ENTRY, EV_EXIT, EV_LOST, EV_PIO } from '../src/core/events.ts';
import { ISA_VMX } from '../src/core/isa-codes.ts';
import { eventBatch } from './support/events.ts';

const START = 1_000_000_000;

const recordings = fc
  .array(
    fc.record({
      event: fc.constantFrom(EV_EXIT, EV_EXIT, EV_EXIT, EV_ENTRY, EV_ENTRY, EV_ENTRY, EV_PIO, EV_LOST),
      tid: fc.integer({ min: 1, max: 3 }),
      cpu: fc.constantFrom(0, 0, 0, 1),
      code: fc.constantFrom(10, 12, 30),
      // Stamps that stand still or step back are counted apart.
      back: fc.constantFrom(0, 0, 1, 2),
    }),
    { minLength: 2, maxLength: 100 },
  )
  .map((list) =>
    eventBatch(
      list.map(({ event, tid, cpu, code, back }, i) => {
        const place = { time: START + i - (event === EV_ENTRY ? back : 0), event, cpu };
        if (event === EV_LOST) return place;
        return { ...place, tid, ...(event === EV_EXIT ? { isa: ISA_VMX, code } : {}) };
      }),
    ),
  );

/** By what parts know of each event; processes and vCPUs may be known to an earlier one alone. */
const selections = fc.record({
  pids: fc.constant(null),
  tids: fc.option(fc.subarray([1, 2, 3]).map((list) => new Set(list))),
  vcpus: fc.constant(null),
  cpus: fc.option(fc.subarray([0, 1]).map((list) => new Set(list))),
  reasons: fc.option(
    fc.subarray([10, 12, 30]).map((list) => new Set(list.map((code) => reasonKey(ISA_VMX, code)))),
  ),
  excludes: fc.constant(null),
  levels: fc.constant(null),
  from: fc.option(fc.nat(100).map((ns): [number, number] => [START + ns, 0])),
  to: fc.option(fc.nat(100).map((ns): [number, number] => [START + ns, 0])),
});

const passOf = (): AnyPass => {
  throw new Error('no passes');
};

/** Hands over rows [from, to), `step` at once, in the arena. */
function feed(
  arena: Arena,
  events: EventBatch,
  [from, to]: readonly [number, number],
  step: number,
  take: (batch: EventBatch) => void,
): void {
  const batch = createArenaBatch(arena, step);
  for (let at = from; at < to; at += step) {
    copyRows(events, at, batch, Math.min(to - at, step));
    take(batch);
  }
}

test('parts count what one pass counts', () => {
  fc.assert(
    fc.property(
      recordings,
      selections,
      fc.array(fc.nat(100), { minLength: 1, maxLength: 3 }),
      fc.integer({ min: 1, max: 40 }),
      (events, selection, places, step) => {
        const options: AnalysisOptions = {
          selection,
          grouping: { pid: false, tid: false, vcpu: false, cpu: false, level: false },
          ...{ slowLimit: 10, slowThanNs: 0, slowIncludeIdle: true, passes: [] },
        };
        const arena = createArena();
        const analysis = createAnalysis(null, options, passOf, arena);
        feed(arena, events, [0, events.length], step, (batch) => analyzeBatch(analysis, batch));
        const whole = finishAnalysis(analysis);
        const edges = [
          0,
          ...places.map((at) => Math.min(at, events.length)).sort((a, b) => a - b),
          events.length,
        ];
        const parts = edges.slice(1).map((to, i) => {
          const own = createArena();
          const part = createAnalysisPart(null, options, passOf, i === 0 ? null : [START, 0], own);
          feed(own, events, [edges[i], to], step, (batch) => analyzePart(part, batch));
          endPart(part);
          return part;
        });
        for (const next of parts.slice(1)) mergeParts(parts[0], next);
        const joined = finishAnalysisParts(parts[0]);
        expect(joined.entries).toEqual(whole.entries);
        expect(joined.states).toEqual(whole.states);
        expect(joined.odd).toEqual(whole.odd);
      },
    ),
    { numRuns: 100 },
  );
});
