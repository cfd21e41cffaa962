/** Merging the parts of a recording gives what one pass gives, for every pass that exits feed. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { accessPass } from '../src/analysis/accesses.ts';
import { contextPass } from '../src/analysis/context.ts';
import { createExitBatch, type ExitBatch } from '../src/analysis/exit-batch.ts';
import { detailPass } from '../src/analysis/exit-detail.ts';
import type { ExitTableResult } from '../src/analysis/exit-table.ts';
import { hostVectorPass } from '../src/analysis/host-vectors.ts';
import { hotspotPass } from '../src/analysis/hotspots.ts';
import { createPairing, finishPairing, pairBatch } from '../src/analysis/pairing.ts';
import type { Pass } from '../src/analysis/pass.ts';
import { perfKvmPass } from '../src/analysis/perf-kvm.ts';
import { perfProfPass } from '../src/analysis/perf-prof.ts';
import { qemuCheckPass } from '../src/analysis/qemu-check.ts';
import {
  EV_ENTRY,
  EV_EXIT,
  EV_MSR,
  EV_PAGE_FAULT,
  EV_PIO,
  EV_RUN_EXIT,
  EV_USERSPACE_EXIT,
} from '../src/core/events.ts';
import { type Row, toBatch } from './support/capture.ts';

interface Exit {
  reason: number;
  detail: number;
  address: number;
  latency: number;
  userspace: number;
  tid: number;
}

const exit: fc.Arbitrary<Exit> = fc.record({
  reason: fc.constantFrom(10, 12, 30, 32, 48),
  detail: fc.constantFrom(0, EV_PIO, EV_MSR, EV_PAGE_FAULT),
  address: fc.integer({ min: 0, max: 3_000_000 }),
  latency: fc.integer({ min: 0, max: 5_000_000 }),
  userspace: fc.constantFrom(-1, 2, 6),
  tid: fc.constantFrom(100, 101),
});

function row(event: number, time: number, tid: number, over: Partial<Row> = {}): Row {
  return {
    time: BigInt(time),
    cpu: tid & 1,
    tid,
    pid: 99,
    vcpu: tid - 100,
    event,
    isa: null,
    code: null,
    address: null,
    info1: null,
    info2: null,
    intrInfo: null,
    errorCode: null,
    arg0: null,
    arg1: null,
    text: null,
    ...over,
  };
}

/** Whole exits one after the other: nothing is open between two of them. */
function rowsOf(exits: readonly Exit[], start: number): { rows: Row[]; end: number } {
  const rows: Row[] = [];
  let now = start;
  for (const { reason, detail, address, latency, userspace, tid } of exits) {
    now += 10;
    rows.push(
      row(EV_EXIT, now, tid, {
        isa: 1,
        code: reason,
        address: 0xffffffff81000000n + BigInt(address % 7),
        intrInfo: 0x800000ec,
      }),
    );
    if (detail) rows.push(row(detail, now, tid, { code: address & 1, address: BigInt(address) }));
    if (userspace >= 0) {
      rows.push(row(EV_USERSPACE_EXIT, now + Math.floor(latency / 3), tid, { code: userspace, arg0: 0n }));
      rows.push(row(EV_RUN_EXIT, now + Math.floor(latency / 2), tid, { code: userspace }));
    }
    now += latency;
    rows.push(row(EV_ENTRY, now, tid, { address: 0xffffffff81000000n }));
  }
  return { rows, end: now };
}

// biome-ignore lint/suspicious/noExplicitAny: any pass
function run(pass: Pass<any, any, any>, options: unknown, rows: readonly Row[]): unknown {
  const state = pass.create(options, { selection: null, threads: null });
  const pairing = createPairing(null, (batch: ExitBatch) => pass.exits?.(state, batch, null));
  for (let at = 0; at < rows.length; at += 50) {
    const batch = toBatch(rows.slice(at, at + 50));
    pass.events?.(state, batch);
    pairBatch(pairing, batch);
  }
  finishPairing(pairing);
  return state;
}

/** A table as a list, whatever the order of its rows. */
function plainTable(table: ExitTableResult): unknown {
  const { keys, keyInts, rows, sums, missed, all, floor } = table;
  const figures = (of: typeof sums, i: number) => [
    of.exits[i],
    of.paired[i],
    of.escalated[i],
    of.restarts[i],
    of.min[i],
    of.max[i],
    ...of.total.slice(2 * i, 2 * i + 2),
    ...of.kernelNs.slice(2 * i, 2 * i + 2),
    ...of.userspaceNs.slice(2 * i, 2 * i + 2),
  ];
  return {
    floor,
    all: figures(all, 0),
    rows: [...Array(rows).keys()]
      .map((i) => [...keys.slice(i * keyInts, (i + 1) * keyInts), ...figures(sums, i), missed[i]])
      .sort((a, b) => (a.join() < b.join() ? -1 : 1)),
  };
}

// biome-ignore lint/suspicious/noExplicitAny: results differ from pass to pass
type Plain = (result: any) => unknown;
const tables: Plain = (result) =>
  Object.fromEntries(
    Object.entries(result).map(([key, value]) => [key, plainTable(value as ExitTableResult)]),
  );
