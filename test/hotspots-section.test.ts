/** The section on where the guest was: made-up recordings against brute force, guest symbols, and what people read. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hotspotsSection } from '../src/report/build-hotspots.ts';
import type { ReportModel } from '../src/report/model.ts';
import {
  byKey,
  eventsOfExits,
  figuresOf,
  hex,
  isOrdered,
  type MadeExit,
  madeExit,
} from './support/made-up-exits.ts';
import { blocksOf, madeUp } from './support/made-up-report.ts';

const report = await madeUp(['hotspots']);
const [FIRST] = fc.sample(madeExit, { numRuns: 1, seed: 1 });
const ENABLED = ['kvm_entry', 'kvm_userspace_exit'];
const NAMES: Readonly<Record<number, string>> = { 10: 'CPUID', 30: 'IO_INSTRUCTION', 48: 'EPT_VIOLATION' };
const KERNEL = 0xffff0000_00000000n;
const pidOf = ({ thread }: MadeExit) => (thread === 0 ? 70 : null);
const ripOf = ({ rip }: MadeExit) =>
  hex(rip!)
    .replace('0x', '')
    .padStart(16, '0')
    .replace(/^0*(?=.)/, '0x');

/** Exits from many addresses of both halves, so that some reasons have more than are shown. */
const manyRips = fc.array(
  fc.tuple(madeExit, fc.constantFrom(null, 0n, 0x400000n, 0xfffeffff_fffffff0n, KERNEL), fc.nat(7)),
  { minLength: 1, maxLength: 120 },
);

test('more reasons than any ISA has: what is not listed has no more exits than is said', () => {
  const exits = Array.from(
    { length: 20_000 },
    (_, i): MadeExit => ({ ...FIRST, reason: i % 10_000, rip: 0x1000n }),
  );
  const { rows, halves, floor } = report(eventsOfExits(exits), ENABLED).hotspots!;
  expect(rows.length).toBeGreaterThan(0);
  const listed = new Set(halves.map(({ code }) => code));
  expect(rows.every(({ code }) => listed.has(code))).toBe(true);
  expect(floor).toBeGreaterThanOrEqual(2);
});

test('rows are the ten most frequent addresses of each reason; halves count all exits', () => {
  fc.assert(
    fc.property(manyRips, (list) => {
      const exits = list.map(([exit, base, step]) => ({
        ...exit,
        rip: base === null ? null : base + BigInt(step),
      }));
      const { rows, halves, known, floor, symbols } = report(eventsOfExits(exits), ENABLED).hotspots!;
      const kernel = exits.filter(({ rip }) => rip !== null && rip >= KERNEL);
      const without = exits.filter(({ rip }) => rip === null);
      expect([known, floor, symbols]).toEqual([without.length < exits.length, 0, null]);
      const reasons = [...new Set(exits.map(({ reason }) => reason))];
      const of = (some: readonly MadeExit[], reason: number) =>
        some.filter((exit) => exit.reason === reason).length;
      expect(new Set(halves)).toEqual(
        new Set(
          reasons.map((code) => {
            const counts = { kernel: of(kernel, code), unknown: of(without, code) };
            const user = of(exits, code) - counts.kernel - counts.unknown;
            return { isa: 'vmx', code, name: NAMES[code], user, ...counts };
          }),
        ),
      );
      const all = byKey(exits, (exit) =>
        exit.rip === null ? null : JSON.stringify([exit.reason, pidOf(exit), ripOf(exit)]),
      );
      for (const { isa, code, name, pid, rip, half, symbol, exitsPct, mayMiss, ...figures } of rows) {
        const members = all.get(JSON.stringify([code, pid, rip]))!;
        expect(figures).toEqual(figuresOf(members));
        expect([isa, name, half]).toEqual([
          'vmx',
          NAMES[code!],
          members[0].rip! >= KERNEL ? 'kernel' : 'user',
        ]);
        expect([symbol, mayMiss]).toEqual([null, 0]);
        expect(exitsPct).toBeCloseTo((100 * members.length) / of(exits, code!), 9);
      }
      // Of each reason so many, and none that is left out occurs more often than one that is there.
      for (const code of reasons) {
        const counts = [...all]
          .filter(([key]) => JSON.parse(key)[0] === code)
          .map(([, { length }]) => length);
        const shown = rows.filter((row) => row.code === code).map((row) => row.exits);
        expect(shown).toEqual(counts.sort((a, b) => b - a).slice(0, 10));
      }
      const place = (row: (typeof rows)[number]) => [row.rip, String(row.pid ?? -1).padStart(9)].join();
      expect(isOrdered(rows, (a, b) => b.exits - a.exits || (place(a) <= place(b) ? 0 : 1))).toBe(true);
      const total = (row: (typeof halves)[number]) => row.user + row.kernel + row.unknown;
      expect(isOrdered(halves, (a, b) => total(b) - total(a))).toBe(true);
    }),
    { numRuns: 40 },
  );
});

const at = (thread: number, rip: bigint | null, count: number): MadeExit[] =>
  Array.from({ length: count }, () => ({
    ...{
      reason: 30,
      thread,
      rip,
      about: null,
      fate: 'kernel',
      userReason: 2,
      kernelNs: 10,
      userNs: 1,
      vector: null,
    },
  }));
