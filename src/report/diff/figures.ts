/** Figures on both sides of a comparison, and whether they differ beyond noise. */
import { LEAST_SLICES } from '../../analysis/bootstrap.ts';
import { studentQuantile } from '../../analysis/student.ts';
import type { DiffFigure } from './model.ts';

/** All figures of a comparison hold together with this confidence. */
export const CONFIDENCE = 0.95;

/** A figure on one side and its standard error. */
export interface Estimate {
  readonly value: number | null;
  readonly error: number;
  readonly blocks: number;
  /** Of what the figure is a mean (time, work, exits): squares of errors are in inverse proportion to it. null: of nothing. */
  readonly size: number | null;
}

/** Figures whose intervals are made when it is known how many there are. */
export interface Pending {
  readonly figure: DiffFigure;
  readonly error: number;
  readonly degrees: number;
}

/**
 * A sum per 1e9 of `basisNs`: per second of a time, per unit of work. `relative`: its standard error as a share of it, undefined or NaN where that is unknown.
 * Nothing seen in enough slices is nothing, as certain as the other side makes it.
 */
export function perUnit(
  sum: number | null,
  basisNs: number | null,
  relative: number | undefined,
  blocks: number,
  slices: number,
): Estimate {
  const value = sum === null || basisNs === null ? null : (sum / basisNs) * 1e9;
  const none = sum === 0 && slices >= LEAST_SLICES;
  const error = none ? 0 : value === null ? Number.NaN : value * (relative ?? Number.NaN);
  return { value, error, blocks, size: basisNs };
}

/**
 * Error of the difference. A side that saw little or nothing of a rare thing shows little scatter of its own: it may
 * scatter as the other one would, were that as small.
 */
function errorOf(before: Estimate, after: Estimate): number {
  const scaled = (from: Estimate, to: Estimate) =>
    from.size === null || to.size === null || to.size === 0 ? 0 : from.error * Math.sqrt(from.size / to.size);
  return Math.max(Math.hypot(before.error, after.error), scaled(before, after), scaled(after, before));
}

export function makeFigure(pending: Pending[], before: Estimate, after: Estimate): DiffFigure {
  const known = before.value !== null && after.value !== null;
  const change = known ? after.value - before.value : null;
  const figure: DiffFigure = {
    before: before.value,
    after: after.value,
    change,
    changePct: change === null || !before.value ? null : (100 * change) / before.value,
    low: null,
    high: null,
    verdict: 'unknown',
  };
  const error = errorOf(before, after);
  if (known && Number.isFinite(error))
    pending.push({ figure, error, degrees: Math.max(2, Math.min(before.blocks, after.blocks) - 1) });
  return figure;
}

/** Intervals by Student's t from the bootstrap's standard errors, widened for their number (Bonferroni). */
export function decide(pending: readonly Pending[]): void {
  for (const { figure, error, degrees } of pending) {
    const margin = error * studentQuantile((1 - CONFIDENCE) / (2 * pending.length), degrees);
    const change = figure.change!;
    figure.low = change - margin;
    figure.high = change + margin;
    figure.verdict = figure.low > 0 ? 'higher' : figure.high < 0 ? 'lower' : 'noise';
  }
}
