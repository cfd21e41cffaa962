/** Finds schema, dictionaries and batches of a file: by its footer, or message after message if it has none. */
import { type Diagnostics, note } from '../../core/diagnostics.ts';
import { TraceFormatError } from '../../core/errors.ts';
import { type ByteSource, readFully } from '../byte-source.ts';
import { type DictionaryMessage, dictionaryOf, readDictionaryValues } from './dictionaries.ts';
import { type FileHeader, readHeader } from './header.ts';
import {
  BATCH_MESSAGE,
  type Block,
  DICTIONARY_MESSAGE,
  FIRST_MESSAGE,
  MAGIC,
  type Message,
  messageMetadata,
  readFooter,
  readMessage,
  SCHEMA_MESSAGE,
  sizeOf,
} from './message.ts';
import { CAPTURE_ID, DICTIONARY_VALUES } from './schema.ts';

export interface OpenedFile {
  readonly header: FileHeader;
  readonly batches: readonly Block[];
  /** Complete values of the dictionaries that `wanted` names (file id → our id), by our id. */
  readDictionaries(wanted: ReadonlyMap<number, number>): Map<number, string[]>;
}

function isFormatError(error: unknown): error is TraceFormatError {
  return error instanceof TraceFormatError;
}

function dictionaryAt(source: ByteSource, offset: number): DictionaryMessage | null {
  const message = readMessage(source, offset, 'dictionary');
  return message?.kind === DICTIONARY_MESSAGE ? dictionaryOf(message) : null;
}

/** Values of all dictionary messages in order: a plain one replaces what came before, a delta adds to it. */
function collect(
  source: ByteSource,
  offsets: readonly number[],
  wanted: ReadonlyMap<number, number>,
): Map<number, string[]> {
  // Only the last plain message of an id and the deltas behind it count: earlier ones need not be decoded.
  const pending = new Map<number, number[]>();
  for (const offset of offsets) {
    const dictionary = dictionaryAt(source, offset);
    const id = dictionary === null ? undefined : wanted.get(dictionary.id);
    if (dictionary === null || id === undefined) continue;
    const list = pending.get(id);
    if (list && dictionary.isDelta) list.push(offset);
    else pending.set(id, [offset]);
  }
  const all = new Map<number, string[]>();
  for (const [id, list] of pending) {
    const values: string[] = [];
    for (const offset of list) {
      if (values.length >= DICTIONARY_VALUES) break;
      for (const value of readDictionaryValues(source, dictionaryAt(source, offset)!)) values.push(value);
    }
    all.set(id, values.slice(0, DICTIONARY_VALUES));
  }
  return all;
}

function openByFooter(source: ByteSource): OpenedFile {
  const footer = readFooter(source);
  const dictionaries = footer.dictionaries.map(({ offset }) => offset);
  return {
    header: readHeader(footer.flat, footer.schema),
    batches: footer.batches,
    readDictionaries: (wanted) => collect(source, dictionaries, wanted),
  };
}

/** Batches of rows of a whole file, 0 of one without a sound footer: that may have been cut off anywhere. */
export function countBatches(source: ByteSource): number {
  try {
    return openByFooter(source).batches.length;
  } catch (error) {
    if (isFormatError(error)) return 0;
    throw error;
  }
}

interface Scan {
  /** Offsets only: a hostile file may have any number of them. */
  readonly dictionaries: number[];
  readonly batches: Block[];
  /** Newest state of the metadata that the writer repeats with the batches. */
  readonly metadata: Map<string, string>;
  /** The stream's own end was found: no row is missing. */
  complete: boolean;
}

/** Reads metadata of message after message up to the end of the stream or the first that is not whole. */
function scan(source: ByteSource, start: number): Scan {
  const found: Scan = { dictionaries: [], batches: [], metadata: new Map(), complete: false };
  let offset = start;
  for (let index = 0; ; index++) {
    let message: Message | null;
    try {
      message = readMessage(source, offset, `message ${index + 1}`);
      if (message?.kind === DICTIONARY_MESSAGE) found.dictionaries.push(offset);
      if (message) for (const [key, value] of messageMetadata(message)) found.metadata.set(key, value);
    } catch (error) {
      if (isFormatError(error)) return found;
      throw error;
    }
    if (message === null) {
      found.complete = true;
      return found;
    }
    const { bodyOffset, bodyLength } = message;
    if (message.kind === BATCH_MESSAGE)
      found.batches.push({ offset, metadataLength: bodyOffset - offset, bodyLength });
    offset = bodyOffset + bodyLength;
  }
}

function openByMessages(source: ByteSource, diagnostics: Diagnostics): OpenedFile {
  const schema = readMessage(source, FIRST_MESSAGE, 'schema');
  if (schema === null || schema.kind !== SCHEMA_MESSAGE)
    throw new TraceFormatError({
      format: CAPTURE_ID,
      message: 'no schema at the start of the file',
      offset: FIRST_MESSAGE,
      section: 'schema',
    });
  const header = readHeader(schema.flat, schema.header);
  const found = scan(source, schema.bodyOffset + schema.bodyLength);
  for (const [key, value] of found.metadata) header.metadata.set(key, value);
  if (found.complete)
    note(
      diagnostics,
      'capture-footer-damaged',
      'suspect',
      'the end of the capture is damaged: all rows are there, but some threads, diagnostics and facts may be missing',
    );
  else
    note(
      diagnostics,
      'capture-unfinished',
      'data-loss',
      'the capture was not finished (its writer died, or the file was cut): rows after the last whole batch are missing',
    );
  return {
    header,
    batches: found.batches,
    readDictionaries(wanted) {
      const values = new Map<number, string[]>();
      // One by one, so that a damaged dictionary does not take the others with it.
      for (const entry of wanted) {
        try {
          for (const [id, list] of collect(source, found.dictionaries, new Map([entry])))
            values.set(id, list);
        } catch (error) {
          if (!isFormatError(error)) throw error;
          note(diagnostics, 'damaged-dictionary', 'data-loss', `names are missing (${error.message})`);
        }
      }
      return values;
    },
  };
}

/** @throws TraceFormatError if not even the schema can be read. */
export function openFile(source: ByteSource, diagnostics: Diagnostics): OpenedFile {
  const magic = new Uint8Array(MAGIC.length);
  sizeOf(source);
  if (readFully(source, 0, magic, 0, magic.length) < magic.length || !MAGIC.equals(magic))
    throw new TraceFormatError({
      format: CAPTURE_ID,
      message: 'the file does not start with ARROW1',
      offset: 0,
      section: 'magic',
    });
  let byFooter: OpenedFile;
  try {
    byFooter = openByFooter(source);
  } catch (error) {
    if (isFormatError(error)) return openByMessages(source, diagnostics);
    throw error;
  }
  return {
    ...byFooter,
    readDictionaries(wanted) {
      try {
        return byFooter.readDictionaries(wanted);
      } catch (error) {
        if (!isFormatError(error)) throw error;
        note(
          diagnostics,
          'damaged-dictionary',
          'data-loss',
          `names may be missing, as a list of them is damaged (${error.message})`,
        );
        return openByMessages(source, diagnostics).readDictionaries(wanted);
      }
    },
  };
}
