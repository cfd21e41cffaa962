/**
 * Schema, batch, dictionary and footer metadata in Arrow's encoding, made by apache-arrow. Only the metadata part of it
 * is loaded: column bytes are written as they are, which is all that its writer would do with them.
 */
import * as files from 'apache-arrow/ipc/metadata/file';
import * as messages from 'apache-arrow/ipc/metadata/message';
import * as schemas from 'apache-arrow/schema';
import * as types from 'apache-arrow/type';
import { COLUMNS } from '../parsers/capture-arrow/schema.ts';
import type { BlockPlace } from './sink.ts';

/** Offset in the body and length of a buffer, number of rows and nulls of a column. */
export interface BodyShape {
  readonly rows: number;
  readonly nulls: readonly number[];
  readonly regions: readonly (readonly [offset: number, length: number])[];
  readonly bodyLength: number;
}

export type FieldMetadata = (column: string) => Map<string, string>;

function schemaOf(metadata: Map<string, string>, fieldMetadata: FieldMetadata) {
  const fields = COLUMNS.map(({ name, bits, signed, dictionary, nullable }) => {
    const integer = new types.Int(signed, bits);
    const type =
      dictionary === null
        ? integer
        : new types.Dictionary(new types.Utf8(), integer as InstanceType<typeof types.Uint16>, dictionary);
    return new schemas.Field(name, type, nullable, fieldMetadata(name));
  });
  return new schemas.Schema(fields, metadata);
}

export function encodeSchema(metadata: Map<string, string>, fieldMetadata: FieldMetadata): Uint8Array {
  return messages.Message.encode(messages.Message.from(schemaOf(metadata, fieldMetadata)));
}

function recordBatch(shape: BodyShape, metadata?: Map<string, string>) {
  return new messages.RecordBatch(
    shape.rows,
    shape.nulls.map((nulls) => new messages.FieldNode(shape.rows, nulls)),
    shape.regions.map(([offset, length]) => new messages.BufferRegion(offset, length)),
    null,
    [],
    metadata,
  );
}

/** `metadata` goes to the message itself: readers of rows do not see it. */
export function encodeBatch(shape: BodyShape, metadata: Map<string, string>): Uint8Array {
  return messages.Message.encode(messages.Message.from(recordBatch(shape, metadata), shape.bodyLength));
}

export function encodeDictionary(id: number, isDelta: boolean, shape: BodyShape): Uint8Array {
  const dictionary = new messages.DictionaryBatch(recordBatch(shape), id, isDelta);
  return messages.Message.encode(messages.Message.from(dictionary, shape.bodyLength));
}

export function encodeFooter(
  metadata: Map<string, string>,
  fieldMetadata: FieldMetadata,
  dictionaries: readonly BlockPlace[],
  batches: readonly BlockPlace[],
): Uint8Array {
  const block = ({ metadataLength, bodyLength, offset }: BlockPlace) =>
    new files.FileBlock(metadataLength, bodyLength, offset);
  // MetadataVersion.V5 (the default of Footer) is what Message.encode writes.
  const schema = schemaOf(metadata, fieldMetadata);
  return files.Footer.encode(
    new files.Footer(schema, undefined, batches.map(block), dictionaries.map(block)),
  );
}
