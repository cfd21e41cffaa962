/**
 * Storms: changes and bursts of the exit rate, exits of many vCPUs at once, exits at a regular beat. Which method finds
 * what, and how often it errs: docs/storms.md.
 */
import type { Arena } from '../core/arena.ts';
import type { EventBatch } from '../core/event-batch.ts';
import { findBursts, findChanges } from './change-points.ts';
import { EVERYTHING, type Pass, type PassScope, type VcpuNumbers } from './pass.ts';
import {
  addPeriodic,
  createPeriodic,
  mergePeriodic,
  type Periodic,
  type PeriodicResult,
  periodicResult,
  plainPeriodic,
} from './periodic.ts';
import {
  addToSeries,
  createRateSeries,
  followSpan,
  listSeries,
  mergeRateSeries,
  type NamedSeries,
  plainSeries,
  type RateSeries,
} from './rate-series.ts';
import {
  addSimultaneous,
  createSimultaneous,
  mergeSimultaneous,
  plainSimultaneous,
  type Simultaneous,
  type SimultaneousResult,
  simultaneousResult,
} from './simultaneous.ts';

/** Probability that a recording without changes (or bursts) is told to have any, over all its series. */
export const FALSE_ALARM = 0.01;

export interface StormOptions {
  /** Window in which exits count as simultaneous. */
  readonly windowNs?: number;
  /** Of the whole recording, for parts of it (time-axis.ts). */
  readonly origin?: readonly [number, number] | undefined;
}

export interface Storms {
  readonly series: RateSeries;
  readonly simultaneous: Simultaneous;
  readonly periodic: Periodic;
}

/** What a series is of: both null for all exits. */
export type SeriesName = Pick<NamedSeries, 'reason' | 'tid'>;

export interface ChangeRow extends SeriesName {
  /** ns from the origin: start of the first bucket after the change. */
  readonly atNs: number;
  /** Exits per second from the change before (or the start) to this, and from this to the next (or the end). */
  readonly before: number;
  readonly after: number;
  readonly p: number;
}

export interface BurstRow extends SeriesName {
  readonly fromNs: number;
  readonly toNs: number;
  readonly exits: number;
  readonly perSecond: number;
  /** Median rate around it. */
  readonly usualPerSecond: number;
}

export interface StormResult {
  readonly origin: Uint32Array;
  readonly bucketNs: number;
  /** Buckets judged; changes are not looked for in fewer than 20. */
  readonly buckets: number;
  readonly changes: readonly ChangeRow[];
  readonly bursts: readonly BurstRow[];
  readonly simultaneous: SimultaneousResult;
  readonly periodic: PeriodicResult;
  /** Exits that no series of its own reason or thread counts, because there are too many. */
  readonly ignored: number;
}

function stormResult({ series, simultaneous, periodic }: Storms, numbers?: VcpuNumbers): StormResult {
  const all = listSeries(series);
  const width = series.axis.widthNs;
  const perSecond = (count: number, buckets: number) => (count * 1e9) / (buckets * width);
  const alpha = FALSE_ALARM / all.length;
  const changes: ChangeRow[] = [];
  const bursts: BurstRow[] = [];
  for (const { reason, tid, counts } of all) {
    const found = findChanges(counts, alpha);
    const edges = [0, ...found.map(({ bucket }) => bucket), counts.length];
    const rate = (segment: number) =>
      perSecond(
        counts.subarray(edges[segment], edges[segment + 1]).reduce((sum, count) => sum + count, 0),
        edges[segment + 1] - edges[segment],
      );
    for (const [i, { bucket, p }] of found.entries())
      changes.push({ reason, tid, atNs: bucket * width, before: rate(i), after: rate(i + 1), p });
    for (const { from, to, count, usual } of findBursts(counts, found, alpha))
      bursts.push({
        reason,
        tid,
        fromNs: from * width,
        toNs: to * width,
        exits: count,
        perSecond: perSecond(count, to - from),
        usualPerSecond: perSecond(usual, 1),
      });
  }
  changes.sort((a, b) => a.atNs - b.atNs || compareSeries(a, b));
  bursts.sort((a, b) => a.fromNs - b.fromNs || compareSeries(a, b));
  return {
    origin: series.axis.origin,
    bucketNs: width,
    buckets: all[0].counts.length,
    changes,
    bursts,
    simultaneous: simultaneousResult(simultaneous, numbers),
    periodic: periodicResult(periodic),
    ignored: series.ignored,
  };
}

/** All exits, then reasons, then threads. */
function compareSeries(a: SeriesName, b: SeriesName): number {
  const [x, y] = [a.reason, b.reason];
  if (x && y) return x.isa - y.isa || x.code - y.code;
  if (x || y) return x ? (b.tid === null ? 1 : -1) : a.tid === null ? -1 : 1;
  return (a.tid ?? -1) - (b.tid ?? -1);
}

export const stormPass: Pass<StormOptions, Storms, StormResult> = {
  name: 'storms',
  allColumns: false,
  // Exits that are told late: see docs/architecture.md, Parts.
  inParts: false,
  create: (options: StormOptions, scope: PassScope = EVERYTHING, arena: Arena | null = null) => ({
    series: createRateSeries(options, scope, arena),
    simultaneous: createSimultaneous(options, scope, arena),
    periodic: createPeriodic(arena),
  }),
  events: ({ series, simultaneous }: Storms, batch: EventBatch) => {
    followSpan(series, batch);
    addSimultaneous(simultaneous, batch);
  },
  exits: ({ series, periodic }, batch, selected) => {
    addToSeries(series, batch, selected);
    addPeriodic(periodic, batch, selected);
  },
  merge: (storms, later) => {
    mergeRateSeries(storms.series, later.series);
    mergeSimultaneous(storms.simultaneous, later.simultaneous);
    mergePeriodic(storms.periodic, later.periodic);
  },
  plain: ({ series, simultaneous, periodic }) => ({
    series: plainSeries(series),
    simultaneous: plainSimultaneous(simultaneous),
    periodic: plainPeriodic(periodic),
  }),
  result: stormResult,
};
