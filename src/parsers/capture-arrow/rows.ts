/**
 * Rows of one Arrow record batch → EventBatches of at most 64 Ki rows. The columns have the memory layout of an
 * EventBatch, so positioned reads put the file's bytes straight into its arrays; what is left are the dictionary
 * codes, the rows without a value, and checks. Batches of any size are read in slices of constant memory.
 */
import { note } from '../../core/diagnostics.ts';
import { TraceFormatError } from '../../core/errors.ts';
import { BATCH_ROWS, createEventBatch, type EventBatch, F_MARKER, UNKNOWN } from '../../core/event-batch.ts';
import type { TraceContext } from '../../core/trace-context.ts';
import { type ByteSource, readFully } from '../byte-source.ts';
import type { IndexMap } from './dictionaries.ts';
import type { Layout } from './layout.ts';
import type { Message } from './message.ts';
import { type BatchTable, readBatchTable, regionStart } from './record-batch.ts';
import { CAPTURE_ID } from './schema.ts';

interface ColumnReader {
  readonly bytes: Uint8Array;
  readonly width: number;
  readonly node: number;
  readonly buffer: number;
  /** Rows without a value get this; null where `fields` says it. */
  readonly sentinel: number | null;
  readonly field: number;
  /** The column in the batch, for sentinels. */
  readonly values: Uint8Array | Uint16Array | Uint32Array | Int32Array;
}

export interface RowReader {
  readonly source: ByteSource;
  readonly layout: Layout;
  readonly context: TraceContext;
  readonly events: IndexMap;
  readonly texts: IndexMap;
  readonly batch: EventBatch;
  readonly columns: readonly ColumnReader[];
  readonly fields: ColumnReader;
  readonly event: ColumnReader;
  readonly text: ColumnReader;
  readonly bitmap: Uint8Array;
  /** Bits of `fields` whose columns the file has. */
  readonly knownFields: number;
  /** Last time seen, to notice rows that are not in order. */
  lastLow: number;
  lastHigh: number;
}

