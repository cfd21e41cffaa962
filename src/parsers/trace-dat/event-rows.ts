/** One record of a page → one row of the batch. Decoders are made when the first event of a kind is met. */
import { BLANK, LINE_FEED } from '../../core/ascii.ts';
import { note } from '../../core/diagnostics.ts';
import { clearRow, type EventBatch, F_ARG0, NO_CPU } from '../../core/event-batch.ts';
import { EV_LOST, EV_MARKER, EXIT_REASON_EVENTS } from '../../core/events.ts';
import type { TraceContext } from '../../core/trace-context.ts';
import { TWO_32 } from '../../core/words.ts';
import { createEventText, EVENT_INCOMPLETE, type EventText, parseEvent } from '../text/event-text.ts';
import { ascii } from '../text/numbers.ts';
import type { ParseOptions } from '../trace-format.ts';
import { compileDecoder, decodeRecord, type RecordDecoder } from '../tracepoint/decoder.ts';
import { completeExit } from '../tracepoint/exit-reason.ts';
import type { EventFormat } from '../tracepoint/format.ts';
import { type FormatTexts, formatOf } from './event-formats.ts';
import { learnNames, type NameField, nameFields } from './thread-names.ts';

export const PLAIN = 0;
export const EXIT = 1;
const MARKER = 2;
const NAMES = 3;

const MARKER_NAME = ascii('tracing_mark_write: ');
/** trace_marker takes 4 KiB at a time, 64 KiB with larger sub-buffers. */
const MAX_MARKER = 65536;

export interface EventRows {
  readonly context: TraceContext;
  readonly little: boolean;
  readonly formats: FormatTexts;
  readonly decoders: (RecordDecoder | undefined)[];
  /** PLAIN … NAMES by id, valid where there is a decoder. */
  readonly kinds: Uint8Array;
  /** Ids that were met. */
  readonly known: Uint8Array;
  readonly names: Map<number, readonly NameField[]>;
  readonly texts: EventText;
  readonly marker: Uint8Array;
  /** Where the text of a marker begins in its record. */
  markerOffset: number;
  /** A row got a text: batches that come back hold it still. */
  textWritten: boolean;
}

export function createEventRows(
  context: TraceContext,
  little: boolean,
  formats: FormatTexts,
  options: ParseOptions,
): EventRows {
  const marker = new Uint8Array(MARKER_NAME.length + MAX_MARKER + 64);
  marker.set(MARKER_NAME);
  return {
    context,
    little,
    formats,
    // Filled at once: an array with wide gaps would become a slow dictionary.
    decoders: new Array<RecordDecoder | undefined>(65536).fill(undefined),
    kinds: new Uint8Array(65536),
    known: new Uint8Array(65536),
    names: new Map(),
    texts: createEventText(context, options),
    marker,
    markerOffset: -1,
    textWritten: false,
  };
}

/** Writes the record of `length` bytes at `at` into the row but for time and cpu; false if it was left out. */
export function writeRecord(
  rows: EventRows,
  view: DataView,
  at: number,
  length: number,
  batch: EventBatch,
  row: number,
): boolean {
  // common_type, the first field of every record.
  const id = length < 2 ? -1 : view.getUint16(at, rows.little);
  if (id < 0 || rows.known[id] === 0) learnEvent(rows, id);
  const decoder = id < 0 ? undefined : rows.decoders[id];
  if (decoder === undefined) {
    note(
      rows.context.diagnostics,
      'unknown-events',
      'data-loss',
      'events whose format the file does not hold were left out',
    );
    return false;
  }
  const { pidOffset } = decoder;
  batch.tid[row] =
    pidOffset >= 0 && pidOffset + 4 <= length ? view.getInt32(at + pidOffset, rows.little) : -1;
  batch.pid[row] = -1;
  if (length < decoder.minimum)
    note(
      rows.context.diagnostics,
      'short-records',
      'suspect',
      'records shorter than their format: the missing fields are unknown',
    );
  decodeRecord(decoder, view, at, length, batch, row);
  const kind = rows.kinds[id];
  if (kind !== PLAIN) addSpecial(rows, kind, id, view, at, length, batch, row);
  return true;
}

/** What a record's columns need beyond its decoder: see the kinds above. */
export function addSpecial(
  rows: EventRows,
  kind: number,
  id: number,
  view: DataView,
  at: number,
  length: number,
  batch: EventBatch,
  row: number,
): void {
  if (kind === EXIT) completeExit(rows.context, batch, row);
  else if (kind === MARKER) writeMarker(rows, view, at, length, batch, row);
  else learnNames(rows.context.threads, rows.names.get(id)!, view, at, length, rows.little);
}

function learnEvent(rows: EventRows, id: number): void {
  if (id < 0) return;
  rows.known[id] = 1;
  const format = formatOf(rows.formats, id);
  if (!format) return;
  const decoder = markerDecoder(rows, format);
  rows.decoders[id] = decoder;
  const names = nameFields(format);
  if (decoder.event === EV_MARKER && rows.markerOffset >= 0) rows.kinds[id] = MARKER;
  else if (EXIT_REASON_EVENTS.has(decoder.event)) rows.kinds[id] = EXIT;
  else if (names.length > 0) {
    rows.kinds[id] = NAMES;
    rows.names.set(id, names);
  } else rows.kinds[id] = PLAIN;
}

/** What user space writes to trace_marker is an event `print` of ftrace's own: `ip`, then the text. */
function markerDecoder(rows: EventRows, format: EventFormat): RecordDecoder {
  const { events } = rows.context;
  const text = format.fields.get('buf');
  if (format.system !== 'ftrace' || format.name !== 'print' || !text)
    return compileDecoder(format, events, rows.little, rows.context.kernel);
  rows.markerOffset = text.offset;
  rows.context.markerName = format.name;
  return {
    ...compileDecoder({ ...format, name: 'tracing_mark_write' }, events, rows.little),
    event: EV_MARKER,
  };
}

/** Reads the marker's text as the text formats do: QEMU's ftrace backend writes its trace events there. */
function writeMarker(
  rows: EventRows,
  view: DataView,
  at: number,
  length: number,
  batch: EventBatch,
  row: number,
): void {
  const { marker, markerOffset } = rows;
  const start = at + markerOffset;
  const limit = Math.min(at + length, start + MAX_MARKER);
  let to = MARKER_NAME.length;
  for (let from = start; from < limit; from++) {
    const byte = view.getUint8(from);
    if (byte === 0) break;
    marker[to++] = byte;
  }
  while (to > MARKER_NAME.length && marker[to - 1] <= BLANK) to--;
  marker[to] = LINE_FEED;
  if (parseEvent(rows.texts, marker, 0, to, batch, row) === EVENT_INCOMPLETE)
    note(
      rows.context.diagnostics,
      'unreadable-event-text',
      'suspect',
      'events whose text has a form that is not known: some of their values are missing',
    );
  if (batch.text[row] >= 0) rows.textWritten = true;
}

/** Writes the row of a loss; `count` below 0: unknown how many. */
export function writeLoss(batch: EventBatch, row: number, cpu: number, count: number): void {
  clearRow(batch, row);
  batch.cpu[row] = Math.min(cpu, NO_CPU);
  batch.event[row] = EV_LOST;
  if (count < 0) return;
  batch.arg0[2 * row] = count % TWO_32;
  batch.arg0[2 * row + 1] = Math.floor(count / TWO_32);
  batch.fields[row] = F_ARG0;
}
