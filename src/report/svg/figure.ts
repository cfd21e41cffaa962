/**
 * A chart: an SVG as wide as its place, whose horizontal positions are in percent, so that text keeps its size on
 * every screen without any script. The page's style sheet leaves room for the labels beside the plot (class chart).
 */
import { type Content, type Markup, markup } from '../html/markup.ts';
import { percent, type Scale } from './scale.ts';

export interface ChartText {
  /** Unique in the page. */
  readonly id: string;
  /** What the chart shows, in a few words. */
  readonly title: string;
  /** What somebody who cannot see it needs to know. */
  readonly description: string;
}

/** `height` in px without what stands below the axis (`below`). */
export function chart(
  { id, title, description }: ChartText,
  height: number,
  below: number,
  content: Content,
  kind = '',
): Markup {
  return markup`<div class="chart ${kind}"><svg role="img" aria-labelledby="${id}-t ${id}-d" width="100%" height="${height + below}"><title id="${id}-t">${title}</title><desc id="${id}-d">${description}</desc>${content}</svg></div>`;
}

/** A stretched inner plot whose coordinates go from 0,0 to `width`,`height`. */
export function stretched(height: number, width: number, rows: number, content: Content): Markup {
  return markup`<svg width="100%" height="${height}" viewBox="0 0 ${width} ${rows}" preserveAspectRatio="none" aria-hidden="true">${content}</svg>`;
}

/** Axis below a plot of `height` px: grid lines, labels, and what is measured. Every second label may go on narrow screens. */
export function bottomAxis(
  scale: Scale,
  height: number,
  format: (value: number) => string,
  label: string,
): Markup {
  return markup`<g class="axis">${scale.ticks.map((tick, i) => {
    const x = percent(scale.at(tick));
    return markup`<line x1="${x}" x2="${x}" y1="0" y2="${height}"/><text x="${x}" y="${height + 16}" class="${i % 2 ? 'm odd' : 'm'}">${format(tick)}</text>`;
  })}<text x="100%" y="${height + 32}" class="e">${label}</text></g>`;
}

/** Height of a label in px: ticks that are closer to the one below are left out. */
const LABEL_PX = 13;

/** Axis left of a plot of `height` px. */
export function leftAxis(scale: Scale, height: number, format: (value: number) => string): Markup {
  let below = Number.POSITIVE_INFINITY;
  return markup`<g class="axis">${scale.ticks.map((tick) => {
    const y = Math.round(height * (1 - scale.at(tick))) + 0.5;
    if (below - y < LABEL_PX) return false;
    below = y;
    return markup`<line x1="0" x2="100%" y1="${y}" y2="${y}"/><text x="-8" y="${y + 4}" class="e">${format(tick)}</text>`;
  })}</g>`;
}
