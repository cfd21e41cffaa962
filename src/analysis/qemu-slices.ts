/**
 * Pass `qemu-slices`: returns of KVM_RUN to QEMU (`kvm_run_exit`) and QEMU's time for them, per KVM_EXIT_* in slices of
 * time (slices.ts), for a comparison. Sums are those of qemu-exits.ts, but for times where QEMU dropped events.
 */
import { type EventBatch, F_CODE } from '../core/event-batch.ts';
import { EV_QEMU_DROPPED, EV_QEMU_VCPU_IOCTL, EV_RUN_EXIT } from '../core/events.ts';
import { diffWords } from '../core/words.ts';
import { MAX_LATENCY } from './pairing-state.ts';
import { EVERYTHING, type Pass, type PassScope } from './pass.ts';
import { isKvmRun } from './qemu-exits.ts';
import { hasQemuEvents } from './recorded-events.ts';
import { exposureOf, FINEST, foldSlices, SLICES, type SliceReason } from './slices.ts';
import { threadInScope, timeInScope } from './thread-scope.ts';
import {
  alignAxes,
  bucketAt,
  createTimeAxis,
  doublingsFor,
  limitOf,
  noteOrigin,
  type TimeAxis,
} from './time-axis.ts';

/** KVM_EXIT_* and vCPUs (as many as qemu-exits.ts has) that are followed, the first to come: hostile input must not make more. */
const MAX_CODES = 1024;
const MAX_VCPUS = 4096;

interface Columns {
  readonly exits: Float64Array;
  readonly paired: Float64Array;
  readonly ns: Float64Array;
}

interface Vcpu {
  /** The last event, if that is a return that is chosen: its code, else −1, and its time. */
  code: number;
  low: number;
  high: number;
  /** Of a later part: time words of the first event if that is a call of KVM_RUN and nothing was dropped before it. */
  readonly head: readonly [number, number] | null;
}

export interface QemuSlices {
  readonly scope: PassScope;
  readonly axis: TimeAxis;
  /** Latest event, ns from the origin. */
  last: number;
  readonly codes: Map<number, Columns>;
  readonly vcpus: Map<number, Vcpu>;
  dropSeen: boolean;
  /** Returns beyond the limits. */
  ignored: number;
}

export interface QemuSlicesResult {
  /** ns of the recording in each slice. */
  readonly exposure: Float64Array;
  /** `exits`: returns; `ns`: kvm_run_exit → KVM_RUN. */
  readonly reasons: readonly SliceReason[];
  readonly ignored: number;
}

export function createQemuSlices(_options: unknown, scope: PassScope = EVERYTHING): QemuSlices {
  const axis = createTimeAxis({ widthNs: null, limit: SLICES }, scope);
  axis.widthNs = FINEST;
  return { scope, axis, last: 0, codes: new Map(), vcpus: new Map(), dropSeen: false, ignored: 0 };
}

function columnsOf({ codes }: QemuSlices, code: number): Columns | null {
  let columns = codes.get(code);
  if (columns === undefined) {
    if (codes.size === MAX_CODES) return null;
    const empty = () => new Float64Array(SLICES);
    columns = { exits: empty(), paired: empty(), ns: empty() };
    codes.set(code, columns);
  }
  return columns;
}

/** As slotKey() of qemu-exits.ts, but a number, which is exact for any process number of Linux (below 2²²). */
function vcpuOf(slices: QemuSlices, batch: EventBatch, row: number, isRun: boolean): Vcpu | null {
  const { pid, tid, vcpu, time } = batch;
  if (vcpu[row] < 0) return null;
  const key = (pid[row] >= 0 ? pid[row] : -2 - tid[row]) * 0x80000000 + vcpu[row];
  const found = slices.vcpus.get(key);
  if (found !== undefined) return found;
  if (slices.vcpus.size === MAX_VCPUS) return null;
  const head = isRun && !slices.dropSeen ? ([time[2 * row], time[2 * row + 1]] as const) : null;
  const made = { code: -1, low: 0, high: 0, head };
  slices.vcpus.set(key, made);
  return made;
}

/** Makes slices 2^doublings times as wide. */
function coarsen({ axis, codes }: QemuSlices, doublings: number): void {
  const factor = 2 ** doublings;
  axis.widthNs *= factor;
  for (const { exits, paired, ns } of codes.values())
    for (const column of [exits, paired, ns]) foldSlices(column, factor);
}

/** The slice of a time; when it lies beyond the last, all become wider. */
function sliceAt(slices: QemuSlices, low: number, high: number): number {
  const { axis } = slices;
  const slice = bucketAt(axis, low, high);
  const doublings = doublingsFor(axis, slice);
  if (doublings === 0) return slice;
  coarsen(slices, doublings);
  return Math.floor(slice / 2 ** doublings);
}

