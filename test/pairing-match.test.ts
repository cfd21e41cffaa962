/** Matching (the hot path) against the rules alone, on made-up recordings with everything that may lie in between. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { copyExit, createExitBatch, EXIT_ROWS, type ExitBatch } from '../src/analysis/exit-batch.ts';
import { createPairing, finishPairing, pairBatch, pairByRules } from '../src/analysis/pairing.ts';
import {
  clearRow,
  createEventBatch,
  type EventBatch,
  F_ADDRESS,
  F_ARG0,
  F_CODE,
  F_ISA,
} from '../src/core/event-batch.ts';
import {
  EV_ENTRY,
  EV_EXIT,
  EV_EXIT_IDLE,
  EV_GET_TIMER_MAP,
  EV_INJ_VIRQ,
  EV_LOST,
  EV_MSR,
  EV_NESTED_VMEXIT,
  EV_NESTED_VMEXIT_INJECT,
  EV_PAGE_FAULT,
  EV_PIO,
  EV_RUN_EXIT,
  EV_SCHED_SWITCH,
  EV_USERSPACE_EXIT,
} from '../src/core/events.ts';

/** Weighted so that most exits meet their entry. */
const EVENTS = [
  ...Array(12).fill(EV_EXIT),
  ...Array(12).fill(EV_ENTRY),
  ...[EV_USERSPACE_EXIT, EV_USERSPACE_EXIT, EV_PIO, EV_MSR, EV_PAGE_FAULT, EV_INJ_VIRQ, EV_RUN_EXIT],
  ...[EV_NESTED_VMEXIT, EV_NESTED_VMEXIT_INJECT, EV_GET_TIMER_MAP, EV_EXIT_IDLE, EV_SCHED_SWITCH],
];

interface Row {
  readonly event: number;
  readonly tid: number;
  readonly cpu: number;
  readonly pid: number;
  readonly vcpu: number;
  /** ns since the row before: negative where CPUs' clocks do not agree. */
  readonly step: number;
  readonly value: number;
  readonly fields: number;
}

const rows = (events: readonly number[]) =>
  fc.array(
    fc.record<Row>({
      event: fc.constantFrom(...events),
      tid: fc.oneof(
        { weight: 20, arbitrary: fc.integer({ min: 1, max: 4 }) },
        { weight: 1, arbitrary: fc.constantFrom(-1, -1, -2, -(2 ** 31)) },
      ),
      cpu: fc.oneof(
        { weight: 5, arbitrary: fc.constant(0) },
        { weight: 1, arbitrary: fc.integer({ min: 0, max: 2 }) },
      ),
      pid: fc.constantFrom(-1, 7, 8),
      vcpu: fc.constantFrom(-1, -1, 0, 1),
      step: fc.integer({ min: -3, max: 3000 }),
      value: fc.integer({ min: -5, max: 1 << 20 }),
      fields: fc.constantFrom(F_ISA | F_CODE | F_ADDRESS | F_ARG0, F_ISA | F_CODE, F_CODE, 0),
    }),
    { maxLength: 120 },
  );

function batchesOf(recording: readonly Row[], size: number): EventBatch[] {
  const batches: EventBatch[] = [];
  let time = 5000;
  for (const [i, row] of recording.entries()) {
    if (i % size === 0) batches.push(createEventBatch(size));
    const batch = batches[batches.length - 1];
    const at = batch.length++;
    time = Math.max(0, time + row.step);
    clearRow(batch, at);
    batch.time[2 * at] = time;
    batch.time[2 * at + 1] = 9;
    batch.event[at] = row.event;
    batch.tid[at] = row.tid;
    batch.cpu[at] = row.cpu;
    batch.pid[at] = row.pid;
    batch.vcpu[at] = row.vcpu;
    batch.isa[at] = row.fields & F_ISA ? 1 : 0;
    batch.code[at] = row.fields & F_CODE ? row.value & 0xff : 0;
    batch.address[2 * at] = row.value;
    batch.address[2 * at + 1] = row.value & 1 ? 0xffffffff : 0;
    batch.arg0[2 * at] = row.value < -2 ? -4 : row.value;
    batch.fields[at] = row.fields;
  }
  return batches;
}

