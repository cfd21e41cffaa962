/** Dictionary messages of a file: names of events and texts, and what they mean in the context of this run. */
import { TraceFormatError } from '../../core/errors.ts';
import { eventCode } from '../../core/events.ts';
import { internString } from '../../core/string-table.ts';
import type { TraceContext } from '../../core/trace-context.ts';
import type { ByteSource } from '../byte-source.ts';
import { flatError, int8Field, int64Field, type Table, tableField } from './flatbuffer.ts';
import { METADATA_LIMIT, type Message, readBytes } from './message.ts';
import { readBatchTable, regionStart } from './record-batch.ts';
import { CAPTURE_ID, DICTIONARY_VALUES } from './schema.ts';

export interface DictionaryMessage {
  readonly id: number;
  /** Adds to the values that came before instead of replacing them. */
  readonly isDelta: boolean;
  readonly message: Message;
  readonly data: Table;
}

export function dictionaryOf(message: Message): DictionaryMessage {
  const { flat, header } = message;
  const data = tableField(flat, header, 1);
  if (data === null) throw flatError(flat, 'dictionary without values');
  return {
    id: int64Field(flat, header, 0, 0),
    isDelta: int8Field(flat, header, 2, 0) !== 0,
    message,
    data,
  };
}

/** @throws TraceFormatError when lengths or offsets do not fit the body. */
export function readDictionaryValues(source: ByteSource, dictionary: DictionaryMessage): string[] {
  const { flat, bodyLength, bodyOffset } = dictionary.message;
  const batch = readBatchTable(flat, dictionary.data, bodyLength, 1, 3);
  if (batch.rows > DICTIONARY_VALUES)
    throw flatError(flat, `${batch.rows} values, more than the ${DICTIONARY_VALUES} that can be used`);
  if (batch.rows === 0) return [];
  const offsetsStart = regionStart(flat, batch, 1, 4 * (batch.rows + 1));
  const textStart = batch.regions[4];
  const textLength = batch.regions[5];
  if (textLength > METADATA_LIMIT) throw flatError(flat, `${textLength} bytes of text`);
  const offsetBytes = readBytes(source, bodyOffset + offsetsStart, 4 * (batch.rows + 1), flat.section);
  const offsets = new DataView(offsetBytes.buffer);
  const text = Buffer.from(readBytes(source, bodyOffset + textStart, textLength, flat.section).buffer);
  const values: string[] = [];
  let from = offsets.getInt32(0, true);
  for (let i = 1; i <= batch.rows; i++) {
    const to = offsets.getInt32(4 * i, true);
    if (from < 0 || to < from || to > textLength)
      throw new TraceFormatError({
        format: CAPTURE_ID,
        message: `value ${i - 1} of a dictionary lies outside of its text`,
        offset: bodyOffset + offsetsStart + 4 * i,
        section: flat.section,
      });
    values.push(text.toString('utf8', from, to));
    from = to;
  }
  return values;
}

/** Dictionary index → code of this run's context. */
export interface IndexMap {
  /** One entry for every 16-bit index; 0 (event) or −1 (text) where the file has no such value. */
  readonly codes: Int32Array;
  /** Indices that exist; at least 1, because null rows have index 0 also where there is no value at all. */
  readonly length: number;
}

/** Event names → event codes; a name that no longer fits the dictionary is 0 (no event). */
export function mapEvents(values: readonly string[], context: TraceContext): IndexMap {
  const codes = new Int32Array(DICTIONARY_VALUES);
  for (let i = 0; i < values.length; i++) codes[i] = eventCode(context.events, values[i]);
  return { codes, length: Math.max(1, values.length) };
}

/** Texts → string codes, −1 where the table is full. */
export function mapTexts(values: readonly string[], context: TraceContext): IndexMap {
  const codes = new Int32Array(DICTIONARY_VALUES).fill(-1);
  for (let i = 0; i < values.length; i++) codes[i] = internString(context.strings, values[i]);
  return { codes, length: Math.max(1, values.length) };
}
