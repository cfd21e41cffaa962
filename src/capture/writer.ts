/**
 * Writes capture.arrow (docs/capture-format.md). Rows go out in batches of 64 Ki as the bytes of the columns'
 * arrays; the file can be read up to its last whole batch at any time, and through its footer once finished.
 */
import { closeSync, fstatSync, openSync, unlinkSync } from 'node:fs';
import { type Arena, allocateU8, allocateU16, createArena } from '../core/arena.ts';
import {
  type ArenaBatch,
  BATCH_ROWS,
  createArenaBatch,
  type EventBatch,
  UNKNOWN,
} from '../core/event-batch.ts';
import type { TraceContext } from '../core/trace-context.ts';
import { COLUMNS } from '../parsers/capture-arrow/schema.ts';
import { encodeBatch, encodeFooter, encodeSchema } from './arrow-messages.ts';
import { addColumn, addEmptyColumn, createBody, shapeOf } from './body.ts';
import { changedTopics, createTopicState, fieldMetadata, fileMetadata } from './file-metadata.ts';
import { writeComplete, writeGrowth } from './growing-dictionary.ts';
import { addLosses, type LossList } from './losses.ts';
import { addTexts, createRowIndices, fillIndices, type IndexColumn } from './row-indices.ts';
import { type BlockPlace, createSink, waitForSink, writeFooter, writeMagic, writeMessage } from './sink.ts';
import { validityOfField, validityOfSentinel } from './validity.ts';

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

const NONE = new Uint8Array(0);
/** One batch may fill two slots while another is still being written, and leave rows in a fourth. */
const SLOTS = 4;
const MOST_UNDER_WAY = 1;

/** Rows that wait for their batch to be full, or to be written, and what is derived from them. */
interface Slot {
  readonly batch: ArenaBatch;
  readonly validities: readonly Uint8Array[];
  readonly indices: Readonly<Record<IndexName, Pick<IndexColumn, 'indices' | 'validity'>>>;
  underWay: boolean;
}

type IndexName = 'event' | 'reason' | 'text';
const INDEX_NAMES: readonly IndexName[] = ['event', 'reason', 'text'];

function createSlot(arena: Arena): Slot {
  const index = () => ({
    indices: allocateU16(arena, BATCH_ROWS),
    validity: allocateU8(arena, BATCH_ROWS / 8),
  });
  return {
    batch: createLentBatch(arena),
    validities: COLUMNS.map(({ nullable }) => (nullable ? allocateU8(arena, BATCH_ROWS / 8) : NONE)),
    indices: { event: index(), reason: index(), text: index() },
    underWay: false,
  };
}

/** Parsers rely on lent batches to have no texts (ParseOptions.nextBatch). */
function createLentBatch(arena: Arena): ArenaBatch {
  const batch = createArenaBatch(arena, BATCH_ROWS);
  batch.text.fill(UNKNOWN);
  return batch;
}

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
  // Not /dev/stdout, a pipe or a terminal; nor a descriptor of the caller, which may be appending.
  const isOwnFile = typeof target === 'string' && fstatSync(fd).isFile();
  const sink = createSink(fd, isOwnFile);
  const beside = background && isOwnFile;
  const arena = createArena();
  const slots = [createSlot(arena)];
  let slot = slots[0];
  /** Lent while the slot's own batch has rows that wait. */
  let spare: ArenaBatch | null = null;
  const indices = createRowIndices(arena);
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

  /** Writes the slot's rows. */
  function writeBatch(): void {
    const { batch } = slot;
    const rows = batch.length;
    start();
    for (const name of INDEX_NAMES) Object.assign(indices[name], slot.indices[name]);
    fillIndices(indices, context, batch, rows);
    addLosses(losses, batch, rows);
    for (const dictionary of dictionaries) writeGrowth(sink, dictionary, !finishing);
    const body = createBody();
    for (let i = 0; i < COLUMNS.length; i++) {
      const { column, bits, dictionary, field, sentinel, name } = COLUMNS[i];
      if (dictionary !== null || column === null) {
        const index = indices[name as IndexName] satisfies IndexColumn;
        addColumn(
          body,
          index.nulls,
          index.validity.subarray(0, Math.ceil(rows / 8)),
          bytesOf(index.indices, 2 * rows),
        );
        continue;
      }
      const values = batch[column];
      const validity = slot.validities[i].subarray(0, Math.ceil(rows / 8));
      let nulls = 0;
      if (field !== 0) nulls = validityOfField(batch, field, rows, validity);
      else if (sentinel !== null)
        nulls = validityOfSentinel(batch, values as Uint16Array | Int32Array, sentinel, rows, validity);
      const bytes = (rows * bits) / 8;
      if (nulls === rows) addEmptyColumn(body, rows, validity, bytes);
      else addColumn(body, nulls, validity, bytesOf(values, bytes));
    }
    const metadata = encodeBatch(shapeOf(body, rows), changedTopics(context, topics));
    batches.push(writeMessage(sink, metadata, body.buffers, leaveSlot()));
    batch.length = 0;
  }

  /** Goes on with another slot, if one is free; returns what gives this one back. */
  function leaveSlot(): (() => void) | undefined {
    if (!beside || finishing) return undefined;
    let free = slots.find((other) => other !== slot && !other.underWay);
    if (!free && slots.length < SLOTS) {
      free = createSlot(arena);
      slots.push(free);
    }
    if (!free) return undefined;
    const left = slot;
    left.underWay = true;
    slot = free;
    return () => {
      left.underWay = false;
    };
  }

  function flush(): void {
    if (slot.batch.length > 0) writeBatch();
  }

  /** A descriptor must not be closed under rows that are still on their way to it. */
  function mustBeSettled(): void {
    if (sink.underWay > 0) throw new Error('rows are still being written: settle() first');
  }

  function close(): void {
    open = false;
    if (typeof target === 'string') closeSync(sink.fd);
  }

  return {
    arena,
    lend() {
      if (slot.batch.length === 0) return slot.batch;
      spare ??= createLentBatch(arena);
      spare.length = 0;
      return spare;
    },
    write(batch) {
      if (sink.failure !== null) throw sink.failure;
      let from = batch === slot.batch ? batch.length : 0;
      while (true) {
        if (slot.batch.length === BATCH_ROWS) flush();
        if (from >= batch.length) return;
        const rows = Math.min(batch.length - from, BATCH_ROWS - slot.batch.length);
        appendRows(batch, from, rows, slot.batch);
        from += rows;
      }
    },
    flush,
    busy: () => (sink.underWay > MOST_UNDER_WAY ? waitForSink(sink, MOST_UNDER_WAY) : null),
    settle: () => waitForSink(sink, 0),
    finish() {
      if (!open) return;
      mustBeSettled();
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
      mustBeSettled();
      close();
      if (isOwnFile) unlinkSync(target as string);
    },
  };
}
