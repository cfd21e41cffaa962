/**
 * Exits per bucket of an adapting time axis: of all, of each reason and of each thread. What storms are looked for in.
 */
import type { Arena } from '../core/arena.ts';
import { float64s, widened } from '../core/columns.ts';
import type { EventBatch } from '../core/event-batch.ts';
import { addressOf, createView, type KernelView } from '../core/kernel-view.ts';
import { diffWords } from '../core/words.ts';
import type { ExitBatch } from './exit-batch.ts';
import { addExitRows } from './exit-rows.ts';
import {
  RS_ALL,
  RS_BY_REASON,
  RS_BY_THREAD,
  RS_BYTES,
  RS_REASONS,
  RS_SLOT_MASK,
  RS_SLOT_TABLE,
  RS_SLOT_TIDS,
  RS_THREADS,
  SERIES_BUCKETS,
  V_GROUPS,
} from './exits-view-layout.ts';
import {
  createGroupTable,
  findGroup,
  type GroupTable,
  groupOf,
  KEY_CODE,
  KEY_INTS,
  KEY_ISA,
  plainGroups,
  showGroups,
} from './groups.ts';
import type { PassScope } from './pass.ts';
import { createThreadSlots, plainSlots, slotOf, type ThreadSlots } from './thread-slots.ts';
import {
  alignAxes,
  bucketAt,
  createTimeAxis,
  doublingsFor,
  limitOf,
  noteOrigin,
  showAxis,
  type TimeAxis,
  type TimeAxisOptions,
} from './time-axis.ts';

/** Reasons and threads that are followed; the first to come. */
const MAX_REASONS = 512;
const MAX_THREADS = 2048;

export interface RateSeries {
  readonly scope: PassScope;
  readonly axis: TimeAxis;
  readonly reasons: GroupTable;
  readonly threads: ThreadSlots;
  /** SERIES_BUCKETS each: all exits; reasons; threads. */
  readonly all: Float64Array;
  byReason: Float64Array;
  byThread: Float64Array;
  /** Latest event (or --to), ns from the origin. */
  last: number;
  ignored: number;
  /** null: exits are counted one by one. */
  readonly view: KernelView | null;
}

export function createRateSeries(
  options: Pick<TimeAxisOptions, 'origin'>,
  scope: PassScope,
  arena: Arena | null,
): RateSeries {
  return {
    scope,
    axis: createTimeAxis({ widthNs: null, limit: SERIES_BUCKETS, origin: options.origin }, scope),
    reasons: createGroupTable({ pid: false, tid: false, vcpu: false, cpu: false, level: false }, arena),
    threads: createThreadSlots(arena),
    all: float64s(arena, SERIES_BUCKETS),
    byReason: float64s(arena, 16 * SERIES_BUCKETS),
    byThread: float64s(arena, 16 * SERIES_BUCKETS),
    last: 0,
    ignored: 0,
    view: arena === null ? null : createView(arena, RS_BYTES),
  };
}

/** Follows where the recording begins and ends. */
export function followSpan(series: RateSeries, batch: EventBatch): void {
  if (batch.length === 0) return;
  noteOrigin(series.axis, batch);
  const at = 2 * batch.length - 2;
  const { origin } = series.axis;
  const end = diffWords(batch.time[at], batch.time[at + 1], origin[0], origin[1]);
  series.last = Math.max(series.last, Math.min(end, limitOf(series.scope, origin)));
}

export function addToSeries(series: RateSeries, batch: ExitBatch, selected: Uint8Array | null): void {
  addExitRows(
    series.view,
    'countSeries',
    batch,
    selected,
    (view) => showSeries(series, view),
    (row) => addExit(series, batch, row),
  );
}

function showSeries(series: RateSeries, view: KernelView): void {
  const { words } = view;
  const { threads } = series;
  const room = (columns: Float64Array, most: number) => Math.min(most, columns.length / SERIES_BUCKETS);
  showAxis(view, series.axis);
  showGroups(words, V_GROUPS, series.reasons);
  words[RS_SLOT_TABLE / 4] = addressOf(threads.table);
  words[RS_SLOT_MASK / 4] = threads.table.length - 1;
  words[RS_SLOT_TIDS / 4] = addressOf(threads.tids);
  words[RS_ALL / 4] = addressOf(series.all);
  words[RS_BY_REASON / 4] = addressOf(series.byReason);
  words[RS_BY_THREAD / 4] = addressOf(series.byThread);
  words[RS_REASONS / 4] = room(series.byReason, MAX_REASONS);
  words[RS_THREADS / 4] = room(series.byThread, MAX_THREADS);
}

