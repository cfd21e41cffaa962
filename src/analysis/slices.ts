/**
 * What happened in each slice of a recording, per exit reason: exits, times, escalations and a coarse distribution of
 * latencies; guest time and userspace exits beside them. Slices are what the comparison of two recordings resamples
 * (bootstrap.ts): exits follow on each other and are not independent, stretches of time nearly are. The width adapts,
 * so that a recording has 128 to 256 slices (fewer below 256 us) and memory stays bounded.
 */
import type { EventBatch } from '../core/event-batch.ts';
import { diffWords } from '../core/words.ts';
import {
  type CoarseHistograms,
  coarseCounts,
  countCoarse,
  createCoarseHistograms,
  mergeCoarse,
} from './coarse-histogram.ts';
import { type ExitBatch, PAIRED } from './exit-batch.ts';
import { USERSPACE_REASONS } from './exit-count-layout.ts';
import {
  createGroupTable,
  findGroup,
  type GroupTable,
  groupOf,
  KEY_CODE,
  KEY_INTS,
  KEY_ISA,
} from './groups.ts';
import type { Pass, PassScope } from './pass.ts';
import { EVENT_ROLES, ROLE_ENTRY, ROLE_EXIT, ROLE_LOST } from './roles.ts';
import { threadInScope, threadVerdict } from './thread-scope.ts';
import { createThreadSlots, slotWithin, type ThreadSlots } from './thread-slots.ts';
import {
  alignAxes,
  bucketAt,
  createTimeAxis,
  doublingsFor,
  limitOf,
  noteOrigin,
  type TimeAxis,
} from './time-axis.ts';

export const SLICES = 256;
/** Width that slices begin with, ns. */
export const FINEST = 1000;
/** Reasons that are followed; the first to come. */
const MAX_REASONS = 128;
/** Threads whose guest time is followed; the first to come. */
const MAX_THREADS = 65536;

/** Columns per reason and slice. */
const COLUMNS = ['exits', 'paired', 'escalated', 'ns'] as const;

export interface Slices {
  readonly scope: PassScope;
  readonly axis: TimeAxis;
  /** Latest event, ns from the origin. */
  last: number;
  readonly reasons: GroupTable;
  exits: Float64Array;
  paired: Float64Array;
  escalated: Float64Array;
  ns: Float64Array;
  /** Cell = reason · SLICES + slice. */
  histograms: CoarseHistograms;
  /** By KVM_EXIT code · SLICES + slice; larger numbers share the last, as in UserspaceStats. */
  readonly userspace: Float64Array;
  readonly guest: Float64Array;
  readonly threads: ThreadSlots;
  /** Time of the thread's latest entry from the origin, −1 while it is not in the guest. */
  entered: Float64Array;
  /** Its vCPU as entries told it, −1 before: on older x86 exits do not. */
  told: Int32Array;
  /**
   * Of a later part, by tid: time words of its first event if that ends a stretch in the guest, else null; whether filters
   * choose the thread depends on a number that an earlier part knows.
   */
  readonly heads: Map<number, readonly [low: number, high: number, untold: boolean] | null>;
  lossSeen: boolean;
  /** Exits of reasons beyond the limit. */
  ignored: number;
}

export interface SliceReason {
  readonly isa: number;
  readonly code: number;
  /** One per slice. `ns`: latency of pairs. */
  readonly exits: Float64Array;
  readonly paired: Float64Array;
  readonly escalated: Float64Array;
  readonly ns: Float64Array;
  /** Buckets in use (coarseBounds tells their limits), ascending. */
  readonly buckets: Uint16Array;
  /** Pairs by slice · buckets.length + index of the bucket. */
  readonly histogram: Float64Array;
}

export interface SlicesResult {
  readonly slices: number;
  readonly widthNs: number;
  /** ns of the recording in each slice: the last may be shorter. */
  readonly exposure: Float64Array;
  /** ns that vCPU threads spent in the guest, by the slice of the exit (or --to) that ended it. */
  readonly guest: Float64Array;
  readonly reasons: readonly SliceReason[];
  readonly userspace: readonly { readonly code: number; readonly count: Float64Array }[];
  readonly ignored: number;
}

export function createSlices(_options: unknown, scope: PassScope): Slices {
  const axis = createTimeAxis({ widthNs: null, limit: SLICES }, scope);
  axis.widthNs = FINEST;
  const empty = () => new Float64Array(16 * SLICES);
  return {
    scope,
    axis,
    last: 0,
    reasons: createGroupTable({ pid: false, tid: false, vcpu: false, cpu: false, level: false }),
    exits: empty(),
    paired: empty(),
    escalated: empty(),
    ns: empty(),
    histograms: createCoarseHistograms(),
    userspace: new Float64Array(USERSPACE_REASONS * SLICES),
    guest: new Float64Array(SLICES),
    threads: createThreadSlots(),
    entered: new Float64Array(64).fill(-1),
    told: new Int32Array(64).fill(-1),
    heads: new Map(),
    lossSeen: false,
    ignored: 0,
  };
}

