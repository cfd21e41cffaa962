/** Section `hotspots`: where the guest was when it left, by exit reason, with the guest's symbols if they are given. */
import {
  H_CODE,
  H_HALF,
  H_HIGH,
  H_ISA,
  H_LOW,
  HALF_KERNEL,
  HALF_UNKNOWN,
  HALF_USER,
  type HotspotResult,
  isKernelAddress,
} from '../analysis/hotspots.ts';
import { isaName } from '../core/isa-codes.ts';
import { wordsToHex } from '../core/words.ts';
import { publicCode, reasonName } from '../isa/reasons.ts';
import { knowledge } from './build-detail.ts';
import { type ExitFigures, exitFigures, groupRows } from './exit-figures.ts';
import {
  type GuestSymbols,
  kernelOffset,
  parseGuestSymbols,
  solveOffset,
  symbolAt,
} from './guest-symbols.ts';
import type { ReportModel } from './model.ts';
import { cell, count, csvOf, foreign, left, right, share, tableOf, time } from './section-cells.ts';
import type { Block, Section, SectionInput } from './sections.ts';
import { formatCount } from './units.ts';

export interface HotspotRowModel extends ExitFigures {
  isa: string;
  code: number | null;
  name: string;
  rip: string;
  /** Half of the address space: where the guest's kernel or its processes run. */
  half: 'user' | 'kernel';
  /** Function of the guest and offset in it; null: unknown. */
  symbol: string | null;
  /** Share of the reason's exits. */
  exitsPct: number;
  mayMiss: number;
}

export interface HotspotsModel {
  /** False: no guest RIP was recorded. */
  known: boolean;
  rows: HotspotRowModel[];
  /** Exact, per reason. */
  halves: {
    isa: string;
    code: number | null;
    name: string;
    user: number;
    kernel: number;
    /** Exits without a recorded RIP. */
    unknown: number;
  }[];
  /** A RIP without a row has at most so many exits: 0 when all have one (before the limit per reason). */
  floor: number;
  /** What --guest-symbols came to; null: not given. */
  symbols: { count: number; offset: string | null; how: string } | null;
}

/** Addresses shown per reason. */
const PER_REASON = 10;
export const HOTSPOT_CAPACITY = 16384;

function build(input: SectionInput): Partial<ReportModel> | null {
  const result = input.analysis.passes.hotspots as HotspotResult | undefined;
  if (result === undefined) return null;
  const known = knowledge(input);
  const { rips } = result;
  const key = (row: number, i: number) => rips.keys[row * rips.keyInts + i];
  const resolver = resolve(input.guestSymbols, result);
  const groups = groupRows(rips.rows, (row) => `${key(row, H_ISA)}:${key(row, H_CODE)}`);
  const rows: HotspotRowModel[] = [];
  const totals = halfCounts(result);
  for (const [id, members] of groups) {
    const best = members
      .sort((a, b) => rips.sums.exits[b] - rips.sums.exits[a] || a - b)
      .slice(0, PER_REASON);
    for (const row of best) {
      const isa = key(row, H_ISA);
      const code = key(row, H_CODE) >>> 0;
      const low = key(row, H_LOW) >>> 0;
      const high = key(row, H_HIGH) >>> 0;
      const figures = exitFigures(rips.sums, [row], known);
      const all = totals.get(id)!;
      rows.push({
        isa: isaName(isa),
        code: publicCode(isa, code),
        name: reasonName(isa, code),
        rip: wordsToHex(low, high),
        half: isKernelAddress(high) ? 'kernel' : 'user',
        symbol: resolver.nameOf(low, high),
        exitsPct: (100 * figures.exits) / (all.user + all.kernel + all.unknown),
        ...figures,
        mayMiss: rips.missed[row],
      });
    }
  }
  const hotspots: HotspotsModel = {
    known: rips.rows > 0,
    rows: rows.sort((a, b) => b.exits - a.exits || (a.rip < b.rip ? -1 : 1)),
    halves: [...totals.values()].sort(
      (a, b) => b.user + b.kernel + b.unknown - (a.user + a.kernel + a.unknown),
    ),
    floor: rips.floor,
    symbols: resolver.model,
  };
  return { hotspots };
}

function halfCounts({ halves }: HotspotResult): Map<string, HotspotsModel['halves'][number]> {
  const totals = new Map<string, HotspotsModel['halves'][number]>();
  for (let row = 0; row < halves.rows; row++) {
    const isa = halves.keys[row * halves.keyInts + H_ISA];
    const code = halves.keys[row * halves.keyInts + H_CODE];
    const half = halves.keys[row * halves.keyInts + H_HALF];
    const id = `${isa}:${code}`;
    let entry = totals.get(id);
    if (!entry) {
      entry = {
        isa: isaName(isa),
        code: publicCode(isa, code),
        name: reasonName(isa, code >>> 0),
        user: 0,
        kernel: 0,
        unknown: 0,
      };
      totals.set(id, entry);
    }
    const exits = halves.sums.exits[row];
    if (half === HALF_USER) entry.user += exits;
    else if (half === HALF_KERNEL) entry.kernel += exits;
    else if (half === HALF_UNKNOWN) entry.unknown += exits;
  }
  return totals;
}

