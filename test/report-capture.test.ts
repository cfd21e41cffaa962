/** What the report says of the recording itself: its span, its events, its losses, its warnings. */
import { expect, test } from 'vitest';
import { createEventSummary } from '../src/analysis/event-summary.ts';
import { note } from '../src/core/diagnostics.ts';
import { EV_ENTRY, EV_EXIT, EV_LOST } from '../src/core/events.ts';
import { ISA_VMX } from '../src/core/isa-codes.ts';
import { createTraceContext } from '../src/core/trace-context.ts';
import { storeBigInt } from '../src/core/words.ts';
import { buildCapture, buildWarnings } from '../src/report/build-capture.ts';
import { affectedWords } from '../src/report/trust.ts';
import type { TestEvent } from './support/events.ts';
import { madeUp } from './support/made-up-report.ts';

function summaryOf(first: bigint, last: bigint, cpus = 1) {
  const summary = Object.assign(createEventSummary(), { hasTime: true, cpus });
  storeBigInt(summary.first, 0, first);
  storeBigInt(summary.last, 0, last);
  return summary;
}

test('the span is what lies between the first event and the last, wherever the clock began', () => {
  const of = (first: bigint, last: bigint, over = {}) =>
    buildCapture(Object.assign(createTraceContext(), { timeIsNs: true }, over), summaryOf(first, last), []);
  expect(of(5_000_000_000n, 7_000_000_001n)).toMatchObject({
    firstNs: 5_000_000_000n,
    lastNs: 7_000_000_001n,
    durationNs: 2_000_000_001,
  });
  // A clock that began after the recording.
  expect(of(-5n, 5n)).toMatchObject({ firstNs: -5n, lastNs: 5n, durationNs: 10 });
  // Ticks are no ns.
  expect(of(5n, 7n, { timeIsNs: false }).durationNs).toBeNull();
  const untimed = buildCapture(createTraceContext(), createEventSummary(), []);
  expect(untimed).toMatchObject({ firstNs: null, lastNs: null, durationNs: null });
  expect(untimed.lost.affectedPct).toBe(0);
});

test('events: the most frequent first, those of equal number by name; markers by their own name', () => {
  const summary = summaryOf(0n, 1n);
  summary.counts[EV_EXIT] = 3;
  summary.counts[EV_ENTRY] = 3;
  summary.counts[0] = 1;
  summary.markers = 7;
  const context = Object.assign(createTraceContext(), { markerName: 'print' });
  expect(Object.entries(buildCapture(context, summary, []).events)).toEqual([
    ['print', 7],
    ['kvm_entry', 3],
    ['kvm_exit', 3],
    ['(unnamed)', 1],
  ]);
});

test('losses: their share of the time of all CPUs; how many events is unknown only if no loss said it', () => {
  const lost = (over: object, timeIsNs = true) =>
    buildCapture(
      Object.assign(createTraceContext(), { timeIsNs }),
      Object.assign(summaryOf(100n, 1100n, 4), { lostRegions: 2, lostEvents: 9, lostNs: 1000 }, over),
      [],
    ).lost;
  expect(lost({})).toEqual({
    events: 9,
    regions: 2,
    uncountedRegions: 0,
    affectedNs: 1000,
    affectedPct: 25,
  });
  expect(lost({ lostUnknown: 1 })).toMatchObject({ events: 9, uncountedRegions: 1 });
  expect(lost({ lostUnknown: 2, lostEvents: 0 }).events).toBeNull();
  // Gaps that reach beyond the last event.
  expect(lost({ lostNs: 9000 }).affectedPct).toBe(100);
  // Ticks of a clock without unit have shares, but no ns.
  expect(lost({}, false)).toMatchObject({ affectedNs: null, affectedPct: 25 });
  expect(affectedWords(lost({}))).toBe('1.000 us (25.0%)');
  expect(affectedWords(lost({}, false))).toBe('25.0%');
});

test('warnings: what cost data first, then doubts, then what is good to know', () => {
  const context = createTraceContext();
  note(context.diagnostics, 'a', 'info', 'one');
  note(context.diagnostics, 'b', 'suspect', 'two');
  note(context.diagnostics, 'c', 'data-loss', 'three');
  note(context.diagnostics, 'c', 'data-loss', 'three');
  expect(buildWarnings(context)).toEqual([
    { code: 'c', severity: 'data-loss', message: 'three', count: 2 },
    { code: 'b', severity: 'suspect', message: 'two', count: 1 },
    { code: 'a', severity: 'info', message: 'one', count: 1 },
  ]);
});

test('a report says where most was lost, in the order of time', async () => {
  const report = await madeUp([]);
  const lost = (time: number, cpu: number, events?: number): TestEvent => ({
    ...{ time, cpu, event: EV_LOST },
    ...(events === undefined ? {} : { arg0: events }),
  });
  const exit = { event: EV_EXIT, isa: ISA_VMX, code: 10, cpu: 0 };
  const places = (...losses: TestEvent[]) =>
    report([{ ...exit, time: 1000 }, ...losses, { ...exit, time: 9_000_000 }], null).notes.filter((note) =>
      note.startsWith('Lost'),
    );
  expect(places()).toEqual([]);
  expect(places(lost(2_001_000, 0, 5), lost(3_001_000, 1, 70), lost(4_001_000, 3))).toEqual([
    'Lost: 5 events around second 0.002000 (CPU 0); 70 events around second 0.003000 (CPU 1); an unknown number around second 0.004000 (CPU 3).',
  ]);
  const many = [1, 2, 3, 4, 5, 6].map((n) => lost(1000 + 1_000_000 * n, 0, n));
  expect(places(...many)[0]).toMatch(
    /^Lost, the largest of 6: 2 events around second 0\.002000 \(CPU 0\); 3 /,
  );
});