function bytesOf(array: Uint8Array | Uint16Array | Uint32Array | Int32Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

export function createRowReader(
  source: ByteSource,
  layout: Layout,
  context: TraceContext,
  events: IndexMap,
  texts: IndexMap,
): RowReader {
  const batch = createEventBatch();
  const textIndices = new Uint16Array(BATCH_ROWS);
  const readers = new Map<string, ColumnReader>();
  for (const { spec, node, buffer } of layout.places) {
    if (spec.column === null) continue;
    const values = spec.column === 'text' ? textIndices : batch[spec.column];
    const { field, sentinel } = spec;
    readers.set(spec.name, {
      bytes: bytesOf(values),
      width: spec.bits / 8,
      node,
      buffer,
      sentinel,
      field,
      values,
    });
  }
  const columns = [...readers].filter(([name]) => name !== 'fields' && name !== 'event' && name !== 'text');
  return {
    source,
    layout,
    context,
    events,
    texts,
    batch,
    columns: columns.map(([, reader]) => reader),
    fields: readers.get('fields')!,
    event: readers.get('event')!,
    text: readers.get('text')!,
    bitmap: new Uint8Array(BATCH_ROWS / 8),
    knownFields: layout.places.reduce(
      (mask, { spec, node }) => (node < 0 ? mask : mask | spec.field),
      F_MARKER,
    ),
    lastLow: 0,
    lastHigh: 0x80000000,
  };
}

function readInto(
  reader: RowReader,
  message: Message,
  start: number,
  target: Uint8Array,
  bytes: number,
): void {
  const offset = message.bodyOffset + start;
  if (readFully(reader.source, offset, target, 0, bytes) < bytes)
    throw new TraceFormatError({
      format: CAPTURE_ID,
      message: 'file ends early',
      offset,
      section: message.flat.section,
    });
}

/** Reads rows [first, first + rows) of a column; false if the file has no such column. */
function readColumn(
  reader: RowReader,
  message: Message,
  table: BatchTable,
  column: ColumnReader,
  first: number,
  rows: number,
): boolean {
  if (column.node < 0) return false;
  const start = regionStart(message.flat, table, column.buffer + 1, table.rows * column.width);
  readInto(reader, message, start + first * column.width, column.bytes, rows * column.width);
  return true;
}

/** Reads the validity bits of these rows into reader.bitmap; false if every row has a value. */
function readValidity(
  reader: RowReader,
  message: Message,
  table: BatchTable,
  column: ColumnReader,
  first: number,
  rows: number,
): boolean {
  // An empty bitmap means "no nulls" (Arrow: implementations may leave it out), whatever the count says.
  if (table.nulls[column.node] === 0 || table.regions[2 * column.buffer + 1] === 0) return false;
  const start = regionStart(message.flat, table, column.buffer, Math.ceil(table.rows / 8));
  readInto(reader, message, start + first / 8, reader.bitmap, Math.ceil(rows / 8));
  return true;
}

/** Puts `value` in the rows whose validity bit is 0. */
function fillNulls(
  values: Uint8Array | Uint16Array | Uint32Array | Int32Array,
  bitmap: Uint8Array,
  rows: number,
  value: number,
): void {
  for (let row = 0; row < rows; row += 8) {
    const bits = bitmap[row >> 3];
    if (bits === 0xff) continue;
    const end = Math.min(row + 8, rows);
    for (let i = row; i < end; i++) if ((bits & (1 << (i - row))) === 0) values[i] = value;
  }
}

/** OR of all masks, unknown bits cleared and counted. */
function checkFields(reader: RowReader, rows: number): number {
  const { fields } = reader.batch;
  const known = reader.knownFields;
  let all = 0;
  for (let row = 0; row < rows; row++) all |= fields[row];
  if ((all & ~known) === 0) return all;
  let bad = 0;
  for (let row = 0; row < rows; row++) {
    if ((fields[row] & ~known) === 0) continue;
    fields[row] &= known;
    bad++;
  }
  note(
    reader.context.diagnostics,
    'bad-fields-mask',
    'suspect',
    'Rows of the capture mark values that this version does not know; those were ignored.',
    bad,
  );
  return all & known;
}

/** Dictionary indices → codes of the context, in place for events. */
function mapIndices(
  indices: Uint16Array,
  target: Uint16Array | Int32Array,
  rows: number,
  map: IndexMap,
): number {
  const { codes, length } = map;
  let bad = 0;
  for (let row = 0; row < rows; row++) {
    const index = indices[row];
    if (index >= length) bad++;
    target[row] = codes[index];
  }
  return bad;
}

function noteBadIndices(reader: RowReader, what: string, count: number): void {
  note(
    reader.context.diagnostics,
    `bad-${what}-index`,
    'data-loss',
    `Rows of the capture refer to ${what}s that it does not list; their ${what} is unknown.`,
    count,
  );
}

function readEvents(
  reader: RowReader,
  message: Message,
  table: BatchTable,
  first: number,
  rows: number,
): void {
  const { batch, event, events, bitmap } = reader;
  if (!readColumn(reader, message, table, event, first, rows)) {
    batch.event.fill(0, 0, rows);
    return;
  }
  const hasNulls = readValidity(reader, message, table, event, first, rows);
  // A null row's index means nothing: 0 is always in range.
  if (hasNulls) fillNulls(batch.event, bitmap, rows, 0);
  const bad = mapIndices(batch.event, batch.event, rows, events);
  if (hasNulls) fillNulls(batch.event, bitmap, rows, 0);
  if (bad > 0) noteBadIndices(reader, 'event', bad);
}

function readTexts(
  reader: RowReader,
  message: Message,
  table: BatchTable,
  first: number,
  rows: number,
): void {
  const { batch, text, texts, bitmap } = reader;
  if (text.node < 0 || table.nulls[text.node] === table.rows) {
    batch.text.fill(UNKNOWN, 0, rows);
    return;
  }
  readColumn(reader, message, table, text, first, rows);
  const indices = text.values as Uint16Array;
  const hasNulls = readValidity(reader, message, table, text, first, rows);
  if (hasNulls) fillNulls(indices, bitmap, rows, 0);
  const bad = mapIndices(indices, batch.text, rows, texts);
  if (hasNulls) fillNulls(batch.text, bitmap, rows, UNKNOWN);
  if (bad > 0) noteBadIndices(reader, 'text', bad);
}

function checkOrder(reader: RowReader, rows: number): void {
  const { time } = reader.batch;
  let low = reader.lastLow;
  let high = reader.lastHigh | 0;
  let late = 0;
  for (let i = 0; i < 2 * rows; i += 2) {
    const nextLow = time[i];
    const nextHigh = time[i + 1] | 0;
    if (nextHigh < high || (nextHigh === high && nextLow < low)) late++;
    low = nextLow;
    high = nextHigh;
  }
  reader.lastLow = low;
  reader.lastHigh = high >>> 0;
  if (late > 0)
    note(
      reader.context.diagnostics,
      'time-backwards',
      'suspect',
      'Events of the capture are not in the order of time.',
      late,
    );
}

function readSlice(
  reader: RowReader,
  message: Message,
  table: BatchTable,
  first: number,
  rows: number,
): void {
  const { batch, bitmap } = reader;
  if (!readColumn(reader, message, table, reader.fields, first, rows)) batch.fields.fill(0, 0, rows);
  const used = checkFields(reader, rows);
  for (const column of reader.columns) {
    const { node, sentinel, field, values } = column;
    const allNull = sentinel !== null && table.nulls[node] === table.rows;
    if (node < 0 || allNull || (field !== 0 && (used & field) === 0)) {
      // 64-bit columns may hold anything where no row has a value.
      if (column.width < 8) values.fill(sentinel ?? 0, 0, rows);
      continue;
    }
    readColumn(reader, message, table, column, first, rows);
    if (sentinel !== null && readValidity(reader, message, table, column, first, rows))
      fillNulls(values, bitmap, rows, sentinel);
  }
  readEvents(reader, message, table, first, rows);
  readTexts(reader, message, table, first, rows);
  checkOrder(reader, rows);
  batch.length = rows;
}

/**
 * Yields the rows of a record batch message in `reader.batch`.
 * @throws TraceFormatError if the message does not fit its body; nothing was yielded then.
 */
export function* readRows(reader: RowReader, message: Message): Generator<EventBatch, void, void> {
  const { layout } = reader;
  const table = readBatchTable(
    message.flat,
    message.header,
    message.bodyLength,
    layout.nodes,
    layout.buffers,
  );
  for (const { node, buffer, spec } of layout.places) {
    if (node < 0) continue;
    regionStart(message.flat, table, buffer + 1, (table.rows * spec.bits) / 8);
    if (table.nulls[node] !== 0 && table.regions[2 * buffer + 1] !== 0)
      regionStart(message.flat, table, buffer, Math.ceil(table.rows / 8));
  }
  for (let first = 0; first < table.rows; first += BATCH_ROWS) {
    readSlice(reader, message, table, first, Math.min(BATCH_ROWS, table.rows - first));
    yield reader.batch;
  }
}
