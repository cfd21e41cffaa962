/**
 * The records of a simpletrace file. Version 4: u64 type, then a mapping (u64 id, u32 length, name) or an event
 * (u64 id, u64 ns, u32 length of header and arguments, u32 pid, arguments). Versions 2 and 3 have events without the
 * type (pid: reserved in 2), version 0 has 64 bytes: id, ns, six arguments.
 */

import type { Arena } from '../../core/arena.ts';
import { note } from '../../core/diagnostics.ts';
import { clearRow, F_ARG0, UNKNOWN } from '../../core/event-batch.ts';
import { EV_QEMU_DROPPED } from '../../core/events.ts';
import type { TraceContext } from '../../core/trace-context.ts';
import { TWO_32 } from '../../core/words.ts';
import { createInternedBytes, type InternedBytes } from '../qemu-events/interned-bytes.ts';
import type { TraceEvents } from '../qemu-events/trace-events.ts';
import { decodeText } from '../text/numbers.ts';
import {
  createEventPlans,
  type EventPlan,
  type EventPlans,
  fitsLayout,
  learnEvent,
  nameEvent,
  planOf,
  readArguments,
} from './event-plans.ts';
import {
  EVENT_HEADER,
  findCovered,
  findRecord,
  idAt,
  isDropped,
  MAPPING_HEADER,
  MAX_EVENT,
  MAX_NAME,
  search,
  WAIT,
} from './find-record.ts';
import { HEADER_BYTES, headerOrder, type TraceHeader } from './header.ts';
import { createTimeWindow, isFull, place, type TimeWindow } from './time-window.ts';
import { createEventWalk, type EventWalk, walkEvents } from './walk-events.ts';
import { T_AT, T_DISORDERED, T_PREVIOUS } from './walk-layout.ts';

/** Size of all records of version 0. */
export const V0_BYTES = 64;
/** CLOCK_MONOTONIC starts at boot: later than 2001 in ns since 1970 is the wall clock. */
const WALL_CLOCK_HIGH = 0x0de0b6b3;
const MAX_COUNT = 2 ** 50;

export interface RecordState {
  readonly context: TraceContext;
  readonly version: number;
  readonly little: boolean;
  readonly window: TimeWindow;
  readonly walk: EventWalk;
  readonly plans: EventPlans;
  readonly interned: InternedBytes;
  /** Process id of the first event that has one; −1 before it, and where the version has none. */
  pid: number;
  anyEvent: boolean;
  mappings: number;
  /**
   * Start of the record before (version 4), −1: none. The caller keeps the bytes from there on: only at the next
   * record it shows that a length was damaged, and the records that it covered are read then.
   */
  previous: number;
  /** Searching for the next record behind a damaged place. */
  searching: boolean;
  /** Bytes that were skipped as damaged. */
  skipped: number;
  /** Events kept by name because nothing is known of their arguments. */
  bare: number;
  /** Events whose arguments are not those that the trace-events file declares. */
  mismatched: number;
  unnamed: number;
}

/** `bytes`: what records are read from, in the arena. */
export function createRecordState(
  arena: Arena,
  bytes: Uint8Array,
  context: TraceContext,
  { version, little }: TraceHeader,
  traceEvents: TraceEvents | null,
  coreOnly: boolean,
): RecordState {
  const walk = createEventWalk(arena, bytes);
  return {
    context,
    version,
    little,
    window: createTimeWindow(arena, coreOnly),
    walk,
    plans: createEventPlans(context, traceEvents, walk, version, coreOnly),
    interned: createInternedBytes(context),
    pid: UNKNOWN,
    anyEvent: false,
    mappings: 0,
    previous: -1,
    searching: false,
    skipped: 0,
    bare: 0,
    mismatched: 0,
    unnamed: 0,
  };
}

/**
 * Takes whole records from [at, end) until the window is full or the next one is not whole; returns the position
 * after the last. `last`: the input has no more bytes behind `end`.
 */
