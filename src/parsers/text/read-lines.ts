/** The loop over the lines of a text format: which kind a line is, and its row. */
import { BLANK, CARRIAGE_RETURN, HASH, LINE_FEED, UPPER_C } from '../../core/ascii.ts';
import { note } from '../../core/diagnostics.ts';
import { TraceFormatError } from '../../core/errors.ts';
import { NO_CPU } from '../../core/event-batch.ts';
import { MAX_EVENTS } from '../../core/events.ts';
import { ISA_NAMED } from '../../core/isa-codes.ts';
import { threadOf } from '../../core/thread-table.ts';
import { assumeRestart } from './assumed-restarts.ts';
import { hashBytes } from './byte-names.ts';
import { endFirstPart, endLine, joinLine, looksLikeEvent } from './continuation.ts';
import { EVENT_INCOMPLETE, EVENT_READ, NO_EVENT, parseCommonEvent, parseEvent } from './event-text.ts';
import { learnEventText } from './known-events.ts';
import type { Oddity } from './line-dialect.ts';
import { learnHead, matchHead } from './line-heads.ts';
import { parseCutPrefix } from './line-prefix.ts';
import { type LineReader, MAX_LINE } from './line-reader.ts';
import {
  CLOCK_INTEGER,
  CLOCK_SECONDS,
  type LineState,
  MAX_JOINED,
  MAX_WAITING,
  ROWS_PER_LINE,
} from './line-state.ts';
import { storeTime } from './line-time.ts';
import { addLoss, takeLoss } from './loss-rows.ts';
import { readLost } from './lost-line.ts';
import { skipMarks, skipQuote } from './mail-quotes.ts';
import { ascii, decodeText, findFeed, matchesAt } from './numbers.ts';
import { countNamedReason } from './reason-names.ts';
import { isFull, place } from './reorder.ts';
import { noteThread } from './thread-names.ts';

/** Lines without any event after which an input of a known unreadable kind is given up. */
const GIVE_UP = 2000;

/**
 * Takes whole lines from the reader until the window is full (returns false) or more data is needed (true). At the
 * end of the input, the rest without a line feed is a line too.
 */
export function takeLines(state: LineState, reader: LineReader): boolean {
  const { buf } = reader;
  const { heads, window } = state;
  for (;;) {
    if (isFull(window, ROWS_PER_LINE)) return false;
    const start = reader.start;
    let at = -1;
    if (heads !== null && !reader.skipping) {
      at = matchHead(heads, state.prefix, buf, reader.view, start);
      if (at >= 0) {
        if (takeCommonLine(state, reader, at)) continue;
        if (heads.shape.system) at = -1;
      }
    }
    let feed = findFeed(reader.view, buf, at < 0 ? start : at);
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
    while (end > start && buf[end - 1] === CARRIAGE_RETURN) end--;
    if (at >= 0 && at < end) {
      endWaiting(state);
      takeEvent(state, buf, reader.view, at, end, feed < reader.end);
    } else takeLine(state, reader, start, end, feed < reader.end);
  }
}

/**
 * A line of a known thread with one of the commonest events, read without looking for its end first; false if the
 * line has to be read with care. `at`: where the event's name stands.
 */
