/** The kernels of filters against what selection.ts says of single rows. */
import fc from 'fast-check';
import { beforeEach, expect, test } from 'vitest';
import { createArenaExits, LEVEL_L2_REFLECTED } from '../src/analysis/exit-batch.ts';
import { createPairing, finishPairing, pairBatch, pairByRules } from '../src/analysis/pairing.ts';
import { reasonKey, type Selection, selectExit } from '../src/analysis/selection.ts';
import { createSelectionTables, entryFilter, selectExits } from '../src/analysis/selection-tables.ts';
import { createArena } from '../src/core/arena.ts';
import { createEventBatch, F_CODE, F_ISA } from '../src/core/event-batch.ts';
import { EV_ENTRY, EV_EXIT, EV_GET_TIMER_MAP, EV_LOST, EV_PIO } from '../src/core/events.ts';
import { ISA_NAMED, ISA_SVM, ISA_VMX } from '../src/core/isa-codes.ts';

const MAX_TID = 4194304;
/** Around the ends of words and bytes of the sets, and beyond every set. */
const number = fc.oneof(
  fc.integer({ min: -1, max: 9 }),
  fc.constantFrom(31, 32, 63, 64, 65534, 65535, MAX_TID, 2147483647),
);
const numbers = fc.option(
  fc
    .uniqueArray(number, { maxLength: 5 })
    .map((list) => new Set(list.filter((one) => one >= 0 && one <= MAX_TID))),
);
/** Times as words: some negative, some with equal high words. */
const time = fc.tuple(
  fc.constantFrom<number[]>(0, 1, 5, 0x80000000, 0xffffffff),
  fc.constantFrom<number[]>(0, 1, 0x7fffffff, 0x80000000, 0xffffffff),
);
const reason = fc.record({
  isa: fc.constantFrom<number[]>(0, ISA_VMX, ISA_SVM, ISA_NAMED, 0x83, 255),
  code: fc.oneof(
    fc.integer({ min: 0, max: 20 }),
    fc.constantFrom(0x8000000c, 0x1000c, 0xffff, 0xffffffff, 0x400),
  ),
});
const reasons = (maxLength: number) =>
  fc.option(
    fc.array(reason, { maxLength }).map((list) => new Set(list.map(({ isa, code }) => reasonKey(isa, code)))),
  );

const selections: fc.Arbitrary<Selection> = fc.record({
  pids: numbers,
  tids: numbers,
  vcpus: numbers,
  cpus: numbers,
  reasons: reasons(30),
  excludes: reasons(3),
  levels: fc.option(fc.subarray([0, 1, LEVEL_L2_REFLECTED]).map((levels) => new Set(levels))),
  from: fc.option(time),
  to: fc.option(time),
});

/** One filter alone, too: all of them at once let hardly anything pass. */
const NONE: Selection = {
  ...{ pids: null, tids: null, vcpus: null, cpus: null, reasons: null, excludes: null, levels: null },
  ...{ from: null, to: null },
};
const someSelections = fc.oneof(
  selections,
  fc
    .tuple(selections, fc.constantFrom(...(Object.keys(NONE) as (keyof Selection)[])))
    .map(([selection, name]): Selection => ({ ...NONE, [name]: selection[name] })),
);

/** Few sets are large: this one has room for those of one test. */
let arena = createArena();
let exits = createArenaExits(arena);
beforeEach(() => {
  arena = createArena();
  exits = createArenaExits(arena);
});

const rows = fc.array(
  fc.record({ pid: number, tid: number, vcpu: number, cpu: number, reason, level: fc.nat(2), time }),
  { minLength: 1, maxLength: 60 },
);

type Rows = typeof rows extends fc.Arbitrary<infer List> ? List : never;

function fillExits(list: Rows): void {
  exits.length = list.length;
  for (const [row, exit] of list.entries()) {
    exits.pid[row] = exit.pid;
    exits.tid[row] = exit.tid;
    exits.vcpu[row] = exit.vcpu;
    exits.exitCpu[row] = exit.cpu;
    exits.isa[row] = exit.reason.isa;
    exits.code[row] = exit.reason.code;
    exits.level[row] = exit.level;
    exits.exitTime.set(exit.time, 2 * row);
  }
}

