/** Section `intervals`: counts and latencies per interval and reason (and --by), as perf-prof -i prints them. */

import { toExact } from '../analysis/exact-sum.ts';
import { LEVEL_NAMES } from '../analysis/exit-batch.ts';
import {
  KEY_CODE,
  KEY_CPU,
  KEY_INTS,
  KEY_ISA,
  KEY_LEVEL,
  KEY_PID,
  KEY_TID,
  KEY_VCPU,
} from '../analysis/groups.ts';
import { AUTO_INTERVALS, type IntervalResult } from '../analysis/intervals.ts';
import { NO_CPU } from '../core/event-batch.ts';
import type { TraceContext } from '../core/trace-context.ts';
import { formatCount, formatNsShort, formatOffset, plural } from '../core/units.ts';
import { wordsToBigInt } from '../core/words.ts';
import { isIdle } from '../isa/reasons.ts';
import { cell, count, foreign, left, plain, right, tableOf, time } from './cells.ts';
import { mean, sum, sumExact } from './group-sums.ts';
import type { Exact, GroupModel, ReportModel } from './model.ts';
import { reasonIdentity } from './reason-identity.ts';
import { exitsRecorded, latencyGap, NONE_SELECTED, selectsNoExit, whyUnknown } from './recorded.ts';
import type { Block, Section, SectionInput, SectionOptions } from './sections.ts';

/** Rows that are filled up with intervals without exits, so that a line drawn through them falls to 0 in between. */
const MOST_FILLED = 65_536;
/**
 * A last interval below this share of the others has no rate: the recording ends at an event, so that the shorter the
 * rest, the more that one event makes of it (a single exit within 3 us: 333,333 per second).
 */
const LEAST_SHARE = 0.1;

/** An exit belongs to the interval in which it exited. Times in ns over pairs. */
export interface IntervalFigures {
  /** Start, ns on the capture's clock. */
  fromNs: bigint;
  /** Shorter than the others at the end of the recording. */
  lengthNs: number;
  exits: number;
  /** Over `lengthNs`; null for a last interval that is too short for a rate. */
  perSecond: number | null;
  paired: number;
  /** null: kvm_entry was not recorded. */
  totalNs: Exact | null;
  avgNs: number | null;
  p99Ns: number | null;
  maxNs: number | null;
}

export interface IntervalRowModel extends IntervalFigures, GroupModel {}

export interface IntervalsModel {
  /** False: a clock without unit. */
  known: boolean;
  widthNs: number;
  /** Whether the width was asked for; otherwise it follows from the length of the recording. */
  fixed: boolean;
  /** Largest relative error of p99 in percent (or 4 ns). */
  percentileErrorPct: number;
  /** Exits for which there was no room: more intervals and groups than are kept. */
  omitted: number;
  /** Whether `totals` has intervals without exits too; false: there are too many, or exits were left out. */
  complete: boolean;
  /** All exits per interval. */
  totals: IntervalFigures[];
  /** Per interval and group, in order of time; intervals without exits are left out. */
  rows: IntervalRowModel[];
}

