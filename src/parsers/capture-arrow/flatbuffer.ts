/**
 * Reads the FlatBuffers tables of Arrow's metadata (format/Message.fbs, Schema.fbs, File.fbs) with every offset
 * and count checked. Own code because the generated readers trust the file (a flipped count makes them loop for
 * minutes) and because importing them costs 15 ms at every start.
 */
import { TraceFormatError } from '../../core/errors.ts';
import { TWO_32 } from '../../core/words.ts';
import { CAPTURE_ID } from './schema.ts';

export interface Flat {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Byte offset in the file, for messages. */
  readonly base: number;
  readonly section: string;
  /** Bytes of text that may still be read: a hostile file points at one long text from many places. */
  textBudget: number;
}

/** Position of a table in its buffer. */
export type Table = number;

/** A vector's first element and length. */
export interface FlatVector {
  readonly start: number;
  readonly length: number;
}

export function flatOf(bytes: Uint8Array, base: number, section: string): Flat {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { bytes, view, base, section, textBudget: 2 * bytes.length + 65536 };
}

export function flatError(flat: Flat, message: string, at = 0): TraceFormatError {
  return new TraceFormatError({ format: CAPTURE_ID, message, offset: flat.base + at, section: flat.section });
}

function check(flat: Flat, position: number, bytes: number): void {
  if (position < 0 || position + bytes > flat.bytes.length)
    throw flatError(flat, 'metadata points outside of itself', Math.max(0, position));
}

function follow(flat: Flat, position: number): number {
  check(flat, position, 4);
  return position + flat.view.getUint32(position, true);
}

export function rootTable(flat: Flat): Table {
  return follow(flat, 0);
}

/** Position of field `id` (counted from 0) of a table, −1 if it is not there. */
function fieldAt(flat: Flat, table: Table, id: number): number {
  check(flat, table, 4);
  const vtable = table - flat.view.getInt32(table, true);
  check(flat, vtable, 4);
  const entry = 4 + 2 * id;
  if (entry + 2 > flat.view.getUint16(vtable, true)) return -1;
  check(flat, vtable + entry, 2);
  const offset = flat.view.getUint16(vtable + entry, true);
  return offset === 0 ? -1 : table + offset;
}

export function int8Field(flat: Flat, table: Table, id: number, fallback: number): number {
  const at = fieldAt(flat, table, id);
  if (at < 0) return fallback;
  check(flat, at, 1);
  return flat.view.getInt8(at);
}

export function int16Field(flat: Flat, table: Table, id: number, fallback: number): number {
  const at = fieldAt(flat, table, id);
  if (at < 0) return fallback;
  check(flat, at, 2);
  return flat.view.getInt16(at, true);
}

export function int32Field(flat: Flat, table: Table, id: number, fallback: number): number {
  const at = fieldAt(flat, table, id);
  if (at < 0) return fallback;
  check(flat, at, 4);
  return flat.view.getInt32(at, true);
}

/** As a double: exact below 2^53, and anything above is larger than any file. */
export function int64At(flat: Flat, position: number): number {
  check(flat, position, 8);
  return flat.view.getUint32(position, true) + flat.view.getInt32(position + 4, true) * TWO_32;
}

export function int32At(flat: Flat, position: number): number {
  check(flat, position, 4);
  return flat.view.getInt32(position, true);
}

export function int64Field(flat: Flat, table: Table, id: number, fallback: number): number {
  const at = fieldAt(flat, table, id);
  return at < 0 ? fallback : int64At(flat, at);
}

export function tableField(flat: Flat, table: Table, id: number): Table | null {
  const at = fieldAt(flat, table, id);
  return at < 0 ? null : follow(flat, at);
}

export function stringField(flat: Flat, table: Table, id: number): string | null {
  const at = fieldAt(flat, table, id);
  if (at < 0) return null;
  const start = follow(flat, at);
  check(flat, start, 4);
  const length = flat.view.getUint32(start, true);
  check(flat, start + 4, length);
  flat.textBudget -= length;
  if (flat.textBudget < 0) throw flatError(flat, 'metadata repeats a text too often', start);
  return Buffer.from(flat.bytes.buffer, flat.bytes.byteOffset + start + 4, length).toString('utf8');
}

/** A vector whose elements (structs, or 4-byte offsets of tables) all lie inside the buffer. */
export function vectorField(flat: Flat, table: Table, id: number, elementBytes: number): FlatVector {
  const at = fieldAt(flat, table, id);
  if (at < 0) return { start: 0, length: 0 };
  const start = follow(flat, at);
  check(flat, start, 4);
  const length = flat.view.getUint32(start, true);
  check(flat, start + 4, length * elementBytes);
  return { start: start + 4, length };
}

/** Table `index` of a vector of tables. */
export function tableAt(flat: Flat, vector: FlatVector, index: number): Table {
  return follow(flat, vector.start + 4 * index);
}

/** A vector of KeyValue tables; the first of equal keys counts. */
export function keyValues(flat: Flat, table: Table, id: number): Map<string, string> {
  const vector = vectorField(flat, table, id, 4);
  const map = new Map<string, string>();
  for (let i = 0; i < vector.length; i++) {
    const entry = tableAt(flat, vector, i);
    const key = stringField(flat, entry, 0);
    if (key !== null && !map.has(key)) map.set(key, stringField(flat, entry, 1) ?? '');
  }
  return map;
}
