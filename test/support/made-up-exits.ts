/** Made-up exits, each with what it was about and what became of it, for tests of the sections that tell of that. */
import fc from 'fast-check';
import {
  EV_CPUID,
  EV_ENTRY,
  EV_EXIT,
  EV_FAST_MMIO,
  EV_INJ_VIRQ,
  EV_MMIO,
  EV_MSR,
  EV_PAGE_FAULT,
  EV_PIO,
  EV_USERSPACE_EXIT,
} from '../../src/core/events.ts';
import { ISA_VMX } from '../../src/core/isa-codes.ts';
import type { ExitFigures } from '../../src/report/exit-figures.ts';
import type { TestEvent } from './events.ts';

/** What an exit was about: the event that tells it, its code, and the number or address. */
export interface About {
  readonly event: number;
  readonly code: number;
  readonly address: bigint;
  /** As a report says it. */
  readonly kind: 'port' | 'mmio' | 'fast-mmio' | 'msr' | 'cpuid' | 'page-fault';
  readonly direction: 'read' | 'write' | null;
}

export interface MadeExit {
  readonly reason: number;
  /** 0 has a process, 1 has none. */
  readonly thread: number;
  readonly rip: bigint | null;
  readonly about: About | null;
  /** `open`: no entry follows. */
  readonly fate: 'kernel' | 'user' | 'restart' | 'error' | 'open';
  /** KVM_EXIT_* where user space is next. */
  readonly userReason: number;
  readonly kernelNs: number;
  readonly userNs: number;
  readonly vector: number | null;
}

const about = (
  kind: About['kind'],
  event: number,
  addresses: readonly bigint[],
  codes: readonly (readonly [number, About['direction']])[],
): fc.Arbitrary<About> =>
  fc
    .tuple(fc.constantFrom(...addresses), fc.constantFrom(...codes))
    .map(([address, [code, direction]]) => ({ event, code, address, kind, direction }));

const READ_WRITE = [
  [0, 'read'],
  [1, 'write'],
] as const;
const MMIO = [0xfee000b0n, 0xfec00010n, 0xfe003000n, 0x1_0000_2000n];

export const madeExit: fc.Arbitrary<MadeExit> = fc.record({
  reason: fc.constantFrom(10, 30, 48),
  thread: fc.constantFrom(0, 0, 1),
  rip: fc.constantFrom(null, 0x400000n, 0xffff0000_00000000n, 0xfffeffff_ffffffffn, 0xffffffff_81a00000n),
  about: fc.oneof(
    fc.constant(null),
    about('port', EV_PIO, [0x70n, 0x40n, 0x3f8n, 0xc000n], READ_WRITE),
    about('mmio', EV_MMIO, MMIO, [
      [0, 'read'],
      [1, 'read'],
      [2, 'write'],
    ]),
    about('fast-mmio', EV_FAST_MMIO, MMIO.slice(2), [[0, 'write']]),
    about('msr', EV_MSR, [0x6e0n, 0x10n], READ_WRITE),
    about('cpuid', EV_CPUID, [0n, 0xdn], [[1, null]]),
    about('page-fault', EV_PAGE_FAULT, [0x201000n, 0x201fffn, 0x3ff000n, 0x1_0020_1000n], [[0, null]]),
  ),
  fate: fc.constantFrom('kernel', 'kernel', 'user', 'user', 'restart', 'error', 'open'),
  userReason: fc.constantFrom(2, 6),
  kernelNs: fc.integer({ min: 1, max: 5000 }),
  userNs: fc.integer({ min: 1, max: 5000 }),
  vector: fc.constantFrom(null, null, 0xec, 0x30),
});

const ERRNO = { user: 0, restart: -4, error: -14 } as const;

/** One after the other. Of each the thread's next one follows, or nothing, where its entry is missing. */
export function eventsOfExits(exits: readonly MadeExit[]): TestEvent[] {
  let time = 1000;
  return exits.flatMap((exit) => {
    const thread = { tid: 7 + exit.thread, ...(exit.thread === 0 ? { pid: 70 } : {}) };
    const at = (event: number, rest: Partial<TestEvent> = {}) => ({ ...thread, time, event, ...rest });
    const events = [
      at(EV_EXIT, {
        isa: ISA_VMX,
        code: exit.reason,
        ...(exit.rip === null ? {} : { address: exit.rip }),
      }),
    ];
    if (exit.about !== null) {
      const { event, code, address } = exit.about;
      events.push(at(event, { code, address }));
    }
    if (exit.vector !== null) events.push(at(EV_INJ_VIRQ, { address: exit.vector }));
    time += exit.kernelNs;
    if (exit.fate === 'open') return events;
    if (exit.fate !== 'kernel') {
      events.push(at(EV_USERSPACE_EXIT, { code: exit.userReason, arg0: ERRNO[exit.fate] }));
      time += exit.userNs;
    }
    events.push(at(EV_ENTRY));
    time++;
    return events;
  });
}

/** The figures of some exits together, one by one; `escalation`: whether it was recorded. */
export function figuresOf(exits: readonly MadeExit[], escalation = true): ExitFigures {
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const pairs = exits.filter(({ fate }) => fate !== 'open');
  const ns = pairs.map(({ fate, kernelNs, userNs }) => kernelNs + (fate === 'kernel' ? 0 : userNs));
  const count = (fate: MadeExit['fate']) => exits.filter((exit) => exit.fate === fate).length;
  const user = exits.filter(({ fate }) => fate === 'user');
  const known = <T>(value: T) => (escalation ? value : null);
  return {
    exits: exits.length,
    paired: pairs.length,
    totalNs: sum(ns),
    minNs: ns.length === 0 ? null : Math.min(...ns),
    avgNs: ns.length === 0 ? null : Math.round(sum(ns) / ns.length),
    maxNs: ns.length === 0 ? null : Math.max(...ns),
    escalated: known(user.length),
    restarts: known(count('restart')),
    errors: known(count('error')),
    kernelNs: known(sum(user.map(({ kernelNs }) => kernelNs))),
    userspaceNs: known(sum(user.map(({ userNs }) => userNs))),
  };
}

/** Exits by a key; null: in none. */
export function byKey(
  exits: readonly MadeExit[],
  keyOf: (exit: MadeExit) => string | null,
): Map<string, MadeExit[]> {
  const groups = new Map<string, MadeExit[]>();
  for (const exit of exits) {
    const key = keyOf(exit);
    if (key !== null) groups.set(key, [...(groups.get(key) ?? []), exit]);
  }
  return groups;
}

export const hex = (value: bigint) => `0x${value.toString(16)}`;
export const regionOf = (address: bigint) => address & ~0x1fffffn;

export const isOrdered = <Row>(rows: readonly Row[], compare: (a: Row, b: Row) => number) =>
  rows.every((row, i) => i === 0 || compare(rows[i - 1], row) <= 0);