test('exits are selected as selectExit() selects them', () => {
  fc.assert(
    fc.property(someSelections, rows, (selection, list) => {
      fillExits(list);
      const tables = createSelectionTables(arena, selection);
      selectExits(tables, exits);
      const expected = list.map((_, row) => (selectExit(selection, exits, row) ? 1 : 0));
      expect(Array.from(tables.selected.subarray(0, list.length))).toEqual(expected);
    }),
    { numRuns: 1000 },
  );
});

test('reasons that join the sets later are selected from then on', () => {
  const selection = { ...NONE, reasons: new Set<number>(), excludes: new Set<number>() };
  const tables = createSelectionTables(arena, selection);
  const row = { pid: 1, tid: 1, vcpu: 0, cpu: 0, level: 0, time: [0, 0] as [number, number] };
  fillExits(Array.from({ length: 40 }, (_, code) => ({ ...row, reason: { isa: ISA_NAMED, code } })));
  const selected = () => {
    selectExits(tables, exits);
    return Array.from(tables.selected.subarray(0, exits.length)).flatMap((one, i) => (one ? [i] : []));
  };
  expect(selected()).toEqual([]);
  const all = Array.from({ length: 40 }, (_, code) => code);
  for (const code of all) {
    selection.reasons.add(reasonKey(ISA_NAMED, code));
    expect(selected()).toEqual(all.slice(0, code + 1));
  }
  for (const code of all) {
    selection.excludes.add(reasonKey(ISA_NAMED, code));
    expect(selected()).toEqual(all.slice(code + 1));
  }
});

const events = fc.array(
  fc.record({
    event: fc.constantFrom(
      ...[EV_EXIT, EV_EXIT, EV_EXIT, EV_ENTRY, EV_ENTRY, EV_ENTRY, EV_PIO, EV_GET_TIMER_MAP, EV_LOST],
    ),
    tid: fc.constantFrom(-1, 1, 2, 3, 1, 2, 3),
    cpu: fc.constantFrom(0, 0, 0, 1, 65534),
    pid: fc.constantFrom(-1, -1, 7, 8),
    vcpu: fc.constantFrom(-1, -1, 0, 1),
    step: fc.integer({ min: 0, max: 3 }),
  }),
  { maxLength: 100 },
);

/** Sets of numbers that the events have. */
const entrySelections = fc.record({
  ...{ pids: fc.option(fc.subarray([7, 8, 9]).map((list) => new Set(list))) },
  ...{ tids: fc.option(fc.subarray([1, 2, 3]).map((list) => new Set(list))) },
  ...{ vcpus: fc.option(fc.subarray([0, 1]).map((list) => new Set(list))) },
  ...{ cpus: fc.option(fc.subarray([0, 1, 65534]).map((list) => new Set(list))) },
  ...{ reasons: fc.constant(null), excludes: fc.constant(null), levels: fc.constant(null) },
  from: fc.option(fc.tuple(fc.integer({ min: 0, max: 150 }), fc.constant(0))),
  to: fc.option(fc.tuple(fc.integer({ min: 50, max: 300 }), fc.constant(0))),
});

test('entries are counted as the rules count them', () => {
  fc.assert(
    fc.property(events, entrySelections, fc.integer({ min: 1, max: 120 }), (list, selection, size) => {
      const count = (pair: typeof pairBatch, step: number) => {
        const own = createArena();
        const filter = entryFilter(createSelectionTables(own, selection));
        const pairing = createPairing(null, () => {}, filter, own);
        let now = 0;
        for (let from = 0; from < list.length; from += step) {
          const batch = createEventBatch(step);
          for (const event of list.slice(from, from + step)) {
            const row = batch.length++;
            now += event.step;
            batch.time[2 * row] = now;
            batch.event[row] = event.event;
            batch.tid[row] = event.tid;
            batch.cpu[row] = event.cpu;
            batch.pid[row] = event.pid;
            batch.vcpu[row] = event.vcpu;
            batch.fields[row] = F_ISA | F_CODE;
          }
          pair(pairing, batch);
        }
        finishPairing(pairing);
        return pairing.counts;
      };
      expect(count(pairBatch, size)).toEqual(count(pairByRules, list.length + 1));
    }),
    { numRuns: 300 },
  );
});
