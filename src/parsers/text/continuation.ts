/**
 * Lines that go on with the event before them: marker payloads with line feeds, texts that mail wrapped. The line is
 * appended to the event's text, which is read again into the same row.
 */
import { BLANK, CLOSE_BRACKET, EQUALS, LINE_FEED, OPEN_BRACKET } from '../../core/ascii.ts';
import { note } from '../../core/diagnostics.ts';
import { type EventBatch, F_CODE } from '../../core/event-batch.ts';
import { EV_MARKER, EXIT_REASON_EVENTS } from '../../core/events.ts';
import { assumeRestart } from './assumed-restarts.ts';
import { EVENT_INCOMPLETE, EVENT_READ, NO_EVENT, parseEvent } from './event-text.ts';
import type { LineReader } from './line-reader.ts';
import { type LineState, MAX_JOINED } from './line-state.ts';
import { skipQuote } from './mail-quotes.ts';
import { isDigit } from './numbers.ts';
import { countNamedReason, setNoReason } from './reason-names.ts';

/** Most lines that are joined to one event. */
const MAX_JOINED_LINES = 16;

/** A column of a CPU and a time somewhere: a damaged event, not the rest of another's text. */
export function looksLikeEvent(buf: Uint8Array, start: number, end: number): boolean {
  const last = Math.min(end, start + 64) - 4;
  for (let p = start; p < last; p++)
    if (
      buf[p] === OPEN_BRACKET &&
      buf[p + 4] === CLOSE_BRACKET &&
      isDigit(buf[p + 1]) &&
      isDigit(buf[p + 2]) &&
      isDigit(buf[p + 3])
    )
      return true;
  return false;
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
export function joinLine(state: LineState, reader: LineReader, start: number, end: number): boolean {
  saveLastText(state, reader);
  const { joined, lastRow: row, lastStatus: before, joinedLength: old } = state;
  const { batch } = state.window;
  const fields = batch.fields[row];
  const vcpu = batch.vcpu[row];
  const arg0 = batch.arg0[2 * row];
  const marker = batch.event[row] === EV_MARKER;
  const plain = before === EVENT_READ && fields === 0 && vcpu < 0;
  let length = old;
  while (length > 0 && joined[length - 1] <= BLANK) length--;
  const fits = length + 1 + end - start <= MAX_JOINED && state.joinedLines < MAX_JOINED_LINES;
  if (fits && !(plain && !marker)) {
    if (marker) joined[length++] = LINE_FEED;
    else length = endFirstPart(joined, length, BLANK);
    const from = marker ? start : skipQuote(reader.buf, start, end);
    joined.set(reader.buf.subarray(from, end), length);
    length += end - from;
    joined[length] = LINE_FEED;
    const status = parseEvent(state.events, joined, 0, length, batch, row);
    // What a text tells by silence (not reinjected, no immediate exit) changes when the word comes.
    const spoke = batch.arg0[2 * row] !== arg0 && batch.fields[row] === fields;
    if (!marker && !spoke && !isGain(before, fields, vcpu, status, batch.fields[row], batch.vcpu[row])) {
      joined[old] = LINE_FEED;
      parseEvent(state.events, joined, 0, old, batch, row);
      return false;
    }
    assumeRestart(state, batch, row, state.events.rawUserspaceExit);
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

/**
 * Ends the first part of a joined text with `blank`, or without where "=" is the soft line break of quoted-printable
 * mail, which falls inside words; returns the new length.
 */
export function endFirstPart(joined: Uint8Array, length: number, blank: number): number {
  if (joined[length - 1] === EQUALS) return length - 1;
  joined[length] = blank;
  return length + 1;
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
  if (state.lastStatus === EVENT_INCOMPLETE) {
    note(
      state.context.diagnostics,
      'unreadable-event-text',
      'suspect',
      'events whose text has a form that is not known: some of their values are missing',
    );
    if (state.lastRow >= 0) keepWithoutReason(state, state.window.batch, state.lastRow);
  }
  state.lastRow = -1;
  state.lastStatus = NO_EVENT;
}

/** Without a number of its own, an exit would count as whatever reason has number 0. */
function keepWithoutReason(state: LineState, batch: EventBatch, row: number): void {
  if (!EXIT_REASON_EVENTS.has(batch.event[row]) || (batch.fields[row] & F_CODE) !== 0) return;
  setNoReason(state.events.reasons, batch, row);
  countNamedReason(state.context, batch.text[row]);
}
