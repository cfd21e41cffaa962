/** Passes whose kernels take the common rows find the same as ones that look at each row in TypeScript. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createExitBatch, type ExitBatch, PAIRED } from '../src/analysis/exit-batch.ts';
import type { AnyPass, PassScope } from '../src/analysis/pass.ts';
import { loadPasses, PASS_NAMES } from '../src/analysis/passes.ts';
import { EV_EXIT, EV_MMIO, EV_MSR, EV_PAGE_FAULT, EV_PIO } from '../src/core/events.ts';
import { sliceBatch } from './support/events.ts';
import { exitsOf, sliceExits } from './support/exits.ts';
import { withKernels } from './support/feed.ts';
import { eventsOf, step } from './support/made-up-events.ts';
import { PASS_OPTIONS } from './support/parts.ts';

/** Those that write nothing but their result. */
const passOf = await loadPasses(PASS_NAMES.map((name) => ({ name, options: null })));

/** Options that let tables and lists become full. */
const SMALL: Readonly<Record<string, unknown>> = {
  ...PASS_OPTIONS,
  context: { slowLimit: 3, thanNs: 5, includeIdle: false },
  detail: { capacity: 4 },
  hotspots: { capacity: 4 },
  intervals: { ...(PASS_OPTIONS.intervals as object), maxCells: 9 },
};
const BY_ALL = { pid: true, tid: true, vcpu: true, cpu: true, level: true };
const FIXED: Readonly<Record<string, unknown>> = {
  ...PASS_OPTIONS,
  context: { slowLimit: 0, thanNs: 0, includeIdle: true },
  intervals: { widthNs: 1500.5, limit: 64, grouping: BY_ALL, maxCells: 20 },
  storms: { windowNs: 700 },
};

const SCOPES: readonly PassScope[] = [
  { selection: null, threads: null },
  {
    selection: {
      pids: null,
      tids: new Set([100, 101]),
      vcpus: null,
      cpus: null,
      reasons: null,
      excludes: null,
      levels: null,
      from: [1_000_000_500, 0],
      to: [1_000_000_000 + 100_000_000, 0],
    },
    threads: null,
  },
  {
    selection: {
      pids: null,
      tids: null,
      vcpus: new Set([0, 2]),
      cpus: null,
      reasons: null,
      excludes: null,
      levels: null,
      from: null,
      to: null,
    },
    threads: null,
  },
  { selection: null, threads: null, recordingStart: [1_000_000_000, 0] },
];

/** What a pass makes of rows that lie anywhere, one by one. */
function oneByOne(
  pass: AnyPass,
  options: unknown,
  scope: PassScope,
  feed: (add: Pick<AnyPass, 'events' | 'exits'>, state: unknown) => void,
): unknown {
  const state = pass.create(options, scope);
  feed(pass, state);
  return pass.result(state);
}

test.each(PASS_NAMES)(
  '%s: made-up recordings',
  (name) => {
    const pass = passOf(name);
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 1, maxLength: 150 }),
        fc.constantFrom(PASS_OPTIONS, SMALL, FIXED),
        fc.constantFrom(...SCOPES),
        fc.integer({ min: 1, max: 60 }),
        fc.boolean(),
        fc.integer({ min: 0, max: 2 }),
        (steps, given, scope, rows, ids, dropped) => {
          const events = eventsOf(steps, ids);
          // As on older x86, where entries alone tell their vCPU.
          if (dropped === 1)
            for (let row = 0; row < events.length; row++)
              if (events.event[row] === EV_EXIT) events.vcpu[row] = -1;
          const exits = exitsOf(events);
          const selected =
            dropped === 0
              ? null
              : Uint8Array.from({ length: exits.length }, (_, row) => (row + dropped) % 3 && 1);
          const options = given[name];
          const half = events.length >> 1;
          const some = exits.length >> 1;
          const expected = oneByOne(pass, options, scope, (add, state) => {
            add.events?.(state, sliceBatch(events, 0, half));
            add.events?.(state, sliceBatch(events, half, events.length));
            add.exits?.(state, sliceExits(exits, 0, some), selected);
            add.exits?.(state, sliceExits(exits, some, exits.length), selected?.subarray(some) ?? null);
          });
          const fed = withKernels(pass, (arena) => pass.create(options, scope, arena), rows);
          fed.events(sliceBatch(events, 0, half));
          // A batch that lies elsewhere, between others.
          pass.events?.(fed.state, sliceBatch(events, half, events.length));
          fed.exits(sliceExits(exits, 0, some), selected);
          fed.exits(sliceExits(exits, some, exits.length), selected?.subarray(some) ?? null);
          expect(pass.result(pass.plain?.(fed.state) ?? fed.state)).toEqual(expected);
          const all = withKernels(pass, (arena) => pass.create(options, scope, arena), rows);
          all.events(events);
          all.exits(exits, selected);
          expect(pass.result(all.state)).toEqual(expected);
        },
      ),
      { numRuns: Number(process.env.RUNS ?? 40) },
    );
  },
  600_000,
);

