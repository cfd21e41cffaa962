/** `perf kvm stat` by perf's own rules, by hand (beside perf's own output: views-perf-kvm.test.ts). */
import { describe, expect, test } from 'vitest';
import { exactValue } from '../src/analysis/exact-sum.ts';
import {
  K_A,
  K_B,
  K_C,
  K_EVENT,
  K_TID,
  PERF_EVENTS,
  type PerfKvm,
  perfKvmPass,
} from '../src/analysis/perf-kvm.ts';
import { EV_ENTRY, EV_EXIT, EV_LOST, EV_MMIO, EV_MSR, EV_PIO } from '../src/core/events.ts';
import { ISA_ARM64, ISA_VMX } from '../src/core/isa-codes.ts';
import { ALL, eventBatch, sliceBatch, type TestEvent } from './support/events.ts';

const KEY_INTS = 5;
const READ = 1;
const WRITE = 2;

/** `event tid keys: times that it took` of each row, whatever their order; cut at all places in turn. */
function rowsOf(events: readonly TestEvent[], at = events.length): string[] {
  const batch = eventBatch(events.map((event, i) => ({ tid: 7, ...event, time: event.time ?? i })));
  const states = [[0, at] as const, [at, batch.length] as const].map(([from, to], i): PerfKvm => {
    const state = perfKvmPass.create(null, i === 0 ? ALL : { ...ALL, recordingStart: [0, 0] });
    perfKvmPass.events!(state, sliceBatch(batch, from, to));
    return state;
  });
  perfKvmPass.merge(states[0], states[1]);
  const { rows, keys, sums } = perfKvmPass.result(states[0]);
  return Array.from({ length: rows }, (_, row) => {
    const key = (i: number) => keys[row * KEY_INTS + i];
    const name = [PERF_EVENTS[key(K_EVENT)], key(K_TID), key(K_A), key(K_B) >>> 0, key(K_C)].join(' ');
    return `${name}: ${sums.count[row]} × ${exactValue(sums.total, row)}, ${sums.min[row]}–${sums.max[row]}`;
  }).sort();
}

/** The same wherever the recording is cut. */
function check(events: readonly TestEvent[], wanted: readonly string[]): void {
  for (let at = 0; at <= events.length; at++) expect(rowsOf(events, at)).toEqual([...wanted].sort());
}

const exit = (time: number, code: number, isa = ISA_VMX): TestEvent => ({ time, event: EV_EXIT, isa, code });
const entry = (time: number): TestEvent => ({ time, event: EV_ENTRY });
const access = (time: number, event: number, code: number, address: number | bigint): TestEvent => ({
  ...{ time, event, code, address },
});

describe('vmexit', () => {
  test('counts from a thread’s first entry on; an exit after an exit replaces it; losses change nothing', () => {
    check(
      [
        ...[exit(0, 30), entry(10), exit(20, 12), entry(50)],
        // Replaced.
        ...[exit(60, 30), exit(70, 48), { time: 75, event: EV_LOST }, entry(90)],
        ...[exit(100, 12), entry(101), entry(110), exit(200, 48)],
      ],
      ['vmexit 7 1 12 0: 2 × 31, 1–30', 'vmexit 7 1 48 0: 1 × 20, 20–20'],
    );
  });

  test('threads are apart; an entry before its exit is none', () => {
    const of = (tid: number, event: TestEvent) => ({ ...event, tid });
    check(
      [
        ...[of(7, entry(0)), of(8, exit(5, 1)), of(8, entry(7)), of(7, exit(10, 1)), of(8, exit(12, 1))],
        ...[of(7, entry(15)), of(8, entry(32)), of(7, exit(40, 2)), of(7, entry(39))],
      ],
      ['vmexit 7 1 1 0: 1 × 5, 5–5', 'vmexit 8 1 1 0: 1 × 20, 20–20'],
    );
  });

  test('on arm64 the time is the guest’s: from entry to exit', () => {
    check(
      [exit(0, 1, ISA_ARM64), entry(10), exit(25, 1, ISA_ARM64), entry(100), exit(107, 36, ISA_ARM64)],
      [`vmexit 7 ${ISA_ARM64} 1 0: 1 × 15, 15–15`, `vmexit 7 ${ISA_ARM64} 36 0: 1 × 7, 7–7`],
    );
  });
});

