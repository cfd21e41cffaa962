/** Nested guests: any exit may tell of which process and vCPU its thread is, also one that the kernel counts. */
import { expect, test } from 'vitest';
import { nestedPass } from '../src/analysis/nested.ts';
import { EV_EXIT, EV_NESTED_VMENTER, EV_NESTED_VMEXIT_INJECT } from '../src/core/events.ts';
import { eventBatch, type TestEvent } from './support/events.ts';
import { withKernels } from './support/feed.ts';

const TIDS = [7, 8, 9];
/** The first exit of a thread makes its row, the second one tells who it is; then it has so many cycles. */
const events = [
  ...TIDS.map((tid): TestEvent => ({ time: 1, event: EV_EXIT, tid })),
  ...TIDS.map((tid): TestEvent => ({ time: 2, event: EV_EXIT, tid, pid: 10 * tid, vcpu: tid - 7 })),
  ...TIDS.flatMap((tid) =>
    Array.from({ length: tid }, (): TestEvent[] => [
      { time: 3, event: EV_NESTED_VMEXIT_INJECT, tid, isa: 1, code: 1 },
      { time: 4, event: EV_NESTED_VMENTER, tid },
    ]).flat(),
  ),
];

test.each(TIDS)('thread %d', (tid) => {
  const none = { tids: null, cpus: null, reasons: null, excludes: null, levels: null, from: null, to: null };
  for (const chosen of [
    { pids: new Set([10 * tid]), vcpus: null },
    { pids: null, vcpus: new Set([tid - 7]) },
  ]) {
    const scope = { selection: { ...none, ...chosen }, threads: null };
    const fed = withKernels(nestedPass, (arena) => nestedPass.create(null, scope, arena));
    fed.events(eventBatch(events));
    expect(nestedPass.result(fed.state).cycles.map(({ cycles }) => cycles)).toEqual([tid]);
  }
});