function addReturn(slices: QemuSlices, batch: EventBatch, row: number, vcpu: Vcpu): void {
  const { scope } = slices;
  const low = batch.time[2 * row];
  const high = batch.time[2 * row + 1];
  const chosen =
    timeInScope(scope, low, high) && threadInScope(scope, batch.tid[row], batch.pid[row], batch.vcpu[row]);
  const columns = chosen ? columnsOf(slices, batch.code[row]) : null;
  if (chosen && columns === null) slices.ignored++;
  vcpu.code = columns === null ? -1 : batch.code[row];
  vcpu.low = low;
  vcpu.high = high;
  if (columns !== null) columns.exits[sliceAt(slices, low, high)]++;
}

/** KVM_RUN was called at that time. */
function addRun(slices: QemuSlices, vcpu: Vcpu, timeLow: number, timeHigh: number): void {
  const { code, low, high } = vcpu;
  vcpu.code = -1;
  if (code < 0) return;
  const ns = diffWords(timeLow, timeHigh, low, high);
  if (ns < 0 || ns > MAX_LATENCY) return;
  const { paired, ns: sums } = columnsOf(slices, code)!;
  const slice = sliceAt(slices, low, high);
  paired[slice]++;
  sums[slice] += ns;
}

/** Where QEMU dropped events, the next call may not be the one behind the last return. */
function forgetReturns(slices: QemuSlices): void {
  for (const vcpu of slices.vcpus.values()) vcpu.code = -1;
  slices.dropSeen = true;
}

export function addQemuSlices(slices: QemuSlices, batch: EventBatch): void {
  if (batch.length === 0) return;
  const { axis } = slices;
  noteOrigin(axis, batch);
  const limit = limitOf(slices.scope, axis.origin);
  const { event, time, code, fields } = batch;
  for (let row = 0; row < batch.length; row++) {
    const at = diffWords(time[2 * row], time[2 * row + 1], axis.origin[0], axis.origin[1]);
    if (at > slices.last) slices.last = Math.min(at, limit);
    const kind = event[row];
    if (kind === EV_QEMU_DROPPED) forgetReturns(slices);
    const isReturn = kind === EV_RUN_EXIT;
    if ((!isReturn && (kind !== EV_QEMU_VCPU_IOCTL || !isKvmRun(code[row]))) || (fields[row] & F_CODE) === 0)
      continue;
    const vcpu = vcpuOf(slices, batch, row, !isReturn);
    if (vcpu === null) {
      if (isReturn) slices.ignored++;
      continue;
    }
    if (isReturn) addReturn(slices, batch, row, vcpu);
    else addRun(slices, vcpu, time[2 * row], time[2 * row + 1]);
  }
}

/** Adds a later part of the same recording with the same origin. */
export function mergeQemuSlices(slices: QemuSlices, later: QemuSlices): void {
  if (!alignAxes(slices, later, coarsen)) return;
  slices.last = Math.max(slices.last, later.last);
  slices.ignored += later.ignored;
  for (const [key, { head }] of later.vcpus) {
    const vcpu = slices.vcpus.get(key);
    if (vcpu !== undefined && head !== null) addRun(slices, vcpu, ...head);
  }
  if (later.dropSeen) forgetReturns(slices);
  for (const [key, { code, low, high }] of later.vcpus) {
    const vcpu = slices.vcpus.get(key);
    if (vcpu !== undefined) Object.assign(vcpu, { code, low, high });
    else if (slices.vcpus.size < MAX_VCPUS) slices.vcpus.set(key, { code, low, high, head: null });
  }
  for (const [code, columns] of later.codes) {
    const into = columnsOf(slices, code);
    if (into === null) slices.ignored += columns.exits.reduce((sum, exits) => sum + exits, 0);
    for (let slice = 0; into !== null && slice < SLICES; slice++) {
      into.exits[slice] += columns.exits[slice];
      into.paired[slice] += columns.paired[slice];
      into.ns[slice] += columns.ns[slice];
    }
  }
}

export function qemuSlicesResult(slices: QemuSlices): QemuSlicesResult {
  const exposure = exposureOf(slices);
  const part = (column: Float64Array) => column.slice(0, exposure.length);
  return {
    exposure,
    reasons: [...slices.codes].map(([code, { exits, paired, ns }]) => ({
      isa: -1,
      code,
      ...{ exits: part(exits), paired: part(paired), ns: part(ns) },
      escalated: new Float64Array(exposure.length),
      buckets: new Uint16Array(),
      histogram: new Float64Array(),
    })),
    ignored: slices.ignored,
  };
}

export const qemuSlicesPass: Pass<null, QemuSlices, QemuSlicesResult> = {
  name: 'qemu-slices',
  allColumns: false,
  wants: hasQemuEvents,
  create: createQemuSlices,
  events: addQemuSlices,
  merge: mergeQemuSlices,
  result: qemuSlicesResult,
};