function build({ context, analysis, model }: SectionInput): Partial<ReportModel> | null {
  const result = analysis.passes.intervals as IntervalResult | undefined;
  if (result === undefined) return null;
  const { widthNs, fixed, percentileErrorPct, omitted } = result;
  const empty = {
    known: context.timeIsNs && exitsRecorded({ context, analysis }),
    widthNs,
    fixed,
    percentileErrorPct,
    omitted,
    complete: false,
    totals: [],
    rows: [],
  };
  if (!empty.known) return { intervals: empty };
  const timed = latencyGap({ context, analysis }) === null;
  const origin = wordsToBigInt(result.origin[0], result.origin[1]);
  const end = model.capture.lastNs ?? origin;
  const figures = (cells: readonly number[], bucket: number, p99: number): IntervalFigures => {
    const fromNs = origin + BigInt(bucket) * BigInt(widthNs);
    const left = Math.min(Number(end - fromNs), result.limitNs - bucket * widthNs);
    const lengthNs = Math.max(0, Math.min(widthNs, left));
    const hasRate = lengthNs > 0 && (bucket === 0 || lengthNs >= LEAST_SHARE * widthNs);
    const paired = sum(result.paired, cells);
    const total = sumExact(result.total, cells);
    const exits = sum(result.exits, cells);
    return {
      fromNs,
      lengthNs,
      exits,
      perSecond: hasRate ? (exits * 1e9) / lengthNs : null,
      paired,
      totalNs: timed ? toExact(total) : null,
      avgNs: paired > 0 ? mean(total, paired) : null,
      p99Ns: paired > 0 ? p99 : null,
      maxNs: paired > 0 ? cells.reduce((most, i) => Math.max(most, result.max[i]), 0) : null,
    };
  };
  const length = intervalCount(result, end - origin);
  const p99s = new Map(Array.from(result.buckets, (bucket, i) => [bucket, result.allP99[i]]));
  const byBucket = new Map<number, number[]>();
  for (const [i, bucket] of result.bucket.entries()) {
    const list = byBucket.get(bucket);
    if (list) list.push(i);
    else byBucket.set(bucket, [i]);
  }
  return {
    intervals: {
      ...empty,
      complete: length > 0,
      totals: Array.from(length > 0 ? Array(length).keys() : p99s.keys(), (bucket) =>
        figures(byBucket.get(bucket) ?? [], bucket, p99s.get(bucket)!),
      ),
      rows: Array.from(result.group, (group, i) => ({
        ...figures([i], result.bucket[i], result.p99[i]),
        ...groupKeys(context, result, group, model),
      })),
    },
  };
}

/** Intervals from the first to the end of what is reported; 0: too many to tell each, or not all are known. */
function intervalCount({ widthNs, limitNs, buckets, omitted }: IntervalResult, spanNs: bigint): number {
  if (omitted > 0 || buckets.length === 0) return 0;
  const whole = Math.ceil(Math.min(Number(spanNs), limitNs) / widthNs);
  const count = Math.max(whole, buckets[buckets.length - 1] + 1);
  return count <= MOST_FILLED ? count : 0;
}

function groupKeys(context: TraceContext, { keys }: IntervalResult, group: number, { by }: ReportModel) {
  const key = (i: number) => keys[group * KEY_INTS + i];
  const orNull = (value: number) => (value < 0 ? null : value);
  const isa = key(KEY_ISA);
  const code = key(KEY_CODE) >>> 0;
  return {
    ...(by.includes('vm') ? { pid: orNull(key(KEY_PID)) } : {}),
    ...(by.includes('tid') ? { tid: orNull(key(KEY_TID)) } : {}),
    ...(by.includes('vcpu') ? { vcpu: orNull(key(KEY_VCPU)) } : {}),
    ...(by.includes('cpu') ? { cpu: key(KEY_CPU) === NO_CPU ? null : key(KEY_CPU) } : {}),
    ...(by.includes('level') ? { level: LEVEL_NAMES[key(KEY_LEVEL)] } : {}),
    ...reasonIdentity(context, isa, code),
    idle: isIdle(isa, code),
  };
}

/** Said of the last interval if it is shorter than the others. */
function shortLast({ totals, widthNs }: IntervalsModel): string[] {
  const last = totals.at(-1);
  if (!last || last.lengthNs >= widthNs) return [];
  const length = formatNsShort(last.lengthNs);
  if (totals.length === 1) return [`The only interval is ${length} long, and its rate is over that time.`];
  return [
    last.perSecond === null
      ? `The last interval is ${length} long, too short for a rate.`
      : `The last interval is ${length} long, and its rate is over that time.`,
  ];
}

const GROUPS = ['pid', 'vcpu', 'tid', 'cpu', 'level'] as const;