function takeCommonLine(state: LineState, reader: LineReader, at: number): boolean {
  const { prefix, window } = state;
  if (state.losses.size > 0 || state.waitingLength > 0) return false;
  const { buf } = reader;
  const { batch } = window;
  const row = batch.length;
  const end = parseCommonEvent(state.events, reader.view, buf, at, batch, row);
  if (end < 0) return false;
  const feed = buf[end] === CARRIAGE_RETURN ? end + 1 : end;
  // The line feed may be the one that marks the end of the data.
  if (feed >= reader.end || feed - reader.start > MAX_LINE) return false;
  if (state.clock !== (prefix.hasFraction ? CLOCK_SECONDS : CLOCK_INTEGER)) return false;
  storeTime(state, batch.time, row);
  if (state.lastStatus === EVENT_INCOMPLETE) endLine(state);
  batch.cpu[row] = Math.min(prefix.cpu, NO_CPU);
  batch.tid[row] = prefix.tid;
  batch.pid[row] = prefix.pid;
  if (batch.isa[row] === ISA_NAMED) countNamedReason(state.context, batch.text[row]);
  assumeRestart(state, batch, row, false);
  place(window);
  reader.start = feed + 1;
  state.lines++;
  state.anyEvent = true;
  state.lastRow = end - at <= MAX_JOINED ? row : -1;
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
  const { dialect, prefix } = state;
  const at = findEvent(state, buf, start, end);
  if (at >= 0) {
    endWaiting(state);
    takeEvent(state, buf, reader.view, at, end, whole);
    if (state.heads !== null) learnHead(state.heads, prefix, buf, reader.view, start, end);
    return;
  }
  if (prefix.waiting && end - start < MAX_WAITING) {
    endWaiting(state);
    endLine(state);
    state.waiting.set(buf.subarray(start, end));
    state.waitingLength = end - start;
    return;
  }
  if (state.waitingLength > 0 && takeWaitingEvent(state, reader, start, end, whole)) return;
  // Quoted and indented lines of mail: what stands for losses must not be taken for other text.
  const from = skipMarks(buf, start, end);
  if (buf[from] === UPPER_C && readLost(buf, from, end)) {
    endLine(state);
    takeLoss(state);
    return;
  }
  if (dialect.takeOwnLine(state, reader, isHeader(buf, from) ? from : start, end)) return;
  takeOtherLine(state, reader, start, end, whole);
}

const ENTRIES = ascii('# entries-in-buffer');
const STACK = ascii('<stack trace>');
const USER_STACK = ascii('<user stack trace>');
const TRACER = ascii('# tracer:');

/** What tracefs says at the top of a trace; other indented `#` lines are somebody's comments. */
function isHeader(buf: Uint8Array, pos: number): boolean {
  return buf[pos] === HASH && (matchesAt(buf, pos, ENTRIES) || matchesAt(buf, pos, TRACER));
}

/** Where the line's event stands, −1 if it is no event line; the columns before it are in the prefix. */
function findEvent(state: LineState, buf: Uint8Array, start: number, end: number): number {
  const { dialect, prefix } = state;
  const at = dialect.parsePrefix(prefix, buf, start, end);
  if (at >= 0 || prefix.waiting || state.anyThread) return at;
  return parseCutPrefix(prefix, buf, start, end);
}

/** The line before ended behind its time: this one may be its event. */
function takeWaitingEvent(
  state: LineState,
  reader: LineReader,
  start: number,
  end: number,
  whole: boolean,
): boolean {
  const { joined, waitingLength } = state;
  if (waitingLength + 1 + end - start > MAX_JOINED) return false;
  joined.set(state.waiting.subarray(0, waitingLength));
  const length = endFirstPart(joined, waitingLength, BLANK);
  const from = skipQuote(reader.buf, start, end);
  joined.set(reader.buf.subarray(from, end), length);
  const stop = length + end - from;
  joined[stop] = LINE_FEED;
  const at = findEvent(state, joined, 0, stop);
  if (at < 0) return false;
  state.waitingLength = 0;
  takeEvent(state, joined, state.joinedView, at, stop, whole);
  if (state.lastRow >= 0) {
    joined.copyWithin(0, at, stop + 1);
    state.joinedLength = stop - at;
    state.joinedLines = 1;
  }
  return true;
}

/** A line that waited for its event got none. */
function endWaiting(state: LineState): void {
  if (state.waitingLength === 0) return;
  state.waitingLength = 0;
  countUnreadable(state, state.lines - 1);
}

