/** The section on what exits were about: made-up recordings against brute force, and what its texts say. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  EV_CPUID,
  EV_ENTRY,
  EV_EOI,
  EV_EXIT,
  EV_INJ_VIRQ,
  EV_MSR,
  EV_PAGE_FAULT,
  EV_PV_EOI,
} from '../src/core/events.ts';
import { detailSection } from '../src/report/build-detail.ts';
import type { ExitFigures } from '../src/report/exit-figures.ts';
import type { TestEvent } from './support/events.ts';
import {
  byKey,
  eventsOfExits,
  figuresOf,
  hex,
  isOrdered,
  madeExit,
  regionOf,
} from './support/made-up-exits.ts';
import { blocksOf, madeUp } from './support/made-up-report.ts';

const report = await madeUp(['detail']);
const ENABLED = ['kvm_entry', 'kvm_userspace_exit'];
const list = fc.array(madeExit, { minLength: 1, maxLength: 60 });
const NAMES: Readonly<Record<number, string>> = { 10: 'CPUID', 30: 'IO_INSTRUCTION', 48: 'EPT_VIOLATION' };

/** Rows by key, each with its figures and that it misses nothing. */
const rowsOf = <Row extends ExitFigures>(rows: readonly Row[], keyOf: (row: Row) => string) =>
  Object.fromEntries(
    rows.map((row) => {
      const { exits, paired, totalNs, minNs, avgNs, maxNs, escalated, restarts, errors, ...rest } = row;
      const { kernelNs, userspaceNs } = rest;
      const figures = { exits, paired, totalNs, minNs, avgNs, maxNs, escalated, restarts, errors };
      return [keyOf(row), { ...figures, kernelNs, userspaceNs }];
    }),
  );

type Placed = Pick<ExitFigures, 'exits'> & { readonly address: string };
const byWeight = (a: Placed, b: Placed) =>
  b.exits - a.exits || (a.address < b.address ? -1 : a.address > b.address ? 1 : 0);

test('rows, pages and vectors are what brute force finds, the most frequent first', () => {
  fc.assert(
    fc.property(list, fc.boolean(), (exits, escalation) => {
      const given = escalation ? exits : exits.map((exit) => ({ ...exit, fate: 'kernel' as const }));
      const { detail } = report(eventsOfExits(given), escalation ? ENABLED : ['kvm_entry']);
      const expected = (groups: ReturnType<typeof byKey>) =>
        Object.fromEntries([...groups].map(([key, members]) => [key, figuresOf(members, escalation)]));
      const told = given.filter(({ about }) => about !== null);
      const { rows, pages, injected, known, withDetail, floor, hostVectors, eoi } = detail!;
      expect(known).toBe(told.length > 0);
      expect([detail!.exits, withDetail, floor]).toEqual([given.length, told.length, 0]);
      expect(
        rowsOf(rows, ({ isa, code, name, kind, direction, address }) =>
          [isa, code, name, kind, direction, address].join(),
        ),
      ).toEqual(
        expected(
          byKey(given, ({ reason, about }) => {
            if (about === null) return null;
            const { kind, direction, address } = about;
            const place = hex(kind === 'page-fault' ? regionOf(address) : address);
            return ['vmx', reason, NAMES[reason], kind, direction, place].join();
          }),
        ),
      );
      expect(rowsOf(pages, ({ address }) => address)).toEqual(
        expected(
          byKey(given, ({ about }) => (about?.kind === 'page-fault' ? hex(about.address & ~0xfffn) : null)),
        ),
      );
      const vectors = byKey(given, ({ vector }) => (vector === null ? null : String(vector)));
      if (vectors.size === 0) expect(injected).toBeNull();
      else expect(rowsOf(injected!, ({ vector }) => String(vector))).toEqual(expected(vectors));
      expect([hostVectors, eoi]).toEqual([null, null]);
      for (const table of [rows, pages]) {
        expect(isOrdered<Placed>(table, byWeight)).toBe(true);
        expect(new Set(table.map(({ mayMiss }) => mayMiss))).toEqual(new Set(table.length > 0 ? [0] : []));
      }
      expect(isOrdered(injected ?? [], (a, b) => b.exits - a.exits || a.vector - b.vector)).toBe(true);
    }),
    { numRuns: 40 },
  );
});

test('acknowledged vectors are counted by number, a paravirtual one once, the most frequent first', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ paravirtual: fc.boolean(), vector: fc.constantFrom(0x30, 0xec, 0xfd) }), {
        minLength: 1,
        maxLength: 20,
      }),
      fc.boolean(),
      (all, both) => {
        const signals = both ? all : all.filter(({ paravirtual }) => paravirtual);
        if (signals.length === 0) return;
        // KVM's apic_set_eoi traces kvm_eoi, and its caller kvm_pv_eoi of the same signal after it.
        const events = signals.flatMap(({ paravirtual, vector }, i) =>
          [...(both ? [EV_EOI] : []), ...(paravirtual ? [EV_PV_EOI] : [])].map((event, j) => ({
            ...{ time: 10 * i + j, event, address: 0, arg0: vector },
          })),
        );
        const { eoi } = report(events, null).detail!;
        const counts = [0x30, 0xec, 0xfd]
          .map((vector) => ({ vector, count: signals.filter((signal) => signal.vector === vector).length }))
          .filter(({ count }) => count > 0)
          .sort((a, b) => b.count - a.count);
        expect(eoi!.map(({ vector, count }) => ({ vector, count }))).toEqual(counts);
        expect(eoi!.find(({ vector }) => vector === 0xec)?.what ?? 'local timer').toBe('local timer');
      },
    ),
    { numRuns: 25 },
  );
});

