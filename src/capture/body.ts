/** Collects the buffers of a message body and where each lies in it. */
import type { BodyShape } from './arrow-messages.ts';
import { padded } from './sink.ts';

const NONE = new Uint8Array(0);

export interface Body {
  readonly buffers: Uint8Array[];
  readonly nulls: number[];
  readonly regions: [offset: number, length: number][];
  length: number;
}

export function createBody(): Body {
  return { buffers: [], nulls: [], regions: [], length: 0 };
}

function addBuffer(body: Body, buffer: Uint8Array): void {
  body.regions.push([body.length, buffer.length]);
  if (buffer.length === 0) return;
  body.buffers.push(buffer);
  body.length += padded(buffer.length);
}

/** One column: validity bits (left out where no row is null), then its buffers. */
export function addColumn(body: Body, nulls: number, validity: Uint8Array, ...buffers: Uint8Array[]): void {
  body.nulls.push(nulls);
  addBuffer(body, nulls === 0 ? NONE : validity);
  for (const buffer of buffers) addBuffer(body, buffer);
}

/**
 * A column without any value in this batch. Arrow wants a buffer of full length, whose content means nothing: it
 * gets the place of the body's first values, which are at least as long, instead of zeros in the file.
 */
export function addEmptyColumn(body: Body, rows: number, validity: Uint8Array, bytes: number): void {
  body.nulls.push(rows);
  addBuffer(body, validity.fill(0));
  body.regions.push([body.regions[1][0], bytes]);
}

export function shapeOf(body: Body, rows: number): BodyShape {
  return { rows, nulls: body.nulls, regions: body.regions, bodyLength: body.length };
}
