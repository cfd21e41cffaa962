/** One log-scale histogram: bars per power of two, with marks at percentiles. */
import { type Markup, markup } from '../html/markup.ts';
import { type ChartText, chart } from './figure.ts';
import { percent, round, type Scale } from './scale.ts';

export interface Bucket {
  readonly loNs: number;
  readonly hiNs: number;
  readonly count: number;
}

/** Height of a histogram's bars in px. */
export const HISTOGRAM_HEIGHT = 44;

/**
 * `scale` is shared by all histograms of a page so that they can be compared; heights are relative to the fullest
 * bucket. What is not nothing is at least 1.5 px high: a single slow exit among a million must be seen.
 */
export function histogram(
  text: ChartText,
  buckets: readonly Bucket[],
  scale: Scale,
  marks: readonly { readonly value: number; readonly kind: string }[],
): Markup {
  const highest = Math.max(1, ...buckets.map(({ count }) => count));
  const bars = buckets
    .filter(({ count }) => count > 0)
    .map(({ loNs, hiNs, count }) => {
      const from = scale.at(loNs);
      const height = Math.max(1.5, (HISTOGRAM_HEIGHT * count) / highest);
      return markup`<rect x="${percent(from)}" width="${percent(scale.at(hiNs + 1) - from)}" y="${round(HISTOGRAM_HEIGHT - height)}" height="${round(height)}"/>`;
    });
  const lines = marks.map(({ value, kind }) => {
    const x = percent(scale.at(value));
    return markup`<line class="${kind}" x1="${x}" x2="${x}" y1="0" y2="${HISTOGRAM_HEIGHT}"/>`;
  });
  const grid = scale.ticks.map((tick) => {
    const x = percent(scale.at(tick));
    return markup`<line x1="${x}" x2="${x}" y1="0" y2="${HISTOGRAM_HEIGHT}"/>`;
  });
  return chart(
    text,
    HISTOGRAM_HEIGHT,
    0,
    markup`<g class="axis">${grid}<line class="base" x1="0" x2="100%" y1="${HISTOGRAM_HEIGHT}" y2="${HISTOGRAM_HEIGHT}"/></g><g class="bars">${bars}</g>${lines}`,
    'flat',
  );
}