function blocks(model: ReportModel, rows: number, asked: boolean): Block[] {
  const { intervals } = model;
  if (!intervals || !asked) return [];
  const title = `Exits over time, per ${formatNsShort(intervals.widthNs)}`;
  if (!intervals.known)
    return [{ title, sentences: [whyUnknown(model.capture.timeIsNs, 'kvm_exit')], table: null }];
  if (selectsNoExit(model)) return [{ title, sentences: [NONE_SELECTED], table: null }];
  const numbers = [
    right('exits'),
    right('per second'),
    right('total'),
    right('avg'),
    right('p99'),
    right('max'),
  ];
  const cells = (row: IntervalFigures) => [
    count(row.exits),
    count(row.perSecond === null ? null : Math.round(row.perSecond)),
    time(row.totalNs),
    time(row.avgNs),
    time(row.p99Ns),
    time(row.maxNs),
  ];
  const at = (row: IntervalFigures) => cell(formatOffset(row.fromNs, model.capture.firstNs));
  const groups = GROUPS.filter((key) => intervals.rows.some((row) => row[key] !== undefined));
  return [
    {
      title,
      sentences: [
        `An exit counts where it began, with all its time${intervals.rows.some(({ idle }) => idle) ? '; idle ones are among them' : ''}. p99 within ${intervals.percentileErrorPct.toFixed(1)}%.`,
        ...shortLast(intervals),
        ...(intervals.omitted > 0
          ? [
              `${plural(intervals.omitted, 'exit')} left out: there are more intervals and groups than are kept. Choose a longer --interval.`,
            ]
          : []),
        ...(intervals.complete || intervals.omitted > 0 || intervals.totals.length === 0
          ? []
          : [
              `Intervals without exits are left out: there are more than ${formatCount(MOST_FILLED)} intervals.`,
            ]),
      ],
      table: tableOf([right('at second'), ...numbers], intervals.totals, rows, (row) => [
        at(row),
        ...cells(row),
      ]),
    },
    {
      title: 'The same by reason',
      sentences: ['Intervals without an exit of a reason have no row for it.'],
      table: tableOf(
        [
          right('at second'),
          ...groups.map((key) => right(key === 'vcpu' ? 'vCPU' : key === 'cpu' ? 'CPU' : key)),
          left('reason', { shrinkTo: 14 }),
          ...numbers,
        ],
        intervals.rows,
        rows,
        (row) => [at(row), ...groups.map((key) => plain(row[key] ?? null)), foreign(row.name), ...cells(row)],
      ),
    },
  ];
}

/** A row per interval and group, also where the group has no exits; as they are where that would be too many. */
function filledRows({ complete, totals, rows }: IntervalsModel): readonly IntervalRowModel[] {
  const identity = ({ pid, tid, vcpu, cpu, level, isa, code, name }: IntervalRowModel) =>
    JSON.stringify([pid, tid, vcpu, cpu, level, isa, code, name]);
  const groups = new Map(rows.map((row) => [identity(row), row]));
  if (!complete || totals.length * groups.size > MOST_FILLED) return rows;
  const found = new Map(rows.map((row) => [`${row.fromNs} ${identity(row)}`, row]));
  return totals.flatMap(({ fromNs, lengthNs, perSecond, totalNs }) =>
    Array.from(groups, ([key, group]): IntervalRowModel => {
      const none = { exits: 0, paired: 0, avgNs: null, p99Ns: null, maxNs: null };
      const rest = { perSecond: perSecond === null ? null : 0, totalNs: totalNs === null ? null : 0 };
      return found.get(`${fromNs} ${key}`) ?? { ...group, fromNs, lengthNs, ...none, ...rest };
    }),
  );
}

function requests({ by = [], intervalNs = null }: SectionOptions) {
  const grouping = {
    pid: by.includes('vm'),
    tid: by.includes('tid'),
    vcpu: by.includes('vcpu'),
    cpu: by.includes('cpu'),
    level: by.includes('level'),
  };
  return [{ name: 'intervals', options: { widthNs: intervalNs, limit: AUTO_INTERVALS, grouping } }];
}

export const intervalsSection: Section = {
  id: 'intervals',
  byDefault: false,
  requests,
  build,
  blocks,
  csv: {
    intervals: (model) => {
      const rows = model.intervals ? filledRows(model.intervals) : [];
      const keys = [
        'fromNs',
        'lengthNs',
        ...GROUPS.filter((key) => rows.some((row) => row[key] !== undefined)),
        'isa',
        'code',
        'name',
        'exits',
        'perSecond',
        'paired',
        'totalNs',
        'avgNs',
        'p99Ns',
        'maxNs',
      ] as const;
      return { headers: keys, rows: rows.map((row) => keys.map((key) => row[key])) };
    },
  },
};
