/**
 * The records of a simpletrace file. Version 4: u64 type, then a mapping (u64 id, u32 length, name) or an event
 * (u64 id, u64 ns, u32 length of header and arguments, u32 pid, arguments). Versions 2 and 3 have events without the
 * type (pid: reserved in 2), version 0 has 64 bytes: id, ns, six arguments.
 */
import { note } from '../../core/diagnostics.ts';
import { clearRow, F_ARG0, UNKNOWN } from '../../core/event-batch.ts';
import { EV_QEMU_DROPPED } from '../../core/events.ts';
import type { TraceContext } from '../../core/trace-context.ts';
import { TWO_32 } from '../../core/words.ts';
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
import { HEADER_BYTES, headerOrder, type TraceHeader } from './header.ts';
import { createInternedBytes, type InternedBytes } from './interned-bytes.ts';
import { createTimeWindow, isFull, place, type TimeWindow } from './time-window.ts';
import type { TraceEvents } from './trace-events.ts';

/** Header of an event behind the type word. */
const EVENT_HEADER = 24;
/** Size of all records of version 0. */
export const V0_BYTES = 64;
/** Largest record: it has to fit QEMU's ring of 256 KiB. */
export const MAX_RECORD = 256 * 1024;
/** Longest event name; QEMU's are below 64. */
const MAX_NAME = 1024;
/** CLOCK_MONOTONIC starts at boot: later than 2001 in ns since 1970 is the wall clock. */
const WALL_CLOCK_HIGH = 0x0de0b6b3;
const MAX_COUNT = 2 ** 50;

