/**
 * QEMU's events that two inputs hold both. A QEMU built with several trace back ends writes each event to all of them:
 * to its own file (simple), to its log (log) and to the kernel's trace_marker (ftrace). Merged as they are, such inputs
 * would count every event twice. Twins are the same event with the same values in the same thread, close in time.
 */
import {
  type EventBatch,
  F_ADDRESS,
  F_ARG0,
  F_ARG1,
  F_CODE,
  F_INFO1,
  F_MARKER,
} from '../core/event-batch.ts';
import {
  EV_LOST,
  EV_MARKER,
  EV_QEMU_DROPPED,
  EV_QEMU_VCPU_IOCTL,
  EV_RUN_EXIT,
  EV_SET_IOEVENTFD_MMIO,
  EV_SET_IOEVENTFD_PIO,
} from '../core/events.ts';
import { diffWords } from '../core/words.ts';

/** Longest time between twins, ns: a thread may be preempted between writing to one back end and the next. */
export const MAX_GAP_NS = 100_000_000;
/** Events of the same name that are looked at for one event's twin. */
const MAX_TRIES = 64;

/** Events that only QEMU writes, also where a capture does not say that they were markers. */
const QEMU_ONLY: ReadonlySet<number> = new Set([
  EV_RUN_EXIT,
  EV_QEMU_VCPU_IOCTL,
  EV_SET_IOEVENTFD_MMIO,
  EV_SET_IOEVENTFD_PIO,
]);

/** `ofQemu`: the input is a file of QEMU's own, so that all of its events are. */
export function isQemuEvent(batch: EventBatch, row: number, ofQemu: boolean): boolean {
  const event = batch.event[row];
  if (ofQemu) return event !== EV_LOST && event !== EV_QEMU_DROPPED;
  return QEMU_ONLY.has(event) || ((batch.fields[row] & F_MARKER) !== 0 && event !== EV_MARKER);
}

/** Values that both have are equal; text prints some with 32 bits only. */
export function isSameEvent(batch: EventBatch, a: number, b: number): boolean {
  if (batch.event[a] !== batch.event[b]) return false;
  if (differ(batch.vcpu, a, b) || differ(batch.tid, a, b) || differ(batch.pid, a, b)) return false;
  const both = batch.fields[a] & batch.fields[b];
  if (both & F_CODE && batch.code[a] !== batch.code[b]) return false;
  return !(
    (both & F_ADDRESS && batch.address[2 * a] !== batch.address[2 * b]) ||
    (both & F_ARG0 && batch.arg0[2 * a] !== batch.arg0[2 * b]) ||
    (both & F_ARG1 && batch.arg1[2 * a] !== batch.arg1[2 * b]) ||
    (both & F_INFO1 && batch.info1[2 * a] !== batch.info1[2 * b])
  );
}

function differ(column: Int32Array, a: number, b: number): boolean {
  return column[a] >= 0 && column[b] >= 0 && column[a] !== column[b];
}

/** By event: rows in time order that have no twin yet. */
type Waiting = Map<number, number[]>;

/** Finds the twins of two or more sources of events in a window of rows. */
export interface TwinMatcher {
  /** By source: the source that keeps the events that this one repeats, −1: it repeats none. */
  readonly keeperOf: readonly number[];
  /** By repeating source: how far its events may be from their twins, ns. */
  readonly reachNs: readonly number[];
  /** By repeating source: its own rows, and those of its keeper. */
  readonly repeats: readonly Waiting[];
  readonly kept: readonly Waiting[];
}

export function createTwinMatcher(keeperOf: readonly number[], reachNs: readonly number[]): TwinMatcher {
  const lists = () => keeperOf.map((): Waiting => new Map());
  return { keeperOf, reachNs, repeats: lists(), kept: lists() };
}

/**
 * Takes the next row in time order, which `source` recorded; a row that repeats another is told to `found` as soon as
 * both are there. Of several candidates the latest counts: a thread writes an event to all back ends before the next.
 */
export function matchTwin(
  { keeperOf, reachNs, repeats, kept }: TwinMatcher,
  window: EventBatch,
  row: number,
  source: number,
  found: (repeated: number, kept: number, source: number) => void,
): void {
  if (keeperOf[source] >= 0) {
    const twin = takeTwin(kept[source], window, row, reachNs[source]);
    if (twin >= 0) found(row, twin, source);
    else wait(repeats[source], window.event[row], row);
    return;
  }
  for (let other = 0; other < keeperOf.length; other++) {
    if (keeperOf[other] !== source) continue;
    const twin = takeTwin(repeats[other], window, row, reachNs[other]);
    if (twin >= 0) found(twin, row, other);
    else wait(kept[other], window.event[row], row);
  }
}

function wait(waiting: Waiting, event: number, row: number): void {
  const rows = waiting.get(event);
  if (rows) rows.push(row);
  else waiting.set(event, [row]);
}

/** Takes the row's twin out of those that wait; −1 if there is none. */
function takeTwin(waiting: Waiting, window: EventBatch, row: number, reachNs: number): number {
  const rows = waiting.get(window.event[row]);
  if (!rows) return -1;
  const { time } = window;
  const last = Math.max(0, rows.length - MAX_TRIES);
  for (let i = rows.length - 1; i >= last; i--) {
    const other = rows[i];
    if (diffWords(time[2 * row], time[2 * row + 1], time[2 * other], time[2 * other + 1]) > reachNs) break;
    if (!isSameEvent(window, row, other)) continue;
    rows.splice(i, 1);
    return other;
  }
  return -1;
}

/** The first `count` rows leave the window, the rest moves down. */
export function forgetRows({ repeats, kept }: TwinMatcher, count: number): void {
  for (const waiting of [...repeats, ...kept])
    for (const [event, rows] of waiting) {
      const left = rows.filter((row) => row >= count).map((row) => row - count);
      if (left.length > 0) waiting.set(event, left);
      else waiting.delete(event);
    }
}
