/**
 * A flow between columns of nodes (Sankey diagram): widths of ribbons are values, so that it shows where most of
 * something goes. Ribbons are drawn in a stretched plot, labels stand beside it and keep their size.
 */
import { type Markup, markup } from '../html/markup.ts';
import { type ChartText, chart, stretched } from './figure.ts';
import { percent, round } from './scale.ts';

export interface FlowNode {
  readonly label: string;
  /** CSS class. */
  readonly kind: string;
  readonly value: number;
}

/** From node `from` of column `column` to node `to` of the next one. */
export interface FlowLink {
  readonly column: number;
  readonly from: number;
  readonly to: number;
  readonly value: number;
}

interface Placed {
  readonly y: number;
  readonly height: number;
}

/** Between nodes: room for a label of 11 px above a node that is only a line. */
const GAP = 17;
/** Least height of a node or ribbon that is not nothing. */
const THINNEST = 1.5;
/** Width of the stretched plot's coordinates, and of a node in them. */
const WIDTH = 1000;
const NODE = 8;

/** Heights of the nodes of one column, spread over the chart's height. */
function place(nodes: readonly FlowNode[], unit: number, height: number): Placed[] {
  const heights = nodes.map(({ value }) => Math.max(THINNEST, value * unit));
  const used = heights.reduce((sum, h) => sum + h, 0);
  const gap = nodes.length > 1 ? Math.max(GAP, (height - GAP - used) / nodes.length) : GAP;
  let y = GAP;
  return heights.map((h) => {
    const placed = { y, height: h };
    y += h + Math.min(gap, 48);
    return placed;
  });
}

/** Moves a column down to the height of what flows into it, as far as there is room. */
function beside(
  nodes: readonly Placed[],
  before: readonly Placed[],
  links: readonly FlowLink[],
  column: number,
  height: number,
): Placed[] {
  const incoming = links.filter((link) => link.column === column - 1);
  const weight = incoming.reduce((sum, { value }) => sum + value, 0);
  if (weight === 0 || nodes.length === 0) return [...nodes];
  const middle = ({ y, height: h }: Placed) => y + h / 2;
  const source = incoming.reduce((sum, { from, value }) => sum + value * middle(before[from]), 0) / weight;
  const last = nodes[nodes.length - 1];
  const bottom = last.y + last.height;
  const shift = Math.min(height - bottom, source - (nodes[0].y + bottom) / 2);
  return shift > 0 ? nodes.map(({ y, height: h }) => ({ y: y + shift, height: h })) : [...nodes];
}

export function flow(text: ChartText, columns: readonly FlowNode[][], links: readonly FlowLink[]): Markup {
  const most = Math.max(1, ...columns.map((nodes) => nodes.reduce((sum, { value }) => sum + value, 0)));
  const unit = 150 / most;
  const lanes = Math.max(...columns.map((nodes) => nodes.length));
  const height = 150 + lanes * (GAP + 2) + GAP;
  const placed = columns.map((nodes) => place(nodes, unit, height));
  for (let c = 1; c < columns.length; c++) placed[c] = beside(placed[c], placed[c - 1], links, c, height);
  const xOf = (column: number) => (columns.length > 1 ? column / (columns.length - 1) : 0);
  // Where the next ribbon leaves and reaches each node.
  const left = placed.map((nodes) => nodes.map(({ y }) => y));
  const right = placed.map((nodes) => nodes.map(({ y }) => y));
  const ribbons = links.map(({ column, from, to, value }) => {
    const h = Math.max(THINNEST, value * unit);
    const y0 = right[column][from];
    const y1 = left[column + 1][to];
    right[column][from] += h;
    left[column + 1][to] += h;
    const x0 = xOf(column) * (WIDTH - NODE) + NODE;
    const x1 = xOf(column + 1) * (WIDTH - NODE);
    const mid = (x0 + x1) / 2;
    const [a, b, c, d] = [y0, y1, y0 + h, y1 + h].map(round);
    return markup`<path class="${columns[column + 1][to].kind}" d="M${round(x0)} ${a}C${round(mid)} ${a} ${round(mid)} ${b} ${round(x1)} ${b}V${d}C${round(mid)} ${d} ${round(mid)} ${c} ${round(x0)} ${c}Z"/>`;
  });
  const total = Math.ceil(Math.max(...placed.flat().map(({ y, height: h }) => y + h))) + 4;
  const nodes = columns.map((column, c) =>
    column.map(({ kind }, n) => {
      const { y, height: h } = placed[c][n];
      return markup`<rect class="${kind}" x="${round(xOf(c) * (WIDTH - NODE))}" y="${round(y)}" width="${NODE}" height="${round(h)}"/>`;
    }),
  );
  const labels = columns.map((column, c) =>
    column.map(({ label }, n) => {
      const side = c === 0 ? 's' : c === columns.length - 1 ? 'e' : 'm';
      return markup`<text class="${side}" x="${percent(xOf(c))}" y="${round(placed[c][n].y - 4)}">${label}</text>`;
    }),
  );
  return chart(
    text,
    total,
    0,
    markup`${stretched(total, WIDTH, total, markup`<g class="ribbons">${ribbons}</g>${nodes}`)}${labels}`,
    'flat flow',
  );
}
