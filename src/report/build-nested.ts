/** Section `nested`: exits by level, and what one exit of an L2 guest costs this host. */

import { toExact } from '../analysis/exact-sum.ts';
import type { NestedResult } from '../analysis/nested.ts';
import type { LevelCell } from '../analysis/nested-levels.ts';
import { csvOf } from './csv-data.ts';
import { mean } from './group-sums.ts';
import type { Exact, ReportModel } from './model.ts';
import { nestedBlocks } from './nested-blocks.ts';
import { orderBy } from './order.ts';
import { reasonIdentity } from './reason-identity.ts';
import type { Section, SectionInput } from './sections.ts';

/** Times in ns over pairs; null: the clock has no unit, or (avg) there is no pair. */
export interface LevelFigures {
  exits: number;
  paired: number;
  totalNs: Exact | null;
  avgNs: number | null;
}

export interface NestedLevelModel {
  isa: string;
  code: number | null;
  name: string;
  /** All levels together. */
  all: LevelFigures;
  L1: LevelFigures;
  /** Both kinds of L2 exits, as KVM BPF Tools count them. */
  L2: LevelFigures;
  /** Handled by this host. */
  'L2-handled': LevelFigures;
  /** Handed on to the L1 hypervisor. */
  'L2-reflected': LevelFigures;
}

export interface NestedCycleModel {
  /** What L1 was told. */
  isa: string;
  code: number | null;
  name: string;
  /** From handing the exit on to L1 until L1 entered L2 again. */
  cycles: number;
  /** Exits to this host in the cycles, the VMRUN or VMRESUME that ends each included. */
  exits: number;
  avgExits: number;
  p50Exits: number;
  p99Exits: number;
  maxExits: number;
  totalNs: Exact | null;
  avgNs: number | null;
  maxNs: number | null;
}

export interface NestedModel {
  /** False: no nesting events in the capture; whether there were nested guests is unknown. */
  known: boolean;
  levels: NestedLevelModel[];
  /** null: the events that bound cycles (inject, vmenter) were not recorded. */
  cycles: NestedCycleModel[] | null;
  /** Exits to this host per L2 exit that L1 handles; null without a cycle. */
  exitsPerReflectedExit: number | null;
  /** Cycles left out: events lost in them; handed on again before L2 was entered; clock backwards; more reasons than are kept. */
  leftOut: { lost: number; broken: number; negative: number; further: number };
}

function build({ context, analysis }: SectionInput): Partial<ReportModel> | null {
  const result = analysis.passes.nested as NestedResult | undefined;
  if (result === undefined) return null;
  const known = result.nestedExits > 0 || (context.enabledEvents?.has('kvm_nested_vmexit') ?? false);
  const empty: NestedModel = {
    known,
    levels: [],
    cycles: null,
    exitsPerReflectedExit: null,
    leftOut: {
      lost: result.lostCycles,
      broken: result.brokenCycles,
      negative: result.negative,
      further: result.ignored,
    },
  };
  if (!known) return { nested: empty };
  const hasTime = context.timeIsNs;
  const figures = (...cells: readonly LevelCell[]): LevelFigures => {
    const paired = cells.reduce((sum, { paired: pairs }) => sum + pairs, 0);
    const total = cells.reduce((sum, { totalNs }) => sum + BigInt(totalNs), 0n);
    return {
      exits: cells.reduce((sum, { exits }) => sum + exits, 0),
      paired,
      totalNs: hasTime ? toExact(total) : null,
      avgNs: hasTime && paired > 0 ? mean(total, paired) : null,
    };
  };
  const levels = result.levels.map(
    ({ isa, code, levels: [l1, handled, reflected] }): NestedLevelModel => ({
      ...reasonIdentity(context, isa, code),
      all: figures(l1, handled, reflected),
      L1: figures(l1),
      L2: figures(handled, reflected),
      'L2-handled': figures(handled),
      'L2-reflected': figures(reflected),
    }),
  );
  const enabled = (name: string) => context.enabledEvents?.has(name) ?? false;
  const bounded =
    (result.injected > 0 || enabled('kvm_nested_vmexit_inject')) &&
    (result.entered > 0 || enabled('kvm_nested_vmenter') || enabled('kvm_nested_vmrun'));
  const cycles = result.cycles.map(
    ({ isa, code, totalNs, maxNs, ...row }): NestedCycleModel => ({
      ...reasonIdentity(context, isa, code),
      ...row,
      avgExits: row.exits / row.cycles,
      totalNs: hasTime ? totalNs : null,
      avgNs: hasTime ? mean(BigInt(totalNs), row.cycles) : null,
      maxNs: hasTime ? maxNs : null,
    }),
  );
  const all = cycles.reduce((sum, row) => sum + row.cycles, 0);
  return {
    nested: {
      ...empty,
      levels: levels.sort((a, b) => b.all.exits - a.all.exits || compare(a, b)),
      cycles: bounded ? cycles.sort((a, b) => b.exits - a.exits || compare(a, b)) : null,
      exitsPerReflectedExit: all > 0 ? cycles.reduce((sum, row) => sum + row.exits, 0) / all : null,
    },
  };
}

const compare = orderBy<{ isa: string; code: number | null; name: string }>('name', 'isa', 'code');

const LEVEL_KEYS = ['all', 'L1', 'L2', 'L2-handled', 'L2-reflected'] as const;

export const nestedSection: Section = {
  id: 'nested',
  byDefault: false,
  requests: () => [{ name: 'nested', options: null }],
  build,
  blocks: nestedBlocks,
  csv: {
    nested: (model) => ({
      headers: [
        'isa',
        'code',
        'name',
        ...LEVEL_KEYS.flatMap((level) => [
          `${level} exits`,
          `${level} paired`,
          `${level} totalNs`,
          `${level} avgNs`,
        ]),
      ],
      rows: (model.nested?.levels ?? []).map((row) => [
        row.isa,
        row.code,
        row.name,
        ...LEVEL_KEYS.flatMap((level) => {
          const { exits, paired, totalNs, avgNs } = row[level];
          return [exits, paired, totalNs, avgNs];
        }),
      ]),
    }),
    'nested-cycles': (model) =>
      csvOf(
        [
          'isa',
          'code',
          'name',
          'cycles',
          'exits',
          'avgExits',
          'p50Exits',
          'p99Exits',
          'maxExits',
          'totalNs',
          'avgNs',
          'maxNs',
        ],
        model.nested?.cycles ?? [],
      ),
  },
};