const exit = fc.record({
  isa: fc.constantFrom(0, 1, 2),
  code: fc.oneof(fc.constantFrom(1, 12, 12 + 256, 30, 0x78), fc.nat(0xffffffff)),
  tid: fc.integer({ min: 1, max: 5 }),
  pid: fc.constantFrom(-1, 7),
  level: fc.constantFrom(0, 0, 1, 2),
  state: fc.constantFrom(PAIRED, PAIRED, PAIRED, 1, 2, 3),
  latency: fc.oneof(
    fc.nat(300),
    fc.nat(1e9),
    fc.constantFrom(127, 128, 255, 256, 2 ** 32 - 1, 2 ** 32, 2 ** 52 - 1),
    fc.maxSafeNat().map((ns) => ns % 2 ** 52),
  ),
  after: fc.oneof(
    fc.integer({ min: -5_000_000, max: 5_000_000 }),
    fc.nat(1e12),
    fc.constantFrom(-(2 ** 62), 2 ** 61),
  ),
  rip: fc.constantFrom(-1, 0, 5, 0xfffeffff, 0xffff0000, 0xffffffff),
  detail: fc.constantFrom(0, 0, EV_PIO, EV_MMIO, EV_MSR, EV_PAGE_FAULT),
  direction: fc.constantFrom(0, 1, 2, 3),
  address: fc.oneof(fc.constantFrom(0x3f8, 0x6e0), fc.nat(0xffffffff)),
  user: fc.constantFrom(0, 0, 1, 2),
  vector: fc.constantFrom(-1, -1, 0, 236),
});

function batchOf(list: readonly (typeof exit extends fc.Arbitrary<infer T> ? T : never)[]): ExitBatch {
  const batch = createExitBatch(Math.max(1, list.length));
  let time = 10n ** 18n;
  for (const given of list) {
    const row = batch.length++;
    time = BigInt.asIntN(64, time + BigInt(given.after));
    new BigInt64Array(batch.exitTime.buffer)[row] = time;
    for (const name of ['isa', 'code', 'tid', 'pid', 'level', 'state', 'vector'] as const)
      batch[name][row] = given[name];
    batch.latency[row] = given.state === PAIRED ? given.latency : 0;
    batch.hasRip[row] = given.rip < 0 ? 0 : 1;
    batch.rip[2 * row + 1] = Math.max(0, given.rip);
    batch.detailEvent[row] = given.detail;
    batch.detailCode[row] = given.direction;
    batch.detailAddress[2 * row] = given.address;
    batch.userspaceExits[row] = given.user & 1;
    batch.restarts[row] = given.user & 2;
    batch.userspaceCode[row] = given.code & 7;
    batch.kernelNs[row] = Math.floor(batch.latency[row] / 3);
    batch.userspaceNs[row] = batch.latency[row] - batch.kernelNs[row];
  }
  return batch;
}

test.each(PASS_NAMES.filter((name) => passOf(name).exits))(
  '%s: made-up exits',
  (name) => {
    const pass = passOf(name);
    fc.assert(
      fc.property(
        fc.array(exit, { minLength: 1, maxLength: 120 }),
        fc.constantFrom(PASS_OPTIONS, SMALL, FIXED),
        fc.integer({ min: 1, max: 60 }),
        (list, given, rows) => {
          const exits = batchOf(list);
          const origin = [exits.exitTime[0], exits.exitTime[1]] as const;
          const options = given[name] === null ? null : { ...(given[name] as object), origin };
          const expected = oneByOne(pass, options, SCOPES[0], (add, state) =>
            add.exits?.(state, exits, null),
          );
          const fed = withKernels(pass, (arena) => pass.create(options, SCOPES[0], arena), rows);
          fed.exits(exits);
          expect(pass.result(fed.state)).toEqual(expected);
        },
      ),
      { numRuns: Number(process.env.RUNS ?? 60) },
    );
  },
  600_000,
);
