/** The statistics of exits, counted by the kernel and row by row, against plain sums of BigInts over made-up exits. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { exactToBigInt } from '../src/analysis/exact-sum.ts';
import {
  copyExit,
  createArenaExits,
  createExitBatch,
  EXIT_ROWS,
  type ExitBatch,
  PAIRED,
} from '../src/analysis/exit-batch.ts';
import {
  countExits,
  createExitCounter,
  type ExitCounter,
  settleExits,
} from '../src/analysis/exit-counter.ts';
import { groupKey, mergeExitStats, standardDeviation } from '../src/analysis/exit-stats.ts';
import { type Grouping, KEY_CODE, KEY_INTS, KEY_ISA } from '../src/analysis/groups.ts';
import { forEachBucket, quantilesOf } from '../src/analysis/latency-log.ts';
import { bucketOf } from '../src/analysis/log-linear.ts';
import { nearestRank } from '../src/analysis/quantiles.ts';
import { createSlowList, mergeSlowLists, slowResult } from '../src/analysis/slow-list.ts';
import { mergeThreadStats } from '../src/analysis/thread-stats.ts';
import { mergeUserspaceStats } from '../src/analysis/userspace-stats.ts';
import { allocateU8, createArena } from '../src/core/arena.ts';
import { isIdle } from '../src/isa/reasons.ts';

const MAX_LATENCY = 2 ** 52 - 1;

interface Exit {
  readonly reason: number;
  readonly thread: number;
  readonly pid: number;
  readonly vcpu: number;
  readonly cpu: number;
  readonly level: number;
  readonly state: number;
  readonly latency: number;
  readonly rip: number;
  readonly user: number;
  readonly userCode: number;
  readonly selected: boolean;
}

const latency = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 0, max: 3000 }) },
  { weight: 3, arbitrary: fc.integer({ min: 0, max: 2 ** 31 - 1 }) },
  fc.constantFrom(127, 128, 255, 256, 2 ** 24 - 1, 2 ** 24, 2 ** 32 - 1, 2 ** 32, 2 ** 48 - 1, 2 ** 48),
  fc.maxSafeNat().map((value) => value % 2 ** 52),
  fc.constant(MAX_LATENCY),
);

/** Few reasons, or so many that they meet in the memory of reasons; 10 and 12 are vmx's cpuid and hlt. */
const exits = (reasons: number, threads: number) =>
  fc.array(
    fc.record<Exit>({
      reason: fc.oneof(fc.constantFrom(10, 12, 12 + 256), fc.integer({ min: 0, max: reasons })),
      thread: fc.integer({ min: 0, max: threads }),
      pid: fc.constantFrom(-1, 5, 6),
      vcpu: fc.constantFrom(-1, 0, 1),
      cpu: fc.integer({ min: 0, max: 2 }),
      level: fc.constantFrom(0, 0, 0, 1, 2),
      state: fc.constantFrom(PAIRED, PAIRED, PAIRED, PAIRED, 1, 2, 3),
      latency,
      rip: fc.constantFrom(-1, 0, 0xfffeffff, 0xffff0000, 0xffffffff),
      user: fc.integer({ min: 0, max: 15 }),
      userCode: fc.constantFrom(0, 2, 255, 256, 0xffffffff),
      selected: fc.constantFrom(true, true, true, false),
    }),
    { maxLength: 300 },
  );

function writeExit(batch: ExitBatch, row: number, exit: Exit, time: number): void {
  const isPair = exit.state === PAIRED;
  batch.exitTime[2 * row] = time;
  batch.isa[row] = 1;
  batch.code[row] = exit.reason;
  batch.thread[row] = exit.thread;
  batch.tid[row] = 1000 + exit.thread;
  batch.pid[row] = exit.pid;
  batch.vcpu[row] = exit.vcpu;
  batch.exitCpu[row] = exit.cpu;
  batch.level[row] = exit.level;
  batch.state[row] = exit.state;
  batch.latency[row] = isPair ? exit.latency : 0;
  batch.hasRip[row] = exit.rip < 0 ? 0 : 1;
  batch.rip[2 * row + 1] = Math.max(0, exit.rip);
  // Half of them never left the kernel.
  batch.userspaceExits[row] = exit.user & 8 ? exit.user & 1 : 0;
  batch.restarts[row] = exit.user & 8 ? exit.user & 2 : 0;
  batch.userspaceErrors[row] = exit.user & 8 ? exit.user & 4 : 0;
  batch.userspaceCode[row] = exit.userCode;
  batch.kernelNs[row] = Math.floor(exit.latency / 3);
  batch.userspaceNs[row] = isPair ? exit.latency - Math.floor(exit.latency / 3) : 0;
}

