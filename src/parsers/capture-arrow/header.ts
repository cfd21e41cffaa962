/** What the schema of a file says: its columns in file order and its metadata. */
import {
  type Flat,
  flatError,
  int8Field,
  int16Field,
  int32Field,
  int64Field,
  keyValues,
  stringField,
  type Table,
  tableAt,
  tableField,
  vectorField,
} from './flatbuffer.ts';

export interface FileColumn {
  name: string;
  /** Integer type of the values or of the dictionary indices; null for any other type. */
  readonly bits: number | null;
  readonly signed: boolean;
  readonly dictionary: number | null;
  /** Type of plain or dictionary values, number of Arrow's `Type` union. */
  readonly type: number;
  /** Field nodes and buffers that the column takes in a batch. */
  readonly nodes: number;
  readonly buffers: number;
}

export interface FileHeader {
  columns: FileColumn[];
  metadata: Map<string, string>;
  /** Columns that this version has and the file's version did not: they read as null (set by upgraders). */
  absent: Set<string>;
}

/** Numbers of Arrow's `Type` union (format/Schema.fbs). */
export const TYPE_INT = 2;
export const TYPE_UTF8 = 5;
const TYPE_NULL = 1;
const TYPE_STRUCT = 13;
const TYPE_FIXED_SIZE_LIST = 16;
/** Float, bool, decimal, date, time, timestamp, interval, fixed-size binary, duration: one buffer of values. */
const FIXED_WIDTH = new Set([TYPE_INT, 3, 6, 7, 8, 9, 10, 11, 15, 18]);
/** Binary, utf8 and their large forms: offsets and values. */
const VARIABLE_WIDTH = new Set([4, TYPE_UTF8, 19, 20]);
/** List, map, large list: offsets, then the child. */
const LISTS = new Set([12, 17, 21]);
const MAX_COLUMNS = 4096;
const MAX_DEPTH = 16;

/** Field nodes and buffers of a column that is not ours and has to be stepped over. */
function extent(flat: Flat, field: Table, name: string, depth: number): { nodes: number; buffers: number } {
  const type = int8Field(flat, field, 2, 0);
  if (tableField(flat, field, 4) !== null || FIXED_WIDTH.has(type)) return { nodes: 1, buffers: 2 };
  if (VARIABLE_WIDTH.has(type)) return { nodes: 1, buffers: 3 };
  if (type === TYPE_NULL) return { nodes: 1, buffers: 0 };
  const own = LISTS.has(type) ? 2 : type === TYPE_STRUCT || type === TYPE_FIXED_SIZE_LIST ? 1 : 0;
  if (own === 0 || depth > MAX_DEPTH)
    throw flatError(flat, `column ${name} has a type that is not supported`);
  const total = { nodes: 1, buffers: own };
  const children = vectorField(flat, field, 5, 4);
  if (children.length > MAX_COLUMNS) throw flatError(flat, `column ${name} has too many parts`);
  for (let i = 0; i < children.length; i++) {
    const child = extent(flat, tableAt(flat, children, i), name, depth + 1);
    total.nodes += child.nodes;
    total.buffers += child.buffers;
    if (total.nodes > MAX_COLUMNS) throw flatError(flat, `column ${name} has too many parts`);
  }
  return total;
}

function readColumn(flat: Flat, field: Table): FileColumn {
  const name = stringField(flat, field, 0) ?? '';
  const type = int8Field(flat, field, 2, 0);
  const encoding = tableField(flat, field, 4);
  const int =
    encoding !== null ? tableField(flat, encoding, 1) : type === TYPE_INT ? tableField(flat, field, 3) : null;
  return {
    name,
    bits: int === null ? null : int32Field(flat, int, 0, 0),
    signed: int !== null && int8Field(flat, int, 1, 0) !== 0,
    dictionary: encoding === null ? null : int64Field(flat, encoding, 0, 0),
    type,
    ...extent(flat, field, name, 0),
  };
}

/** Reads a Schema table. @throws TraceFormatError */
export function readHeader(flat: Flat, schema: Table): FileHeader {
  if (int16Field(flat, schema, 0, 0) !== 0) throw flatError(flat, 'big-endian Arrow files are not supported');
  const fields = vectorField(flat, schema, 1, 4);
  if (fields.length > MAX_COLUMNS) throw flatError(flat, `${fields.length} columns`);
  const columns: FileColumn[] = [];
  let nodes = 0;
  for (let i = 0; i < fields.length; i++) {
    const column = readColumn(flat, tableAt(flat, fields, i));
    nodes += column.nodes;
    if (nodes > MAX_COLUMNS) throw flatError(flat, 'too many columns');
    columns.push(column);
  }
  return { columns, metadata: keyValues(flat, schema, 2), absent: new Set() };
}