/** Follows the span of the recording and the time that threads spend in the guest. */
function addSliceEvents(slices: Slices, batch: EventBatch): void {
  if (batch.length === 0) return;
  const { axis, scope } = slices;
  noteOrigin(axis, batch);
  const { event, time, tid } = batch;
  const [low, high] = axis.origin;
  const limit = limitOf(scope, axis.origin);
  for (let row = 0; row < batch.length; row++) {
    const role = EVENT_ROLES[event[row]];
    // A loss may hide an exit and an entry of any thread: what is open is not counted.
    if (role === ROLE_LOST) {
      slices.entered.fill(-1);
      slices.lossSeen = true;
      continue;
    }
    const at = diffWords(time[2 * row], time[2 * row + 1], low, high);
    if (at > slices.last) slices.last = Math.min(at, limit);
    if ((role !== ROLE_ENTRY && role !== ROLE_EXIT) || tid[row] < 0) continue;
    const thread = threadOf(slices, tid[row]);
    if (thread < 0) continue;
    if (scope.recordingStart && !slices.heads.has(tid[row])) addHead(slices, batch, row, role);
    const entered = slices.entered[thread];
    slices.entered[thread] = role === ROLE_ENTRY && at < limit ? Math.max(0, at) : -1;
    if (role === ROLE_ENTRY) {
      if (batch.vcpu[row] >= 0) slices.told[thread] = batch.vcpu[row];
      continue;
    }
    const vcpu = batch.vcpu[row] >= 0 ? batch.vcpu[row] : slices.told[thread];
    if (entered < 0 || !threadInScope(scope, tid[row], batch.pid[row], vcpu)) continue;
    addGuest(slices, entered, Math.min(at, limit));
  }
}

/** Books a stretch in the guest where it ends, as far as --from and --to leave it in. */
function addGuest(slices: Slices, from: number, to: number): void {
  if (to > from) slices.guest[fitted(slices, Math.floor(to / slices.axis.widthNs))] += to - from;
}

/** An earlier part knows since when the thread was in the guest, unless something was lost before this event. */
function addHead({ heads, scope, lossSeen }: Slices, batch: EventBatch, row: number, role: number): void {
  const { tid, pid, vcpu, time } = batch;
  const chosen = threadVerdict(scope, tid[row], pid[row], vcpu[row]);
  const ends = role === ROLE_EXIT && !lossSeen && chosen !== false;
  heads.set(tid[row], ends ? [time[2 * row], time[2 * row + 1], chosen === null] : null);
}

function threadOf(slices: Slices, tid: number): number {
  const thread = slotWithin(slices.threads, tid, MAX_THREADS);
  if (thread >= slices.entered.length) {
    const grown = new Float64Array(2 * slices.entered.length).fill(-1);
    grown.set(slices.entered);
    slices.entered = grown;
    const told = new Int32Array(grown.length).fill(-1);
    told.set(slices.told);
    slices.told = told;
  }
  return thread;
}

function sliceOf(slices: Slices, low: number, high: number): number {
  return fitted(slices, bucketAt(slices.axis, low, high));
}

/** The slice in place of one that may lie beyond the last: then all become wider. */
function fitted(slices: Slices, slice: number): number {
  const doublings = doublingsFor(slices.axis, slice);
  if (doublings === 0) return slice;
  coarsen(slices, doublings);
  return Math.floor(slice / 2 ** doublings);
}

function addSliceExits(slices: Slices, batch: ExitBatch, selected: Uint8Array | null): void {
  for (let row = 0; row < batch.length; row++) {
    if (selected !== null && selected[row] === 0) continue;
    const slice = sliceOf(slices, batch.exitTime[2 * row], batch.exitTime[2 * row + 1]);
    const escalated = batch.userspaceExits[row] > 0;
    if (escalated)
      slices.userspace[Math.min(batch.userspaceCode[row], USERSPACE_REASONS - 1) * SLICES + slice]++;
    const reason = groupOf(slices.reasons, batch, row);
    if (reason >= MAX_REASONS) {
      slices.ignored++;
      continue;
    }
    const cell = reason * SLICES + slice;
    if (cell >= slices.exits.length) grow(slices, cell);
    slices.exits[cell]++;
    if (escalated) slices.escalated[cell]++;
    if (batch.state[row] !== PAIRED) continue;
    slices.paired[cell]++;
    slices.ns[cell] += batch.latency[row];
    countCoarse(slices.histograms, cell, batch.latency[row]);
  }
}

function grow(slices: Slices, cell: number): void {
  for (const name of COLUMNS) {
    const grown = new Float64Array(2 * SLICES * Math.ceil((cell + 1) / SLICES));
    grown.set(slices[name]);
    slices[name] = grown;
  }
}

