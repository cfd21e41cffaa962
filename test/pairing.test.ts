/** What pairing decides of every exit, by brute force: fate, latency, escalation, level, detail, vCPU. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  EXIT_WITHOUT_ENTRY,
  type ExitBatch,
  INVALIDATED_BY_LOSS,
  OPEN_AT_END,
  PAIRED,
} from '../src/analysis/exit-batch.ts';
import { createPairing, finishPairing, pairBatch, pairByRules } from '../src/analysis/pairing.ts';
import { finishParts, joinParts } from '../src/analysis/pairing-join.ts';
import { closePart, createPairingPart, pairPart } from '../src/analysis/pairing-part.ts';
import { createArena } from '../src/core/arena.ts';
import { copyRows, createArenaBatch } from '../src/core/event-batch.ts';
import {
  EV_ENTRY,
  EV_EXIT,
  EV_EXIT_CSR,
  EV_GET_TIMER_MAP,
  EV_INJ_VIRQ,
  EV_LOST,
  EV_NESTED_VMEXIT,
  EV_NESTED_VMEXIT_INJECT,
  EV_PAGE_FAULT,
  EV_PIO,
  EV_RUN_EXIT,
  EV_USERSPACE_EXIT,
  FIRST_DYNAMIC_EVENT,
} from '../src/core/events.ts';
import { createThreadTable, threadOf } from '../src/core/thread-table.ts';
import { wordsToBigInt } from '../src/core/words.ts';
import { eventBatch, sliceBatch, type TestEvent } from './support/events.ts';
import { countsOracle, type Known, type OracleExit, pairingOracle } from './support/pairing-oracle.ts';

const FATES = {
  [PAIRED]: 'paired',
  [EXIT_WITHOUT_ENTRY]: 'withoutEntry',
  [OPEN_AT_END]: 'open',
  [INVALIDATED_BY_LOSS]: 'lost',
} as const;

const exactNs = (times: Uint32Array, row: number) =>
  Number(wordsToBigInt(times[2 * row], times[2 * row + 1]));

/** An exit as the oracle tells it; its guest address is its row in the recording. */
function exitOf(batch: ExitBatch, row: number): Omit<OracleExit, 'negative'> {
  const fate = FATES[batch.state[row] as keyof typeof FATES];
  const hasEntry = fate === 'paired' || fate === 'lost';
  return {
    row: batch.rip[2 * row],
    fate,
    tid: batch.tid[row],
    isa: batch.isa[row],
    exitNs: exactNs(batch.exitTime, row),
    entryNs: hasEntry ? exactNs(batch.entryTime, row) : null,
    exitCpu: batch.exitCpu[row],
    entryCpu: hasEntry ? batch.entryCpu[row] : null,
    latency: batch.latency[row],
    code: batch.code[row],
    pid: batch.pid[row],
    vcpu: batch.vcpu[row],
    level: batch.level[row],
    restarts: batch.restarts[row],
    errors: batch.userspaceErrors[row],
    userspace:
      batch.userspaceExits[row] > 0
        ? {
            code: batch.userspaceCode[row],
            kernelNs: batch.kernelNs[row],
            userspaceNs: batch.userspaceNs[row],
          }
        : null,
    detail:
      batch.detailEvent[row] > 0
        ? { event: batch.detailEvent[row], address: batch.detailAddress[2 * row] }
        : null,
    vector: batch.vector[row],
  };
}

function pair(events: readonly TestEvent[], threads: Known, size: number, take: typeof pairBatch) {
  const table = createThreadTable();
  for (const [tid, known] of Object.entries(threads))
    Object.assign(threadOf(table, Number(tid)), { pid: known!.pid, comm: `CPU ${known!.vcpu}/KVM` });
  const exits: ReturnType<typeof exitOf>[] = [];
  const pairing = createPairing(table, (batch) => {
    for (let row = 0; row < batch.length; row++) exits.push(exitOf(batch, row));
  });
  const all = eventBatch(events);
  for (let at = 0; at < all.length; at += size)
    take(pairing, sliceBatch(all, at, Math.min(all.length, at + size)));
  finishPairing(pairing);
  return { exits: exits.sort((a, b) => a.row - b.row), counts: pairing.counts, room: pairing.pool.length };
}