/** Whether a column of a row means anything is said by another. */
function rowOf(batch: ExitBatch, row: number): Record<string, number | readonly number[]> {
  const copy = createExitBatch(1);
  copyExit(batch, row, copy, 0);
  const { length, capacity, ...columns } = copy;
  const plain: Record<string, number | readonly number[]> = {};
  for (const [name, column] of Object.entries(columns)) plain[name] = Array.from(column as Uint32Array);
  if (copy.hasRip[0] === 0) delete plain.rip;
  if (copy.userspaceExits[0] === 0)
    for (const name of ['userspaceCode', 'kernelNs', 'userspaceNs']) delete plain[name];
  if (copy.detailEvent[0] === 0) for (const name of ['detailCode', 'detailAddress']) delete plain[name];
  return plain;
}

function pair(recording: readonly Row[], size: number, byRules: boolean) {
  const exits: unknown[] = [];
  const pairing = createPairing(null, (batch) => {
    for (let row = 0; row < batch.length; row++) exits.push(rowOf(batch, row));
  });
  const take = byRules ? pairByRules : pairBatch;
  for (const batch of batchesOf(recording, size)) take(pairing, batch);
  finishPairing(pairing);
  return { exits, counts: pairing.counts };
}

test.each([
  ['nothing lost', EVENTS],
  ['losses', [...EVENTS, EV_LOST]],
])('matching says what the rules say, whatever the batches: %s', (_, events) => {
  fc.assert(
    fc.property(rows(events), fc.integer({ min: 1, max: 50 }), (recording, size) => {
      expect(pair(recording, size, false)).toEqual(pair(recording, recording.length + 1, true));
    }),
    { numRuns: 150 },
  );
});

test('the output is handed on when it is full, in the middle of a batch', () => {
  const recording = Array.from(
    { length: 40000 },
    (_, i): Row => ({
      event: i % 2 === 0 ? EV_EXIT : i % 10 === 1 ? EV_PIO : EV_ENTRY,
      tid: 1,
      cpu: 0,
      pid: 7,
      vcpu: -1,
      step: 1 + (i % 7),
      value: i,
      fields: F_ISA | F_CODE | F_ADDRESS,
    }),
  );
  const { exits, counts } = pair(recording, 65536, false);
  expect(exits.length).toBeGreaterThan(16384);
  expect({ exits, counts }).toEqual(pair(recording, 1000, true));
});

test('more pairs wait for a CPU than there is room for, in the pool and in the output', () => {
  const threads = 2 * EXIT_ROWS + 100;
  const row = (event: number, tid: number, cpu: number, i: number): Row => ({
    ...{ event, tid, cpu, pid: 7, vcpu: -1, step: 1, value: i },
    fields: F_ISA | F_CODE | F_ADDRESS,
  });
  const all = Array.from({ length: threads }, (_, i) => i);
  const recording = [
    ...all.map((i) => row(EV_EXIT, 1 + i, 0, i)),
    ...all.filter((i) => i % 100 === 0).map((i) => row(EV_PIO, 1 + i, 0, i)),
    ...all.map((i) => row(EV_ENTRY, 1 + i, 1, i)),
    // CPU 0 goes on: all of them stand.
    row(EV_EXIT, 1, 0, 5),
    row(EV_ENTRY, 1, 0, 6),
    // Records that were used are used again.
    ...all.slice(0, 300).flatMap((i) => [row(EV_EXIT, 1 + i, 2, i), row(EV_ENTRY, 1 + i, 1, i)]),
  ];
  const { exits, counts } = pair(recording, 3 * threads, false);
  expect(exits.length).toBe(threads + 301);
  expect({ exits, counts }).toEqual(pair(recording, 1000, true));
});
