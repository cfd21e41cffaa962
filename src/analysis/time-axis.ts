/**
 * Buckets of equal length over the time of a recording, counted from its origin. Without a given width the axis adapts:
 * it starts fine and doubles the width whenever the recording outgrows `limit` buckets, so that memory stays bounded
 * and the result does not depend on where the recording was cut. Parts that are to be merged need the same origin.
 */
import type { EventBatch } from '../core/event-batch.ts';
import type { KernelView } from '../core/kernel-view.ts';
import { diffWords } from '../core/words.ts';
import type { PassScope } from './pass.ts';
import { AX_END, AX_FROM, AX_ORIGIN, AX_TO, AX_WIDTH } from './time-axis-layout.ts';

/** Width that an adapting axis starts with, ns. */
const FINEST = 1e6;
/** Highest bucket number of a fixed axis: bucket numbers are kept in 32-bit columns. */
const MAX_BUCKET = 2 ** 31 - 1;

export interface TimeAxisOptions {
  /** Width in ns; null: adapts. */
  readonly widthNs: number | null;
  /** Buckets of an adapting axis. */
  readonly limit: number;
  /** Where bucket 0 begins, if that is not the first event of the part (word pair). */
  readonly origin?: readonly [number, number] | undefined;
}

/** What times are counted from: word pair. */
export interface Origin {
  hasOrigin: boolean;
  readonly origin: Uint32Array;
}

export interface TimeAxis extends Origin {
  readonly fixed: boolean;
  readonly limit: number;
  widthNs: number;
}

/** A selection's --from is the origin where it is known, else the recording's beginning. */
export function createOrigin({ origin }: Pick<TimeAxisOptions, 'origin'>, scope: PassScope): Origin {
  const known = scope.selection?.from ?? origin ?? scope.recordingStart ?? null;
  return { hasOrigin: known !== null, origin: Uint32Array.from(known ?? [0, 0]) };
}

export function createTimeAxis(options: TimeAxisOptions, scope: PassScope): TimeAxis {
  return {
    fixed: options.widthNs !== null,
    limit: options.limit,
    widthNs: options.widthNs ?? FINEST,
    ...createOrigin(options, scope),
  };
}

/** --to, ns from an origin: what comes after it is no part of what is looked at. */
export function limitOf({ selection }: PassScope, [low, high]: Uint32Array): number {
  const to = selection?.to ?? null;
  return to === null ? Number.POSITIVE_INFINITY : diffWords(to[0], to[1], low, high);
}

/** Takes the first event as origin, unless there is one. */
export function noteOrigin(state: Origin, batch: EventBatch): void {
  if (state.hasOrigin || batch.length === 0) return;
  state.hasOrigin = true;
  state.origin[0] = batch.time[0];
  state.origin[1] = batch.time[1];
}

/** Takes over the origin of another part, unless there is one. False: that part has seen nothing. */
export function alignOrigins(state: Origin, other: Origin): boolean {
  if (!other.hasOrigin) return false;
  if (!state.hasOrigin) {
    state.hasOrigin = true;
    state.origin.set(other.origin);
  }
  return true;
}

/** Bucket of a time; −1 beyond what a fixed axis can number. Times before the origin are in bucket 0. */
export function bucketAt(axis: TimeAxis, low: number, high: number): number {
  const bucket = Math.floor(diffWords(low, high, axis.origin[0], axis.origin[1]) / axis.widthNs);
  if (bucket < 0) return 0;
  return axis.fixed && bucket > MAX_BUCKET ? -1 : bucket;
}

/** Tells a kernel the axis, which it looks for at the beginning of its view. */
export function showAxis({ words, doubles }: KernelView, axis: TimeAxis): void {
  words[AX_ORIGIN / 4] = axis.origin[0];
  words[AX_ORIGIN / 4 + 1] = axis.origin[1];
  doubles[AX_WIDTH / 8] = axis.widthNs;
  doubles[AX_END / 8] = axis.fixed ? MAX_BUCKET + 1 : axis.limit;
  // No time is in the latest bucket.
  words.fill(0, AX_FROM / 4, AX_TO / 4 + 2);
}

/** Times that the width has to be doubled until `bucket` fits; 0 for a fixed axis. */
export function doublingsFor(axis: TimeAxis, bucket: number): number {
  let doublings = 0;
  if (!axis.fixed) for (let b = bucket; b >= axis.limit; b = Math.floor(b / 2)) doublings++;
  return doublings;
}

/**
 * Brings the axes of two parts to the same origin and width; `coarsen` doubles the width of a part so many times. False:
 * the other part has seen nothing.
 */
export function alignAxes<Part extends { readonly axis: TimeAxis }>(
  part: Part,
  other: Part,
  coarsen: (part: Part, doublings: number) => void,
): boolean {
  if (!alignOrigins(part.axis, other.axis)) return false;
  const doublings = Math.log2(other.axis.widthNs / part.axis.widthNs);
  if (doublings > 0) coarsen(part, doublings);
  else if (doublings < 0) coarsen(other, -doublings);
  return true;
}