interface Setup {
  readonly grouping: Grouping;
  readonly limit: number;
  readonly slowLimit: number;
  readonly thanNs: number;
  readonly includeIdle: boolean;
  readonly masked: boolean;
  /** Rows of a batch; every third one does not lie in the arena. */
  readonly step: number;
}

const setup = fc.record<Setup>({
  grouping: fc.record({
    pid: fc.boolean(),
    tid: fc.boolean(),
    vcpu: fc.boolean(),
    cpu: fc.boolean(),
    level: fc.boolean(),
  }),
  limit: fc.constantFrom(0, 1, 50, 1000),
  slowLimit: fc.constantFrom(0, 1, 10),
  thanNs: fc.constantFrom(0, 1000, 2 ** 40),
  includeIdle: fc.boolean(),
  masked: fc.boolean(),
  step: fc.integer({ min: 1, max: 100 }),
});

const NO_GROUPING = { pid: false, tid: false, vcpu: false, cpu: false, level: false };
const PLAIN: Setup = {
  grouping: NO_GROUPING,
  limit: 1e6,
  slowLimit: 10,
  thanNs: 0,
  includeIdle: false,
  masked: false,
  step: EXIT_ROWS,
};

function count(rows: readonly Exit[], first: number, options: Setup, alwaysArena = false): ExitCounter {
  const arena = createArena();
  const slow = createSlowList(options.slowLimit, options.thanNs, options.includeIdle);
  const counter = createExitCounter(options.grouping, slow, arena, options.limit);
  const inArena = createArenaExits(arena);
  const mask = allocateU8(arena, EXIT_ROWS);
  for (let at = 0, n = 0; at < rows.length; at += options.step, n++) {
    const batch = alwaysArena || n % 3 !== 2 ? inArena : createExitBatch();
    batch.length = Math.min(options.step, rows.length - at);
    for (let row = 0; row < batch.length; row++) {
      writeExit(batch, row, rows[at + row], first + at + row);
      mask[row] = rows[at + row].selected ? 1 : 0;
    }
    countExits(counter, batch, options.masked ? mask : null);
  }
  settleExits(counter);
  return counter;
}

const sum = (values: readonly number[]) => values.reduce((all, value) => all + BigInt(value), 0n);

/** What a group of exits has to show. */
function oracle(rows: readonly Exit[]) {
  const pairs = rows.filter(({ state }) => state === PAIRED);
  const user = rows.filter((row) => row.user & 8);
  const escalated = user.filter((row) => row.user & 1);
  const escalatedPairs = escalated.filter(({ state }) => state === PAIRED);
  const values = pairs.map((row) => row.latency);
  const buckets = new Map<number, number>();
  for (const value of values) buckets.set(bucketOf(value), (buckets.get(bucketOf(value)) ?? 0) + 1);
  return {
    exits: rows.length,
    paired: pairs.length,
    escalated: escalated.length,
    restarts: user.filter((row) => row.user & 2).length,
    errors: user.filter((row) => row.user & 4).length,
    levels: [0, 1, 2].map((level) => rows.filter((row) => row.level === level).length),
    min: values.length === 0 ? Number.POSITIVE_INFINITY : Math.min(...values),
    max: Math.max(0, ...values),
    total: sum(values),
    guestKernel: sum(pairs.filter(({ rip }) => rip >= 0xffff0000).map((row) => row.latency)),
    ripUnknown: sum(pairs.filter(({ rip }) => rip < 0).map((row) => row.latency)),
    kernelNs: sum(escalatedPairs.map((row) => Math.floor(row.latency / 3))),
    userspaceNs: sum(escalatedPairs.map((row) => row.latency - Math.floor(row.latency / 3))),
    squares: values.reduce((all, value) => all + BigInt(Math.min(value, 2 ** 48 - 1)) ** 2n, 0n),
    buckets: [...buckets].sort(([a], [b]) => a - b),
  };
}

