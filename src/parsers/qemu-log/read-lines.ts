/** The loop over the lines of QEMU's log: stamp, event text, wrapped lines, other output of QEMU in between. */
import { BLANK, CARRIAGE_RETURN, LINE_FEED } from '../../core/ascii.ts';
import { note } from '../../core/diagnostics.ts';
import { clearRow } from '../../core/event-batch.ts';
import type { TraceContext } from '../../core/trace-context.ts';
import { storeNumber, storeSecondsNs } from '../../core/words.ts';
import {
  createQemuText,
  EVENT_BARE,
  EVENT_CUT,
  EVENT_ODD,
  NO_EVENT,
  type QemuText,
  readQemuEvent,
} from '../qemu-events/event-text.ts';
import { withoutArguments } from '../qemu-events/given-events.ts';
import type { TraceEvents } from '../qemu-events/trace-events.ts';
import { type LineReader, MAX_LINE } from '../text/line-reader.ts';
import { skipMarks } from '../text/mail-quotes.ts';
import { findFeed } from '../text/numbers.ts';
import { createReorderWindow, isFull, place, type ReorderWindow } from '../text/reorder.ts';
import {
  createLogPrefix,
  type LogPrefix,
  readDateStamp,
  readThreadStamp,
  STAMP_DATE,
  STAMP_NONE,
  STAMP_THREAD,
} from './line-prefix.ts';

export interface LogState {
  readonly context: TraceContext;
  readonly text: QemuText;
  readonly prefix: LogPrefix;
  readonly window: ReorderWindow;
  /** STAMP_*: what stands in front of all events of this log; 0 until that is known. */
  stamp: number;
  events: number;
  /** Row of an event whose text goes on in the next line, −1: none. Its text so far is in `joined`. */
  cutRow: number;
  readonly joined: Uint8Array;
  joinedLength: number;
  holes: number;
}

export function createLogState(context: TraceContext, traceEvents: TraceEvents | null): LogState {
  return {
    context,
    text: createQemuText(context, traceEvents),
    prefix: createLogPrefix(),
    window: createReorderWindow(),
    stamp: 0,
    events: 0,
    cutRow: -1,
    joined: new Uint8Array(MAX_LINE + 64),
    joinedLength: 0,
    holes: 0,
  };
}

/**
 * Takes whole lines from the reader until the window is full (returns false) or more data is needed (true). At the end
 * of the input, the rest without a line feed is a line too.
 */
export function takeLines(state: LogState, reader: LineReader): boolean {
  const { buf } = reader;
  for (;;) {
    if (isFull(state.window, 1)) return false;
    skipHole(state, reader);
    const { start } = reader;
    let feed = findFeed(reader.view, buf, start);
    if (feed >= reader.end) {
      if (!reader.ended || start >= reader.end) return true;
      feed = reader.end;
    }
    const whole = feed < reader.end;
    reader.start = Math.min(feed + 1, reader.end);
    if (reader.skipping) {
      reader.skipping = false;
      note(
        state.context.diagnostics,
        'long-lines',
        'suspect',
        `lines of more than ${MAX_LINE} bytes were left out`,
      );
      continue;
    }
    let end = feed;
    while (end > start && buf[end - 1] === CARRIAGE_RETURN) end--;
    takeLine(state, buf, start, end, whole);
  }
}

/**
 * Zero bytes: where a log is emptied (`> qemu.log`, logrotate's copytruncate) while QEMU writes on at its old place, the
 * file system leaves a hole.
 */
export function skipHole(state: LogState, reader: LineReader): void {
  const { buf, end } = reader;
  let p = reader.start;
  while (p < end && buf[p] === 0) p++;
  state.holes += p - reader.start;
  reader.start = p;
}

function takeLine(state: LogState, buf: Uint8Array, start: number, end: number, whole: boolean): void {
  const { prefix, window } = state;
  const at = skipMarks(buf, start, end);
  if (at >= end) {
    endEvent(state);
    return;
  }
  let event = at;
  if (state.stamp !== STAMP_NONE) {
    event = state.stamp === STAMP_DATE ? -1 : readThreadStamp(prefix, buf, at, end);
    if (event < 0 && state.stamp !== STAMP_THREAD) event = readDateStamp(prefix, buf, at, end);
  }
  const { batch } = window;
  const row = batch.length;
  if (event >= 0) clearRow(batch, row);
  const status =
    event < 0
      ? NO_EVENT
      : readQemuEvent(state.text, buf, event, end, state.stamp === STAMP_THREAD, batch, row);
  if (status === NO_EVENT) {
    takeOtherLine(state, buf, at, end);
    return;
  }
  endEvent(state);
  if (!whole && status === EVENT_CUT) {
    note(
      state.context.diagnostics,
      'truncated-file',
      'data-loss',
      'the last line is cut off and was left out',
    );
    return;
  }
  if (state.stamp === 0) state.stamp = prefix.tid >= 0 ? STAMP_THREAD : STAMP_DATE;
  if (state.stamp === STAMP_NONE) storeNumber(batch.time, 2 * row, state.events);
  else {
    storeSecondsNs(batch.time, 2 * row, prefix.seconds, prefix.nanoseconds);
    batch.tid[row] = prefix.tid;
  }
  state.events++;
  place(window);
  if (status === EVENT_CUT) {
    state.cutRow = row;
    state.joined.set(buf.subarray(event, end));
    state.joinedLength = end - event;
  } else noteStatus(state, status);
}

/** A line that is no event: the rest of the event before it where mail wrapped that, or other output of QEMU. */
function takeOtherLine(state: LogState, buf: Uint8Array, start: number, end: number): void {
  if (state.cutRow >= 0 && joinLine(state, buf, start, end)) return;
  endEvent(state);
  note(
    state.context.diagnostics,
    'other-log-lines',
    'info',
    'lines that are no trace events (warnings and other output of QEMU) were left out',
  );
}

function joinLine(state: LogState, buf: Uint8Array, start: number, end: number): boolean {
  const { joined, window, text } = state;
  let length = state.joinedLength;
  while (length > 0 && joined[length - 1] === BLANK) length--;
  if (length + 1 + end - start > MAX_LINE) return false;
  const old = length;
  joined[length++] = BLANK;
  joined.set(buf.subarray(start, end), length);
  length += end - start;
  joined[length] = LINE_FEED;
  const row = state.cutRow;
  const status = readQemuEvent(text, joined, 0, length, true, window.batch, row);
  if (status === EVENT_ODD || status === NO_EVENT) {
    joined[old] = LINE_FEED;
    readQemuEvent(text, joined, 0, old, true, window.batch, row);
    return false;
  }
  state.joinedLength = length;
  if (status !== EVENT_CUT) state.cutRow = -1;
  note(
    state.context.diagnostics,
    'continuation-lines',
    'info',
    'lines that go on with the text of the event before them were joined to it',
  );
  return true;
}

/** The event before is complete: nothing will be added to it. Row numbers may change after this. */
export function endEvent(state: LogState): void {
  if (state.cutRow >= 0) noteStatus(state, EVENT_ODD);
  state.cutRow = -1;
}

function noteStatus({ context, text }: LogState, status: number): void {
  if (status === EVENT_ODD)
    note(
      context.diagnostics,
      'unreadable-event-text',
      'suspect',
      'events whose text has a form that is not known: some of their values are missing',
    );
  else if (status === EVENT_BARE)
    note(
      context.diagnostics,
      'events-without-arguments',
      'info',
      withoutArguments(text.traceEvents !== null),
    );
}
