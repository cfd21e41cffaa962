/** Made-up recordings: few threads, CPUs and reasons, so that everything meets everything. */
import fc from 'fast-check';
import type { EventBatch } from '../../src/core/event-batch.ts';
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
} from '../../src/core/events.ts';
import { eventBatch, type TestEvent } from './events.ts';

export interface Step {
  event: number;
  thread: number;
  cpu: number;
  value: number;
  /** ns since the event before: often none, as on coarse clocks. */
  after: number;
  /** 0: an exit or entry that does not say its thread. */
  threadless?: number;
}

/** Few threads, CPUs and reasons, so that everything meets everything; losses, migrations and stray events included. */
export const step: fc.Arbitrary<Step> = fc.record({
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

/** The same, but a few exits and entries do not say their thread. */
export const threadlessStep: fc.Arbitrary<Step> = fc
  .tuple(step, fc.nat(15))
  .map(([made, threadless]) => ({ ...made, threadless }));

const REASONS = [10, 12, 30, 48, 12, 1];
const ERRNOS = [0, 0, 0, -4, -11, 0];

/** `ids`: exits and entries carry process and vCPU; what few events alone tell, a later part cannot know. */
export function eventsOf(steps: readonly Step[], ids: boolean): EventBatch {
  let time = 1_000_000_000;
  return eventBatch(
    steps.map(({ event, thread, cpu, value, after, threadless }): TestEvent => {
      time += after;
      const known = ids && (event === EV_EXIT || event === EV_ENTRY);
      const base: TestEvent = {
        time,
        event,
        cpu,
        tid: threadless === 0 && (event === EV_EXIT || event === EV_ENTRY) ? -1 : 100 + thread,
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
