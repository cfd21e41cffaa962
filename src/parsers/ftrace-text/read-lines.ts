/** The loop over the lines of tracefs text: prefix, event text, order, losses, continuation lines. */
import { note } from '../../core/diagnostics.ts';
import { clearRow, F_ARG0, NO_CPU } from '../../core/event-batch.ts';
import { EV_LOST, EV_MARKER } from '../../core/events.ts';
import type { TraceContext } from '../../core/trace-context.ts';
import { storeSecondsNs } from '../../core/words.ts';
import {
  createEventText,
  EVENT_INCOMPLETE,
  EVENT_READ,
  type EventText,
  NO_EVENT,
  parseEvent,
} from '../text/event-text.ts';
import { type LineReader, MAX_LINE } from '../text/line-reader.ts';
import { lost, readLost } from '../text/lost-line.ts';
import { createReorderWindow, isFull, place, type ReorderWindow } from '../text/reorder.ts';
import { createThreadNames, noteThread, type ThreadNames } from '../text/thread-names.ts';
import { createLinePrefix, type LinePrefix, parsePrefix } from './line-prefix.ts';
import { EXPLANATIONS, type Oddity, oddityAt, refuse, takeHeaderLine } from './other-lines.ts';

/** Time column of the input: not yet seen, seconds with a fraction, plain integers. */
const CLOCK_UNSEEN = 0;
const CLOCK_SECONDS = 1;
const CLOCK_INTEGER = 2;

/** Longest text that lines are joined to, and most lines that are: joining reads the whole text again. */
const MAX_JOINED = 8192;
const MAX_JOINED_LINES = 16;

/** Lines without any event after which an input of a known unreadable kind is given up. */
const GIVE_UP = 2000;

export interface LineState {
  readonly context: TraceContext;
  readonly events: EventText;
  readonly threads: ThreadNames;
  readonly prefix: LinePrefix;
  readonly window: ReorderWindow;
  clock: number;
  /** Ticks of the clock `uptime` are 1/100 s. */
  uptime: boolean;
  seconds: number;
  readonly secondWords: Uint32Array;
  /** CPU → events lost before its next event (−1: unknown how many); high words beyond 2^53 do not occur. */
  readonly losses: Map<number, number>;
  /** Row of the last event line, −1: none that a continuation could belong to. */
  lastRow: number;
  lastStatus: number;
  /** Its text in the reader's buffer, or in `joined` once a line was added. */
  lastText: number;
  lastEnd: number;
  readonly joined: Uint8Array;
  joinedLength: number;
  joinedLines: number;
  /** CLOCK words of the last row that was written, for losses at the end. */
  readonly lastTime: Uint32Array;
  anyEvent: boolean;
  lines: number;
  unread: number;
  firstOddity: Oddity;
}

export function createLineState(context: TraceContext): LineState {
  return {
    context,
    events: createEventText(context),
    threads: createThreadNames(context),
    prefix: createLinePrefix(),
    window: createReorderWindow(),
    clock: CLOCK_UNSEEN,
    uptime: false,
    seconds: -1,
    secondWords: new Uint32Array(2),
    losses: new Map(),
    lastRow: -1,
    lastStatus: NO_EVENT,
    lastText: 0,
    lastEnd: 0,
    joined: new Uint8Array(MAX_JOINED + 64),
    joinedLength: 0,
    joinedLines: 0,
    lastTime: new Uint32Array(2),
    anyEvent: false,
    lines: 0,
    unread: 0,
    firstOddity: 'other',
  };
}

/** Rows that one line can add: the event and a loss before it. */
const ROWS_PER_LINE = 2;

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
  let { batch } = window;
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
  batch = window.batch;
  row = batch.length;
  batch.cpu[row] = cpu;
  batch.tid[row] = prefix.tid;
  batch.pid[row] = prefix.pid;
  if (prefix.tid >= 0) noteThread(state.threads, reader.buf, start, prefix.commEnd, prefix.tid, prefix.pid);
  place(window);
  state.anyEvent = true;
  state.lastRow = end - at <= MAX_JOINED ? row : -1;
  state.lastStatus = status;
  state.lastText = at;
  state.lastEnd = end;
  state.joinedLength = 0;
}

/** Writes the prefix's time to the row; false if it is of the other kind than the rest of the input. */
function storeTime(state: LineState, time: Uint32Array, row: number): boolean {
  const { prefix } = state;
  const kind = prefix.hasFraction ? CLOCK_SECONDS : CLOCK_INTEGER;
  if (state.clock !== kind) {
    if (state.clock !== CLOCK_UNSEEN) {
      note(
        state.context.diagnostics,
        'odd-times',
        'data-loss',
        'lines whose time has another form than that of the first event were left out',
      );
      return false;
    }
    startClock(state, kind);
  }
  const at = 2 * row;
  if (kind === CLOCK_INTEGER) {
    if (state.uptime)
      storeSecondsNs(time, at, Math.floor(ticks(prefix) / 100), (ticks(prefix) % 100) * 10_000_000);
    else {
      time[at] = prefix.timeWords[0];
      time[at + 1] = prefix.timeWords[1];
    }
  } else {
    const { secondWords } = state;
    if (prefix.seconds !== state.seconds) {
      state.seconds = prefix.seconds;
      storeSecondsNs(secondWords, 0, prefix.seconds, 0);
    }
    const low = secondWords[0] + prefix.nanoseconds;
    time[at] = low;
    time[at + 1] = low > 0xffffffff ? secondWords[1] + 1 : secondWords[1];
  }
  state.lastTime[0] = time[at];
  state.lastTime[1] = time[at + 1];
  return true;
}

function ticks(prefix: LinePrefix): number {
  return Math.min(prefix.timeWords[1] * 4294967296 + prefix.timeWords[0], 9e11);
}

