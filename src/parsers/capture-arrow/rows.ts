/**
 * Rows of one Arrow record batch → EventBatches of at most 64 Ki rows. The columns have the memory layout of an
 * EventBatch, so positioned reads put the file's bytes straight into its arrays; what is left are the dictionary
 * codes, the rows without a value, and checks. Batches of any size are read in slices of constant memory.
 */
import { type Arena, allocateU16, allocateU32, createArena } from '../../core/arena.ts';
import { note } from '../../core/diagnostics.ts';
import { TraceFormatError } from '../../core/errors.ts';
import {
  BATCH_ROWS,
  createArenaBatch,
  type EventBatch,
  F_ARG1,
  F_ERROR_CODE,
  F_INFO1,
  F_INFO2,
  F_INTR_INFO,
  F_MARKER,
  UNKNOWN,
} from '../../core/event-batch.ts';
import type { TraceContext } from '../../core/trace-context.ts';
import { type ByteSource, readFully } from '../byte-source.ts';
import type { ParseOptions } from '../trace-format.ts';
import type { IndexMap } from './dictionaries.ts';
import type { Layout } from './layout.ts';
import type { Message } from './message.ts';
import { type BatchTable, readBatchTable, regionStart } from './record-batch.ts';
import { type BatchColumn, CAPTURE_ID, DICTIONARY_VALUES } from './schema.ts';

interface ColumnReader {
  readonly column: BatchColumn;
  readonly width: number;
  readonly node: number;
  readonly buffer: number;
  /** Rows without a value get this; null where `fields` says it. */
  readonly sentinel: number | null;
  readonly field: number;
}

export interface RowReader {
  readonly source: ByteSource;
  /** Where the batches lie, and what kernels read beside them. */
  readonly arena: Arena;
  readonly layout: Layout;
  readonly context: TraceContext;
  readonly events: IndexMap;
  readonly texts: IndexMap;
  /** Gives the batch for the next rows. */
  readonly nextBatch: () => EventBatch;
  /** Whether `text` of a batch that comes may hold something else than UNKNOWN. */
  textUsed: boolean;
  readonly columns: readonly ColumnReader[];
  readonly fields: ColumnReader;
  readonly event: ColumnReader;
  readonly text: ColumnReader;
  /** Indices of texts and of events as the file has them. */
  readonly indices: Uint16Array;
  readonly bitmap: Uint8Array;
  /** Bits of `fields` whose columns the file has. */
  readonly knownFields: number;
  /** Bits of `fields` whose columns are read. */
  readonly wantedFields: number;
  /** events.codes for the kernel. */
  readonly eventCodes: Uint16Array;
  /** Last time seen (word pair), to notice rows that are not in order. */
  readonly lastTime: Uint32Array;
  /** Whether rows that are not in order are news: what was converted may have been so, and says it itself. */
  checksOrder: boolean;
}

/** Columns that ParseOptions.coreOnly leaves out. */
const BEYOND_CORE = F_INFO1 | F_INFO2 | F_INTR_INFO | F_ERROR_CODE | F_ARG1;

export function createRowReader(
  source: ByteSource,
  layout: Layout,
  context: TraceContext,
  events: IndexMap,
  texts: IndexMap,
  options: ParseOptions,
): RowReader {
  const { coreOnly } = options;
  // Batches that lie elsewhere are no use to kernels.
  const nextBatch = options.arena === undefined ? undefined : options.nextBatch;
  const arena = options.arena ?? createArena();
  const unwanted = coreOnly ? BEYOND_CORE : 0;
  const readers = layout.places.flatMap(({ spec, node, buffer }): ColumnReader[] => {
    const { column, field, sentinel } = spec;
    return column === null ? [] : [{ column, width: spec.bits / 8, node, buffer, sentinel, field }];
  });
  const find = (name: BatchColumn) => readers.find(({ column }) => column === name)!;
  const own = nextBatch ? null : createArenaBatch(arena, BATCH_ROWS);
  const eventCodes = allocateU16(arena, DICTIONARY_VALUES);
  for (let i = 0; i < events.length; i++) eventCodes[i] = events.codes[i];
  const lastTime = allocateU32(arena, 2);
  lastTime[1] = 0x80000000;
  return {
    source,
    arena,
    layout,
    context,
    events,
    texts,
    nextBatch: nextBatch ?? (() => own!),
    textUsed: own !== null,
    columns: readers.filter(
      ({ column, field }) =>
        column !== 'fields' && column !== 'event' && column !== 'text' && (field & unwanted) === 0,
    ),
    fields: find('fields'),
    event: find('event'),
    text: find('text'),
    indices: allocateU16(arena, BATCH_ROWS),
    bitmap: new Uint8Array(BATCH_ROWS / 8),
    knownFields: layout.places.reduce(
      (mask, { spec, node }) => (node < 0 ? mask : mask | spec.field),
      F_MARKER,
    ),
    wantedFields: 0xffff & ~unwanted,
    eventCodes,
    lastTime,
    checksOrder: true,
  };
}

