/** Scales from values to shares of a chart's width or height: 0 at the start, 1 at the end. */
import { ticks } from 'd3-array';

export interface Scale {
  /** Share of the axis; clamped to 0–1. */
  readonly at: (value: number) => number;
  readonly ticks: readonly number[];
}

const clamp = (share: number) => (share < 0 ? 0 : share > 1 ? 1 : share);

export function linearScale(low: number, high: number, count = 5): Scale {
  const span = high - low;
  return {
    at: (value) => (span > 0 ? clamp((value - low) / span) : 0),
    ticks: span > 0 ? ticks(low, high, count).filter((tick) => tick >= low && tick <= high) : [low],
  };
}

/** Ticks at powers of ten, on short axes at 2 and 5 times as well; `low` ≥ 1. */
export function logScale(low: number, high: number): Scale {
  const from = Math.log2(Math.max(1, low));
  const span = Math.log2(Math.max(1, high)) - from;
  const steps = high / Math.max(1, low) < 3000 ? [1, 2, 5] : [1];
  const powers: number[] = [];
  for (let power = 1; power <= high; power *= 10)
    for (const step of steps) if (power * step >= low && power * step <= high) powers.push(power * step);
  return {
    at: (value) => (span > 0 ? clamp((Math.log2(Math.max(1, value)) - from) / span) : 0),
    ticks: powers,
  };
}

/** A share as a coordinate in percent, with as many digits as a wide screen can show. */
export function percent(share: number): string {
  return `${Number((100 * share).toFixed(2))}%`;
}

/** A coordinate with at most two decimals. */
export function round(value: number): string {
  return String(Number(value.toFixed(2)));
}