const KINDS = [
  ...[EV_EXIT, EV_EXIT, EV_EXIT, EV_EXIT, EV_ENTRY, EV_ENTRY, EV_ENTRY, EV_ENTRY],
  ...[EV_USERSPACE_EXIT, EV_RUN_EXIT, EV_PIO, EV_PAGE_FAULT, EV_INJ_VIRQ, EV_GET_TIMER_MAP],
  ...[EV_NESTED_VMEXIT, EV_NESTED_VMEXIT_INJECT, EV_EXIT_CSR, FIRST_DYNAMIC_EVENT],
];
const ERRNOS = [0, 0, undefined, -4, -4, -11, 3];

interface Step {
  readonly event: number;
  readonly tid: number;
  readonly cpu: number;
  readonly pid: number;
  readonly vcpu: number;
  readonly step: number;
  readonly value: number;
}

const stepOf = (kinds: readonly number[], steps: readonly number[]): fc.Arbitrary<Step> =>
  fc.record({
    event: fc.constantFrom(...kinds),
    tid: fc.constantFrom(100, 100, 100, 101, 101, 102, -1),
    cpu: fc.constantFrom(0, 0, 0, 1, 2),
    pid: fc.constantFrom(-1, -1, 99, 98),
    vcpu: fc.constantFrom(-1, -1, 0, 1, 2),
    step: fc.constantFrom(...steps),
    value: fc.nat(6),
  });

/** Any events of few threads and CPUs, so that everything meets everything, and exits with much before their entry. */
const recordings = (kinds: readonly number[], steps: readonly number[]): fc.Arbitrary<TestEvent[]> => {
  const any = stepOf(kinds, steps);
  const between = stepOf(
    kinds.filter((event) => event !== EV_EXIT && event !== EV_ENTRY),
    steps,
  );
  const handled = fc
    .tuple(any, fc.array(between, { maxLength: 6 }), any)
    .map(([exit, list, entry]): Step[] => [
      { ...exit, event: EV_EXIT },
      ...list.map((step) => ({ ...step, tid: exit.tid })),
      { ...entry, event: EV_ENTRY, tid: exit.tid },
    ]);
  return fc
    .array(fc.oneof({ weight: 2, arbitrary: any.map((step) => [step]) }, handled), { maxLength: 25 })
    .map((list) => eventsOf(list.flat()));
};

function eventsOf(list: readonly Step[]): TestEvent[] {
  // 64 bits: the low word overflows on the way.
  let time = 0x8ffffff80;
  return list.map(({ event, tid, cpu, pid, vcpu, step, value }, row) => {
    time += step;
    if (event === EV_LOST) return { time, event, cpu };
    const place = { time, event, tid, cpu, pid, vcpu };
    switch (event) {
      case EV_EXIT:
        return {
          ...place,
          ...(step % 2 ? { isa: 1 + (value % 2) } : {}),
          address: row,
          ...(value > 0 ? { code: value } : {}),
        };
      case EV_USERSPACE_EXIT:
        return { ...place, code: value, ...(ERRNOS[value] === undefined ? {} : { arg0: ERRNOS[value] }) };
      default:
        return { ...place, code: value, ...(value > 1 ? { address: value } : {}) };
    }
  });
}

/** Without, and with a list of threads that knows some of them. */
const lists: fc.Arbitrary<Known> = fc.constantFrom(
  {},
  { 101: { pid: 55, vcpu: 7 }, 102: { pid: -1, vcpu: 9 } },
);

