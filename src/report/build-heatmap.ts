/** Section `heatmap`: how many pairs there were over time and latency. */
import type { HeatmapResult } from '../analysis/heatmap.ts';
import { formatNs, formatNsShort } from '../core/units.ts';
import { wordsToBigInt } from '../core/words.ts';
import { cell, left, right, tableOf } from './cells.ts';
import type { ReportModel } from './model.ts';
import { latencyGap, whyUnknown } from './recorded.ts';
import type { Block, Section, SectionInput } from './sections.ts';

export interface HeatmapModel {
  /** False: no exits or no entries, or a clock without unit. */
  known: boolean;
  /** Start of column 0, ns on the capture's clock, and length of a column. */
  fromNs: bigint | null;
  columnNs: number;
  columns: number;
  /** Row r holds latencies from rowStartsNs[r] to below rowStartsNs[r + 1]. */
  rowStartsNs: number[];
  /** Non-empty cells as [column, row, pairs], in order of column and row. */
  cells: [number, number, number][];
}

function build({ context, analysis }: SectionInput): Partial<ReportModel> | null {
  const result = analysis.passes.heatmap as HeatmapResult | undefined;
  if (result === undefined) return null;
  const { origin, columnNs, columns, rowStarts, counts } = result;
  const known = latencyGap({ context, analysis }) === null;
  const rows = Math.max(1, rowStarts.length - 1);
  const cells: HeatmapModel['cells'] = [];
  if (known)
    for (const [i, pairs] of counts.entries())
      if (pairs > 0) cells.push([Math.floor(i / rows), i % rows, pairs]);
  return {
    heatmap: {
      known,
      fromNs: known ? wordsToBigInt(origin[0], origin[1]) : null,
      columnNs,
      columns,
      rowStartsNs: [...rowStarts],
      cells,
    },
  };
}

/** Columns of the picture in text, and marks from few to many pairs. */
const PICTURE_COLUMNS = 64;
const NOTHING = '·';
const MARKS = '-:=+*#%@';

/** The largest latency on top; a column or row of the picture shows the sum of those of the model. */
function picture({ columns, rowStartsNs, cells }: HeatmapModel): { label: string; marks: string }[] {
  const perColumn = Math.max(1, Math.ceil(columns / PICTURE_COLUMNS));
  const width = Math.ceil(columns / perColumn);
  const powers = rowStartsNs.map((start) => (start < 1 ? 0 : Math.floor(Math.log2(start) + 1e-9)));
  const lowest = Math.min(...cells.map(([, row]) => powers[row]));
  const highest = Math.max(...cells.map(([, row]) => powers[row]));
  const sums = Array.from({ length: highest - lowest + 1 }, () => new Float64Array(width));
  for (const [column, row, pairs] of cells)
    sums[powers[row] - lowest][Math.floor(column / perColumn)] += pairs;
  const most = Math.max(...sums.map((line) => Math.max(...line)));
  const mark = (pairs: number) =>
    pairs === 0
      ? NOTHING
      : MARKS[
          Math.min(MARKS.length - 1, Math.floor((MARKS.length * Math.log(pairs + 1)) / Math.log(most + 2)))
        ];
  return sums
    .map((line, i) => ({ label: formatNs(2 ** (lowest + i)), marks: Array.from(line, mark).join('') }))
    .reverse();
}

function blocks(model: ReportModel, _rows: number, asked: boolean): Block[] {
  const { heatmap } = model;
  if (!heatmap || !asked) return [];
  const title = 'Heatmap: latency over time';
  if (!heatmap.known)
    return [
      { title, sentences: [whyUnknown(model.capture.timeIsNs, 'kvm_exit and kvm_entry')], table: null },
    ];
  if (heatmap.cells.length === 0) return [{ title, sentences: ['No paired exits.'], table: null }];
  const perMark = Math.max(1, Math.ceil(heatmap.columns / PICTURE_COLUMNS)) * heatmap.columnNs;
  return [
    {
      title,
      sentences: [`Each mark is ${formatNsShort(perMark)}; ${MARKS} from one pair to many, on a log scale.`],
      table: tableOf([right('from'), left('time →')], picture(heatmap), 0, ({ label, marks }) => [
        cell(label),
        cell(marks),
      ]),
    },
  ];
}

export const heatmapSection: Section = {
  id: 'heatmap',
  byDefault: false,
  requests: () => [{ name: 'heatmap', options: {} }],
  build,
  blocks,
  csv: {
    heatmap: (model) => ({
      headers: ['fromNs', 'columnNs', 'loNs', 'hiNs', 'pairs'],
      rows: (model.heatmap?.cells ?? []).map(([column, row, pairs]) => [
        model.heatmap!.fromNs! + BigInt(column) * BigInt(model.heatmap!.columnNs),
        model.heatmap!.columnNs,
        model.heatmap!.rowStartsNs[row],
        model.heatmap!.rowStartsNs[row + 1],
        pairs,
      ]),
    }),
  },
};