export function takeRecords(
  state: RecordState,
  buf: Uint8Array,
  view: DataView,
  at: number,
  end: number,
  last: boolean,
): number {
  const { little, version, window } = state;
  let p = at;
  while (!isFull(window)) {
    if (state.searching) {
      p = search(state, view, p, end, last);
      if (state.searching) return p;
    }
    let event = p;
    if (version === 4) {
      if (little && state.pid !== UNKNOWN) {
        p = takePlainEvents(state, p, end);
        if (isFull(window)) break;
        event = p;
      }
      if (p + 8 > end) {
        if (!last || p >= end || isCutOff(state, view, p, end)) return p;
        p = recover(state, view, p, end, last);
        continue;
      }
      const type = view.getUint32(little ? p : p + 4, little);
      const typeHigh = view.getUint32(little ? p + 4 : p, little);
      if (typeHigh !== 0 || type > 1) {
        if (p + HEADER_BYTES > end && !last) return p;
        if (p + HEADER_BYTES <= end && isOwnHeader(state, view, p)) {
          p = joinedFile(state, p);
          continue;
        }
        const resumed = recover(state, view, p, end, last);
        if (resumed === WAIT) return p;
        p = resumed;
        continue;
      }
      if (type === 1) event = p + 8;
    }
    const next =
      version === 4 && event === p
        ? takeMapping(state, buf, view, p, end)
        : takeWhole(state, buf, view, event, end);
    if (next > 0) {
      state.previous = version === 4 ? p : -1;
      p = next;
      continue;
    }
    if (next === WAIT && (!last || isCutOff(state, view, p, end))) return p;
    const resumed = recover(state, view, p, end, last);
    if (resumed === WAIT) return p;
    p = resumed;
  }
  return p;
}

/** Takes events of the usual kind, as many as there are; returns the position behind them. */
function takePlainEvents(state: RecordState, at: number, end: number): number {
  const { walk, window } = state;
  walkEvents(walk, window.batch, at, end);
  const { table } = walk;
  if (table[T_PREVIOUS / 4] >= 0) state.previous = table[T_PREVIOUS / 4];
  if (table[T_DISORDERED / 4] !== 0) window.disordered = true;
  return table[T_AT / 4];
}

/**
 * Counts the damaged place at `at` and returns where reading goes on: in the middle of the record before, if its
 * length was wrong, else at the same place by searching. WAIT if more bytes are needed to tell.
 */
function recover(state: RecordState, view: DataView, at: number, end: number, last: boolean): number {
  const covered = findCovered(state, view, at, end, last);
  if (covered === WAIT) return WAIT;
  note(
    state.context.diagnostics,
    'damaged-records',
    'data-loss',
    'damaged places in the file: reading went on at the next record that makes sense',
  );
  state.previous = -1;
  if (covered > 0) return covered;
  if (state.version === 0) {
    state.skipped += V0_BYTES;
    return at + V0_BYTES;
  }
  state.searching = true;
  return at;
}

/** Whether what is left at the end of the file is a part of a record, and not damage that covers other records. */
function isCutOff(state: RecordState, view: DataView, at: number, end: number): boolean {
  return findRecord(state, view, at + 1, end, end, true) <= 0 && findCovered(state, view, at, end, true) <= 0;
}

/** Takes an event if it is all there: its end, WAIT if it is not, 0 if it is none. */
function takeWhole(state: RecordState, buf: Uint8Array, view: DataView, at: number, end: number): number {
  const next = eventEnd(state, view, at, end);
  if (next > end) return WAIT;
  return next > 0 && takeEvent(state, buf, view, at, next) ? next : 0;
}

/** End of the event whose header is at `at`; 0 if its length cannot be, beyond `end` if it is not all there. */
function eventEnd({ version, little }: RecordState, view: DataView, at: number, end: number): number {
  if (version === 0) return at + V0_BYTES;
  if (at + EVENT_HEADER > end) return end + 1;
  const length = view.getUint32(at + 16, little);
  return length < EVENT_HEADER || length > MAX_EVENT ? 0 : at + length;
}

/** Returns the position after the mapping, WAIT if it is not whole, 0 if it is none. */
function takeMapping(state: RecordState, buf: Uint8Array, view: DataView, at: number, end: number): number {
  if (at + MAPPING_HEADER > end) return WAIT;
  const { little } = state;
  const length = view.getUint32(at + 16, little);
  const id = idAt(view, at + 8, little);
  if (length === 0 || length > MAX_NAME || id < 0) return 0;
  const start = at + MAPPING_HEADER;
  if (start + length > end) return WAIT;
  const name = decodeText(buf, start, start + length);
  if (!/^\w+$/.test(name)) return 0;
  nameEvent(state.plans, id, name);
  state.mappings++;
  return start + length;
}

