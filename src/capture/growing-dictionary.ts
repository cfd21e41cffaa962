/**
 * A dictionary that grows while rows are written (text formats learn event names late).
 *
 * The message that the footer lists must hold all values: most readers of files know neither delta dictionaries
 * nor replacements. Readers of the stream (crash recovery, DuckDB's extension) need the values before the rows.
 * So every growth writes a full replacement, which streams allow, and the footer lists the last one only. A large
 * dictionary grows by deltas instead, and is written in full once more at the end.
 */
import { encodeDictionary } from './arrow-messages.ts';
import { addColumn, createBody, shapeOf } from './body.ts';
import { type BlockPlace, type Sink, writeMessage } from './sink.ts';

/** Bytes of text up to which a replacement is cheap beside the 5 MiB of a batch. */
const REPLACE_LIMIT = 1 << 18;
const NONE = new Uint8Array(0);

export interface GrowingDictionary {
  readonly id: number;
  readonly values: string[];
  readonly indices: Map<string, number>;
  bytes: number;
  /** Values in the file so far, −1: no message yet. */
  written: number;
  /** Message that holds all values. */
  complete: BlockPlace | null;
}

export function createGrowingDictionary(id: number): GrowingDictionary {
  return { id, values: [], indices: new Map(), bytes: 0, written: -1, complete: null };
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

function writeValues(sink: Sink, dictionary: GrowingDictionary, from: number, isDelta: boolean): BlockPlace {
  const values = dictionary.values.slice(from);
  const offsets = new Int32Array(values.length + 1);
  const texts = values.map((value) => Buffer.from(value, 'utf8'));
  for (let i = 0; i < texts.length; i++) offsets[i + 1] = offsets[i] + texts[i].length;
  const body = createBody();
  addColumn(body, 0, NONE, new Uint8Array(offsets.buffer), Buffer.concat(texts));
  return writeMessage(
    sink,
    encodeDictionary(dictionary.id, isDelta, shapeOf(body, values.length)),
    body.buffers,
  );
}

/** Brings the file up to date before a batch that may use new values. */
export function writeGrowth(sink: Sink, dictionary: GrowingDictionary): void {
  const { written, values } = dictionary;
  if (written === values.length) return;
  if (written <= 0 || dictionary.bytes <= REPLACE_LIMIT)
    dictionary.complete = writeValues(sink, dictionary, 0, false);
  else {
    writeValues(sink, dictionary, written, true);
    dictionary.complete = null;
  }
  dictionary.written = values.length;
}

/** The message for the footer. */
export function writeComplete(sink: Sink, dictionary: GrowingDictionary): BlockPlace {
  if (dictionary.written < 0) writeGrowth(sink, dictionary);
  dictionary.complete ??= writeValues(sink, dictionary, 0, false);
  return dictionary.complete;
}
