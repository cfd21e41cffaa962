/**
 * Writes capture.arrow (docs/capture-format.md). Rows go out in batches of 64 Ki as the bytes of the columns'
 * arrays; the file can be read up to its last whole batch at any time, and through its footer once finished.
 */
import { closeSync, fstatSync, openSync, unlinkSync } from 'node:fs';
import { type Arena, createArena } from '../core/arena.ts';
import { BATCH_ROWS, type EventBatch } from '../core/event-batch.ts';
import type { TraceContext } from '../core/trace-context.ts';
import { COLUMNS } from '../parsers/capture-arrow/schema.ts';
import { encodeBatch, encodeFooter, encodeSchema } from './arrow-messages.ts';
import { shapeOf } from './body.ts';
import {
  changedTopics,
  createTopicState,
  fieldMetadata,
  fileMetadata,
  type TopicState,
} from './file-metadata.ts';
import { type GrowingDictionary, writeComplete, writeGrowth } from './growing-dictionary.ts';
import { addLosses, type LossList } from './losses.ts';
import { bodyOfRows } from './row-body.ts';
import { addTexts, createRowIndices, fillIndices, type RowIndices } from './row-indices.ts';
import {
  type BlockPlace,
  createSink,
  type Sink,
  waitForSink,
  writeFooter,
  writeMagic,
  writeMessage,
} from './sink.ts';
import { createSlots, emptyBatch, INDEX_NAMES, leaveSlot, type Slots } from './slots.ts';

export interface CaptureWriter {
  /** Where lent batches lie. */
  readonly arena: Arena;
  /** An empty batch that write() takes without copying, if it is the next that is written. */
  lend(): EventBatch;
  /** Takes rows in time order; they are copied or written before it returns. */
  write(batch: EventBatch): void;
  /** Writes rows that wait for their batch to be full: a slow recording survives a crash up to here. */
  flush(): void;
  /** What to wait for before more rows come, as `background` asks for; null if nothing. */
  busy(): Promise<void> | null;
  /** Waits for all rows that are being written. @throws the system's write errors */
  settle(): Promise<void>;
  /** Writes what is left and the footer, and closes the file. The context must be complete by now. */
  finish(): void;
  /** Gives up: closes the file and, if it was opened by path, removes it. */
  abort(): void;
}

/** Batches that may be under way before the caller is asked to wait. */
const MOST_UNDER_WAY = 1;

interface Writer {
  readonly target: string | number;
  readonly context: TraceContext;
  readonly toolVersion: string;
  /** Not /dev/stdout, a pipe or a terminal; nor a descriptor of the caller, which may be appending. */
  readonly isOwnFile: boolean;
  /** Batches are written while the caller makes the next ones. */
  readonly beside: boolean;
  readonly sink: Sink;
  readonly slots: Slots;
  readonly indices: RowIndices;
  readonly dictionaries: readonly GrowingDictionary[];
  readonly batches: BlockPlace[];
  readonly topics: TopicState;
  readonly losses: LossList;
  open: boolean;
  finishing: boolean;
}

/** Appends rows [from, from + rows) of `source` to `target`, column by column. */
function appendRows(source: EventBatch, from: number, rows: number, target: EventBatch): void {
  for (const { column, bits } of COLUMNS) {
    if (column === null) continue;
    const words = bits === 64 ? 2 : 1;
    target[column].set(source[column].subarray(words * from, words * (from + rows)), words * target.length);
  }
  target.length += rows;
}

function start({ sink, context, toolVersion, topics }: Writer): void {
  if (sink.position > 0) return;
  writeMagic(sink);
  writeMessage(sink, encodeSchema(fileMetadata(context, toolVersion, topics), fieldMetadata(context)), []);
}

function take(writer: Writer, batch: EventBatch): void {
  const { sink, slots } = writer;
  if (sink.failure !== null) throw sink.failure;
  let from = batch === slots.current.batch ? batch.length : 0;
  while (true) {
    if (slots.current.batch.length === BATCH_ROWS) flush(writer);
    if (from >= batch.length) return;
    const own = slots.current.batch;
    const rows = Math.min(batch.length - from, BATCH_ROWS - own.length);
    appendRows(batch, from, rows, own);
    from += rows;
  }
}

