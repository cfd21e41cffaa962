/** Which exits went to user space, per exit reason and per KVM_EXIT reason, against brute force over decided exits. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { analyzeBatch, createAnalysis, finishAnalysis } from '../src/analysis/analyze.ts';
import { type ExitBatch, PAIRED } from '../src/analysis/exit-batch.ts';
import type { EventBatch } from '../src/core/event-batch.ts';
import { EV_ENTRY, EV_EXIT, EV_USERSPACE_EXIT } from '../src/core/events.ts';
import { createTraceContext } from '../src/core/trace-context.ts';
import { buildModel } from '../src/report/build-model.ts';
import { eventBatch } from './support/events.ts';
import { exitsOf } from './support/exits.ts';
import { eventsOf, step } from './support/made-up-events.ts';

function escalationOf(events: EventBatch, byThread: boolean) {
  const context = Object.assign(createTraceContext(), { enabledEvents: new Set(['kvm_userspace_exit']) });
  const options = {
    selection: null,
    grouping: { pid: false, tid: byThread, vcpu: byThread, cpu: false, level: byThread },
    ...{ slowLimit: 1, slowThanNs: 0, slowIncludeIdle: false, passes: [] },
  };
  const analysis = createAnalysis(null, options, () => {
    throw new Error('no passes');
  });
  analyzeBatch(analysis, events);
  const input = { toolVersion: '0', by: [], filters: [] };
  return buildModel(context, finishAnalysis(analysis), input).escalation;
}

/** Sums over some of the exits. */
function figures(exits: ExitBatch, rows: readonly number[]) {
  const escalated = rows.filter((row) => exits.userspaceExits[row] > 0);
  const pairs = escalated.filter((row) => exits.state[row] === PAIRED);
  const sum = (column: Float64Array) => pairs.reduce((all, row) => all + column[row], 0);
  return {
    exits: rows.length,
    escalated: escalated.length,
    ratio: rows.length === 0 ? null : escalated.length / rows.length,
    kernelNs: sum(exits.kernelNs),
    userspaceNs: sum(exits.userspaceNs),
  };
}

const isDescending = (values: readonly number[]) =>
  values.every((value, i) => i === 0 || value <= values[i - 1]);

test('all of them, by exit reason and by KVM_EXIT reason, however exits are grouped', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 150 }), fc.boolean(), (steps, byThread) => {
      // One pair at least: without any exit nothing is known, without any entry no time.
      const pair = [EV_EXIT, EV_ENTRY].map((event) => ({ event, thread: 0, cpu: 0, value: 0, after: 5 }));
      const events = eventsOf([...pair, ...steps], true);
      const exits = exitsOf(events);
      const all = Array.from({ length: exits.length }, (_, row) => row);
      const { byReason, byUserspaceReason, ...totals } = escalationOf(events, byThread);
      expect(totals).toMatchObject({
        known: true,
        ...figures(exits, all),
        restarts: all.filter((row) => exits.restarts[row] > 0).length,
        errors: all.filter((row) => exits.userspaceErrors[row] > 0).length,
      });
      const codes = [...new Set(exits.code.subarray(0, exits.length))].sort((a, b) => a - b);
      expect(byReason.map(({ name: _, ...row }) => row).sort((a, b) => a.code! - b.code!)).toEqual(
        codes.map((code) => ({
          isa: 'vmx',
          code,
          ...figures(
            exits,
            all.filter((row) => exits.code[row] === code),
          ),
        })),
      );
      expect(isDescending(byReason.map(({ escalated }) => escalated))).toBe(true);
      const left = all.filter((row) => exits.userspaceExits[row] > 0);
      const reasons = [...new Set(left.map((row) => exits.userspaceCode[row]))].sort((a, b) => a - b);
      expect(byUserspaceReason.map(({ name: _, ...row }) => row).sort((a, b) => a.code - b.code)).toEqual(
        reasons.map((code) => {
          const own = left.filter((row) => exits.userspaceCode[row] === code);
          return { code, count: own.length, userspaceNs: figures(exits, own).userspaceNs };
        }),
      );
      expect(isDescending(byUserspaceReason.map(({ count }) => count))).toBe(true);
    }),
    { numRuns: 100 },
  );
});

test('reasons that no table knows have a row of their own, per ISA', () => {
  const events = eventBatch([
    { time: 1, event: EV_EXIT, tid: 7, isa: 1, code: 30000 },
    { time: 2, event: EV_USERSPACE_EXIT, tid: 7, code: 200, arg0: 0 },
    { time: 3, event: EV_ENTRY, tid: 7 },
    { time: 4, event: EV_EXIT, tid: 7, isa: 2, code: 30000 },
  ]);
  const { byReason, byUserspaceReason } = escalationOf(events, false);
  expect(byReason.map(({ isa, code, escalated }) => [isa, code, escalated])).toEqual([
    ['vmx', 30000, 1],
    ['svm', 30000, 0],
  ]);
  expect(byUserspaceReason).toMatchObject([{ code: 200, count: 1 }]);
});
