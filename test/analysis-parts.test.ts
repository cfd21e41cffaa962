/** Analysing the parts of a recording and merging them gives what one pass gives, wherever it is cut. */
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PASS_NAMES } from '../src/analysis/passes.ts';
import type { EventBatch } from '../src/core/event-batch.ts';
import {
  EV_ENTRY,
  EV_EXIT,
  EV_GET_TIMER_MAP,
  EV_HALT_POLL_NS,
  EV_INJ_VIRQ,
  EV_LOST,
  EV_MMIO,
  EV_NESTED_VMENTER,
  EV_NESTED_VMEXIT,
  EV_NESTED_VMEXIT_INJECT,
  EV_PAGE_FAULT,
  EV_PIO,
  EV_RUN_EXIT,
  EV_SCHED_SWITCH,
  EV_SCHED_WAKEUP,
  EV_USERSPACE_EXIT,
  EV_VCPU_WAKEUP,
  FIRST_DYNAMIC_EVENT,
} from '../src/core/events.ts';
import { HAS_SHARED, listCaptures, SAMPLES, SHARED } from './support/corpus.ts';
import { eventBatch, isReadable, readEvents, type TestEvent } from './support/events.ts';
import { analyzeAtOnce, analyzeInParts, PASS_OPTIONS, withoutLate } from './support/parts.ts';

test('every pass takes part', () => {
  expect([...PASS_NAMES].sort()).toEqual(Object.keys(PASS_OPTIONS).sort());
});

interface Step {
  event: number;
  thread: number;
  cpu: number;
  value: number;
  /** ns since the event before: often none, as on coarse clocks. */
  after: number;
}

/** Few threads, CPUs and reasons, so that everything meets everything; losses, migrations and stray events included. */
const step: fc.Arbitrary<Step> = fc.record({
  event: fc.constantFrom(
    EV_EXIT,
    EV_EXIT,
    EV_EXIT,
    EV_ENTRY,
    EV_ENTRY,
    EV_ENTRY,
    EV_USERSPACE_EXIT,
    EV_RUN_EXIT,
    EV_LOST,
    EV_NESTED_VMEXIT,
    EV_NESTED_VMEXIT_INJECT,
    EV_NESTED_VMENTER,
    EV_PIO,
    EV_MMIO,
    EV_PAGE_FAULT,
    EV_INJ_VIRQ,
    EV_GET_TIMER_MAP,
    EV_VCPU_WAKEUP,
    EV_HALT_POLL_NS,
    EV_SCHED_SWITCH,
    EV_SCHED_WAKEUP,
    FIRST_DYNAMIC_EVENT,
  ),
  thread: fc.integer({ min: 0, max: 2 }),
  cpu: fc.integer({ min: 0, max: 2 }),
  value: fc.integer({ min: 0, max: 5 }),
  after: fc.constantFrom(0, 1, 7, 1000, 2_000_000),
});

const REASONS = [10, 12, 30, 48, 12, 1];
const ERRNOS = [0, 0, 0, -4, -11, 0];

/** `ids`: exits and entries carry process and vCPU; what few events alone tell, a later part cannot know. */
function eventsOf(steps: readonly Step[], ids: boolean): EventBatch {
  let time = 1_000_000_000;
  return eventBatch(
    steps.map(({ event, thread, cpu, value, after }): TestEvent => {
      time += after;
      const known = ids && (event === EV_EXIT || event === EV_ENTRY);
      const base: TestEvent = {
        time,
        event,
        cpu,
        tid: 100 + thread,
        ...(known ? { vcpu: thread, pid: 99 } : {}),
      };
      switch (event) {
        case EV_LOST:
          return { time, event, cpu, ...(value % 2 ? { arg0: value } : {}) };
        case EV_EXIT:
          return {
            ...base,
            isa: 1,
            code: REASONS[value],
            address: 0xffffffff81000000n + BigInt(value),
          };
        case EV_NESTED_VMEXIT_INJECT:
          return { ...base, isa: 1, code: REASONS[value] };
        case EV_USERSPACE_EXIT:
          return { ...base, code: value, arg0: ERRNOS[value] };
        case EV_RUN_EXIT:
          // As simpletrace records it: without a thread.
          return value % 2
            ? { ...base, vcpu: thread, code: value }
            : { time, event, vcpu: thread, code: value };
        case EV_GET_TIMER_MAP:
          return ids ? { ...base, vcpu: thread } : base;
        case EV_SCHED_SWITCH:
          return {
            ...base,
            tid: 100 + value,
            address: 100 + ((value + thread) % 6),
            arg0: 100 + value,
            info1: value % 2,
          };
        case EV_SCHED_WAKEUP:
          return { ...base, tid: 100 + value, address: 100 + thread };
        case EV_VCPU_WAKEUP:
          return { ...base, arg0: 500 * value, code: value % 2 };
        case EV_HALT_POLL_NS:
          return { ...base, arg0: 5000, arg1: 10000, code: 1 };
        default:
          return { ...base, code: value % 3, address: 0x1000 * value };
      }
    }),
  );
}

test('made-up recordings with losses, cut anywhere', () => {
  fc.assert(
    fc.property(
      fc.array(step, { minLength: 2, maxLength: 120 }),
      fc.array(fc.nat(120), { minLength: 1, maxLength: 4 }),
      fc.integer({ min: 1, max: 40 }),
      fc.boolean(),
      (steps, places, batchRows, ids) => {
        const events = eventsOf(steps, ids);
        const cuts = places.map((place) => Math.min(place, events.length)).sort((a, b) => a - b);
        const whole = analyzeAtOnce(events, null, batchRows);
        const [one, parts] = withoutLate(whole, analyzeInParts(events, null, cuts, batchRows));
        expect(parts).toEqual(one);
      },
    ),
    { numRuns: Number(process.env.RUNS ?? 60) },
  );
}, 600_000);

const captures = [
  ...listCaptures(SAMPLES),
  ...(HAS_SHARED ? listCaptures(join(SHARED, 'corpus')) : []),
].filter(({ path }) => isReadable(path));
/** Reproducible, and other places in each capture. */
const seedOf = (id: string) => [...id].reduce((sum, letter) => (31 * sum + letter.charCodeAt(0)) | 0, 7);

describe.each(captures.map(({ id, path }) => [id, path] as const))('%s', (id, path) => {
  test('parts merge to one pass', async () => {
    const { batch, context } = await readEvents(path);
    const step = 5000;
    const whole = analyzeAtOnce(batch, context.threads, step);
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: batch.length }), { minLength: 1, maxLength: 4 }),
        (places) => {
          const cuts = places.sort((a, b) => a - b);
          const [one, parts] = withoutLate(whole, analyzeInParts(batch, context.threads, cuts, step));
          expect(parts).toEqual(one);
        },
      ),
      { numRuns: 1, seed: seedOf(id), endOnFailure: true },
    );
  }, 120_000);
});
