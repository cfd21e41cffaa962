/**
 * A dictionary that grows while rows are written (text formats learn event names late).
 *
 * The message that the footer lists must hold all values: most readers of files know neither delta dictionaries
 * nor replacements. Readers of the stream (crash recovery, DuckDB's extension) need the values before the rows.
 * So every growth writes a full replacement, which streams allow (a large dictionary grows by deltas instead), and
 * the footer lists one complete message: the first one, written over at the end if it has room, because some
 * readers (flechette) want dictionaries before the rows in files too; else the last one.
 */
import { encodeDictionary } from './arrow-messages.ts';
import { addColumn, type Body, createBody, shapeOf } from './body.ts';
import { type BlockPlace, rewriteMessage, type Sink, writeMessage, writeRoomyMessage } from './sink.ts';

/** Bytes of text up to which a replacement is cheap beside the 5 MiB of a batch. */
const REPLACE_LIMIT = 1 << 18;
const NONE = new Uint8Array(0);

export interface GrowingDictionary {
  readonly id: number;
  readonly values: string[];
  readonly indices: Map<string, number>;
  bytes: number;
  /** Bytes to spare in the first message's body, in a file that may grow. */
  readonly room: number;
  /** Values in the file so far, −1: no message yet. */
  written: number;
  first: BlockPlace | null;
  /** Message that holds all values. */
  complete: BlockPlace | null;
}

export function createGrowingDictionary(id: number, room: number): GrowingDictionary {
  return { id, values: [], indices: new Map(), bytes: 0, room, written: -1, first: null, complete: null };
}

/** Index of a value, made if it is new. Text that UTF-8 cannot hold shares the index of its replacement. */
export function valueIndex(dictionary: GrowingDictionary, value: string): number {
  const known = dictionary.indices.get(value);
  if (known !== undefined) return known;
  const bytes = Buffer.from(value, 'utf8');
  const stored = bytes.toString('utf8');
  let index = dictionary.indices.get(stored);
  if (index === undefined) {
    index = dictionary.values.push(stored) - 1;
    dictionary.indices.set(stored, index);
    dictionary.bytes += bytes.length;
  }
  dictionary.indices.set(value, index);
  return index;
}

function bodyOf(dictionary: GrowingDictionary, from: number): Body {
  const values = dictionary.values.slice(from);
  const offsets = new Int32Array(values.length + 1);
  const texts = values.map((value) => Buffer.from(value, 'utf8'));
  for (let i = 0; i < texts.length; i++) offsets[i + 1] = offsets[i] + texts[i].length;
  const body = createBody();
  addColumn(body, 0, NONE, new Uint8Array(offsets.buffer), Buffer.concat(texts));
  return body;
}

function metadataOf(
  dictionary: GrowingDictionary,
  body: Body,
  from: number,
  bodyLength = body.length,
): Uint8Array {
  const shape = shapeOf(body, dictionary.values.length - from);
  return encodeDictionary(dictionary.id, from > 0, { ...shape, bodyLength });
}

/** Values from `from` on; from 0: all of them, else a delta. */
function writeValues(sink: Sink, dictionary: GrowingDictionary, from: number): BlockPlace {
  const body = bodyOf(dictionary, from);
  return writeMessage(sink, metadataOf(dictionary, body, from), body.buffers);
}

function writeFirst(sink: Sink, dictionary: GrowingDictionary, mayGrow: boolean): BlockPlace {
  if (!mayGrow || !sink.rewritable) return writeValues(sink, dictionary, 0);
  const body = bodyOf(dictionary, 0);
  const bodyLength = body.length + dictionary.room;
  const metadata = metadataOf(dictionary, body, 0, bodyLength);
  return writeRoomyMessage(sink, metadata, body.buffers, bodyLength);
}

/** Brings the file up to date before a batch that may use new values. `mayGrow`: more batches may follow. */
export function writeGrowth(sink: Sink, dictionary: GrowingDictionary, mayGrow: boolean): void {
  const { written, values } = dictionary;
  if (written === values.length) return;
  if (written < 0) {
    dictionary.first = writeFirst(sink, dictionary, mayGrow);
    dictionary.complete = dictionary.first;
  } else if (written === 0 || dictionary.bytes <= REPLACE_LIMIT) {
    dictionary.complete = writeValues(sink, dictionary, 0);
  } else {
    writeValues(sink, dictionary, written);
    dictionary.complete = null;
  }
  dictionary.written = values.length;
}

/** The message for the footer. */
export function writeComplete(sink: Sink, dictionary: GrowingDictionary): BlockPlace {
  const { first } = dictionary;
  if (first !== null && (dictionary.complete !== first || dictionary.written < dictionary.values.length)) {
    const body = bodyOf(dictionary, 0);
    if (rewriteMessage(sink, first, metadataOf(dictionary, body, 0, first.bodyLength), body.buffers))
      return first;
  }
  writeGrowth(sink, dictionary, false);
  dictionary.complete ??= writeValues(sink, dictionary, 0);
  return dictionary.complete;
}