function takeEvent(
  state: LineState,
  buf: Uint8Array,
  view: DataView,
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
  const status = parseEvent(state.events, buf, at, end, batch, row);
  if (status === NO_EVENT) {
    if (!matchesAt(buf, at, STACK) && !matchesAt(buf, at, USER_STACK))
      note(
        state.context.diagnostics,
        'lines-without-event',
        'info',
        'lines with a time but without an event name (system calls, function tracer, perf samples of other events, damaged lines) were left out',
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
  if (state.heads !== null && status === EVENT_READ && buf !== state.joined)
    learnEventText(state.events, view, buf, at, end, batch, row);
  if (row !== batch.length) addLoss(state, cpu);
  row = batch.length;
  batch.cpu[row] = cpu;
  batch.tid[row] = prefix.tid;
  batch.pid[row] = prefix.pid;
  takeThread(state, buf, view);
  if (batch.isa[row] === ISA_NAMED) countNamedReason(state.context, batch.text[row]);
  assumeRestart(state, batch, row, state.events.rawUserspaceExit);
  place(window);
  state.anyEvent = true;
  state.lastRow = end - at <= MAX_JOINED ? row : -1;
  state.lastStatus = status;
  state.lastText = at;
  state.lastEnd = end;
  state.joinedLength = 0;
}

/** Most names in front of lines that are kept: they are free text. */
const MAX_ORIGINS = 64;

/** Name and number of the thread in the prefix, and what trace-cmd prints before it. */
function takeThread(state: LineState, buf: Uint8Array, view: DataView): void {
  const { prefix } = state;
  if (prefix.tid < 0) {
    if (!prefix.hasThread) state.threadless++;
    return;
  }
  state.anyThread = true;
  if (prefix.commEnd > prefix.commStart)
    noteThread(state.threads, view, buf, prefix.commStart, prefix.commEnd, prefix.tid, prefix.pid);
  else if (prefix.pid >= 0) threadOf(state.context.threads, prefix.tid).pid = prefix.pid;
  if (state.dialect.origins && prefix.origin !== prefix.commStart)
    takeOrigin(state, buf, state.window.batch.length);
}

/** Remembers which file or instance the event of row `row` is from. */
function takeOrigin(state: LineState, buf: Uint8Array, row: number): void {
  const { origin: start, commStart } = state.prefix;
  const hash = hashBytes(buf, start, commStart);
  let origin = state.origins.get(hash);
  if (!origin) {
    if (state.origins.size >= MAX_ORIGINS) return;
    const name = decodeText(buf, start, commStart).trim().replace(/:$/, '');
    origin = { name, events: new Uint8Array(MAX_EVENTS) };
    state.origins.set(hash, origin);
  }
  origin.events[state.window.batch.event[row]] = 1;
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
  const oddity = state.dialect.oddityAt(buf, start, end);
  if (oddity === null) {
    if (state.lastRow >= 0 && !looksLikeEvent(buf, start, end) && joinLine(state, reader, start, end)) return;
    countUnreadable(state, state.lines);
    return;
  }
  state.odd++;
  state.firstOddity ??= oddity;
  const { code, what, missing } = oddity;
  note(state.context.diagnostics, code, 'data-loss', `${what} were left out: ${missing}`);
  if (!state.anyEvent && state.odd >= GIVE_UP)
    throw refuse(state, oddity, reader.position - reader.end + start);
}

function countUnreadable(state: LineState, line: number): void {
  if (state.unreadable++ === 0) state.firstUnreadable = line;
}

/** Throws if the whole input was of a kind that cannot be read. */
export function checkReadable(state: LineState): void {
  if (!state.anyEvent && state.firstOddity) throw refuse(state, state.firstOddity, 0);
}

function refuse(state: LineState, { what, missing, hint }: Oddity, offset: number): TraceFormatError {
  return new TraceFormatError({
    format: state.dialect.format,
    message: `the input holds only ${what}: ${missing}`,
    line: state.lines,
    offset,
    hint,
  });
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
