/** The kernel's and QEMU's word for the same returns of KVM_RUN: what was really said twice, once, or outside of both. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { PassScope } from '../src/analysis/pass.ts';
import { type QemuCheckResult, qemuCheckPass } from '../src/analysis/qemu-check.ts';
import type { EventBatch } from '../src/core/event-batch.ts';
import { EV_ENTRY, EV_RUN_EXIT, EV_USERSPACE_EXIT } from '../src/core/events.ts';
import { ALL, eventBatch, sliceBatch, type TestEvent } from './support/events.ts';
import { withKernels } from './support/feed.ts';

const EINTR = -4;
const EFAULT = -14;

function check(events: readonly TestEvent[], cuts: readonly number[] = []): QemuCheckResult {
  const batch = eventBatch(events);
  const edges = [0, ...cuts.map((at) => Math.min(at, batch.length)).sort((a, b) => a - b), batch.length];
  const states = edges.slice(1).map((end, i) => {
    const scope: PassScope = i === 0 ? ALL : { ...ALL, recordingStart: [0, 0] };
    const fed = withKernels(qemuCheckPass, (arena) => qemuCheckPass.create(null, scope, arena));
    fed.events(sliceBatch(batch, edges[i], end) as EventBatch);
    return fed.state;
  });
  for (const later of states.slice(1)) qemuCheckPass.merge(states[0], later);
  return qemuCheckPass.result(states[0]);
}

const entry = (tid: number, vcpu: number): TestEvent => ({ time: 0, event: EV_ENTRY, tid, vcpu });
const kernel = (tid: number, code: number, errno = 0): TestEvent => ({
  ...{ time: 0, event: EV_USERSPACE_EXIT, tid, pid: 1, code },
  arg0: errno,
});
const qemu = (tid: number, vcpu: number, code: number): TestEvent => ({
  ...{ time: 0, event: EV_RUN_EXIT, tid, pid: tid < 0 ? -1 : 1, vcpu, code },
});

/** A return of KVM_RUN and who recorded it; before it one that a signal or an error cut short, which QEMU is not told. */
interface Return {
  readonly byKernel: boolean;
  readonly byQemu: boolean;
  readonly failed: number;
}

const returns = fc.array(
  fc.record<Return>({
    byKernel: fc.constantFrom(true, true, true, false),
    byQemu: fc.constantFrom(true, true, true, false),
    failed: fc.constantFrom(0, 0, 0, EINTR, EFAULT),
  }),
  { minLength: 1, maxLength: 40 },
);

/** No two returns of a thread have the same reason, so there is one way only to match them. */
const codeOf = (i: number) => 2 + i;

function eventsOf(threads: readonly (readonly Return[])[], named: boolean): TestEvent[] {
  const events = threads.map((_, vcpu) => entry(100 + vcpu, vcpu));
  for (let i = 0; i < Math.max(...threads.map(({ length }) => length)); i++)
    threads.forEach((list, vcpu) => {
      if (i >= list.length) return;
      const { byKernel, byQemu, failed } = list[i];
      if (failed < 0) events.push(kernel(100 + vcpu, 0, failed));
      if (byKernel) events.push(kernel(100 + vcpu, codeOf(i)));
      if (byQemu) events.push(qemu(named ? 100 + vcpu : -1, vcpu, codeOf(i)));
    });
  return events.map((event, i) => ({ ...event, time: 1000 + i }));
}

/** A word without the other is nobody's fault before the other's first and after the other's last one. */
function wordsOf(list: readonly Return[]) {
  const at = (has: (one: Return) => boolean) => list.flatMap((one, i) => (has(one) ? [i] : []));
  const inQemu = at(({ byQemu }) => byQemu);
  const inKernel = at(({ byKernel, failed }) => byKernel || failed < 0);
  // Until QEMU answers a later return, the answer may still be out.
  const answered = at(({ byKernel, byQemu }) => byKernel && byQemu);
  // A call that was cut short comes before the return of its row.
  const begun = at(({ byKernel, byQemu, failed }) => !byKernel && byQemu && failed < 0);
  const kernelAlone = at(({ byKernel, byQemu }) => byKernel && !byQemu);
  const qemuAlone = at(({ byKernel, byQemu }) => !byKernel && byQemu);
  const kernelOnly = kernelAlone.filter(
    (i) => inQemu.some((other) => other < i) && answered.some((other) => other > i),
  ).length;
  const qemuOnly = qemuAlone.filter(
    (i) => (begun.includes(i) || inKernel.some((other) => other < i)) && inKernel.some((other) => other > i),
  ).length;
  return {
    kernel: at(({ byKernel }) => byKernel).length,
    qemu: inQemu.length,
    restarts: at(({ failed }) => failed === EINTR).length,
    errors: at(({ failed }) => failed === EFAULT).length,
    matched: at(({ byKernel, byQemu }) => byKernel && byQemu).length,
    kernelOnly,
    qemuOnly,
    edges: kernelAlone.length + qemuAlone.length - kernelOnly - qemuOnly,
    differing: list.flatMap(({ byKernel, byQemu }, i) =>
      byKernel === byQemu ? [] : [{ code: codeOf(i), kernel: Number(byKernel), qemu: Number(byQemu) }],
    ),
  };
}