type Values = Uint8Array | Uint16Array | Uint32Array | Int32Array;

/** Reads `bytes` bytes of the body from `start` on to the front of `target`. */
function readInto(reader: RowReader, message: Message, start: number, target: Values, bytes: number): void {
  const offset = message.bodyOffset + start;
  const target8 = new Uint8Array(target.buffer, target.byteOffset, bytes);
  if (readFully(reader.source, offset, target8, 0, bytes) < bytes)
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
  target: Values,
  first: number,
  rows: number,
): boolean {
  if (column.node < 0) return false;
  const start = regionStart(message.flat, table, column.buffer + 1, table.rows * column.width);
  readInto(reader, message, start + first * column.width, target, rows * column.width);
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
function fillNulls(values: Values, bitmap: Uint8Array, rows: number, value: number): void {
  for (let row = 0; row < rows; row += 8) {
    const bits = bitmap[row >> 3];
    if (bits === 0xff) continue;
    const end = Math.min(row + 8, rows);
    for (let i = row; i < end; i++) if ((bits & (1 << (i - row))) === 0) values[i] = value;
  }
}

/** Clears the bits of columns that the file has not, which are counted, and of those not wanted; OR of what is left. */
function checkFields(reader: RowReader, fields: Uint16Array, rows: number): number {
  const known = reader.knownFields;
  const wanted = known & reader.wantedFields;
  const all = reader.arena.kernels.orColumn(fields.byteOffset, rows);
  if ((all & ~wanted) === 0) return all;
  if ((all & ~known) !== 0) noteBadFields(reader, fields, rows);
  reader.arena.kernels.maskColumn(fields.byteOffset, rows, wanted);
  return all & wanted;
}

function noteBadFields(reader: RowReader, fields: Uint16Array, rows: number): void {
  const { knownFields } = reader;
  let bad = 0;
  for (let row = 0; row < rows; row++) if ((fields[row] & ~knownFields) !== 0) bad++;
  note(
    reader.context.diagnostics,
    'bad-fields-mask',
    'suspect',
    'rows of the capture mark values that this version does not know: those were ignored',
    bad,
  );
}

/** Dictionary indices → codes of the context; returns how many there are none for. */
function mapTexts(indices: Uint16Array, target: Int32Array, rows: number, map: IndexMap): number {
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
    `rows of the capture refer to ${what}s that it does not list: their ${what} is unknown`,
    count,
  );
}

function readEvents(
  reader: RowReader,
  message: Message,
  table: BatchTable,
  target: Uint16Array,
  first: number,
  rows: number,
): void {
  const { event, events, eventCodes, bitmap, indices } = reader;
  if (!readColumn(reader, message, table, event, indices, first, rows)) {
    target.fill(0, 0, rows);
    return;
  }
  const hasNulls = readValidity(reader, message, table, event, first, rows);
  // A null row's index means nothing: 0 is always in range.
  if (hasNulls) fillNulls(indices, bitmap, rows, 0);
  const bad = reader.arena.kernels.mapIndices(
    indices.byteOffset,
    target.byteOffset,
    rows,
    eventCodes.byteOffset,
    events.length,
  );
  if (hasNulls) fillNulls(target, bitmap, rows, 0);
  if (bad > 0) noteBadIndices(reader, 'event', bad);
}

