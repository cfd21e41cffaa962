/** Tables of exits that are full: what stays exact, and what merging them keeps (all else: analysis-parts.test.ts). */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createExitBatch, type ExitBatch } from '../src/analysis/exit-batch.ts';
import { detailPass } from '../src/analysis/exit-detail.ts';
import { createPairing, finishPairing, pairBatch } from '../src/analysis/pairing.ts';
import type { Pass } from '../src/analysis/pass.ts';
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