function flush(writer: Writer): void {
  if (writer.slots.current.batch.length > 0) writeSlot(writer);
}

/** Writes the current slot's rows. */
function writeSlot(writer: Writer): void {
  const { sink, context, slots, indices, finishing } = writer;
  const slot = slots.current;
  const { batch } = slot;
  const rows = batch.length;
  start(writer);
  for (const name of INDEX_NAMES) Object.assign(indices[name], slot.indices[name]);
  fillIndices(indices, context, batch, rows);
  addLosses(writer.losses, batch, rows);
  for (const dictionary of writer.dictionaries) writeGrowth(sink, dictionary, !finishing);
  const body = bodyOfRows(slot, indices);
  const metadata = encodeBatch(shapeOf(body, rows), changedTopics(context, writer.topics));
  const giveBack = writer.beside && !finishing ? leaveSlot(slots) : undefined;
  writer.batches.push(writeMessage(sink, metadata, body.buffers, giveBack));
  batch.length = 0;
}

function finish(writer: Writer): void {
  const { sink, context, indices } = writer;
  if (!writer.open) return;
  mustBeSettled(sink);
  writer.finishing = true;
  start(writer);
  flush(writer);
  addTexts(indices, context);
  const complete = writer.dictionaries.map((dictionary) => writeComplete(sink, dictionary));
  complete.sort((a, b) => a.offset - b.offset);
  const metadata = fileMetadata(context, writer.toolVersion, writer.topics);
  metadata.set('kvmtrace.losses', JSON.stringify(writer.losses));
  writeFooter(sink, encodeFooter(metadata, fieldMetadata(context), complete, writer.batches));
  close(writer);
}

function abort(writer: Writer): void {
  if (!writer.open) return;
  mustBeSettled(writer.sink);
  close(writer);
  if (writer.isOwnFile) unlinkSync(writer.target as string);
}

/** A descriptor must not be closed under rows that are still on their way to it. */
function mustBeSettled(sink: Sink): void {
  if (sink.underWay > 0) throw new Error('rows are still being written: settle() first');
}

function close(writer: Writer): void {
  writer.open = false;
  if (typeof writer.target === 'string') closeSync(writer.sink.fd);
}

/**
 * `target`: a path (the file is replaced) or an open descriptor, written from its start on; a pipe will do.
 * `context` is read at every batch and at the end, when it must say everything. `background`: batches go into the file
 * while the caller makes the next ones; it waits for busy() between them, and for settle() before finish() or abort().
 * @throws the system's write errors
 */
export function createCaptureWriter(
  target: string | number,
  context: TraceContext,
  toolVersion: string,
  background = false,
): CaptureWriter {
  const fd = typeof target === 'number' ? target : openSync(target, 'w');
  const isOwnFile = typeof target === 'string' && fstatSync(fd).isFile();
  const sink = createSink(fd, isOwnFile);
  const arena = createArena();
  const indices = createRowIndices(arena);
  const writer: Writer = {
    target,
    context,
    toolVersion,
    isOwnFile,
    beside: background && isOwnFile,
    sink,
    slots: createSlots(arena),
    indices,
    dictionaries: [indices.event.dictionary, indices.reason.dictionary, indices.text.dictionary],
    batches: [],
    topics: createTopicState(),
    losses: { regions: 0, listed: [] },
    open: true,
    finishing: false,
  };
  return {
    arena,
    lend: () => emptyBatch(writer.slots),
    write: (batch) => take(writer, batch),
    flush: () => flush(writer),
    busy: () => (sink.underWay > MOST_UNDER_WAY ? waitForSink(sink, MOST_UNDER_WAY) : null),
    settle: () => waitForSink(sink, 0),
    finish: () => finish(writer),
    abort: () => abort(writer),
  };
}
