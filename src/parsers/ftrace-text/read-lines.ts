/** The loop over the lines of tracefs text: which kind a line is, and its row. */
import { note } from '../../core/diagnostics.ts';
import { NO_CPU } from '../../core/event-batch.ts';
import { ISA_NAMED } from '../../core/isa-codes.ts';
import { EVENT_INCOMPLETE, EVENT_READ, NO_EVENT, parseCommonEvent, parseEvent } from '../text/event-text.ts';
import { type LineReader, MAX_LINE } from '../text/line-reader.ts';
import { readLost } from '../text/lost-line.ts';
import { countNamedReason } from '../text/reason-names.ts';
import { isFull, place } from '../text/reorder.ts';
import { isKnownThread, noteThread } from '../text/thread-names.ts';
import { endLine, joinLine, looksLikeEvent } from './continuation.ts';
import { parsePaddedPrefix, parsePrefix } from './line-prefix.ts';
import { CLOCK_INTEGER, CLOCK_SECONDS, type LineState, MAX_JOINED, ROWS_PER_LINE } from './line-state.ts';
import { storeTime } from './line-time.ts';
import { addLoss, takeLoss } from './loss-rows.ts';
import { EXPLANATIONS, oddityAt, refuse, takeHeaderLine } from './other-lines.ts';

/** Lines without any event after which an input of a known unreadable kind is given up. */
const GIVE_UP = 2000;

/**
 * Takes whole lines from the reader until the window is full (returns false) or more data is needed (true). At the
 * end of the input, the rest without a line feed is a line too.
 */
export function takeLines(state: LineState, reader: LineReader): boolean {
  const { buf } = reader;
  const { window } = state;
  for (;;) {
    if (isFull(window, ROWS_PER_LINE)) return false;
    const start = reader.start;
    let feed = start;
    if (!reader.skipping) {
      const at = parsePaddedPrefix(state.prefix, buf, start);
      if (at >= 0 && isKnownThread(state.threads, reader.view, start, state.prefix.tid, state.prefix.pid)) {
        if (takeCommonLine(state, reader, at)) continue;
        feed = at;
      }
    }
    while (buf[feed] !== 10) feed++;
    if (feed >= reader.end) {
      if (!reader.ended || start >= reader.end) return true;
      feed = reader.end;
    }
    reader.start = Math.min(feed + 1, reader.end);
    state.lines++;
    if (reader.skipping || feed - start > MAX_LINE) {
      reader.skipping = false;
      noteLongLine(state);
      continue;
    }
    let end = feed;
    while (end > start && buf[end - 1] === 13) end--;
    takeLine(state, reader, start, end, feed < reader.end);
  }
}

/**
 * A line of a known thread with one of the commonest events, read without looking for its end first; false if the
 * line has to be read with care. `at`: where the event's name stands.
 */
function takeCommonLine(state: LineState, reader: LineReader, at: number): boolean {
  const { prefix, window } = state;
  if (state.losses.size > 0) return false;
  const { buf } = reader;
  const { batch } = window;
  const row = batch.length;
  const end = parseCommonEvent(state.events, reader.view, buf, at, batch, row);
  if (end < 0) return false;
  const feed = buf[end] === 13 ? end + 1 : end;
  // The line feed may be the one that marks the end of the data.
  if (feed >= reader.end || feed - reader.start > MAX_LINE) return false;
  if (state.clock !== (prefix.hasFraction ? CLOCK_SECONDS : CLOCK_INTEGER)) return false;
  storeTime(state, batch.time, row);
  if (state.lastStatus === EVENT_INCOMPLETE) endLine(state);
  batch.cpu[row] = Math.min(prefix.cpu, NO_CPU);
  batch.tid[row] = prefix.tid;
  batch.pid[row] = prefix.pid;
  if (batch.isa[row] === ISA_NAMED) countNamedReason(state.context);
  place(window);
  reader.start = feed + 1;
  state.lines++;
  state.anyEvent = true;
  state.lastRow = row;
  state.lastStatus = EVENT_READ;
  state.lastText = at;
  state.lastEnd = end;
  state.joinedLength = 0;
  return true;
}

export function noteLongLine(state: LineState): void {
  note(
    state.context.diagnostics,
    'long-lines',
    'suspect',
    `lines of more than ${MAX_LINE} bytes were left out`,
  );
}

