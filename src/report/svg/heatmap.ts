/** Time × latency: how many exits began in a stretch of time and took so long, as shades of one colour. */
import { type Markup, markup } from '../html/markup.ts';
import { bottomAxis, type ChartText, chart, leftAxis, stretched } from './figure.ts';
import type { Scale } from './scale.ts';

/** Shades of the style sheet: h0 (fewest) … h6. */
export const SHADES = 7;

export interface HeatmapData {
  readonly columns: number;
  /** Row 0 is the shortest latency. */
  readonly rows: number;
  /** Sparse: only cells that are not 0. */
  readonly cells: readonly { readonly column: number; readonly row: number; readonly count: number }[];
}

/** Shade of a count: logarithmic, because one slow exit counts beside a million fast ones. */
export function shadeOf(count: number, highest: number): number {
  if (highest <= 1) return SHADES - 1;
  return Math.min(SHADES - 1, Math.floor((SHADES * Math.log(count)) / Math.log(highest)));
}

/** Cells drawn: some ten bytes each. */
const MOST_CELLS = 6000;

/** Half as many columns; each shows the sum of two, so that no cell is lost. */
function halved({ columns, rows, cells }: HeatmapData): HeatmapData {
  const sums = new Map<number, number>();
  for (const { column, row, count } of cells) {
    const key = (column >> 1) * rows + row;
    sums.set(key, (sums.get(key) ?? 0) + count);
  }
  return {
    columns: Math.ceil(columns / 2),
    rows,
    cells: [...sums].map(([key, count]) => ({ column: Math.floor(key / rows), row: key % rows, count })),
  };
}

/** The data with so few cells that the page stays small, and how many of its columns are one now. */
export function fitHeatmap(data: HeatmapData): { readonly data: HeatmapData; readonly joined: number } {
  let fitted = data;
  let joined = 1;
  for (; fitted.cells.length > MOST_CELLS && fitted.columns > 1; joined *= 2) fitted = halved(fitted);
  return { data: fitted, joined };
}

/** One path per shade; neighbours in a row are one piece. */
function shadePaths({ rows, cells }: HeatmapData, highest: number): string[] {
  const paths = Array.from({ length: SHADES }, () => '');
  const sorted = [...cells].sort((a, b) => a.row - b.row || a.column - b.column);
  for (let i = 0; i < sorted.length; ) {
    const { row, column, count } = sorted[i];
    const shade = shadeOf(count, highest);
    let end = i + 1;
    while (
      end < sorted.length &&
      sorted[end].row === row &&
      sorted[end].column === column + end - i &&
      shadeOf(sorted[end].count, highest) === shade
    )
      end++;
    paths[shade] += `M${column} ${rows - 1 - row}h${end - i}v1h-${end - i}z`;
    i = end;
  }
  return paths;
}

export function heatmap(
  text: ChartText,
  { columns, rows, cells }: HeatmapData,
  {
    x,
    y,
    formatX,
    formatY,
    labelX,
  }: {
    x: Scale;
    y: Scale;
    formatX: (value: number) => string;
    formatY: (value: number) => string;
    labelX: string;
  },
): Markup {
  const height = Math.max(120, Math.min(260, rows * 14));
  const highest = cells.reduce((most, { count }) => Math.max(most, count), 1);
  const paths = shadePaths({ columns, rows, cells }, highest);
  return chart(
    text,
    height,
    36,
    markup`${leftAxis(y, height, formatY)}${bottomAxis(x, height, formatX, labelX)}${stretched(
      height,
      columns,
      rows,
      markup`<g shape-rendering="crispEdges">${paths.map((d, shade) => d !== '' && markup`<path class="h${shade}" d="${{ markup: d }}"/>`)}</g>`,
    )}`,
  );
}
