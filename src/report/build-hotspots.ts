/** Section `hotspots`: where the guest was when it left, by exit reason, with the guest's symbols if they are given. */

import {
  H_CODE,
  H_HALF,
  H_HIGH,
  H_ISA,
  H_LOW,
  H_PID,
  HALF_KERNEL,
  HALF_UNKNOWN,
  HALF_USER,
  type HotspotResult,
  isKernelAddress,
} from '../analysis/hotspots.ts';
import type { TraceContext } from '../core/trace-context.ts';
import { formatCount } from '../core/units.ts';
import { wordsToHex } from '../core/words.ts';
import { cell, count, foreign, left, plain, right, share, tableOf, time } from './cells.ts';
import { csvOf } from './csv-data.ts';
import { type ExitFigures, exitFigures, groupRows } from './exit-figures.ts';
import { kernelOffset, parseGuestSymbols, solveOffset, symbolAt } from './guest-symbols.ts';
import type { ReportModel } from './model.ts';
import { orderBy } from './order.ts';
import { reasonIdentity } from './reason-identity.ts';
import { knowledge, NONE_SELECTED, selectsNoExit } from './recorded.ts';
import type { Block, Section, SectionInput } from './sections.ts';

export interface HotspotRowModel extends ExitFigures {
  isa: string;
  code: number | null;
  name: string;
  /** VM; null: not recorded. */
  pid: number | null;
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
  symbols: { count: number; offsets: { pid: number | null; offset: string }[]; how: string[] } | null;
}

/** Addresses shown per reason. */
const PER_REASON = 10;
const HOTSPOT_CAPACITY = 16384;

const byReason = orderBy<{ isa: string; code: number | null; name: string }>('isa', 'code', 'name');
const byIdentity = orderBy<HotspotRowModel>('rip', 'pid', 'isa', 'code', 'name');

/** Rows of the table, the most frequent first. */
function byFrequency({ keys, keyInts, sums }: HotspotResult['rips']): (a: number, b: number) => number {
  const key = (row: number, i: number) => keys[row * keyInts + i];
  return (a, b) =>
    sums.exits[b] - sums.exits[a] ||
    (key(a, H_HIGH) >>> 0) - (key(b, H_HIGH) >>> 0) ||
    (key(a, H_LOW) >>> 0) - (key(b, H_LOW) >>> 0) ||
    key(a, H_PID) - key(b, H_PID);
}

function build(input: SectionInput): Partial<ReportModel> | null {
  const result = input.analysis.passes.hotspots as HotspotResult | undefined;
  if (result === undefined) return null;
  const known = knowledge(input);
  const { rips } = result;
  const key = (row: number, i: number) => rips.keys[row * rips.keyInts + i];
  const resolver = resolve(input.guestSymbols, result);
  const groups = groupRows(rips.rows, (row) => `${key(row, H_ISA)}:${key(row, H_CODE)}`);
  const rows: HotspotRowModel[] = [];
  const totals = halfCounts(input.context, result);
  let { floor } = rips;
  for (const [id, members] of groups) {
    const best = members.sort(byFrequency(rips)).slice(0, PER_REASON);
    for (const row of best) {
      const isa = key(row, H_ISA);
      const code = key(row, H_CODE) >>> 0;
      const low = key(row, H_LOW) >>> 0;
      const high = key(row, H_HIGH) >>> 0;
      const figures = exitFigures(rips.sums, [row], known);
      const all = totals.get(id);
      if (all === undefined) {
        // More reasons than are counted by halves, which no ISA has.
        floor = Math.max(floor, figures.exits);
        continue;
      }
      rows.push({
        ...reasonIdentity(input.context, isa, code),
        pid: key(row, H_PID) < 0 ? null : key(row, H_PID),
        rip: wordsToHex(low, high),
        half: isKernelAddress(high) ? 'kernel' : 'user',
        symbol: resolver.nameOf(key(row, H_PID), low, high),
        exitsPct: (100 * figures.exits) / (all.user + all.kernel + all.unknown),
        ...figures,
        mayMiss: rips.missed[row],
      });
    }
  }
  const hotspots: HotspotsModel = {
    known: rips.rows > 0,
    rows: rows.sort((a, b) => b.exits - a.exits || byIdentity(a, b)),
    halves: [...totals.values()].sort(
      (a, b) => b.user + b.kernel + b.unknown - (a.user + a.kernel + a.unknown) || byReason(a, b),
    ),
    floor,
    symbols: resolver.model,
  };
  return { hotspots };
}

