/** A value over time as a band between the lowest and highest value of each column, with marked stretches. */
import { type Markup, markup } from '../html/markup.ts';
import { envelope } from './envelope.ts';
import { bottomAxis, type ChartText, chart, leftAxis, stretched } from './figure.ts';
import { percent, round, type Scale } from './scale.ts';

/** Columns that a wide screen shows apart; more only make the file larger. */
const COLUMNS = 600;
const HEIGHT = 150;

export interface MarkedStretch {
  readonly from: number;
  /** null: a moment. */
  readonly to: number | null;
  /** Concerns only a part of what is shown: a short bar on top. */
  readonly part: boolean;
  readonly label: string;
}

/** `values`: one per equal stretch of the x axis. */
export function series(
  text: ChartText,
  values: ArrayLike<number>,
  marked: readonly MarkedStretch[],
  axes: {
    readonly x: Scale;
    readonly y: Scale;
    readonly formatX: (value: number) => string;
    readonly formatY: (value: number) => string;
    readonly labelX: string;
  },
): Markup {
  const { low, high } = envelope(values, COLUMNS);
  const columns = low.length;
  const yOf = (value: number) => round(HEIGHT * (1 - axes.y.at(value)));
  let area = '';
  let top = '';
  for (let i = 0; i < columns; i++) {
    if (Number.isNaN(high[i])) continue;
    area += `M${i} ${HEIGHT}V${yOf(high[i])}h1V${HEIGHT}z`;
    // From the highest to the lowest value: a spike is a full-height stroke, however short it was.
    top += `M${i} ${yOf(high[i])}h1${high[i] > low[i] ? `M${i + 0.5} ${yOf(high[i])}V${yOf(low[i])}` : ''}`;
  }
  const stretches = marked.map(({ from, to, part, label }) => {
    const x = axes.x.at(from);
    if (to === null)
      return markup`<line class="change" x1="${percent(x)}" x2="${percent(x)}" y1="0" y2="${HEIGHT}"><title>${label}</title></line>`;
    return markup`<rect class="storm" x="${percent(x)}" width="${percent(Math.max(0.002, axes.x.at(to) - x))}" y="${part ? -6 : 0}" height="${part ? 5 : HEIGHT}"><title>${label}</title></rect>`;
  });
  return chart(
    text,
    HEIGHT,
    36,
    markup`${stretches}${leftAxis(axes.y, HEIGHT, axes.formatY)}${bottomAxis(axes.x, HEIGHT, axes.formatX, axes.labelX)}${stretched(
      HEIGHT,
      columns,
      HEIGHT,
      markup`<path class="area" d="${{ markup: area }}"/><path class="stroke" d="${{ markup: top }}"/>`,
    )}`,
  );
}