test('each return is matched, of one side only, or outside of what both recorded; in parts as well', () => {
  fc.assert(
    fc.property(
      fc.array(returns, { minLength: 1, maxLength: 3 }),
      fc.boolean(),
      fc.array(fc.nat(100), { maxLength: 3 }),
      (threads, named, cuts) => {
        const events = eventsOf(threads, named);
        const result = check(events);
        const wanted = threads.map((list, vcpu) => ({ vcpu, tid: 100 + vcpu, ...wordsOf(list) }));
        expect(result.rows.map(({ tid, vcpu: _, pid: __, ...row }) => ({ tid, ...row }))).toEqual(
          wanted.filter((row) => row.kernel + row.qemu > 0).map(({ vcpu: _, ...row }) => row),
        );
        for (const row of result.rows) if (row.qemu > 0) expect(row.vcpu).toBe(row.tid - 100);
        expect(result.kernelExits).toBe(wanted.reduce((sum, row) => sum + row.kernel, 0));
        expect(result.qemuExits).toBe(wanted.reduce((sum, row) => sum + row.qemu, 0));
        expect(check(events, cuts)).toEqual(result);
      },
    ),
    { numRuns: 200 },
  );
});

const one = (events: readonly TestEvent[], cuts: readonly number[] = []) => check(events, cuts).rows[0];

test('what QEMU never answers is the kernel’s alone, however much it is', () => {
  const silent = Array.from({ length: 200 }, () => kernel(100, 2));
  const events = [
    ...[entry(100, 0), kernel(100, 6), qemu(100, 0, 6)],
    ...silent,
    ...[kernel(100, 6), qemu(100, 0, 6)],
  ];
  expect(one(events)).toMatchObject({ matched: 2, kernelOnly: 200, edges: 0 });
  // Before QEMU's first word and after its last one it may just not have been recorded.
  expect(one([entry(100, 0), ...silent, kernel(100, 6), qemu(100, 0, 6)])).toMatchObject({
    ...{ matched: 1, kernelOnly: 0, edges: 200 },
  });
  expect(one([entry(100, 0), kernel(100, 6), qemu(100, 0, 6), ...silent])).toMatchObject({
    ...{ matched: 1, kernelOnly: 0, edges: 200 },
  });
});

describe('QEMU’s word without a thread', () => {
  test('of a vCPU that two threads have is nobody’s: it may be of either virtual machine', () => {
    const events = [entry(100, 0), entry(200, 0), kernel(100, 2), qemu(-1, 0, 2), kernel(200, 2)];
    expect(check(events).rows).toMatchObject([
      { tid: -1, vcpu: 0, qemu: 1, kernel: 0, matched: 0 },
      { tid: 100, kernel: 1, qemu: 0, matched: 0 },
      { tid: 200, kernel: 1, qemu: 0, matched: 0 },
    ]);
    expect(check(events, [1])).toEqual(check(events));
    expect(check(events, [3])).toEqual(check(events));
  });

  test('of a vCPU that no thread is known to be stands by itself', () => {
    expect(check([kernel(100, 2), qemu(-1, 0, 2)]).rows).toMatchObject([
      { tid: -1, vcpu: 0, qemu: 1, edges: 1, matched: 0 },
      { tid: 100, kernel: 1, edges: 1, matched: 0 },
    ]);
  });
});

test('reasons that are not known yet are compared as one', () => {
  const row = one([entry(100, 0), kernel(100, 500), qemu(100, 0, 500), kernel(100, 600), kernel(100, 63)]);
  expect(row).toMatchObject({
    kernel: 3,
    qemu: 1,
    matched: 1,
    differing: [{ code: 63, kernel: 3, qemu: 1 }],
  });
});

test('a word without a reason cannot be compared, whatever its column holds', () => {
  const { code: _, ...silent } = qemu(100, 0, 2);
  expect(check([entry(100, 0), kernel(100, 2), silent])).toMatchObject({
    ...{ kernelExits: 1, qemuExits: 0 },
    rows: [{ kernel: 1, qemu: 0, matched: 0, edges: 1 }],
  });
});

test('a return of no known thread is counted, in whichever part it stands', () => {
  const events = [entry(100, 0), kernel(100, 2), qemu(100, 0, 2), kernel(-1, 3), kernel(-1, 0, EINTR)];
  const wanted = { kernelExits: 1, qemuExits: 1, leftOut: 1, rows: [{ matched: 1, kernelOnly: 0 }] };
  for (const cuts of [[], [1], [3], [4]]) expect(check(events, cuts)).toMatchObject(wanted);
});

test('a later part with more events than are kept of its beginning is added as it stands', () => {
  const events: TestEvent[] = [entry(100, 0)];
  for (let i = 0; i < 45_000; i++) {
    if (i % 1000 !== 7) events.push(kernel(100, 2 + (i % 50)));
    if (i % 1000 !== 9) events.push(qemu(100, 0, 2 + (i % 50)));
    if (i % 100 === 3) events.push(kernel(100, 0, EINTR));
  }
  const whole = one(events);
  expect(whole).toMatchObject({
    ...{ kernel: 45_000 - 45, qemu: 45_000 - 45, restarts: 450, matched: 45_000 - 90 },
    ...{ kernelOnly: 45, qemuOnly: 45, edges: 0 },
  });
  expect(one(events, [1001])).toEqual(whole);
});