describe.each([
  ['nothing lost', KINDS, [1, 7, 90]],
  ['losses', [...KINDS, EV_LOST, EV_LOST], [0, 1, 7, 90]],
  ['CPUs whose clocks disagree', KINDS, [-5, 0, 1, 90]],
])('each exit is what brute force says: %s', (_, kinds, steps) => {
  test.each([
    ['matched by the kernel', pairBatch],
    ['by the rules', pairByRules],
  ])('%s', (_way, take) => {
    fc.assert(
      fc.property(
        recordings(kinds, steps),
        lists,
        fc.integer({ min: 1, max: 30 }),
        (events, threads, size) => {
          const { exits, counts } = pair(events, threads, size, take);
          expect(exits).toEqual(pairingOracle(events, threads).map(({ negative, ...exit }) => exit));
          expect(counts).toEqual(countsOracle(events));
        },
      ),
      { numRuns: 200 },
    );
  });
});

/** What a part alone may not know: ids that an earlier one was told. */
const withoutIds = ({ pid: _, vcpu: __, ...exit }: ReturnType<typeof exitOf>) => exit;

function pairInParts(events: readonly TestEvent[], cuts: readonly number[], size: number) {
  const exits: ReturnType<typeof exitOf>[] = [];
  const all = eventBatch(events);
  const edges = [0, ...cuts.map((at) => Math.min(at, all.length)).sort((a, b) => a - b), all.length];
  const parts = edges.slice(1).map((end, i) => {
    const arena = createArena();
    const sink = (batch: ExitBatch) => {
      for (let row = 0; row < batch.length; row++) exits.push(exitOf(batch, row));
    };
    const part = createPairingPart(null, sink, null, i > 0, arena);
    const batch = createArenaBatch(arena, size);
    for (let at = edges[i]; at < end; at += size) {
      copyRows(all, at, batch, Math.min(size, end - at));
      pairPart(part, batch);
    }
    closePart(part);
    return part;
  });
  const cpus = [0, 1, 2];
  for (const next of parts.slice(1)) joinParts(parts[0], next, cpus);
  finishParts(parts[0]);
  const { dropped, pairing } = parts[0];
  return { exits: exits.sort((a, b) => a.row - b.row), counts: pairing.counts, dropped };
}

test.each([
  ['nothing lost', KINDS, 100],
  ['losses', [...KINDS, EV_LOST, EV_LOST], 100],
  // So that what waits for its CPU's next record at a cut is often lost.
  ['hardly anything but losses', [EV_EXIT, EV_ENTRY, EV_LOST, EV_LOST, FIRST_DYNAMIC_EVENT], 150],
])('parts that are put together say the same, wherever they are cut: %s', (_, kinds, numRuns) => {
  fc.assert(
    fc.property(
      recordings(kinds, [0, 1, 7, 90]),
      fc.array(fc.nat(40), { minLength: 1, maxLength: 4 }),
      fc.integer({ min: 1, max: 30 }),
      (events, cuts, size) => {
        const { exits, counts } = pairInParts(events, cuts, size);
        expect(exits.map(withoutIds)).toEqual(
          pairingOracle(events).map(({ negative, ...exit }) => withoutIds(exit)),
        );
        expect(counts).toEqual(countsOracle(events));
        // What the exit's own event says is never overruled.
        for (const { row, vcpu } of exits) if (events[row].vcpu! >= 0) expect(vcpu).toBe(events[row].vcpu);
      },
    ),
    { numRuns },
  );
});

