/** Checks a RecordBatch table (format/Message.fbs) against its body and the layout of the file. */
import {
  type Flat,
  flatError,
  int64At,
  int64Field,
  type Table,
  tableField,
  vectorField,
} from './flatbuffer.ts';
import type { Message } from './message.ts';

/** Two 64-bit integers per field node (length, null count) and buffer (offset, length). */
const PAIR_BYTES = 16;

export interface BatchTable {
  readonly rows: number;
  /** Null count of each field node. */
  readonly nulls: Float64Array;
  /** Start in the body and length of each buffer, in pairs. */
  readonly regions: Float64Array;
}

/** Whether the buffers of a batch of rows are. */
export function isCompressed({ flat, header }: Message): boolean {
  return tableField(flat, header, 3) !== null;
}

/**
 * Every buffer lies inside the body and every node has the rows of the batch, unless it is part of a nested
 * column (which only files of others have). @throws TraceFormatError
 */
export function readBatchTable(
  flat: Flat,
  table: Table,
  bodyLength: number,
  nodeCount: number,
  bufferCount: number,
): BatchTable {
  if (tableField(flat, table, 3) !== null)
    throw flatError(flat, 'the buffers are compressed: write them uncompressed');
  const rows = int64Field(flat, table, 0, 0);
  const nodes = vectorField(flat, table, 1, PAIR_BYTES);
  const buffers = vectorField(flat, table, 2, PAIR_BYTES);
  if (nodes.length !== nodeCount || buffers.length !== bufferCount)
    throw flatError(
      flat,
      `${nodes.length} nodes and ${buffers.length} buffers, not ${nodeCount} and ${bufferCount}`,
    );
  // No column is narrower than a byte, so a body cannot have more rows than bytes.
  if (rows < 0 || rows > bodyLength) throw flatError(flat, `${rows} rows in ${bodyLength} bytes`);
  const nulls = new Float64Array(nodes.length);
  for (let i = 0; i < nodes.length; i++) nulls[i] = int64At(flat, nodes.start + PAIR_BYTES * i + 8);
  const regions = new Float64Array(2 * buffers.length);
  for (let i = 0; i < buffers.length; i++) {
    const at = buffers.start + PAIR_BYTES * i;
    const offset = int64At(flat, at);
    const length = int64At(flat, at + 8);
    if (offset < 0 || length < 0 || offset + length > bodyLength)
      throw flatError(flat, `buffer ${i} lies outside of the body`, at);
    regions[2 * i] = offset;
    regions[2 * i + 1] = length;
  }
  return { rows, nulls, regions };
}

/** Start in the body of buffer `index`, which must hold at least `bytes`. @throws TraceFormatError */
export function regionStart(flat: Flat, batch: BatchTable, index: number, bytes: number): number {
  if (batch.regions[2 * index + 1] < bytes)
    throw flatError(flat, `buffer ${index} has ${batch.regions[2 * index + 1]} of ${bytes} bytes`);
  return batch.regions[2 * index];
}