function keyOf(exit: Exit, { pid, tid, vcpu, cpu, level }: Grouping): string {
  const key = [1, exit.reason];
  key.push(pid ? exit.pid : 0, tid ? 1000 + exit.thread : 0, vcpu ? exit.vcpu : 0);
  key.push(cpu ? exit.cpu : 0, level ? exit.level : 0);
  return key.join(' ');
}

function groupBy<T, K>(list: readonly T[], key: (entry: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const entry of list) {
    const group = groups.get(key(entry));
    if (group) group.push(entry);
    else groups.set(key(entry), [entry]);
  }
  return groups;
}

function check(
  { stats, threads, userspace, states, slow }: ExitCounter,
  rows: readonly Exit[],
  options: Setup,
) {
  const selected = rows.filter((row) => !options.masked || row.selected);
  const groups = groupBy(selected, (row) => keyOf(row, options.grouping));
  // Numbers are given in the order in which groups come.
  expect(
    Array.from({ length: stats.groups.count }, (_, g) =>
      Array.from(stats.groups.keys.slice(g * KEY_INTS, (g + 1) * KEY_INTS), (key, i) =>
        i === 1 ? key >>> 0 : key,
      ).join(' '),
    ),
  ).toEqual([...groups.keys()]);
  [...groups.values()].forEach((members, g) => {
    const buckets: [number, number][] = [];
    forEachBucket(stats.log, g, (bucket, n) => buckets.push([bucket, n]));
    expect({
      exits: stats.exits[g],
      paired: stats.paired[g],
      escalated: stats.escalated[g],
      restarts: stats.restarts[g],
      errors: stats.errors[g],
      levels: [...stats.levels.slice(3 * g, 3 * g + 3)],
      min: stats.min[g],
      max: stats.max[g],
      total: exactToBigInt(stats.total, g),
      guestKernel: exactToBigInt(stats.guestKernel, g),
      ripUnknown: exactToBigInt(stats.ripUnknown, g),
      kernelNs: exactToBigInt(stats.kernelNs, g),
      userspaceNs: exactToBigInt(stats.userspaceNs, g),
      squares:
        (exactToBigInt(stats.squareHigh, g) << 48n) +
        (exactToBigInt(stats.squareCross, g) << 25n) +
        exactToBigInt(stats.squareLow, g),
      buckets,
    }).toEqual(oracle(members));
  });
  const pairs = selected.filter(({ state }) => state === PAIRED);
  expect([...states]).toEqual(
    [0, 1, 2, 3].map((state) => selected.filter((row) => row.state === state).length),
  );
  checkQuantiles(stats, groups, pairs, options);
  for (const [slot, members] of groupBy(selected, ({ thread }) => thread)) {
    const own = oracle(members);
    const idle = members.filter((row) => row.state === PAIRED && isIdle(1, row.reason));
    expect([threads.exits[slot], threads.paired[slot]]).toEqual([own.exits, own.paired]);
    expect(exactToBigInt(threads.total, slot)).toBe(own.total);
    expect(exactToBigInt(threads.idle, slot)).toBe(sum(idle.map((row) => row.latency)));
    expect([threads.tid[slot], threads.pid[slot], threads.vcpu[slot]]).toEqual([
      1000 + slot,
      members.findLast(({ pid }) => pid >= 0)?.pid ?? -1,
      members.findLast(({ vcpu }) => vcpu >= 0)?.vcpu ?? -1,
    ]);
  }
  const left = selected.filter((row) => (row.user & 9) === 9);
  const reasons = groupBy(left, ({ userCode }) => Math.min(userCode, 255));
  userspace.count.forEach((n, code) => {
    const own = reasons.get(code) ?? [];
    expect([n, exactToBigInt(userspace.userspaceNs, code)]).toEqual([own.length, oracle(own).userspaceNs]);
  });
  const slowest = pairs
    .map((row) => ({ ...row, time: rows.indexOf(row) }))
    .filter((row) => row.latency > options.thanNs && (options.includeIdle || !isIdle(1, row.reason)));
  const { rows: listed, qualified } = slowResult(slow);
  expect(qualified).toBe(slowest.length);
  slowest.sort((a, b) => b.latency - a.latency || b.time - a.time);
  expect(Array.from({ length: listed.length }, (_, row) => listed.exitTime[2 * row])).toEqual(
    slowest.slice(0, options.slowLimit).map(({ time }) => time),
  );
}