export interface RecordState {
  readonly context: TraceContext;
  readonly version: number;
  readonly little: boolean;
  readonly window: TimeWindow;
  readonly plans: EventPlans;
  readonly interned: InternedBytes;
  /** Process id of the last event; −1 before the first, and where the version has none. */
  pid: number;
  anyEvent: boolean;
  mappings: number;
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

export function createRecordState(
  context: TraceContext,
  { version, little }: TraceHeader,
  traceEvents: TraceEvents | null,
): RecordState {
  return {
    context,
    version,
    little,
    window: createTimeWindow(),
    plans: createEventPlans(context, traceEvents, version),
    interned: createInternedBytes(context),
    pid: UNKNOWN,
    anyEvent: false,
    mappings: 0,
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
  const typed = version === 4;
  let p = at;
  while (!isFull(window)) {
    if (state.searching) {
      p = search(state, view, p, end, last);
      if (state.searching) return p;
    }
    let event = p;
    if (typed) {
      if (p + 8 > end) return p;
      const type = view.getUint32(little ? p : p + 4, little);
      const typeHigh = view.getUint32(little ? p + 4 : p, little);
      if (typeHigh !== 0 || type > 1) {
        if (p + HEADER_BYTES > end && !last) return p;
        if (p + HEADER_BYTES <= end && isOwnHeader(state, view, p)) p = joinedFile(state, p);
        else startSearch(state);
        continue;
      }
      if (type === 0) {
        const next = takeMapping(state, buf, view, p, end);
        if (next < 0) return p;
        p = next;
        continue;
      }
      event = p + 8;
    } else if (version === 0) {
      if (p + V0_BYTES > end) return p;
      takeEvent(state, buf, view, p, p + V0_BYTES);
      p += V0_BYTES;
      continue;
    }
    if (event + EVENT_HEADER > end) return p;
    const length = view.getUint32(event + 16, little);
    if (length < EVENT_HEADER || length > MAX_RECORD) {
      startSearch(state);
      continue;
    }
    const next = event + length;
    if (next > end) return p;
    if (takeEvent(state, buf, view, event, next)) p = next;
    else startSearch(state);
  }
  return p;
}

/** Returns the position after the mapping, −1 if it is not whole. */
function takeMapping(state: RecordState, buf: Uint8Array, view: DataView, at: number, end: number): number {
  if (at + 20 > end) return -1;
  const { little } = state;
  const length = view.getUint32(at + 16, little);
  const id = idAt(view, at + 8, little);
  if (length > MAX_NAME || id < 0) {
    startSearch(state);
    return at;
  }
  const start = at + 20;
  if (start + length > end) return -1;
  nameEvent(state.plans, id, decodeText(buf, start, start + length));
  state.mappings++;
  return start + length;
}

/** Event id at `at`, −1 if a number cannot hold it (then it is none). */
function idAt(view: DataView, at: number, little: boolean): number {
  const high = view.getUint32(little ? at + 4 : at, little);
  const low = view.getUint32(little ? at : at + 4, little);
  return high < 2097152 ? high * TWO_32 + low : -1;
}

function isDropped(view: DataView, at: number, little: boolean): boolean {
  return (
    view.getUint32(little ? at + 4 : at, little) === 0xffffffff &&
    view.getUint32(little ? at : at + 4, little) === 0xfffffffe
  );
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
      if (id < 0 || (!named && state.anyEvent && pid !== state.pid)) return false;
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
  state.pid = pid;
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
  note(
    state.context.diagnostics,
    'joined-recordings',
    'info',
    'the file holds several simpletrace recordings one after the other',
  );
  return at + HEADER_BYTES;
}

function startSearch(state: RecordState): void {
  state.searching = true;
  note(
    state.context.diagnostics,
    'damaged-records',
    'data-loss',
    'damaged places in the file: reading went on at the next record that makes sense',
  );
}

/** Moves on from a damaged record at `at` until a plausible one; still searching if there is none before `end`. */
function search(state: RecordState, view: DataView, at: number, end: number, last: boolean): number {
  const need = state.version === 4 ? 8 + EVENT_HEADER : EVENT_HEADER;
  let p = at + 1;
  while (p + need <= end) {
    const next = plausibleEnd(state, view, p, end);
    if (next === WAIT && !last) break;
    if (next > 0) {
      state.searching = false;
      break;
    }
    p++;
  }
  if (state.searching && last) p = Math.max(p, end);
  // Searching goes on behind the byte before p.
  const stop = state.searching && !last ? p - 1 : p;
  state.skipped += stop - at;
  return stop;
}

const WAIT = -2;

/** End of the record at `p` if it makes sense and is followed by another; 0 if not, WAIT if that cannot be seen yet. */
function plausibleEnd(state: RecordState, view: DataView, p: number, end: number): number {
  const next = recordEnd(state, view, p);
  if (next === 0 || next === end) return next;
  if (next + 8 > end) return WAIT;
  if (state.version === 4) {
    const type = view.getUint32(state.little ? next : next + 4, state.little);
    return type <= 1 && view.getUint32(state.little ? next + 4 : next, state.little) === 0 ? next : 0;
  }
  return isKnownId(state, view, next) ? next : 0;
}

function recordEnd(state: RecordState, view: DataView, p: number): number {
  const { little, version } = state;
  let event = p;
  if (version === 4) {
    if (view.getUint32(little ? p + 4 : p, little) !== 0) return 0;
    const type = view.getUint32(little ? p : p + 4, little);
    if (type === 0) {
      const length = view.getUint32(p + 16, little);
      const id = idAt(view, p + 8, little);
      return length > 0 && length <= MAX_NAME && id >= 0 && id < 65536 ? p + 20 + length : 0;
    }
    if (type !== 1) return 0;
    event = p + 8;
  }
  const length = view.getUint32(event + 16, little);
  if (length < EVENT_HEADER || length > MAX_RECORD || !isKnownId(state, view, event)) return 0;
  if (version >= 3 && state.anyEvent && view.getInt32(event + 20, little) !== state.pid) return 0;
  return event + length;
}

function isKnownId(state: RecordState, view: DataView, at: number): boolean {
  const { little, plans } = state;
  if (isDropped(view, at, little)) return true;
  const id = idAt(view, at, little);
  return id >= 0 && (plans.names.has(id) || (plans.names.size === 0 && id < 65536));
}
