/** Rows that are equal in what a list is sorted by stand in an order of their own, whatever came first in the recording. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  EV_ENTRY,
  EV_EXIT,
  EV_MMIO,
  EV_MSR,
  EV_NESTED_VMENTER,
  EV_NESTED_VMEXIT,
  EV_NESTED_VMEXIT_INJECT,
  EV_PIO,
  EV_SET_IOEVENTFD_PIO,
  EV_USERSPACE_EXIT,
} from '../src/core/events.ts';
import { ISA_SVM, ISA_VMX } from '../src/core/isa-codes.ts';
import { ascending, orderBy } from '../src/report/order.ts';
import type { TestEvent } from './support/events.ts';
import { madeUp } from './support/made-up-report.ts';

type Unit = readonly Omit<TestEvent, 'time'>[];

const exitOf = (isa: number, code: number, rip: number): Unit[number] => ({
  ...{ event: EV_EXIT, isa, code },
  address: 0xffffffff81000000n + BigInt(rip),
});

/** What one thread does, in 10 ns: each differs from the others in one thing only. */
const UNITS: readonly Unit[] = [
  // Reads and writes of one number as port and as address, to two KVM_EXIT reasons.
  ...[EV_PIO, EV_MMIO, EV_MSR].flatMap((event) =>
    [0, 1].flatMap((isWrite) =>
      [2, 6].map(
        (reason): Unit => [
          exitOf(ISA_VMX, 30, 0),
          { event, code: event === EV_MMIO && isWrite ? 2 : isWrite, address: 0x3f8 },
          { event: EV_USERSPACE_EXIT, code: reason },
          { event: EV_ENTRY },
        ],
      ),
    ),
  ),
  // More addresses than are shown of a reason, in two VMs.
  ...Array.from({ length: 12 }, (_, rip): Unit => [exitOf(ISA_VMX, 10, rip), { event: EV_ENTRY }]),
  ...[1, 2].map((pid): Unit => [{ ...exitOf(ISA_VMX, 12, 5), pid }, { event: EV_ENTRY }]),
  // Reasons of the same number, and without a name.
  ...[ISA_VMX, ISA_SVM].flatMap((isa) =>
    [0x900, 0x901].map((code): Unit => [exitOf(isa, code, 7), { event: EV_ENTRY }]),
  ),
  ...[ISA_VMX, ISA_SVM].flatMap((isa) =>
    [16, 18].map(
      (code): Unit => [
        exitOf(isa, code, 9),
        { event: EV_NESTED_VMEXIT, isa, code },
        { event: EV_NESTED_VMEXIT_INJECT, isa, code },
        { event: EV_ENTRY },
        exitOf(isa, code, 9),
        { event: EV_NESTED_VMENTER },
        { event: EV_ENTRY },
      ],
    ),
  ),
  ...[1, 2].map((port): Unit => [{ event: EV_SET_IOEVENTFD_PIO, address: port, code: 1 }]),
];

const report = await madeUp(['devices', 'detail', 'hotspots', 'nested']);

function listsOf(order: readonly number[]): unknown {
  const events = order.flatMap((unit, place) =>
    UNITS[unit].map((event, i): TestEvent => ({ tid: 100 + unit, ...event, time: 1000 * place + 10 * i })),
  );
  const { reasons, vcpus, escalation, devices, detail, hotspots, nested, verdict } = report(events, null);
  return { reasons, vcpus, escalation, devices, detail, hotspots, nested, findings: verdict?.findings };
}

test('the same things in any order of time', () => {
  const wanted = listsOf([...UNITS.keys()]);
  fc.assert(
    fc.property(
      fc.shuffledSubarray([...UNITS.keys()], { minLength: UNITS.length, maxLength: UNITS.length }),
      (order) => {
        expect(listsOf(order)).toEqual(wanted);
      },
    ),
    { numRuns: Number(process.env.RUNS ?? 50) },
  );
});

test('keys are compared one after the other; what is not known comes first', () => {
  const rows = [
    { name: 'b', code: 1, at: 2n },
    { name: 'a', code: 2, at: 1n },
    { name: 'a', code: null, at: 3n },
    { name: 'a', code: 2, at: 0n },
  ];
  expect([...rows].sort(orderBy('name', 'code', 'at')).map((row) => rows.indexOf(row))).toEqual([2, 3, 1, 0]);
  expect([ascending(null, undefined), ascending(1, null), ascending(null, ''), ascending(5, 5)]).toEqual([
    0, 1, -1, 0,
  ]);
});
