/**
 * Schema, batch, dictionary and footer metadata in Arrow's encoding, made by apache-arrow. It is loaded at the
 * first use and only the metadata part of it (25 ms; the whole package takes 55 ms): column bytes are written as
 * they are, which is all that its writer would do with them.
 */
import { createRequire } from 'node:module';
import { COLUMNS } from '../parsers/capture-arrow/schema.ts';
import type { BlockPlace } from './sink.ts';

interface Arrow {
  readonly messages: typeof import('apache-arrow/ipc/metadata/message');
  readonly files: typeof import('apache-arrow/ipc/metadata/file');
  readonly types: typeof import('apache-arrow/type');
  readonly schemas: typeof import('apache-arrow/schema');
}

let loaded: Arrow | null = null;

/** require() instead of import(): the writer is synchronous. */
function arrow(): Arrow {
  if (loaded) return loaded;
  const require = createRequire(import.meta.url);
  loaded = {
    messages: require('apache-arrow/ipc/metadata/message'),
    files: require('apache-arrow/ipc/metadata/file'),
    types: require('apache-arrow/type'),
    schemas: require('apache-arrow/schema'),
  };
  return loaded;
}

/** Offset in the body and length of a buffer, number of rows and nulls of a column. */
export interface BodyShape {
  readonly rows: number;
  readonly nulls: readonly number[];
  readonly regions: readonly (readonly [offset: number, length: number])[];
  readonly bodyLength: number;
}

export type FieldMetadata = (column: string) => Map<string, string>;

function schemaOf(metadata: Map<string, string>, fieldMetadata: FieldMetadata) {
  const { types, schemas } = arrow();
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
  const { messages } = arrow();
  return messages.Message.encode(messages.Message.from(schemaOf(metadata, fieldMetadata)));
}

function recordBatch(shape: BodyShape, metadata?: Map<string, string>) {
  const { messages } = arrow();
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
  const { messages } = arrow();
  return messages.Message.encode(messages.Message.from(recordBatch(shape, metadata), shape.bodyLength));
}

export function encodeDictionary(id: number, isDelta: boolean, shape: BodyShape): Uint8Array {
  const { messages } = arrow();
  const dictionary = new messages.DictionaryBatch(recordBatch(shape), id, isDelta);
  return messages.Message.encode(messages.Message.from(dictionary, shape.bodyLength));
}

export function encodeFooter(
  metadata: Map<string, string>,
  fieldMetadata: FieldMetadata,
  dictionaries: readonly BlockPlace[],
  batches: readonly BlockPlace[],
): Uint8Array {
  const { files } = arrow();
  const block = ({ metadataLength, bodyLength, offset }: BlockPlace) =>
    new files.FileBlock(metadataLength, bodyLength, offset);
  // MetadataVersion.V5 (the default of Footer) is what Message.encode writes.
  const schema = schemaOf(metadata, fieldMetadata);
  return files.Footer.encode(
    new files.Footer(schema, undefined, batches.map(block), dictionaries.map(block)),
  );
}