function checkQuantiles(
  { log }: ExitCounter['stats'],
  groups: Map<string, Exit[]>,
  pairs: readonly Exit[],
  options: Setup,
): void {
  const all = Uint32Array.from({ length: groups.size }, (_, g) => g);
  const [{ values, errorPct }] = quantilesOf(log, [all], [0.5, 0.99]);
  expect(log.exact).toBe(pairs.length <= options.limit);
  expect(errorPct === 0).toBe(log.exact);
  if (!log.exact || pairs.length === 0) return;
  const sorted = pairs.map((row) => row.latency).sort((a, b) => a - b);
  expect(values).toEqual([0.5, 0.99].map((q) => sorted[nearestRank(q, sorted.length) - 1]));
}

const NUM_RUNS = Number(process.env.RUNS ?? 60);

test('kernel and rules count what sums of BigInts say, however batches are cut', () => {
  fc.assert(
    fc.property(exits(14, 3), setup, (rows, options) => {
      check(count(rows, 0, options), rows, options);
    }),
    { numRuns: NUM_RUNS },
  );
});

test('more reasons and threads than memories and first tables hold', () => {
  fc.assert(
    fc.property(exits(5000, 600), setup, (rows, options) => {
      check(count(rows, 0, options), rows, options);
    }),
    { numRuns: NUM_RUNS },
  );
});

test('parts merge to what one counter finds', () => {
  fc.assert(
    fc.property(exits(300, 5), setup, fc.nat(300), (rows, options, place) => {
      const cut = Math.min(place, rows.length);
      const first = count(rows.slice(0, cut), 0, options);
      const second = count(rows.slice(cut), cut, options);
      mergeExitStats(first.stats, second.stats);
      mergeUserspaceStats(first.userspace, second.userspace);
      mergeSlowLists(first.slow, second.slow);
      for (let state = 0; state < 4; state++) first.states[state] += second.states[state];
      mergeThreadStats(first.threads, second.threads);
      // Joined threads may have other numbers.
      const threads = structuredClone(first.threads);
      for (let slot = 0; slot < threads.count; slot++) {
        const own = first.threads.tid[slot] - 1000;
        if (own < 0 || own >= threads.exits.length) continue;
        for (const name of ['tid', 'pid', 'vcpu', 'exits', 'paired'] as const)
          threads[name][own] = first.threads[name][slot];
        for (const name of ['total', 'idle'] as const)
          threads[name].set(first.threads[name].subarray(2 * slot, 2 * slot + 2), 2 * own);
      }
      check({ ...first, threads }, rows, options);
    }),
    { numRuns: NUM_RUNS },
  );
});

const exit = (over: Partial<Exit>): Exit => ({
  reason: 10,
  thread: 0,
  pid: -1,
  vcpu: -1,
  cpu: 0,
  level: 0,
  state: PAIRED,
  latency: 1000,
  rip: 0xffffffff,
  user: 9,
  userCode: 2,
  selected: true,
  ...over,
});