const counts: Plain = (result) =>
  Object.entries(result).map(([key, table]) => {
    const {
      rows,
      keys,
      counts: observed,
      floor,
    } = table as { rows: number; keys: Int32Array; counts: Float64Array; floor: number };
    const ints = { accesses: 4, ioeventfds: 3, regions: 3, eois: 1 }[key]!;
    return [
      key,
      floor,
      [...Array(rows).keys()]
        .map((i) => [...keys.slice(i * ints, (i + 1) * ints), observed[i]].join())
        .sort(),
    ];
  });
const sorted: Plain = ({ rows, ...rest }) => ({
  ...rest,
  rows: [...rows].sort((a, b) => (JSON.stringify(a, text) < JSON.stringify(b, text) ? -1 : 1)),
});
const text = (_: string, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value);
const perfKvm: Plain = ({ rows, keys, sums, seen }) => ({
  seen: [...seen],
  rows: [...Array(rows).keys()]
    .map((i) =>
      [
        ...keys.slice(5 * i, 5 * i + 5),
        sums.count[i],
        sums.min[i],
        sums.max[i],
        ...sums.total.slice(2 * i, 2 * i + 2),
        ...sums.squareHigh.slice(2 * i, 2 * i + 2),
        ...sums.squareCross.slice(2 * i, 2 * i + 2),
        ...sums.squareLow.slice(2 * i, 2 * i + 2),
      ].join(),
    )
    .sort(),
});
const context: Plain = ({ rows, missing, schedSeen }) => ({
  missing,
  schedSeen,
  rows: rows.map(
    (r: {
      tid: number;
      exitTime: number[];
      latency: number;
      events: { length: number; event: Uint16Array };
      omitted: number;
    }) => [r.tid, ...r.exitTime, r.latency, r.omitted, ...r.events.event.slice(0, r.events.length)],
  ),
});

// biome-ignore lint/suspicious/noExplicitAny: any pass
const cases: readonly (readonly [Pass<any, any, any>, unknown, Plain])[] = [
  [detailPass, { capacity: 4096 }, tables],
  [hotspotPass, { capacity: 4096 }, tables],
  [hostVectorPass, null, plainTable as Plain],
  [accessPass, null, counts],
  [perfProfPass, { intervalNs: 1_000_000, perThread: true }, sorted],
  [perfKvmPass, null, perfKvm],
  [qemuCheckPass, null, sorted],
  [contextPass, { slowLimit: 5, thanNs: 0, includeIdle: false }, context],
];

describe('merging two parts equals one pass', () => {
  test.each(cases.map(([pass, options, plain]) => [pass.name, pass, options, plain] as const))(
    '%s',
    (name, pass, options, plain) => {
      fc.assert(
        fc.property(fc.array(exit, { maxLength: 40 }), fc.array(exit, { maxLength: 40 }), (before, after) => {
          // perf counts a thread from its first entry on: both parts begin with one.
          const lead =
            name === 'perf-kvm'
              ? (at: number) => [100, 101].map((tid) => row(EV_ENTRY, at, tid, { address: 0n }))
              : () => [];
          const first = rowsOf(before, 1000);
          const second = rowsOf(after, first.end + 100);
          const one = run(pass, options, [...lead(500), ...first.rows, ...second.rows]);
          const merged = run(pass, options, [...lead(500), ...first.rows]);
          pass.merge(merged, run(pass, options, [...lead(first.end + 50), ...second.rows]));
          const rows = (state: unknown) => JSON.stringify(plain(pass.result(state)), text);
          expect(rows(merged)).toBe(rows(one));
        }),
        { numRuns: 60 },
      );
    },
  );
});

test('a full table keeps totals exact and says what it misses', () => {
  const batch = createExitBatch(1000);
  for (let i = 0; i < 1000; i++) {
    batch.isa[i] = 1;
    batch.code[i] = 30;
    batch.detailEvent[i] = EV_PIO;
    batch.detailAddress[2 * i] = i % 500;
    batch.latency[i] = i;
    batch.vector[i] = -1;
  }
  batch.length = 1000;
  const state = detailPass.create({ capacity: 64 }, { selection: null, threads: null });
  detailPass.exits!(state, batch, null);
  const { details } = detailPass.result(state);
  expect(details.rows).toBe(64);
  expect(details.all.exits[0]).toBe(1000);
  expect(details.all.total[0]).toBe((999 * 1000) / 2);
  expect(details.floor).toBeGreaterThan(0);
  for (let i = 0; i < 64; i++) {
    expect(details.sums.exits[i]).toBeLessThanOrEqual(2);
    expect(details.sums.exits[i] + details.missed[i]).toBeGreaterThanOrEqual(2);
  }
});

test('merging full tables keeps totals exact', () => {
  fc.assert(
    fc.property(fc.array(exit, { maxLength: 60 }), fc.array(exit, { maxLength: 60 }), (before, after) => {
      const options = { capacity: 8 };
      const first = rowsOf(before, 1000);
      const second = rowsOf(after, first.end + 100);
      const merged = run(detailPass, options, first.rows);
      detailPass.merge(merged as never, run(detailPass, options, second.rows) as never);
      const one = run(detailPass, options, [...first.rows, ...second.rows]);
      const totals = (state: unknown) => {
        const { details } = detailPass.result(state as never);
        return [details.all.exits[0], details.all.paired[0], details.all.escalated[0], ...details.all.total];
      };
      expect(totals(merged)).toEqual(totals(one));
    }),
  );
});