function takeLine(state: LineState, reader: LineReader, start: number, end: number, whole: boolean): void {
  const { buf } = reader;
  if (end === start) return;
  const first = buf[start];
  if (first === 35) {
    takeHeaderLine(state.context, buf, start, end);
    return;
  }
  const at = parsePrefix(state.prefix, buf, start, end);
  if (at >= 0) {
    takeEvent(state, reader, start, at, end, whole);
    return;
  }
  if (first === 67 && readLost(buf, start, end)) {
    endLine(state);
    takeLoss(state);
    return;
  }
  takeOtherLine(state, reader, start, end, whole);
}

function takeEvent(
  state: LineState,
  reader: LineReader,
  start: number,
  at: number,
  end: number,
  whole: boolean,
): void {
  const { prefix, window } = state;
  if (state.lastStatus === EVENT_INCOMPLETE) endLine(state);
  const { batch } = window;
  const cpu = Math.min(prefix.cpu, NO_CPU);
  let row = batch.length;
  if (state.losses.size > 0 && state.losses.has(cpu)) {
    // The loss takes the next row; should the line turn out to be none, the loss waits on.
    row++;
  }
  const status = parseEvent(state.events, reader.buf, at, end, batch, row);
  if (status === NO_EVENT) {
    note(
      state.context.diagnostics,
      'lines-without-event',
      'info',
      'lines with a time but without an event name (function tracer, damaged lines) were left out',
    );
    state.lastRow = -1;
    return;
  }
  if (!whole && status === EVENT_INCOMPLETE) {
    noteCut(state);
    return;
  }
  if (!storeTime(state, batch.time, row)) {
    state.lastRow = -1;
    return;
  }
  if (row !== batch.length) addLoss(state, cpu);
  row = batch.length;
  batch.cpu[row] = cpu;
  batch.tid[row] = prefix.tid;
  batch.pid[row] = prefix.pid;
  if (prefix.tid >= 0)
    noteThread(state.threads, reader.view, reader.buf, start, prefix.commEnd, prefix.tid, prefix.pid);
  if (batch.isa[row] === ISA_NAMED) countNamedReason(state.context);
  place(window);
  state.anyEvent = true;
  state.lastRow = end - at <= MAX_JOINED ? row : -1;
  state.lastStatus = status;
  state.lastText = at;
  state.lastEnd = end;
  state.joinedLength = 0;
}

/** A line that is neither event, header nor loss: the rest of the event before it, or something unreadable. */
function takeOtherLine(
  state: LineState,
  reader: LineReader,
  start: number,
  end: number,
  whole: boolean,
): void {
  const { buf } = reader;
  if (!whole && state.anyEvent) {
    noteCut(state);
    return;
  }
  const oddity = oddityAt(buf, start, end);
  if (oddity === 'other') {
    if (state.lastRow >= 0 && !looksLikeEvent(buf, start, end) && joinLine(state, reader, start, end)) return;
    note(
      state.context.diagnostics,
      'unreadable-lines',
      'suspect',
      'lines that are no trace events (damaged, or not from the kernel) were left out',
    );
    return;
  }
  state.unread++;
  if (state.firstOddity === 'other') state.firstOddity = oddity;
  const { code, what, missing } = EXPLANATIONS[oddity];
  note(state.context.diagnostics, code, 'data-loss', `${what} were left out: ${missing}`);
  if (!state.anyEvent && state.unread >= GIVE_UP)
    throw refuse(oddity, state.lines, reader.position - reader.end + start);
}

/** Throws if the whole input was of a kind that cannot be read. */
export function checkReadable(state: LineState): void {
  if (!state.anyEvent && state.firstOddity !== 'other') throw refuse(state.firstOddity, state.lines, 0);
}

function noteCut(state: LineState): void {
  note(state.context.diagnostics, 'truncated-file', 'data-loss', 'the last line is cut off and was left out');
}

/** Rows have new numbers after a flush that handed out `count` rows. */
export function rowsMoved(state: LineState, count: number, permuted: boolean): void {
  if (state.lastRow < 0) return;
  if (permuted || state.lastRow < count) endLine(state);
  else state.lastRow -= count;
}
