/** The summary of events, counted by the kernel, against the one that is counted row by row. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  addEvents,
  createArenaSummary,
  createEventSummary,
  type EventSummary,
  finishEvents,
  plainSummary,
} from '../src/analysis/event-summary.ts';
import { LOST } from '../src/analysis/event-summary-layout.ts';
import { withLosses } from '../src/analysis/largest-losses.ts';
import { createArena } from '../src/core/arena.ts';
import {
  copyRow,
  copyRows,
  createArenaBatch,
  createEventBatch,
  F_MARKER,
  NO_CPU,
} from '../src/core/event-batch.ts';
import { EV_ENTRY, EV_EXIT, EV_LOST, MAX_EVENTS } from '../src/core/events.ts';
import { eventBatch, type TestEvent } from './support/events.ts';

const event = fc.record({
  event: fc.constantFrom(EV_EXIT, EV_ENTRY, EV_EXIT, EV_ENTRY, MAX_EVENTS - 1),
  cpu: fc.constantFrom(0, 1, 5, NO_CPU),
  after: fc.constantFrom(0, 3, 5_000_000_000),
  marker: fc.constantFrom(false, false, false, true),
  lost: fc.integer({ min: 0, max: 30 }),
});

/** Columns without the thousands of zeros that a comparison would take its time for. */
function seen(summary: EventSummary): unknown {
  return Object.entries(summary).map(([name, value]) => [
    name,
    ArrayBuffer.isView(value)
      ? Array.from(value as Uint32Array, (cell, i) => [i, cell]).filter(([, cell]) => cell !== 0)
      : value,
  ]);
}

test('it is the same, however batches are cut, with losses and markers', () => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 200 }), fc.integer({ min: 1, max: 50 }), (rows, step) => {
      let time = 1000;
      const all = eventBatch(
        rows.map(({ event, cpu, after, lost }): TestEvent => {
          time += after;
          return lost === 0 ? { time, cpu, event: EV_LOST, arg0: 3 } : { time, cpu, event };
        }),
      );
      rows.forEach(({ marker, lost }, row) => {
        if (marker && lost !== 0) all.fields[row] |= F_MARKER;
      });
      const arena = createArena();
      const counted = createArenaSummary(arena);
      const plain = createEventSummary();
      const batch = createArenaBatch(arena, step);
      for (let at = 0; at < all.length; at += step) {
        const count = Math.min(step, all.length - at);
        const part = createEventBatch(step);
        for (let row = 0; row < count; row++) copyRow(all, at + row, part, part.length++);
        addEvents(plain, part);
        copyRows(all, at, batch, count);
        addEvents(counted, batch);
      }
      finishEvents(plain);
      finishEvents(counted);
      expect(seen(plainSummary(counted))).toEqual(seen(plain));
      expect(plain.events).toBe(rows.filter(({ lost }) => lost !== 0).length);
    }),
    { numRuns: 60 },
  );
});

test('the kernel knows losses by their number', () => {
  expect(LOST).toBe(EV_LOST);
});

test('numbers that no dictionary gives are counted nowhere', () => {
  const arena = createArena();
  const counted = createArenaSummary(arena);
  const batch = createArenaBatch(arena, 1);
  copyRows(eventBatch([{ time: 5, event: EV_EXIT, cpu: 0 }]), 0, batch, 1);
  batch.event[0] = 0xffff;
  addEvents(counted, batch);
  const { counts, events }: EventSummary = plainSummary(counted);
  expect([counts.length, counts.some((count) => count > 0), events]).toEqual([MAX_EVENTS, false, 1]);
});

test('the largest losses are known by place, the parts of a recording give those of all of it', () => {
  const losses = fc.array(
    fc.record({
      time: fc.integer({ min: 0, max: 30 }),
      cpu: fc.constantFrom(0, 1),
      events: fc.constantFrom(null, 1, 2, 3, 9),
    }),
    { maxLength: 40 },
  );
  fc.assert(
    fc.property(losses, losses, (earlier, later) => {
      const places = (list: typeof earlier) =>
        list.map(({ time, cpu, events }) => ({ low: time, high: 0, cpu, events }));
      const whole = withLosses([], places([...earlier, ...later]));
      expect(withLosses(withLosses([], places(earlier)), withLosses([], places(later)))).toEqual(whole);
      const sizes = [...earlier, ...later].map(({ events }) => events ?? -1).sort((a, b) => b - a);
      expect(whole.map(({ events }) => events ?? -1)).toEqual(sizes.slice(0, 8));
    }),
  );
});
