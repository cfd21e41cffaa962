/** Horizontal bars of parts that add up: one bar per row, each part a share of the same whole. */
import { type Markup, markup } from '../html/markup.ts';
import { type ChartText, chart } from './figure.ts';
import { percent } from './scale.ts';

export interface StackedRow {
  readonly label: string;
  /** Value of each part, in the order of the legend. */
  readonly parts: readonly number[];
}

const BAR = 16;
const ROW = 24;

/** `kinds`: CSS classes of the parts. `whole`: value of a full bar. */
export function stackedBars(
  text: ChartText,
  rows: readonly StackedRow[],
  kinds: readonly string[],
  whole: number,
): Markup {
  const bars = rows.map(({ label, parts }, i) => {
    const y = i * ROW;
    let before = 0;
    const pieces = parts.map((value, part) => {
      if (!(value > 0) || !(whole > 0)) return null;
      const from = Math.min(1, before / whole);
      before += value;
      const share = Math.min(1, before / whole) - from;
      return markup`<rect class="${kinds[part]}" x="${percent(from)}" width="${percent(share)}" y="${y}" height="${BAR}"/>`;
    });
    return markup`<text x="-8" y="${y + 12}" class="e">${label}</text><rect class="track" x="0" width="100%" y="${y}" height="${BAR}"/>${pieces}`;
  });
  return chart(text, Math.max(ROW, rows.length * ROW), 0, bars, 'wide-labels');
}

/** Squares with the parts' names: HTML, beside a chart. */
export function legend(entries: readonly { readonly kind: string; readonly name: string }[]): Markup {
  return markup`<ul class="legend">${entries.map(
    ({ kind, name }) =>
      markup`<li><svg width="10" height="10" aria-hidden="true"><rect class="${kind}" width="10" height="10" rx="2"/></svg>${name}</li>`,
  )}</ul>`;
}