/** Makes slices 2^doublings times as wide. */
function coarsen(slices: Slices, doublings: number): void {
  const factor = 2 ** doublings;
  const { histograms } = slices;
  slices.axis.widthNs *= factor;
  slices.histograms = createCoarseHistograms();
  const cells = Math.min(slices.reasons.count, MAX_REASONS) * SLICES;
  for (let cell = 0; cell < cells; cell++)
    if (slices.paired[cell] > 0) {
      const slice = cell % SLICES;
      mergeCoarse(slices.histograms, cell - slice + Math.floor(slice / factor), histograms, cell);
    }
  for (const name of COLUMNS) foldSlices(slices[name], factor);
  foldSlices(slices.userspace, factor);
  foldSlices(slices.guest, factor);
}

/** Adds up each `factor` neighbours of every SLICES cells. */
export function foldSlices(column: Float64Array, factor: number): void {
  for (let from = 0; from < column.length; from += SLICES)
    for (let slice = 0; slice < SLICES; slice++) {
      const value = column[from + slice];
      column[from + slice] = 0;
      column[from + Math.floor(slice / factor)] += value;
    }
}

/** Ends the stretches in the guest that were open at the seam, and takes over those that are open now. */
function joinGuest(slices: Slices, later: Slices): void {
  const [low, high] = slices.axis.origin;
  const limit = limitOf(slices.scope, slices.axis.origin);
  for (const [tid, head] of later.heads) {
    const thread = threadOf(slices, tid);
    if (thread < 0 || head === null || slices.entered[thread] < 0) continue;
    if (head[2] && !slices.scope.selection?.vcpus?.has(slices.told[thread])) continue;
    addGuest(slices, slices.entered[thread], Math.min(diffWords(head[0], head[1], low, high), limit));
  }
  if (later.lossSeen) slices.entered.fill(-1);
  for (let from = 0; from < later.threads.count; from++) {
    const thread = threadOf(slices, later.threads.tids[from]);
    if (thread < 0) continue;
    slices.entered[thread] = later.entered[from];
    if (later.told[from] >= 0) slices.told[thread] = later.told[from];
  }
  slices.lossSeen ||= later.lossSeen;
}

/** Adds a later part of the same recording with the same origin. */
export function mergeSlices(slices: Slices, other: Slices): void {
  if (!alignAxes(slices, other, coarsen)) return;
  joinGuest(slices, other);
  slices.last = Math.max(slices.last, other.last);
  slices.ignored += other.ignored;
  for (let i = 0; i < slices.guest.length; i++) slices.guest[i] += other.guest[i];
  for (let i = 0; i < slices.userspace.length; i++) slices.userspace[i] += other.userspace[i];
  for (let from = 0; from < Math.min(other.reasons.count, MAX_REASONS); from++) {
    const reason = findGroup(slices.reasons, other.reasons.keys, from * KEY_INTS);
    if (reason >= MAX_REASONS) {
      for (let slice = 0; slice < SLICES; slice++) slices.ignored += other.exits[from * SLICES + slice];
      continue;
    }
    if ((reason + 1) * SLICES > slices.exits.length) grow(slices, (reason + 1) * SLICES - 1);
    for (let slice = 0; slice < SLICES; slice++) {
      const cell = reason * SLICES + slice;
      for (const name of COLUMNS) slices[name][cell] += other[name][from * SLICES + slice];
      if (other.paired[from * SLICES + slice] > 0)
        mergeCoarse(slices.histograms, cell, other.histograms, from * SLICES + slice);
    }
  }
}

/** ns of the recording in each slice: as many as it has. */
export function exposureOf({ axis, last }: Pick<Slices, 'axis' | 'last'>): Float64Array {
  const count = Math.min(SLICES, Math.floor(last / axis.widthNs) + 1);
  const exposure = new Float64Array(count).fill(axis.widthNs);
  exposure[count - 1] = last - (count - 1) * axis.widthNs;
  return exposure;
}

export function slicesResult(slices: Slices): SlicesResult {
  const { axis, reasons, histograms, userspace, ignored } = slices;
  const exposure = exposureOf(slices);
  const count = exposure.length;
  const part = (column: Float64Array, index: number) => column.slice(index * SLICES, index * SLICES + count);
  return {
    slices: count,
    widthNs: axis.widthNs,
    exposure,
    guest: slices.guest.slice(0, count),
    reasons: Array.from({ length: Math.min(reasons.count, MAX_REASONS) }, (_, reason) => ({
      isa: reasons.keys[reason * KEY_INTS + KEY_ISA],
      code: reasons.keys[reason * KEY_INTS + KEY_CODE] >>> 0,
      exits: part(slices.exits, reason),
      paired: part(slices.paired, reason),
      escalated: part(slices.escalated, reason),
      ns: part(slices.ns, reason),
      ...coarseCounts(histograms, reason * SLICES, count),
    })),
    userspace: [...Array(USERSPACE_REASONS).keys()]
      .map((code) => ({ code, count: part(userspace, code) }))
      .filter(({ count: column }) => column.some((value) => value > 0)),
    ignored,
  };
}

export const slicesPass: Pass<null, Slices, SlicesResult> = {
  name: 'slices',
  allColumns: false,
  create: createSlices,
  events: addSliceEvents,
  exits: addSliceExits,
  merge: mergeSlices,
  result: slicesResult,
};
