/** Kernels take the rows of a steady recording themselves: what they stop at costs a call and a row of TypeScript. */
import { expect, test } from 'vitest';
import type { AnyPass } from '../src/analysis/pass.ts';
import { loadPasses, PASS_NAMES } from '../src/analysis/passes.ts';
import { type Arena, createArena } from '../src/core/arena.ts';
import {
  EV_ENTRY,
  EV_EXIT,
  EV_FAST_MMIO,
  EV_INJ_VIRQ,
  EV_MMIO,
  EV_MSR,
  EV_PAGE_FAULT,
  EV_PIO,
  EV_USERSPACE_EXIT,
} from '../src/core/events.ts';
import { ALL, eventBatch, sliceBatch, type TestEvent } from './support/events.ts';
import { exitsOf, sliceExits } from './support/exits.ts';
import { withKernels } from './support/feed.ts';
import { PASS_OPTIONS } from './support/parts.ts';

const passOf = await loadPasses(PASS_NAMES.map((name) => ({ name, options: null })));

/** An arena whose kernels tell how often they stopped before the end of a batch. */
function countingArena(): { arena: Arena; stops: () => number } {
  const { memory, kernels } = createArena();
  let stops = 0;
  const counting = Object.fromEntries(
    Object.entries(kernels).map(([name, kernel]) => [
      name,
      (...args: number[]) => {
        const result = (kernel as (...args: number[]) => number)(...args);
        if (args.length === 4 && result < args[3]) stops++;
        return result;
      },
    ]),
  );
  return { arena: { memory, kernels: counting as unknown as Arena['kernels'] }, stops: () => stops };
}

const ABOUT: readonly (Pick<TestEvent, 'code' | 'address'> & { readonly event: number })[] = [
  { event: EV_PIO, code: 0, address: 0x70 },
  { event: EV_PIO, code: 1, address: 0x3f8 },
  { event: EV_MMIO, code: 1, address: 0xfee000b0 },
  { event: EV_MMIO, code: 2, address: 0x1_0000_2000n },
  { event: EV_FAST_MMIO, address: 0xfe003000 },
  { event: EV_MSR, code: 1, address: 0x6e0 },
  { event: EV_PAGE_FAULT, address: 0x1_0020_1000n },
  { event: EV_PAGE_FAULT, address: 0x201000 },
];
const EXITS = 1200;

/** Three vCPUs that leave the guest for the same few reasons again and again, and move on to the next CPU at times. */
const steady = Array.from({ length: EXITS }, (_, i): TestEvent[] => {
  const vcpu = i % 3;
  const round = Math.floor(i / 3);
  const about = ABOUT[round % ABOUT.length];
  const time = 20_000 * i;
  const cpuAt = (at: number) => (vcpu + Math.floor(at / 16)) % 3;
  const at = { tid: 100 + vcpu, cpu: cpuAt(round) };
  // The first exits do not tell, so that kernels are who learns it.
  const ids = round === 0 ? {} : { vcpu, pid: 99 + vcpu };
  const rip = round % 5 === 3 ? 0x400000 : 0xffffffff81000000n;
  return [
    { ...at, ...ids, event: EV_EXIT, time, isa: 1, code: 30 + (round % 4), address: rip },
    { ...at, ...about, time: time + 100 },
    { ...at, event: EV_INJ_VIRQ, time: time + 200, address: 0x30 + (round % 4) },
    ...(round % 2 === 0 ? [{ ...at, event: EV_USERSPACE_EXIT, time: time + 300, code: 2, arg0: 0 }] : []),
    { ...at, ...ids, cpu: cpuAt(round + 1), event: EV_ENTRY, time: time + 1024 + ((7919 * i) % 7000) },
    // Of a thread that the recording does not name.
    ...(round % 4 === 1 ? [{ cpu: at.cpu, event: EV_ENTRY, time: time + 15_000 }] : []),
  ];
});

/** Rows that passes look at themselves by design: what is rare where it matters how fast they are. */
const OWN: Readonly<Record<string, readonly number[]>> = {
  accesses: [EV_PIO, EV_MMIO, EV_FAST_MMIO],
  'qemu-check': [EV_USERSPACE_EXIT],
};
const OPTIONS: Readonly<Record<string, unknown>> = {
  ...PASS_OPTIONS,
  // None of the exits is slow.
  context: { slowLimit: 10, thanNs: 1_000_000, includeIdle: false },
  // One interval: what is new in each is for the pass.
  intervals: { ...(PASS_OPTIONS.intervals as object), widthNs: 1e12 },
};

test.each(PASS_NAMES)(
  '%s: leaves no row of a recording that goes on as it began, and finds the same',
  (name) => {
    const pass: AnyPass = passOf(name);
    const { arena, stops } = countingArena();
    const fed = withKernels(pass, (own) => pass.create(OPTIONS[name], ALL, own), 4096, arena);
    const oneByOne = pass.create(OPTIONS[name], ALL);
    const events = eventBatch(steady.flat());
    const exits = exitsOf(events);
    const feed = (from: number, to: number) => {
      const rowOf = (exit: number) => steady.slice(0, exit).flat().length;
      const part = sliceBatch(events, rowOf(from), rowOf(to));
      const some = sliceExits(exits, from, to);
      const before = stops();
      fed.events(part);
      fed.exits(some);
      pass.events?.(oneByOne, part);
      pass.exits?.(oneByOne, some, null);
      return { rows: stops() - before, own: part.event.filter((event) => OWN[name]?.includes(event)).length };
    };
    feed(0, EXITS / 2);
    const { rows, own } = feed(EXITS / 2, EXITS);
    expect(rows).toBe(own);
    expect(pass.result(fed.state)).toEqual(pass.result(oneByOne));
  },
);