const MAP = `ffffffff81073900 T native_write_msr
ffffffff81073940 t native_read_msr
ffffffff81073980 T something_else
ffffffff81a17a00 T default_idle
ffffffff81a17a20 T do_idle
`;
const WRITE_MSR = 0xffffffff81073904n;
const IDLE = 0xffffffff81a17a08n;
const KASLR = 0x1e000000n;
/** A guest with KASLR, one without, and what no function of the kernel is. */
const GUESTS = [
  ...at(0, WRITE_MSR + KASLR, 5),
  ...at(0, IDLE + KASLR, 4),
  ...at(0, 0x400000n, 3),
  ...at(1, IDLE, 2),
  ...at(1, WRITE_MSR, 1),
];
const withSymbols = (exits: readonly MadeExit[], map: string) => report(eventsOfExits(exits), ENABLED, map);

describe('guest symbols', () => {
  test('each guest has its own offset', () => {
    const { rows, symbols } = withSymbols(GUESTS, MAP).hotspots!;
    expect(rows.map(({ pid, symbol, exits }) => [pid, symbol, exits])).toEqual([
      [70, 'native_write_msr+0x4', 5],
      [70, 'default_idle+0x8', 4],
      [70, null, 3],
      [null, 'default_idle+0x8', 2],
      [null, 'native_write_msr+0x4', 1],
    ]);
    expect(symbols).toEqual({
      count: 5,
      offsets: [
        { pid: 70, offset: '0x1e000000' },
        { pid: null, offset: '0x0' },
      ],
      how: [
        'VM of process 70: Guest symbols moved by 0x1e000000 (KASLR, solved): 9 exits at 2 addresses then come from idle, MSR, port or interrupt functions.',
        'VM whose process was not recorded: Guest symbols fit as they are: 3 exits at 2 addresses then come from idle, MSR, port or interrupt functions.',
      ],
    });
  });

  test('a guest below its symbols has a negative offset; the only guest is not named', () => {
    const { symbols } = withSymbols(at(0, IDLE - KASLR, 2), MAP).hotspots!;
    expect(symbols!.offsets).toEqual([{ pid: 70, offset: '-0x1e000000' }]);
    expect(symbols!.how[0]).toMatch(/^Guest symbols moved by -0x1e000000 /);
  });

  test.each([
    [
      'without evidence',
      MAP,
      at(0, 0xffffffff80000000n, 5),
      5,
      /^No exit comes from a function that would tell/,
    ],
    ['of a file without functions', 'hello', GUESTS, 0, /has no function of a kernel/],
    ['of a file that hides them', '0000000000000000 T _text\n', GUESTS, 0, /has zero addresses/],
  ])('%s there are addresses only', (_, map, exits, count, how) => {
    const { rows, symbols } = withSymbols(exits, map).hotspots!;
    expect([symbols!.count, symbols!.offsets, symbols!.how]).toEqual([
      count,
      [],
      [expect.stringMatching(how)],
    ]);
    expect(new Set(rows.map(({ symbol }) => symbol))).toEqual(new Set([null]));
  });
});

describe('for people', () => {
  const tables = (model: ReportModel) => blocksOf(hotspotsSection, model, 0, true);

  test('each address with its figures; process and function only where they tell something', () => {
    const [first, second] = tables(withSymbols([...GUESTS, ...at(0, null, 6)], MAP));
    expect(first.title).toBe('Where the guest was');
    expect(first.sentences).toHaveLength(2);
    expect(first.cells!.slice(0, 4)).toEqual([
      ['exit reason', 'pid', 'guest RIP', 'half', 'function', 'exits', '%', 'total', 'avg', 'max'],
      [
        'IO_INSTRUCTION',
        '70',
        '0xffffffff9f073904',
        'kernel',
        'native_write_msr+0x4',
        '5',
        '23.8',
        '50 ns',
        '10 ns',
        '10 ns',
      ],
      [
        'IO_INSTRUCTION',
        '70',
        '0xffffffff9fa17a08',
        'kernel',
        'default_idle+0x8',
        '4',
        '19.0',
        '40 ns',
        '10 ns',
        '10 ns',
      ],
      ['IO_INSTRUCTION', '70', '0x400000', 'user', '-', '3', '14.3', '30 ns', '10 ns', '10 ns'],
    ]);
    expect(first.cells![4][1]).toBe('-');
    expect(second).toEqual({
      title: null,
      sentences: ['By half of the address space:'],
      cells: [
        ['exit reason', 'kernel', 'user', 'no RIP'],
        ['IO_INSTRUCTION', '12', '3', '6'],
      ],
    });
    const [one] = tables(report(eventsOfExits(at(0, IDLE, 2)), ENABLED));
    expect(one.sentences).toEqual([]);
    expect(one.cells![0]).toEqual(['exit reason', 'guest RIP', 'half', 'exits', '%', 'total', 'avg', 'max']);
  });

  test('nothing unless asked; what was not recorded, and what has no place in the table, is told', () => {
    const model = report(eventsOfExits(at(0, null, 2)), ENABLED);
    expect(blocksOf(hotspotsSection, model, 0, false)).toEqual([]);
    expect(tables(model)).toEqual([
      {
        title: 'Where the guest was',
        sentences: ['Not recorded: the exits have no guest RIP.'],
        cells: null,
      },
    ]);
    const full = withSymbols(GUESTS, MAP);
    full.hotspots!.floor = 1234;
    expect(tables(full)[0].sentences[2]).toBe(
      'More addresses than the table holds: one that is not listed has at most 1,234 exits.',
    );
  });
});
