/** Section `nested` for people. */

import { formatCount, formatNs, plural } from '../core/units.ts';
import type { LevelFigures, NestedModel } from './build-nested.ts';
import { cell, count, foreign, left, right, tableOf, time } from './cells.ts';
import { exitFiltersUnused } from './filters.ts';
import type { ReportModel, SelectionModel } from './model.ts';
import type { Block } from './sections.ts';

const LEVELS = 'Nested guests: exits by level (average time)';
const COST = 'What an L2 exit costs that L1 handles';

const instead = (title: string, sentence: string): Block => ({ title, sentences: [sentence], table: null });

export function nestedBlocks({ nested, selection }: ReportModel, rows: number, asked: boolean): Block[] {
  if (!nested || !asked) return [];
  if (!nested.known)
    return [instead(LEVELS, 'Nesting was not recorded: no kvm_nested_vmexit in the capture.')];
  return [
    levelsBlock(nested, rows),
    nested.cycles === null
      ? instead(COST, 'Not recorded: it takes kvm_nested_vmexit_inject and kvm_nested_vmenter.')
      : cyclesBlock(nested, nested.cycles, selection, rows),
  ];
}

const avg = ({ avgNs }: LevelFigures) => time(avgNs);

function levelsBlock(nested: NestedModel, rows: number): Block {
  return {
    title: LEVELS,
    sentences: [],
    table: tableOf(
      [
        left('reason', { shrinkTo: 16 }),
        right('total'),
        right('avg'),
        right('L1'),
        right('avg'),
        right('L2 here'),
        right('avg'),
        right('L2 to L1'),
        right('avg'),
      ],
      nested.levels,
      rows,
      (row) => [
        foreign(row.name),
        ...[row.all, row.L1, row['L2-handled'], row['L2-reflected']].flatMap((figures) => [
          count(figures.exits),
          avg(figures),
        ]),
      ],
    ),
  };
}

function cyclesBlock(
  nested: NestedModel,
  cycles: NonNullable<NestedModel['cycles']>,
  selection: SelectionModel | null,
  rows: number,
): Block {
  const { lost, broken, negative, further } = nested.leftOut;
  return {
    title: COST,
    sentences: [
      nested.exitsPerReflectedExit === null
        ? 'No L2 exit was followed until L1 entered L2 again.'
        : `${nested.exitsPerReflectedExit.toFixed(1)} further exits to this host on average until L1 enters L2 again.`,
      ...exitFiltersUnused(selection),
      ...(lost + broken + negative > 0
        ? [
            `Left out: ${plural(lost, 'cycle')} with lost events, ${formatCount(broken)} without an entry of L2, ${formatCount(negative)} with a clock that ran backwards.`,
          ]
        : []),
      ...(further > 0
        ? [`${plural(further, 'cycle')} left out: L1 was given more reasons than are kept.`]
        : []),
    ],
    table:
      cycles.length === 0
        ? null
        : tableOf(
            [
              left('reason given to L1', { shrinkTo: 16 }),
              right('cycles'),
              right('exits'),
              right('per cycle'),
              right('p50', { drop: 0 }),
              right('p99', { drop: 1 }),
              right('most'),
              right('total time'),
              right('avg'),
              right('max', { drop: 2 }),
            ],
            cycles,
            rows,
            (row) => [
              foreign(row.name),
              count(row.cycles),
              count(row.exits),
              cell(row.avgExits.toFixed(1)),
              count(row.p50Exits),
              count(row.p99Exits),
              count(row.maxExits),
              time(row.totalNs),
              cell(formatNs(row.avgNs)),
              cell(formatNs(row.maxNs)),
            ],
          ),
  };
}