interface Resolver {
  readonly nameOf: (low: number, high: number) => string | null;
  readonly model: HotspotsModel['symbols'];
}

function resolve(text: string | null, { rips }: HotspotResult): Resolver {
  const none = (how: string, n = 0): Resolver => ({
    nameOf: () => null,
    model: { count: n, offset: null, how },
  });
  if (text === null) return { nameOf: () => null, model: null };
  const symbols = parseGuestSymbols(text);
  if (symbols === 'no symbols') return none('The symbol file has no function of a kernel: addresses only.');
  if (symbols === 'zero addresses')
    return none(
      'The symbol file has zero addresses (read it as root, with kernel.kptr_restrict=0): addresses only.',
    );
  const hot: { address: number; exits: number }[] = [];
  for (let row = 0; row < rips.rows; row++) {
    const address = kernelOffset(
      rips.keys[row * rips.keyInts + H_LOW],
      rips.keys[row * rips.keyInts + H_HIGH],
    );
    if (address !== null) hot.push({ address, exits: rips.sums.exits[row] });
  }
  hot.sort((a, b) => b.exits - a.exits);
  const solution = solveOffset(symbols, hot.slice(0, 512));
  const n = symbols.names.length;
  if (solution === null)
    return none('No exit comes from a function that would tell the KASLR offset: addresses only.', n);
  return named(symbols, solution);
}

function named(symbols: GuestSymbols, solution: NonNullable<ReturnType<typeof solveOffset>>): Resolver {
  const { offset, exits, addresses } = solution;
  const hex = `${offset < 0 ? '-' : ''}0x${Math.abs(offset).toString(16)}`;
  const evidence = `${formatCount(exits)} exits at ${formatCount(addresses)} addresses then come from idle, MSR, port or interrupt functions`;
  return {
    nameOf: (low, high) => {
      const address = kernelOffset(low, high);
      return address === null ? null : symbolAt(symbols, offset, address);
    },
    model: {
      count: symbols.names.length,
      offset: hex,
      how:
        offset === 0
          ? `Guest symbols fit as they are: ${evidence}.`
          : `Guest symbols moved by ${hex} (KASLR, solved): ${evidence}.`,
    },
  };
}

function blocks(model: ReportModel, rows: number, asked: boolean): Block[] {
  const { hotspots } = model;
  if (!hotspots || !asked) return [];
  const title = 'Where the guest was';
  if (!hotspots.known)
    return [{ title, sentences: ['Not recorded: the exits have no guest RIP.'], table: null }];
  return [
    {
      title,
      sentences: [
        ...(hotspots.symbols ? [hotspots.symbols.how] : []),
        ...(hotspots.floor > 0
          ? [
              `More addresses than the table holds: one that is not listed has at most ${formatCount(hotspots.floor)} exits.`,
            ]
          : []),
      ],
      table: tableOf(
        [
          left('exit reason', { shrinkTo: 14 }),
          left('guest RIP'),
          left('half', { drop: 2 }),
          ...(hotspots.symbols?.offset ? [left('function', { shrinkTo: 16 })] : []),
          right('exits'),
          right('%', { gap: 1 }),
          right('total'),
          right('avg'),
          right('max', { drop: 1 }),
        ],
        hotspots.rows,
        rows,
        (row) => [
          foreign(row.name),
          cell(row.rip),
          cell(row.half),
          ...(hotspots.symbols?.offset ? [foreign(row.symbol)] : []),
          count(row.exits),
          share(row.exitsPct, 100),
          time(row.totalNs),
          time(row.avgNs),
          time(row.maxNs),
        ],
      ),
    },
    {
      title: null,
      sentences: ['By half of the address space:'],
      table: tableOf(
        [left('exit reason', { shrinkTo: 14 }), right('kernel'), right('user'), right('no RIP')],
        hotspots.halves,
        rows,
        (row) => [foreign(row.name), count(row.kernel), count(row.user), count(row.unknown)],
      ),
    },
  ];
}

export const hotspotsSection: Section = {
  id: 'hotspots',
  byDefault: false,
  requests: () => [{ name: 'hotspots', options: { capacity: HOTSPOT_CAPACITY } }],
  build,
  blocks,
  csv: {
    hotspots: (model) =>
      csvOf(
        [
          'isa',
          'code',
          'name',
          'rip',
          'half',
          'symbol',
          'exits',
          'exitsPct',
          'paired',
          'totalNs',
          'minNs',
          'avgNs',
          'maxNs',
          'escalated',
          'restarts',
          'mayMiss',
        ],
        model.hotspots?.rows,
      ),
  },
};