function addExit(series: RateSeries, batch: ExitBatch, row: number): void {
  let bucket = bucketAt(series.axis, batch.exitTime[2 * row], batch.exitTime[2 * row + 1]);
  const doublings = doublingsFor(series.axis, bucket);
  if (doublings > 0) {
    coarsen(series, doublings);
    bucket = Math.floor(bucket / 2 ** doublings);
  }
  series.all[bucket]++;
  const reason = groupOf(series.reasons, batch, row);
  const thread = slotOf(series.threads, batch.tid[row]);
  addAt(series, 'byReason', reason, MAX_REASONS, bucket, 1);
  addAt(series, 'byThread', thread, MAX_THREADS, bucket, 1);
}

/** The series as plain data, for another thread. */
export function plainSeries(series: RateSeries): RateSeries {
  const { all, byReason, byThread, reasons, threads } = series;
  return {
    ...series,
    reasons: plainGroups(reasons),
    threads: plainSlots(threads),
    all: all.slice(),
    byReason: byReason.slice(),
    byThread: byThread.slice(),
    view: null,
  };
}

function addAt(
  series: RateSeries,
  key: 'byReason' | 'byThread',
  index: number,
  most: number,
  bucket: number,
  count: number,
): void {
  if (index >= most) {
    series.ignored += count;
    return;
  }
  const at = index * SERIES_BUCKETS + bucket;
  if (at >= series[key].length)
    series[key] = widened(
      float64s,
      series.view?.arena ?? null,
      2 * (index + 1) * SERIES_BUCKETS,
      series[key],
    );
  series[key][at] += count;
}

function coarsen(series: RateSeries, doublings: number): void {
  const factor = 2 ** doublings;
  series.axis.widthNs *= factor;
  for (const columns of [series.all, series.byReason, series.byThread])
    for (let from = 0; from < columns.length; from += SERIES_BUCKETS)
      for (let bucket = 0; bucket < SERIES_BUCKETS; bucket++) {
        const count = columns[from + bucket];
        columns[from + bucket] = 0;
        columns[from + Math.floor(bucket / factor)] += count;
      }
}

/** Adds a part of the same recording with the same origin. */
export function mergeRateSeries(series: RateSeries, other: RateSeries): void {
  if (!alignAxes(series, other, coarsen)) return;
  series.last = Math.max(series.last, other.last);
  series.ignored += other.ignored;
  for (let bucket = 0; bucket < SERIES_BUCKETS; bucket++) series.all[bucket] += other.all[bucket];
  for (let from = 0; from < other.reasons.count; from++)
    addColumn(
      series,
      'byReason',
      findGroup(series.reasons, other.reasons.keys, from * KEY_INTS),
      MAX_REASONS,
      other.byReason,
      from,
    );
  for (let from = 0; from < other.threads.count; from++)
    addColumn(
      series,
      'byThread',
      slotOf(series.threads, other.threads.tids[from]),
      MAX_THREADS,
      other.byThread,
      from,
    );
}

function addColumn(
  series: RateSeries,
  key: 'byReason' | 'byThread',
  index: number,
  most: number,
  columns: Float64Array,
  from: number,
): void {
  for (let bucket = 0; bucket < SERIES_BUCKETS; bucket++) {
    const count = columns[from * SERIES_BUCKETS + bucket] ?? 0;
    if (count > 0) addAt(series, key, index, most, bucket, count);
  }
}

/** One series and what it is of: a reason, a thread, or (neither) all exits. */
export interface NamedSeries {
  readonly reason: { readonly isa: number; readonly code: number } | null;
  readonly tid: number | null;
  /** Complete buckets of the recording. */
  readonly counts: Float64Array;
}

export function listSeries(series: RateSeries): NamedSeries[] {
  const buckets = Math.min(SERIES_BUCKETS, Math.floor(series.last / series.axis.widthNs));
  const part = (columns: Float64Array, index: number) =>
    columns.slice(index * SERIES_BUCKETS, index * SERIES_BUCKETS + buckets);
  const { keys, count } = series.reasons;
  return [
    { reason: null, tid: null, counts: series.all.slice(0, buckets) },
    ...Array.from({ length: Math.min(count, MAX_REASONS) }, (_, i) => ({
      reason: { isa: keys[i * KEY_INTS + KEY_ISA], code: keys[i * KEY_INTS + KEY_CODE] >>> 0 },
      tid: null,
      counts: part(series.byReason, i),
    })),
    ...Array.from({ length: Math.min(series.threads.count, MAX_THREADS) }, (_, i) => ({
      reason: null,
      tid: series.threads.tids[i],
      counts: part(series.byThread, i),
    })),
  ];
}
