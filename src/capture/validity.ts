/** Validity bitmaps of a batch's columns, by kernels (src/kernels/validity.ts). Each returns how many rows are null. */
import type { ArenaBatch } from '../core/event-batch.ts';

/** By a bit of the `fields` column. */
export function validityOfField(batch: ArenaBatch, bit: number, rows: number, bitmap: Uint8Array): number {
  const { fieldValidity } = batch.arena.kernels;
  return rows - fieldValidity(batch.fields.byteOffset, bit, rows, bitmap.byteOffset);
}

/** By a value that means "not known". */
export function validityOfSentinel(
  batch: ArenaBatch,
  values: Uint16Array | Int32Array,
  sentinel: number,
  rows: number,
  bitmap: Uint8Array,
): number {
  const { validity16, validity32 } = batch.arena.kernels;
  const ofWidth = values.BYTES_PER_ELEMENT === 2 ? validity16 : validity32;
  return rows - ofWidth(values.byteOffset, sentinel, rows, bitmap.byteOffset);
}

/** Bits that are set in a bitmap. */
export function countBits(bitmap: Uint8Array, bytes: number): number {
  let count = 0;
  for (let i = 0; i < bytes; i++) count += POPULATION[bitmap[i]];
  return count;
}

const POPULATION = Uint8Array.from({ length: 256 }, (_, byte) => {
  let count = 0;
  for (let rest = byte; rest > 0; rest >>= 1) count += rest & 1;
  return count;
});