function readTexts(
  reader: RowReader,
  message: Message,
  table: BatchTable,
  target: Int32Array,
  first: number,
  rows: number,
): void {
  const { text, texts, bitmap, indices } = reader;
  if (text.node < 0 || table.nulls[text.node] === table.rows) {
    if (reader.textUsed) target.fill(UNKNOWN, 0, rows);
    return;
  }
  reader.textUsed = true;
  readColumn(reader, message, table, text, indices, first, rows);
  const hasNulls = readValidity(reader, message, table, text, first, rows);
  if (hasNulls) fillNulls(indices, bitmap, rows, 0);
  const bad = mapTexts(indices, target, rows, texts);
  if (hasNulls) fillNulls(target, bitmap, rows, UNKNOWN);
  if (bad > 0) noteBadIndices(reader, 'text', bad);
}

function checkOrder(reader: RowReader, time: Uint32Array, rows: number): void {
  if (!reader.checksOrder) return;
  const late = reader.arena.kernels.countLate(time.byteOffset, rows, reader.lastTime.byteOffset);
  if (late > 0)
    note(
      reader.context.diagnostics,
      'time-backwards',
      'suspect',
      'events of the capture are not in the order of time',
      late,
    );
}

function readSlice(
  reader: RowReader,
  message: Message,
  table: BatchTable,
  batch: EventBatch,
  first: number,
  rows: number,
): void {
  const { bitmap } = reader;
  if (!readColumn(reader, message, table, reader.fields, batch.fields, first, rows))
    batch.fields.fill(0, 0, rows);
  const used = checkFields(reader, batch.fields, rows);
  for (const reading of reader.columns) {
    const { node, sentinel, field, column, width } = reading;
    const values = batch[column];
    const allNull = sentinel !== null && table.nulls[node] === table.rows;
    if (node < 0 || allNull || (field !== 0 && (used & field) === 0)) {
      // 64-bit columns may hold anything where no row has a value.
      if (width < 8) values.fill(sentinel ?? 0, 0, rows);
      continue;
    }
    readColumn(reader, message, table, reading, values, first, rows);
    if (sentinel !== null && readValidity(reader, message, table, reading, first, rows))
      fillNulls(values, bitmap, rows, sentinel);
  }
  readEvents(reader, message, table, batch.event, first, rows);
  readTexts(reader, message, table, batch.text, first, rows);
  checkOrder(reader, batch.time, rows);
  batch.length = rows;
}

/** @throws TraceFormatError if the message does not fit its body */
function batchTable({ layout }: RowReader, { flat, header, bodyLength }: Message): BatchTable {
  return readBatchTable(flat, header, bodyLength, layout.nodes, layout.buffers);
}

/** Makes the last row of a record batch message the one before the next that is read, for the check of the order. */
export function startBehind(reader: RowReader, message: Message): void {
  const table = batchTable(reader, message);
  const time = new Uint32Array(2);
  const column = reader.columns.find(({ column }) => column === 'time')!;
  if (table.rows === 0 || !readColumn(reader, message, table, column, time, table.rows - 1, 1)) return;
  reader.lastTime.set(time);
}

/**
 * Yields the rows of a record batch message.
 * @throws TraceFormatError if the message does not fit its body; nothing was yielded then.
 */
export function* readRows(reader: RowReader, message: Message): Generator<EventBatch, void, void> {
  const table = batchTable(reader, message);
  for (const { node, buffer, spec } of reader.layout.places) {
    if (node < 0) continue;
    regionStart(message.flat, table, buffer + 1, (table.rows * spec.bits) / 8);
    if (table.nulls[node] !== 0 && table.regions[2 * buffer + 1] !== 0)
      regionStart(message.flat, table, buffer, Math.ceil(table.rows / 8));
  }
  for (let first = 0; first < table.rows; ) {
    const batch = reader.nextBatch();
    // Bits of validity are read by the byte.
    const rows = Math.min(batch.capacity & ~7, BATCH_ROWS, table.rows - first);
    readSlice(reader, message, table, batch, first, rows);
    first += rows;
    yield batch;
  }
}