/** Writes the event whose header is at `at` as a row; false if it cannot be one. */
function takeEvent(state: RecordState, buf: Uint8Array, view: DataView, at: number, end: number): boolean {
  const { little, version, window, plans } = state;
  const dropped = isDropped(view, at, little);
  const id = dropped ? 0 : idAt(view, at, little);
  const pid = version >= 3 ? view.getInt32(at + 20, little) : UNKNOWN;
  let plan: EventPlan | null = null;
  if (!dropped) {
    plan = planOf(plans, id);
    if (plan === null) {
      const named = plans.names.has(id);
      // A number out of nowhere in a record that says nothing else right is damage, not an event.
      if (id < 0 || (!named && state.pid !== UNKNOWN && pid !== state.pid)) return false;
      plan = learnEvent(plans, id);
    }
  }
  const { batch } = window;
  const row = batch.length;
  clearRow(batch, row);
  batch.time[2 * row] = view.getUint32(little ? at + 8 : at + 12, little);
  batch.time[2 * row + 1] = view.getUint32(little ? at + 12 : at + 8, little);
  batch.pid[row] = pid;
  const args = version === 0 ? at + 16 : at + EVENT_HEADER;
  if (dropped) takeDropped(state, view, args, end, row);
  else {
    batch.event[row] = plan === null ? 0 : plan.code;
    if (plan === null || !plan.named) state.unnamed++;
    else takeArguments(state, plan, buf, view, args, end, row);
  }
  if (!state.anyEvent) startClock(state, batch.time[2 * row + 1]);
  state.anyEvent = true;
  // 0: QEMU has not asked for its number yet. What it does before its trace back end starts is stamped so (trace_pid of
  // trace/simple.c; qmp_enter_set_action in QEMU 7.2).
  if (state.pid === UNKNOWN && pid !== 0) state.pid = pid;
  place(window);
  return true;
}

function takeArguments(
  state: RecordState,
  plan: EventPlan,
  buf: Uint8Array,
  view: DataView,
  at: number,
  end: number,
  row: number,
): void {
  const { layouts } = plan;
  const { little, window, interned } = state;
  for (let i = 0; i < layouts.length; i++) {
    const layout = layouts[i];
    // Version 0 has room for six arguments, whatever the event has.
    if (
      state.version === 0
        ? layout.size < 0 || layout.size > end - at
        : !fitsLayout(layout, view, at, end, little)
    ) {
      if (i === 0 && plan.declared) state.mismatched++;
      continue;
    }
    readArguments(layout, interned, buf, view, at, little, window.batch, row);
    return;
  }
  if (end > at && !plan.declared) state.bare++;
}

function takeDropped(state: RecordState, view: DataView, at: number, end: number, row: number): void {
  const { batch } = state.window;
  batch.event[row] = EV_QEMU_DROPPED;
  let count = 1;
  if (at + 8 <= end) {
    const { little } = state;
    const low = view.getUint32(little ? at : at + 4, little);
    const high = view.getUint32(little ? at + 4 : at, little);
    batch.arg0[2 * row] = low;
    batch.arg0[2 * row + 1] = high;
    batch.fields[row] = F_ARG0;
    count = Math.min(high * TWO_32 + low, MAX_COUNT);
  }
  note(
    state.context.diagnostics,
    'qemu-dropped-events',
    'data-loss',
    'QEMU dropped trace events because its buffer was full: its events and the times between them have gaps at unknown places',
    count,
  );
}

function startClock({ context }: RecordState, timeHigh: number): void {
  const clock = timeHigh >= WALL_CLOCK_HIGH && timeHigh < 0x80000000 ? 'realtime' : 'mono';
  if (context.clock !== null && context.clock !== clock)
    note(
      context.diagnostics,
      'clocks-differ',
      'suspect',
      `QEMU's events are on clock ${clock}, other inputs on clock ${context.clock}: their order among each other is not certain`,
    );
  context.clock ??= clock;
}

/** A header of the version and byte order that this file has. */
function isOwnHeader({ little }: RecordState, view: DataView, at: number): boolean {
  if (headerOrder(view, at) !== (little ? 'little' : 'big')) return false;
  return view.getUint32(little ? at + 16 : at + 20, little) === 4;
}

/** A second recording that was appended to the first; its names replace the first one's. */
function joinedFile(state: RecordState, at: number): number {
  state.pid = UNKNOWN;
  state.previous = -1;
  note(
    state.context.diagnostics,
    'joined-recordings',
    'info',
    'the file holds several simpletrace recordings one after the other',
  );
  return at + HEADER_BYTES;
}
