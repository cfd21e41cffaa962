/** perf-prof's rows (views.test.ts compares with its output): intervals on the capture's clock, by their entries. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createExitBatch, EXIT_WITHOUT_ENTRY, PAIRED } from '../src/analysis/exit-batch.ts';
import { type PerfProfOptions, type PerfProfRow, perfProfPass } from '../src/analysis/perf-prof.ts';
import { nearestRank } from '../src/analysis/quantiles.ts';
import { storeBigInt } from '../src/core/words.ts';
import { ALL } from './support/events.ts';
import { sliceExits } from './support/exits.ts';

interface Exit {
  /** ns since the exit before. */
  readonly after: number;
  readonly tid: number;
  readonly code: number;
  readonly latency: number;
  readonly state: number;
  /** High word of the guest's address; −1: unknown. */
  readonly rip: number;
  readonly selected: number;
}

const exits = fc.array(
  fc.record<Exit>({
    after: fc.constantFrom(0, 1, 300, 999, 50_000, 999_999, 1_000_000),
    tid: fc.constantFrom(7, 8),
    code: fc.constantFrom(10, 12, 0x80000021),
    latency: fc.oneof({ weight: 6, arbitrary: fc.integer({ min: 0, max: 3000 }) }, fc.constant(2 ** 50 + 1)),
    state: fc.constantFrom(PAIRED, PAIRED, PAIRED, EXIT_WITHOUT_ENTRY),
    rip: fc.constantFrom(-1, 0, 0xfffeffff, 0xffff0000, 0xffffffff),
    selected: fc.constantFrom(1, 1, 1, 0),
  }),
  { maxLength: 120 },
);

/** Where the recording begins: clocks may be before their epoch, and far beyond what a double counts in ns. */
const starts = fc.constantFrom(0n, 123_456_789n, -5000n, 1n << 32n, (1n << 60n) + 7n, -(1n << 60n) - 7n);

const floorDiv = (a: bigint, b: bigint) => (a - (((a % b) + b) % b)) / b;

function wantedRows(list: readonly Exit[], start: bigint, { intervalNs, perThread }: PerfProfOptions) {
  const groups = new Map<string, { head: object; members: Exit[] }>();
  let time = start;
  for (const exit of list) {
    time += BigInt(exit.after);
    if (exit.state !== PAIRED || exit.selected === 0) continue;
    const entry = time + BigInt(exit.latency);
    const interval = intervalNs === 0 ? 0 : Number(floorDiv(entry, BigInt(intervalNs)));
    const head = { interval, tid: perThread ? exit.tid : -1, isa: 1, code: exit.code };
    const group = groups.get(JSON.stringify(head)) ?? { head, members: [] };
    groups.set(JSON.stringify(head), group);
    group.members.push(exit);
  }
  return [...groups.values()].map(({ head, members }) => {
    const sum = (list: readonly Exit[]) => list.reduce((all, { latency }) => all + BigInt(latency), 0n);
    const latencies = members.map(({ latency }) => latency).sort((a, b) => a - b);
    return {
      ...head,
      calls: members.length,
      totalNs: sum(members),
      kernelNs: sum(members.filter(({ rip }) => rip >= 0xffff0000)),
      ripKnownNs: sum(members.filter(({ rip }) => rip >= 0)),
      minNs: latencies[0],
      maxNs: latencies[latencies.length - 1],
      p99Ns: latencies[nearestRank(0.99, latencies.length) - 1],
      errorPct: 0,
    };
  });
}

test('rows are what brute force finds, per thread or not, in parts as well', () => {
  fc.assert(
    fc.property(
      exits,
      starts,
      fc.record({ intervalNs: fc.constantFrom(0, 1_000_000, 1_000_000_000), perThread: fc.boolean() }),
      fc.array(fc.nat(120), { maxLength: 3 }),
      (list, start, options, cuts) => {
        const batch = createExitBatch(Math.max(1, list.length));
        const selected = Uint8Array.from(list, (exit) => exit.selected);
        let time = start;
        for (const [row, exit] of list.entries()) {
          time += BigInt(exit.after);
          storeBigInt(batch.exitTime, 2 * row, time);
          storeBigInt(batch.entryTime, 2 * row, time + BigInt(exit.latency));
          batch.tid[row] = exit.tid;
          batch.isa[row] = 1;
          batch.code[row] = exit.code;
          batch.latency[row] = exit.latency;
          batch.state[row] = exit.state;
          batch.hasRip[row] = exit.rip < 0 ? 0 : 1;
          batch.rip[2 * row + 1] = exit.rip;
          batch.length++;
        }
        const edges = [0, ...cuts.map((at) => Math.min(at, list.length)), list.length].sort((a, b) => a - b);
        const states = edges.slice(1).map((end, i) => {
          const state = perfProfPass.create(options, ALL);
          perfProfPass.exits!(state, sliceExits(batch, edges[i], end), selected.subarray(edges[i], end));
          return state;
        });
        for (const later of states.slice(1)) perfProfPass.merge(states[0], later);
        const { rows, unplaced, intervalNs } = perfProfPass.result(states[0]);
        const sort = (all: readonly Partial<PerfProfRow>[]) =>
          [...all].sort((a, b) => a.interval! - b.interval! || a.tid! - b.tid! || a.code! - b.code!);
        expect(sort(rows)).toEqual(sort(wantedRows(list, start, options)));
        expect([unplaced, intervalNs]).toEqual([0, options.intervalNs]);
      },
    ),
    { numRuns: 300 },
  );
});

test('sums are exact beyond what a double counts', () => {
  const batch = createExitBatch(100);
  for (let row = 0; row < 100; row++) {
    batch.isa[row] = 1;
    batch.latency[row] = 2 ** 50 + row;
    batch.hasRip[row] = 1;
    batch.rip[2 * row + 1] = 0xffffffff;
    batch.length++;
  }
  const state = perfProfPass.create({ intervalNs: 0, perThread: false }, ALL);
  perfProfPass.exits!(state, batch, null);
  const sum = 100n * (1n << 50n) + 4950n;
  expect(perfProfPass.result(state).rows).toMatchObject([{ totalNs: sum, kernelNs: sum, ripKnownNs: sum }]);
});