test('host interrupts by their vector, as VMX records it, where the section is asked for', () => {
  const interrupt = (time: number, intrInfo: number) => [
    { time, event: EV_EXIT, isa: 1, code: 1, intrInfo },
    { time: time + 10 + time / 100, event: EV_ENTRY },
  ];
  const vectors = [0x30, 0xec, 0xfd, 0xec, 0xfd].map((vector) => 0x80000000 + vector);
  // The last one is not valid.
  const events = [...vectors, 0xec].flatMap((info, i) => interrupt(1000 * i, info));
  const { hostVectors } = report(events, ['kvm_userspace_exit']).detail!;
  expect(
    hostVectors!.map(({ vector, what, exits, totalNs, escalated }) => [
      vector,
      what,
      exits,
      totalNs,
      escalated,
    ]),
  ).toEqual([
    [0xec, 'local timer', 2, 60, 0],
    [0xfd, 'reschedule', 2, 80, 0],
    [0x30, 'ISA irq 0', 1, 10, 0],
  ]);
  const none = report([...interrupt(0, 0xec)], null).detail!;
  expect(none.hostVectors).toBeNull();
});

describe('for people', () => {
  const at = (time: number, rest: object, about: readonly object[]) =>
    [
      { ...{ time, event: EV_EXIT, isa: 1 }, ...rest },
      ...about.map((event) => ({ time: time + 1, ...event })),
      { time: time + 100, event: EV_ENTRY },
    ] as TestEvent[];
  const msr = { event: EV_MSR, code: 1, address: 0x6e0 };
  const fault = (address: number) => [{ event: EV_PAGE_FAULT, address }];
  const recording: TestEvent[] = [
    ...at(0, { code: 32 }, [msr, { event: EV_INJ_VIRQ, address: 0xec }]),
    ...at(1000, { code: 32 }, [msr]),
    ...at(2000, { code: 48 }, fault(0x201000)),
    ...at(3000, { code: 10 }, [{ event: EV_CPUID, address: 0, code: 1 }]),
    ...at(4000, { code: 1, intrInfo: 0x800000fd }, []),
    { time: 5000, event: EV_EOI, address: 0, arg0: 0xec },
  ];
  const model = report(recording, ['kvm_userspace_exit']);
  const figuresOfOne = ['1', '100 ns', '100 ns', '100 ns', '0.0'];
  const FIGURES = ['exits', 'total', 'avg', 'max', 'user%'];

  test('each detail with its figures, then pages, vectors injected, of the host and acknowledged', () => {
    expect(blocksOf(detailSection, model, 0, true)).toEqual([
      {
        title: 'What exits were about',
        sentences: ['Recorded for 4 of 5 exits, from kvm_msr, kvm_cpuid, kvm_page_fault.'],
        cells: [
          ['exit reason', 'kind', 'number', 'what', ...FIGURES],
          ['MSR_WRITE', 'msr write', '0x6e0', 'TSC_DEADLINE', '2', '200 ns', '100 ns', '100 ns', '0.0'],
          ['CPUID', 'cpuid', '0x0', 'vendor', ...figuresOfOne],
          ['EPT_VIOLATION', 'page-fault', '0x200000', '-', ...figuresOfOne],
        ],
      },
      {
        title: null,
        sentences: ['Page faults without a device behind them, by page of 4 KiB:'],
        cells: [
          ['page', ...FIGURES],
          ['0x201000', ...figuresOfOne],
        ],
      },
      {
        title: null,
        sentences: ['Exits during which an interrupt was injected, by vector:'],
        cells: [
          ['vector', 'in Linux', ...FIGURES],
          ['0xec', 'local timer', ...figuresOfOne],
        ],
      },
      {
        title: null,
        sentences: ['Exits for a host interrupt, by its vector:'],
        cells: [
          ['vector', 'in Linux', ...FIGURES],
          ['0xfd', 'reschedule', ...figuresOfOne],
        ],
      },
      {
        title: null,
        sentences: ['End-of-interrupt signals of the guest, by vector:'],
        cells: [
          ['vector', 'in Linux', 'count'],
          ['0xec', 'local timer', '1'],
        ],
      },
    ]);
  });

  test('the main table alone, and short, unless asked', () => {
    const many = Array.from({ length: 10 }, (_, i) =>
      at(1000 * i, { code: 32 }, [{ ...msr, address: i }]),
    ).flat();
    const brief = blocksOf(detailSection, report(many, null), 30, false);
    expect([brief.length, brief[0].cells!.length]).toEqual([1, 1 + 8]);
    const asked = blocksOf(detailSection, report(many, null), 5, true);
    expect([asked.length, asked[0].cells!.length]).toEqual([1, 1 + 5]);
    expect(blocksOf(detailSection, model, 0, false)[0]).toEqual(blocksOf(detailSection, model, 0, true)[0]);
  });

  test('what was not recorded, exits that were not, and a table that was too small', () => {
    const without = report(at(0, { code: 32 }, []), null);
    expect(blocksOf(detailSection, without, 0, false)).toEqual([]);
    const [{ title, sentences, cells }] = blocksOf(detailSection, without, 0, true);
    expect([title, sentences.length, cells]).toEqual(['What exits were about', 1, null]);
    expect(sentences[0]).toMatch(
      /^Not recorded: none of the events that tell \(kvm_pio, .*\) is in the capture\.$/,
    );
    const alone = report([{ time: 0, ...msr }], null);
    expect(blocksOf(detailSection, alone, 0, true)[0].sentences).toEqual([
      'No exit was recorded around kvm_msr.',
    ]);
    const full = report(recording, null);
    full.detail!.floor = 12;
    expect(blocksOf(detailSection, full, 0, true)[0].sentences[1]).toBe(
      'More distinct details than the table holds: one without a row has at most 12 exits.',
    );
  });
});
