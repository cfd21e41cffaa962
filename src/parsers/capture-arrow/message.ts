/**
 * Arrow IPC messages and the footer (https://arrow.apache.org/docs/format/Columnar.html, "Serialization and
 * Interprocess Communication"): finds and checks them in a ByteSource; the bodies stay in the file.
 */
import { TraceFormatError } from '../../core/errors.ts';
import { type ByteSource, readFully } from '../byte-source.ts';
import {
  type Flat,
  flatError,
  flatOf,
  int8Field,
  int16Field,
  int32At,
  int64At,
  int64Field,
  keyValues,
  rootTable,
  type Table,
  tableField,
  vectorField,
} from './flatbuffer.ts';
import { CAPTURE_ID } from './schema.ts';

export const MAGIC = Buffer.from('ARROW1', 'latin1');
/** Where the first message starts: magic and two bytes of padding. */
export const FIRST_MESSAGE = 8;
const CONTINUATION = 0xffffffff;
/** Length of the footer and the magic behind it. */
const TAIL_BYTES = 10;
/** Most bytes of metadata, and of a dictionary, that are read into memory: far above any real capture. */
export const METADATA_LIMIT = 1 << 28;
/** MetadataVersion.V5, Arrow 1.0. V4 differs for unions only. */
const OLDEST_METADATA = 3;

export const SCHEMA_MESSAGE = 1;
export const DICTIONARY_MESSAGE = 2;
export const BATCH_MESSAGE = 3;

export interface Message {
  readonly flat: Flat;
  readonly kind: number;
  /** Table of the kind's own metadata. */
  readonly header: Table;
  readonly offset: number;
  readonly bodyOffset: number;
  readonly bodyLength: number;
}

/** A message's place in the file, from the footer or from reading message after message. */
export interface Block {
  readonly offset: number;
  readonly metadataLength: number;
  readonly bodyLength: number;
}

export interface Footer {
  readonly flat: Flat;
  readonly schema: Table;
  readonly dictionaries: Block[];
  readonly batches: Block[];
  /** Bytes between the last message that it names and the footer: the mark of the stream's end. */
  readonly gap: number;
}

export function sizeOf(source: ByteSource): number {
  if (source.size === null)
    throw new TraceFormatError({
      format: CAPTURE_ID,
      message: 'a capture can only be read from a file, not from a pipe',
      hint: 'save the input to a file first',
    });
  return source.size;
}

function damaged(message: string, offset: number, section: string): TraceFormatError {
  return new TraceFormatError({ format: CAPTURE_ID, message, offset, section });
}

/** Bytes of the file; the caller has checked them against its size. */
export function readBytes(source: ByteSource, offset: number, length: number, section: string): Uint8Array {
  if (length > METADATA_LIMIT)
    throw damaged(`${length} bytes of metadata (at most ${METADATA_LIMIT} are read)`, offset, section);
  const bytes = new Uint8Array(length);
  if (readFully(source, offset, bytes, 0, length) < length) throw damaged('file ends early', offset, section);
  return bytes;
}

/** The message at `offset`; null where a stream ends in good order. `section` names it in errors. */
export function readMessage(source: ByteSource, offset: number, section: string): Message | null {
  const size = sizeOf(source);
  if (offset + 8 > size) throw damaged('file ends early', offset, section);
  const prefix = readBytes(source, offset, 8, section);
  const prefixView = new DataView(prefix.buffer);
  if (prefixView.getUint32(0, true) !== CONTINUATION) throw damaged('no message here', offset, section);
  const length = prefixView.getUint32(4, true);
  if (length === 0) return null;
  if (length > size - offset - 8) throw damaged('file ends early', offset, section);
  const flat = flatOf(readBytes(source, offset + 8, length, section), offset + 8, section);
  const table = rootTable(flat);
  if (int16Field(flat, table, 0, 0) < OLDEST_METADATA) throw flatError(flat, 'Arrow metadata older than V4');
  const header = tableField(flat, table, 2);
  if (header === null) throw flatError(flat, 'message without a header');
  const bodyLength = int64Field(flat, table, 3, 0);
  const bodyOffset = offset + 8 + length;
  if (bodyLength < 0 || bodyLength > size - bodyOffset) throw damaged('file ends early', bodyOffset, section);
  return { flat, kind: int8Field(flat, table, 1, 0), header, offset, bodyOffset, bodyLength };
}

/** Key-value pairs of the message itself (not of the schema in it). */
export function messageMetadata(message: Message): Map<string, string> {
  return keyValues(message.flat, rootTable(message.flat), 4);
}

/** Blocks of a footer: in ascending order and apart, so that a small file cannot name one block a million times. */
function blocks(flat: Flat, table: Table, id: number, end: number, what: string): Block[] {
  const vector = vectorField(flat, table, id, 24);
  const list: Block[] = [];
  let free = FIRST_MESSAGE;
  for (let i = 0; i < vector.length; i++) {
    const at = vector.start + 24 * i;
    const offset = int64At(flat, at);
    const metadataLength = int32At(flat, at + 8);
    const bodyLength = int64At(flat, at + 16);
    const next = offset + metadataLength + bodyLength;
    if (offset < free || metadataLength < 8 || bodyLength < 0 || next > end)
      throw flatError(flat, `${what} ${i} lies outside of its place`, at);
    free = next;
    list.push({ offset, metadataLength, bodyLength });
  }
  return list;
}

/** @throws TraceFormatError where there is none or it is damaged. */
export function readFooter(source: ByteSource): Footer {
  const size = sizeOf(source);
  const section = 'footer';
  if (size < FIRST_MESSAGE + TAIL_BYTES) throw damaged('file ends early', size, section);
  const tail = readBytes(source, size - TAIL_BYTES, TAIL_BYTES, section);
  if (!MAGIC.equals(tail.subarray(4))) throw damaged('the file was not finished', size, section);
  const length = new DataView(tail.buffer).getUint32(0, true);
  const offset = size - TAIL_BYTES - length;
  if (offset < FIRST_MESSAGE) throw damaged(`${length} bytes are more than the file has`, size, section);
  const flat = flatOf(readBytes(source, offset, length, section), offset, section);
  const table = rootTable(flat);
  const schema = tableField(flat, table, 1);
  if (schema === null) throw flatError(flat, 'no schema');
  const dictionaries = blocks(flat, table, 2, offset, 'dictionary');
  const batches = blocks(flat, table, 3, offset, 'batch');
  const ends = [dictionaries.at(-1), batches.at(-1)].map((block) =>
    block ? block.offset + block.metadataLength + block.bodyLength : 0,
  );
  return { flat, schema, dictionaries, batches, gap: offset - Math.max(...ends) };
}
