/** Codes of strings in bytes: a string that was seen before (device names mostly) costs a comparison, no decoding. */
import { note } from '../../core/diagnostics.ts';
import { internString } from '../../core/string-table.ts';
import type { TraceContext } from '../../core/trace-context.ts';
import {
  addName,
  type ByteNames,
  createByteNames,
  findName,
  hashBytes,
  MAX_NAME_BYTES,
} from '../text/byte-names.ts';
import { decodeText } from '../text/numbers.ts';

export interface InternedBytes {
  readonly context: TraceContext;
  readonly names: ByteNames;
  /** String code by id of `names`. */
  readonly codes: number[];
}

export function createInternedBytes(context: TraceContext): InternedBytes {
  return { context, names: createByteNames(), codes: [] };
}

/** Code of the string in [start, end), −1 when the capture's string table is full. */
export function internBytes(interned: InternedBytes, buf: Uint8Array, start: number, end: number): number {
  if (end - start > MAX_NAME_BYTES) return intern(interned.context, decodeText(buf, start, end));
  const hash = hashBytes(buf, start, end);
  const id = findName(interned.names, buf, start, end, hash);
  if (id >= 0) return interned.codes[id];
  const code = intern(interned.context, decodeText(buf, start, end));
  const added = addName(interned.names, buf, start, end, hash);
  if (added >= 0) interned.codes[added] = code;
  return code;
}

function intern(context: TraceContext, text: string): number {
  const code = internString(context.strings, text);
  if (code < 0)
    note(
      context.diagnostics,
      'event-text-dropped',
      'info',
      'more different strings in event arguments than a capture can hold: the rest are kept without them',
    );
  return code;
}
