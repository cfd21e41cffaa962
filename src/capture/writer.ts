/**
 * Writes capture.arrow (docs/capture-format.md). Rows go out in batches of 64 Ki as the bytes of the columns'
 * arrays; the file can be read up to its last whole batch at any time, and through its footer once finished.
 */
import { closeSync, fstatSync, openSync, unlinkSync } from 'node:fs';
import { BATCH_ROWS, createEventBatch, type EventBatch } from '../core/event-batch.ts';
import type { TraceContext } from '../core/trace-context.ts';
import { COLUMNS } from '../parsers/capture-arrow/schema.ts';
import { encodeBatch, encodeFooter, encodeSchema } from './arrow-messages.ts';
import { addColumn, addEmptyColumn, createBody, shapeOf } from './body.ts';
import { changedTopics, createTopicState, fieldMetadata, fileMetadata } from './file-metadata.ts';
import { writeComplete, writeGrowth } from './growing-dictionary.ts';
import { addLosses, type LossList } from './losses.ts';
import { addTexts, createRowIndices, fillIndices, type IndexColumn } from './row-indices.ts';
import { type BlockPlace, type Sink, writeFooter, writeMagic, writeMessage } from './sink.ts';
import { validityOfField, validityOfSentinel } from './validity.ts';

export interface CaptureWriter {
  /** Takes rows in time order; they are copied or written before it returns. */
  write(batch: EventBatch): void;
  /** Writes rows that wait for their batch to be full: a slow recording survives a crash up to here. */
  flush(): void;
  /** Writes what is left and the footer, and closes the file. The context must be complete by now. */
  finish(): void;
  /** Gives up: closes the file and, if it was opened by path, removes it. */
  abort(): void;
}

const NONE = new Uint8Array(0);
const validities = COLUMNS.map(({ nullable }) => (nullable ? new Uint8Array(BATCH_ROWS / 8) : NONE));

function bytesOf(values: Uint8Array | Uint16Array | Uint32Array | Int32Array, bytes: number): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, bytes);
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

/**
 * `target`: a path (the file is replaced) or an open descriptor, written from its start on; a pipe will do.
 * `context` is read at every batch and at the end, when it must say everything. @throws the system's write errors
 */
export function createCaptureWriter(
  target: string | number,
  context: TraceContext,
  toolVersion: string,
): CaptureWriter {
  const fd = typeof target === 'number' ? target : openSync(target, 'w');
  // Not /dev/stdout, a pipe or a terminal; nor a descriptor of the caller, which may be appending.
  const isOwnFile = typeof target === 'string' && fstatSync(fd).isFile();
  const sink: Sink = { fd, rewritable: isOwnFile, position: 0 };
  const waiting = createEventBatch();
  const indices = createRowIndices();
  const batches: BlockPlace[] = [];
  const topics = createTopicState();
  const losses: LossList = { regions: 0, listed: [] };
  const dictionaries = [indices.event.dictionary, indices.reason.dictionary, indices.text.dictionary];
  let open = true;
  let finishing = false;

  function start(): void {
    if (sink.position > 0) return;
    writeMagic(sink);
    writeMessage(sink, encodeSchema(fileMetadata(context, toolVersion, topics), fieldMetadata(context)), []);
  }

  function writeBatch(batch: EventBatch, from: number, rows: number): void {
    start();
    const view = from === 0 ? batch : sliceOf(batch, from, rows);
    fillIndices(indices, context, view, rows);
    addLosses(losses, view, rows);
    for (const dictionary of dictionaries) writeGrowth(sink, dictionary, !finishing);
    const body = createBody();
    for (let i = 0; i < COLUMNS.length; i++) {
      const { column, bits, dictionary, field, sentinel, name } = COLUMNS[i];
      if (dictionary !== null || column === null) {
        const index = indices[name as 'event' | 'reason' | 'text'] satisfies IndexColumn;
        addColumn(
          body,
          index.nulls,
          index.validity.subarray(0, Math.ceil(rows / 8)),
          bytesOf(index.indices, 2 * rows),
        );
        continue;
      }
      const values = view[column];
      const validity = validities[i].subarray(0, Math.ceil(rows / 8));
      let nulls = 0;
      if (field !== 0) nulls = validityOfField(view.fields, field, rows, validity);
      else if (sentinel !== null)
        nulls = validityOfSentinel(values as Uint16Array | Int32Array, sentinel, rows, validity);
      const bytes = (rows * bits) / 8;
      if (nulls === rows) addEmptyColumn(body, rows, validity, bytes);
      else addColumn(body, nulls, validity, bytesOf(values, bytes));
    }
    const metadata = encodeBatch(shapeOf(body, rows), changedTopics(context, topics));
    batches.push(writeMessage(sink, metadata, body.buffers));
  }

  function flush(): void {
    if (waiting.length === 0) return;
    writeBatch(waiting, 0, waiting.length);
    waiting.length = 0;
  }

  function close(): void {
    open = false;
    if (typeof target === 'string') closeSync(sink.fd);
  }

  return {
    write(batch) {
      let from = 0;
      while (from < batch.length) {
        if (waiting.length === 0 && batch.length - from >= BATCH_ROWS) {
          writeBatch(batch, from, BATCH_ROWS);
          from += BATCH_ROWS;
          continue;
        }
        const rows = Math.min(batch.length - from, BATCH_ROWS - waiting.length);
        appendRows(batch, from, rows, waiting);
        from += rows;
        if (waiting.length === BATCH_ROWS) flush();
      }
    },
    flush,
    finish() {
      if (!open) return;
      finishing = true;
      start();
      flush();
      addTexts(indices, context);
      const complete = dictionaries.map((dictionary) => writeComplete(sink, dictionary));
      complete.sort((a, b) => a.offset - b.offset);
      const metadata = fileMetadata(context, toolVersion, topics);
      metadata.set('kvmtrace.losses', JSON.stringify(losses));
      writeFooter(sink, encodeFooter(metadata, fieldMetadata(context), complete, batches));
      close();
    },
    abort() {
      if (!open) return;
      close();
      if (isOwnFile) unlinkSync(target as string);
    },
  };
}

/** Rows [from, from + rows) as a batch of their own, sharing memory. */
function sliceOf(batch: EventBatch, from: number, rows: number): EventBatch {
  const slice: Record<string, unknown> = { length: rows, capacity: rows };
  for (const { column, bits } of COLUMNS) {
    if (column === null) continue;
    const words = bits === 64 ? 2 : 1;
    slice[column] = batch[column].subarray(words * from, words * (from + rows));
  }
  return slice as unknown as EventBatch;
}