describe('accesses', () => {
  test('a write lasts from its event to the entry, a read from the exit to its event', () => {
    check(
      [
        ...[entry(0), exit(10, 48), access(12, EV_MMIO, WRITE, 0xfee000b0), entry(30)],
        ...[exit(40, 48), access(47, EV_MMIO, READ, 0xfee000b0), entry(60)],
        // A write of the same exit begins again.
        ...[exit(70, 48), access(73, EV_MMIO, READ, 0x1_0000_1000n), access(75, EV_MMIO, WRITE, 0x2000)],
        ...[access(76, EV_MMIO, WRITE, 0x3000), entry(80)],
        // Neither read nor write; no address.
        ...[
          exit(90, 48),
          access(91, EV_MMIO, 0, 0x4000),
          { time: 92, event: EV_MMIO, code: WRITE },
          entry(99),
        ],
      ],
      [
        'vmexit 7 1 48 0: 4 × 59, 9–20',
        'mmio 7 1 4276093104 0: 1 × 18, 18–18',
        'mmio 7 0 4276093104 0: 1 × 7, 7–7',
        'mmio 7 0 4096 1: 1 × 3, 3–3',
        'mmio 7 1 12288 0: 1 × 4, 4–4',
      ],
    );
  });

  test('of ports and MSRs: from the event to the entry', () => {
    check(
      [
        ...[entry(0), exit(10, 30), access(12, EV_PIO, 1, 0x3f8), entry(30)],
        ...[exit(40, 31), access(41, EV_MSR, 0, 0x10), entry(45), exit(50, 31), access(55, EV_MSR, 1, 0x10)],
        ...[entry(60), access(61, EV_MSR, 1, 0x11), { time: 62, event: EV_PIO, code: 1 }, exit(63, 1)],
        ...[entry(65)],
      ],
      [
        'vmexit 7 1 30 0: 1 × 20, 20–20',
        'vmexit 7 1 31 0: 2 × 15, 5–10',
        'vmexit 7 1 1 0: 1 × 2, 2–2',
        'ioport 7 1 1016 0: 1 × 18, 18–18',
        'msr 7 0 16 0: 1 × 4, 4–4',
        'msr 7 1 16 0: 1 × 5, 5–5',
        'msr 7 1 17 0: 1 × 4, 4–4',
      ],
    );
  });
});

test('which tables the recording has events for, also of threads without entry', () => {
  const seen = (events: readonly TestEvent[]) => {
    const state = perfKvmPass.create(null, ALL);
    perfKvmPass.events!(state, eventBatch(events.map((event) => ({ tid: 7, ...event }))));
    return PERF_EVENTS.filter((_, table) => perfKvmPass.result(state).seen[table]);
  };
  for (const before of [[], [entry(0)]]) {
    expect(seen([...before, exit(1, 1)])).toEqual(['vmexit']);
    expect(seen([...before, access(1, EV_MMIO, READ, 1)])).toEqual(
      before.length ? ['vmexit', 'mmio'] : ['mmio'],
    );
    expect(seen([...before, access(1, EV_PIO, 1, 1)])).toEqual(
      before.length ? ['vmexit', 'ioport'] : ['ioport'],
    );
    expect(seen([...before, access(1, EV_MSR, 1, 1)])).toEqual(before.length ? ['vmexit', 'msr'] : ['msr']);
  }
});

test('more keys than are kept, most of threads that never count: in parts nothing is missing unsaid', () => {
  // Thread 8 never has an entry.
  const crowdOf = (keys: number) =>
    Array.from({ length: keys }, (_, i): TestEvent[] => [
      { ...exit(1000 + 2 * i, 48), tid: 8 },
      { ...access(1001 + 2 * i, EV_MMIO, READ, 0x1000 * i), tid: 8 },
    ]).flat();
  const first = [exit(0, 30), entry(5)];
  const laterOf = (keys: number) => [
    ...[exit(900, 48), access(910, EV_MMIO, READ, 0x42)],
    ...crowdOf(keys),
    entry(999_000),
  ];
  const run = (parts: readonly TestEvent[][]) => {
    const [state, ...rest] = parts.map((events, i): PerfKvm => {
      const made = perfKvmPass.create(null, i === 0 ? ALL : { ...ALL, recordingStart: [0, 0] });
      perfKvmPass.events!(made, eventBatch(events.map((event) => ({ tid: 7, ...event }))));
      return made;
    });
    for (const part of rest) perfKvmPass.merge(state, part);
    const { rows, keys, floor } = perfKvmPass.result(state);
    const reads = Array.from({ length: rows }, (_, row) =>
      keys.subarray(row * KEY_INTS, (row + 1) * KEY_INTS),
    );
    return { hasRead: reads.some((key) => key[K_EVENT] === 1 && key[K_B] === 0x42), floor };
  };
  const some = laterOf(20_000);
  expect(run([[...first, ...some]])).toEqual({ hasRead: true, floor: 0 });
  expect(run([first, some])).toEqual({ hasRead: true, floor: 0 });
  const many = laterOf(300_000);
  const parts = run([first, many]);
  expect(parts.hasRead).toBe(false);
  expect(parts.floor).toBeGreaterThanOrEqual(1);
  // Nothing of a recording without an entry counts, and nothing can be missing.
  expect(run([[exit(0, 30)], many]).floor).toBe(0);
});