test('parts with reasons of their own merge, however many there are', () => {
  const reasons = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, i) => exit({ reason: from + i, latency: i }));
  for (const [first, second] of [
    [1, 1000],
    [500, 600],
    [1000, 1001],
  ]) {
    const rows = [...reasons(0, first), ...reasons(first, second)];
    const whole = count(rows.slice(0, first), 0, PLAIN);
    mergeExitStats(whole.stats, count(rows.slice(first), first, PLAIN).stats);
    expect(Array.from({ length: whole.stats.groups.count }, (_, g) => whole.stats.exits[g])).toEqual(
      rows.map(() => 1),
    );
    expect(rows.map((_, g) => exactToBigInt(whole.stats.total, g))).toEqual(
      rows.map((row) => BigInt(row.latency)),
    );
  }
});

test('numbers of reasons are unsigned: bit 31 says that VM entry failed', () => {
  const { stats } = count([exit({ reason: 0x80000021 })], 0, PLAIN);
  expect([groupKey(stats, 0, KEY_ISA), groupKey(stats, 0, KEY_CODE)]).toEqual([1, 0x80000021]);
});

test('the standard deviation is the sample’s, to the last digits also of long times that differ little', () => {
  const deviations = [0, 1, 3, 3, 8, 20, 1, 0];
  const mean = deviations.reduce((all, value) => all + value, 0) / deviations.length;
  const wanted = Math.sqrt(
    deviations.reduce((all, value) => all + (value - mean) ** 2, 0) / (deviations.length - 1),
  );
  for (const base of [0, 1000, 2 ** 33, 2 ** 47]) {
    const { stats } = count(
      deviations.map((value) => exit({ latency: base + value })),
      0,
      PLAIN,
    );
    expect(standardDeviation(stats, 0)).toBeCloseTo(wanted, 10);
  }
  // Of one pair nothing can be said, nor of none.
  expect(standardDeviation(count([exit({})], 0, PLAIN).stats, 0)).toBe(0);
  expect(standardDeviation(count([exit({ state: 1 })], 0, PLAIN).stats, 0)).toBe(0);
});

test.each([
  ['kept', PLAIN],
  // The kernel leaves values that take more than 32 bits to the rules only where they are kept.
  ['not kept', { ...PLAIN, limit: 0 }],
])('sums of absurd latencies do not overflow, values are %s', (_, options) => {
  const rows = Array.from({ length: 3 * EXIT_ROWS }, (__, i) =>
    exit({ latency: MAX_LATENCY - (i % 3), reason: 10 + (i % 2) }),
  );
  check(count(rows, 0, options, true), rows, options);
  // The largest square that the common case sums.
  const squares = Array.from({ length: 40_000 }, () => exit({ latency: 2 ** 24 - 1 }));
  check(count(squares, 0, options, true), squares, options);
});

test('reasons and threads beyond the tables of the kernel', () => {
  const rows = Array.from({ length: 40_000 }, (_, i) =>
    exit({ reason: i % 17_000, thread: i % 16_500, pid: i }),
  );
  const counter = count(rows, 0, PLAIN, true);
  const { stats, threads } = counter;
  expect(stats.groups.count).toBe(17_000);
  expect(stats.exits.subarray(0, 17_000)).toEqual(
    Float64Array.from({ length: 17_000 }, (_, g) => (g < 6000 ? 3 : 2)),
  );
  expect(threads.exits.subarray(0, 16_500)).toEqual(
    Float64Array.from({ length: 16_500 }, (_, slot) => (slot < 7000 ? 3 : 2)),
  );
  expect(threads.pid.subarray(0, 16_500)).toEqual(
    Int32Array.from({ length: 16_500 }, (_, slot) => (slot < 7000 ? 33_000 : 16_500) + slot),
  );
});

test('exits survive the way through an arena batch', () => {
  const batch = createExitBatch(1);
  writeExit(batch, 0, exit({}), 5);
  const target = createArenaExits(createArena());
  copyExit(batch, 0, target, EXIT_ROWS - 1);
  const back = createExitBatch(1);
  copyExit(target, EXIT_ROWS - 1, back, 0);
  expect(back).toEqual(batch);
});
