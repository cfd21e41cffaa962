/** The pass `accesses` under filters, against brute force: threads whose vCPU number only entries tell, and late. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { accessPass, type CountTable } from '../src/analysis/accesses.ts';
import { EV_EOI, EV_FAST_MMIO, EV_MMIO, EV_PIO, EV_PV_EOI } from '../src/core/events.ts';
import { eventBatch, sliceBatch } from './support/events.ts';

interface Row {
  readonly event: number;
  readonly tid: number;
  readonly pid: number;
  readonly vcpu: number;
  readonly cpu: number;
  readonly address: bigint;
  readonly vector: number;
}

const EOIS = [EV_EOI, EV_PV_EOI];
const NONE = { tids: null, reasons: null, excludes: null, levels: null, from: null, to: null };
const made: fc.Arbitrary<Row> = fc.record({
  event: fc.constantFrom(EV_PIO, EV_MMIO, EV_FAST_MMIO, ...EOIS),
  tid: fc.integer({ min: 1, max: 4 }),
  pid: fc.constantFrom(-1, 100, 200),
  vcpu: fc.constantFrom(-1, -1, -1, 0, 1),
  cpu: fc.integer({ min: 0, max: 1 }),
  address: fc.constantFrom(0x40n, 0xfee00000n, 0x1_0000_0040n),
  vector: fc.integer({ min: 0xe0, max: 0xe2 }),
});

function countsBy<T>(items: Iterable<readonly [T, number]>): Map<T, number> {
  const counts = new Map<T, number>();
  for (const [key, times] of items) counts.set(key, (counts.get(key) ?? 0) + times);
  return counts;
}

/** Counts by the key that `name` makes of a row's ints. */
function tableBy({ rows, keys, counts }: CountTable, ints: number, name: (key: Int32Array) => string) {
  return countsBy(
    Array.from({ length: rows }, (_, row) => [
      name(keys.subarray(ints * row, ints * row + ints)),
      counts[row],
    ]),
  );
}

test.each([
  ['at once', (n: number) => n],
  ['in two parts', (n: number) => n >> 1],
])('chosen by the vCPU number of their thread, whenever that is told: %s', (_name, cut) => {
  fc.assert(
    fc.property(
      fc.array(made, { maxLength: 60 }),
      fc.array(fc.constantFrom(-1, 0, 1), { minLength: 4, maxLength: 4 }),
      fc.constantFrom(null, new Set([1]), new Set([0, 1]), new Set([7])),
      fc.constantFrom(null, new Set([100])),
      fc.constantFrom(null, new Set([1])),
      (rows, told, vcpus, pids, cpus) => {
        const scope = { selection: { ...NONE, vcpus, pids, cpus }, threads: null };
        const batch = eventBatch(
          rows.map(({ vector, address, ...row }, time) =>
            EOIS.includes(row.event) ? { ...row, time, arg0: vector } : { ...row, time, address },
          ),
        );
        const at = cut(rows.length);
        const state = accessPass.create(null, scope);
        accessPass.events?.(state, sliceBatch(batch, 0, at));
        const later = accessPass.create(null, scope);
        accessPass.events?.(later, sliceBatch(batch, at, rows.length));
        accessPass.merge(state, later);
        const numbers = new Map(told.map((vcpu, index) => [index + 1, vcpu]));
        const { accesses, eois } = accessPass.result(accessPass.plain?.(state) ?? state, numbers);

        const chosen = rows.filter(
          ({ tid, pid, vcpu, cpu }) =>
            (cpus === null || cpus.has(cpu)) &&
            (pids === null || pids.has(pid)) &&
            (vcpus === null || vcpus.has(vcpu >= 0 ? vcpu : (numbers.get(tid) ?? -1))),
        );
        expect(tableBy(eois, 2, ([event, vector]) => `${event} ${vector}`)).toEqual(
          countsBy(
            chosen.flatMap(({ event, vector }) => (EOIS.includes(event) ? [[`${event} ${vector}`, 1]] : [])),
          ),
        );
        expect(
          tableBy(
            accesses,
            4,
            ([event, , low, high]) => `${event} ${(BigInt(high) << 32n) | BigInt(low >>> 0)}`,
          ),
        ).toEqual(
          countsBy(
            chosen.flatMap(({ event, address }) =>
              EOIS.includes(event) ? [] : [[`${event} ${address}`, 1]],
            ),
          ),
        );
        expect([accesses.floor, eois.floor]).toEqual([0, 0]);
      },
    ),
    { numRuns: 150 },
  );
});