function halfCounts(
  context: TraceContext,
  { halves }: HotspotResult,
): Map<string, HotspotsModel['halves'][number]> {
  const totals = new Map<string, HotspotsModel['halves'][number]>();
  for (let row = 0; row < halves.rows; row++) {
    const isa = halves.keys[row * halves.keyInts + H_ISA];
    const code = halves.keys[row * halves.keyInts + H_CODE];
    const half = halves.keys[row * halves.keyInts + H_HALF];
    const id = `${isa}:${code}`;
    let entry = totals.get(id);
    if (!entry) {
      entry = {
        ...reasonIdentity(context, isa, code >>> 0),
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
  readonly nameOf: (pid: number, low: number, high: number) => string | null;
  readonly model: HotspotsModel['symbols'];
}

/** Addresses of a VM that the offset is solved from: the most frequent ones. */
const EVIDENCE = 512;

function resolve(text: string | null, { rips }: HotspotResult): Resolver {
  if (text === null) return { nameOf: () => null, model: null };
  const none = (how: string): Resolver => ({
    nameOf: () => null,
    model: { count: 0, offsets: [], how: [how] },
  });
  const symbols = parseGuestSymbols(text);
  if (symbols === 'no symbols') return none('The symbol file has no function of a kernel: addresses only.');
  if (symbols === 'zero addresses')
    return none(
      'The symbol file has zero addresses (read it as root, with kernel.kptr_restrict=0): addresses only.',
    );
  const key = (row: number, i: number) => rips.keys[row * rips.keyInts + i];
  const vms = groupRows(rips.rows, (row) =>
    kernelOffset(key(row, H_LOW), key(row, H_HIGH)) === null ? null : String(key(row, H_PID)),
  );
  const offsets = new Map<number, number>();
  const how: string[] = [];
  for (const [id, members] of vms) {
    const hot = members
      .map((row) => ({
        address: kernelOffset(key(row, H_LOW), key(row, H_HIGH))!,
        exits: rips.sums.exits[row],
      }))
      .sort((a, b) => b.exits - a.exits || a.address - b.address)
      .slice(0, EVIDENCE);
    const solution = solveOffset(symbols, hot);
    if (solution !== null) offsets.set(Number(id), solution.offset);
    const whose = Number(id) < 0 ? 'VM whose process was not recorded' : `VM of process ${id}`;
    how.push(explain(vms.size > 1 ? `${whose}: ` : '', solution));
  }
  return {
    nameOf: (pid, low, high) => {
      const address = kernelOffset(low, high);
      const offset = offsets.get(pid);
      return address === null || offset === undefined ? null : symbolAt(symbols, offset, address);
    },
    model: {
      count: symbols.names.length,
      offsets: [...offsets].map(([pid, offset]) => ({ pid: pid < 0 ? null : pid, offset: hex(offset) })),
      how,
    },
  };
}

const hex = (offset: number) => `${offset < 0 ? '-' : ''}0x${Math.abs(offset).toString(16)}`;

function explain(whose: string, solution: ReturnType<typeof solveOffset>): string {
  if (solution === null)
    return `${whose}No exit comes from a function that would tell the KASLR offset: addresses only.`;
  const { offset, exits, addresses } = solution;
  const evidence = `${formatCount(exits)} exits at ${formatCount(addresses)} addresses then come from idle, MSR, port or interrupt functions`;
  return offset === 0
    ? `${whose}Guest symbols fit as they are: ${evidence}.`
    : `${whose}Guest symbols moved by ${hex(offset)} (KASLR, solved): ${evidence}.`;
}

function blocks(model: ReportModel, rows: number, asked: boolean): Block[] {
  const { hotspots } = model;
  if (!hotspots || !asked) return [];
  const title = 'Where the guest was';
  if (selectsNoExit(model)) return [{ title, sentences: [NONE_SELECTED], table: null }];
  if (!hotspots.known)
    return [{ title, sentences: ['Not recorded: the exits have no guest RIP.'], table: null }];
  const several = new Set(hotspots.rows.map(({ pid }) => pid)).size > 1;
  return [
    {
      title,
      sentences: [
        ...(hotspots.symbols?.how ?? []),
        ...(hotspots.floor > 0
          ? [
              `More addresses than the table holds: one that is not listed has at most ${formatCount(hotspots.floor)} exits.`,
            ]
          : []),
      ],
      table: tableOf(
        [
          left('exit reason', { shrinkTo: 14 }),
          ...(several ? [right('pid')] : []),
          left('guest RIP'),
          left('half', { drop: 2 }),
          ...(hotspots.symbols?.offsets.length ? [left('function', { shrinkTo: 16 })] : []),
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
          ...(several ? [plain(row.pid)] : []),
          cell(row.rip),
          cell(row.half),
          ...(hotspots.symbols?.offsets.length ? [foreign(row.symbol)] : []),
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
          'pid',
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