function startClock(state: LineState, kind: number): void {
  const { context } = state;
  state.clock = kind;
  if (kind === CLOCK_SECONDS) {
    context.timeResolutionNs = 1000;
    return;
  }
  if (context.clock === 'uptime') {
    state.uptime = true;
    context.timeResolutionNs = 10_000_000;
    return;
  }
  context.timeIsNs = false;
  note(
    context.diagnostics,
    'time-without-unit',
    'suspect',
    'times are plain numbers (clock x86-tsc, counter or uptime): order and counts hold, but durations have no unit',
  );
}

function takeLoss(state: LineState): void {
  const cpu = Math.min(lost.cpu, NO_CPU);
  const before = state.losses.get(cpu);
  const count = lost.known && lost.high === 0 ? lost.low : -1;
  state.losses.set(cpu, before === undefined ? count : before < 0 || count < 0 ? -1 : before + count);
}

/** Writes the loss that waits for `cpu` as the next row, stamped as the event that follows (time at the row after). */
function addLoss(state: LineState, cpu: number): void {
  const { batch } = state.window;
  const row = batch.length;
  const { event, isa, code, vcpu, text, fields } = batch;
  const next = row + 1;
  // place() may not move the event's row, which is not part of the batch yet: the loss gets the earlier one.
  clearRow(batch, row);
  batch.time[2 * row] = batch.time[2 * next];
  batch.time[2 * row + 1] = batch.time[2 * next + 1];
  event[row] = EV_LOST;
  isa[row] = 0;
  code[row] = 0;
  vcpu[row] = -1;
  text[row] = -1;
  batch.cpu[row] = cpu;
  const count = state.losses.get(cpu) ?? -1;
  state.losses.delete(cpu);
  if (count >= 0) {
    batch.arg0[2 * row] = count;
    batch.arg0[2 * row + 1] = Math.floor(count / 4294967296);
    fields[row] = F_ARG0;
  }
  place(state.window);
}

/** Losses of CPUs that have no event any more; false if the window must be flushed first. */
export function takeLastLosses(state: LineState): boolean {
  for (const cpu of [...state.losses.keys()]) {
    const { batch } = state.window;
    if (isFull(state.window, ROWS_PER_LINE)) return false;
    const next = batch.length + 1;
    batch.time[2 * next] = state.lastTime[0];
    batch.time[2 * next + 1] = state.lastTime[1];
    addLoss(state, cpu);
  }
  return true;
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

/** A column of a CPU and a time somewhere: a damaged event, not the rest of another's text. */
function looksLikeEvent(buf: Uint8Array, start: number, end: number): boolean {
  const last = Math.min(end, start + 64) - 4;
  for (let p = start; p < last; p++)
    if (
      buf[p] === 91 &&
      buf[p + 4] === 93 &&
      isDigit(buf[p + 1]) &&
      isDigit(buf[p + 2]) &&
      isDigit(buf[p + 3])
    )
      return true;
  return false;
}

function isDigit(byte: number): boolean {
  return byte >= 48 && byte <= 57;
}

/** Keeps the last event's text before the reader's buffer moves. */
export function saveLastText(state: LineState, reader: LineReader): void {
  if (state.lastRow < 0 || state.joinedLength > 0) return;
  state.joined.set(reader.buf.subarray(state.lastText, state.lastEnd));
  state.joinedLength = state.lastEnd - state.lastText;
  state.joinedLines = 0;
}

/**
 * Appends the line to the last event's text and reads that again; false if that is no gain (the line is foreign).
 * Markers, events without grammar and texts that mail wrapped do continue.
 */
function joinLine(state: LineState, reader: LineReader, start: number, end: number): boolean {
  saveLastText(state, reader);
  const { joined, lastRow: row, lastStatus: before, joinedLength: old } = state;
  const { batch } = state.window;
  const fields = batch.fields[row];
  const vcpu = batch.vcpu[row];
  const marker = batch.event[row] === EV_MARKER;
  const plain = before === EVENT_READ && fields === 0 && vcpu < 0;
  let length = old;
  while (length > 0 && joined[length - 1] <= 32) length--;
  const fits = length + 1 + end - start <= MAX_JOINED && state.joinedLines < MAX_JOINED_LINES;
  if (fits && !(plain && !marker)) {
    joined[length++] = marker ? 10 : 32;
    joined.set(reader.buf.subarray(start, end), length);
    length += end - start;
    joined[length] = 10;
    const status = parseEvent(state.events, joined, 0, length, batch, row);
    if (!marker && !isGain(before, fields, vcpu, status, batch.fields[row], batch.vcpu[row])) {
      joined[old] = 10;
      parseEvent(state.events, joined, 0, old, batch, row);
      return false;
    }
    state.lastStatus = status;
    state.joinedLength = length;
    state.joinedLines++;
  } else if (!plain) return false;
  note(
    state.context.diagnostics,
    'continuation-lines',
    'info',
    'lines that go on with the text of the event before them',
  );
  return true;
}

/** Whether a longer text told more than the shorter one did, and took nothing back. */
function isGain(
  before: number,
  fields: number,
  vcpu: number,
  after: number,
  newFields: number,
  newVcpu: number,
): boolean {
  if (before === EVENT_INCOMPLETE) return true;
  return after === before && (newFields & fields) === fields && (newFields !== fields || newVcpu !== vcpu);
}

/** The last event line is complete: nothing will be added to it. */
export function endLine(state: LineState): void {
  if (state.lastStatus === EVENT_INCOMPLETE)
    note(
      state.context.diagnostics,
      'unreadable-event-text',
      'suspect',
      'events whose text has a form that is not known: some of their values are missing',
    );
  state.lastRow = -1;
  state.lastStatus = NO_EVENT;
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
