/** The body of a batch of rows: each column's validity and values, as they lie in a slot. */
import { COLUMNS } from '../parsers/capture-arrow/schema.ts';
import { addColumn, addEmptyColumn, type Body, createBody } from './body.ts';
import type { RowIndices } from './row-indices.ts';
import type { IndexName, Slot } from './slots.ts';
import { validityOfField, validityOfSentinel } from './validity.ts';

/** `indices`: of the slot's rows. */
export function bodyOfRows({ batch, validities }: Slot, indices: RowIndices): Body {
  const rows = batch.length;
  const body = createBody();
  for (let i = 0; i < COLUMNS.length; i++) {
    const { column, bits, dictionary, field, sentinel, name } = COLUMNS[i];
    if (dictionary !== null || column === null) {
      const { nulls, validity, indices: values } = indices[name as IndexName];
      addColumn(body, nulls, validity.subarray(0, Math.ceil(rows / 8)), bytesOf(values, 2 * rows));
      continue;
    }
    const values = batch[column];
    const validity = validities[i].subarray(0, Math.ceil(rows / 8));
    let nulls = 0;
    if (field !== 0) nulls = validityOfField(batch, field, rows, validity);
    else if (sentinel !== null)
      nulls = validityOfSentinel(batch, values as Uint16Array | Int32Array, sentinel, rows, validity);
    const bytes = (rows * bits) / 8;
    if (nulls === rows) addEmptyColumn(body, rows, validity, bytes);
    else addColumn(body, nulls, validity, bytesOf(values, bytes));
  }
  return body;
}

function bytesOf(values: Uint8Array | Uint16Array | Uint32Array | Int32Array, bytes: number): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, bytes);
}