describe('what is around a cut decides, wherever it is cut, twice as well', () => {
  const at = (event: number, cpu: number, tid: number) => ({
    event,
    cpu,
    ...(event === EV_LOST ? {} : { tid }),
  });
  const other = FIRST_DYNAMIC_EVENT;
  test.each([
    // The exit's CPU tells long after the entry that it had lost something, or that it had not.
    ['lost', [at(EV_EXIT, 0, 7), at(EV_ENTRY, 1, 7), at(other, 1, 8), at(EV_LOST, 0, 0), at(other, 0, 8)]],
    ['lost', [at(EV_EXIT, 0, 7), at(EV_ENTRY, 1, 7), at(other, 1, 8), at(EV_LOST, 0, 0)]],
    ['paired', [at(EV_EXIT, 0, 7), at(EV_ENTRY, 1, 7), at(other, 1, 8), at(other, 0, 8), at(EV_LOST, 0, 0)]],
    ['paired', [at(EV_EXIT, 0, 7), at(EV_ENTRY, 1, 7), at(other, 1, 8), at(EV_LOST, 1, 0), at(other, 1, 8)]],
    // Of several losses the first one after the entry counts: it began before it.
    [
      'lost',
      [
        ...[at(EV_EXIT, 0, 7), at(other, 0, 8), at(EV_ENTRY, 1, 7), at(EV_LOST, 0, 0), at(other, 0, 8)],
        ...[at(EV_LOST, 0, 0), at(other, 0, 8)],
      ],
    ],
    // A loss of the entry's CPU that began before the exit goes on until after it.
    ['lost', [at(other, 1, 8), at(EV_LOST, 1, 0), at(EV_EXIT, 0, 7), at(other, 0, 8), at(EV_ENTRY, 1, 7)]],
    ['lost', [at(EV_LOST, 1, 0), at(EV_EXIT, 0, 7), at(other, 0, 8), at(EV_ENTRY, 1, 7)]],
    ['paired', [at(EV_LOST, 1, 0), at(other, 1, 8), at(EV_EXIT, 0, 7), at(other, 0, 8), at(EV_ENTRY, 1, 7)]],
    ['lost', [at(EV_EXIT, 0, 7), at(EV_LOST, 0, 0), at(other, 0, 8), at(other, 1, 8), at(EV_ENTRY, 1, 7)]],
  ])('%s %#', (fate, list) => {
    const events = list.map((event, i): TestEvent => ({ ...event, time: 100 + i, address: i }));
    for (let one = 0; one <= events.length; one++)
      for (let two = one; two <= events.length; two++)
        expect(pairInParts(events, [one, two], 4).exits.map((exit) => exit.fate)).toEqual([fate]);
  });
});

test.each([
  ['matched by the kernel', pairBatch],
  ['by the rules', pairByRules],
])(
  'pairs that waited for a CPU leave their place to others: memory does not grow with migrations (%s)',
  (_, take) => {
    const threads = [100, 101, 102].map((tid) => ({ tid, pid: -1, vcpu: -1 }));
    const events = Array.from({ length: 1000 }, (__, i): TestEvent[] => {
      const time = 100 * i;
      const [any] = threads;
      return [
        ...threads.map((thread, n) => ({
          ...{ time: time + n, event: EV_EXIT, cpu: 0, isa: 1, code: 1, ...thread },
          address: 16 * i + n,
        })),
        ...threads.map((thread, n) => ({ time: time + 5 + n, event: EV_ENTRY, cpu: 1, ...thread })),
        // Some are decided by a loss, others by the next event.
        i % 5 === 0
          ? { time: time + 9, event: EV_LOST, cpu: 0 }
          : { time: time + 9, event: EV_PIO, cpu: 1, ...any },
        { time: time + 10, event: EV_PIO, cpu: 0, ...any },
      ];
    }).flat();
    const { exits, room } = pair(events, {}, 500, take);
    expect(exits.length).toBe(3000);
    expect(exits.filter(({ fate }) => fate === 'lost').length).toBe(600);
    expect(room).toBe(pair([], {}, 1, take).room);
  },
);

test('events that find no room behind a cut are told where an exit was open, and only there', () => {
  const returns = Array.from({ length: 5000 }, (_, i) => ({
    ...{ time: 10 + i, event: EV_RUN_EXIT, cpu: 0, tid: 100, pid: 1, vcpu: 0, code: 2 },
  }));
  const exit = { time: 5, event: EV_EXIT, cpu: 0, tid: 100, pid: 1, vcpu: 0, isa: 1, code: 1 };
  expect(pairInParts([exit, ...returns], [1], 500).dropped).toBe(5000 - 4096);
  // Of QEMU's side alone nothing is ever joined.
  expect(pairInParts(returns, [1, 4500], 500).dropped).toBe(0);
});
