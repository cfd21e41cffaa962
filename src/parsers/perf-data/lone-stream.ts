/** A `data.N` on its own: records without the header that describes them, which lies in `data` of the same folder. */
import { TraceFormatError } from '../../core/errors.ts';
import { type ByteSource, readFully } from '../byte-source.ts';
import {
  FIRST_USER_RECORD,
  HEADER_BYTES,
  LAST_KERNEL_RECORD,
  RECORD_COMPRESSED,
  RECORD_COMPRESSED2,
  RECORD_FINISHED_ROUND,
} from './record-types.ts';

/** Records in a row that are evidence. */
const ENOUGH = 3;

/** Whether the bytes are a chain of plausible records, of either byte order. */
export function looksLikeStream(head: Uint8Array): boolean {
  return isChain(head, true) || isChain(head, false);
}

function isChain(head: Uint8Array, little: boolean): boolean {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  let at = 0;
  let count = 0;
  while (at + HEADER_BYTES <= head.length) {
    const type = view.getUint32(at, little);
    const size = view.getUint16(at + 6, little);
    const kernel = type > 0 && type <= LAST_KERNEL_RECORD && size % 8 === 0;
    const user = type >= FIRST_USER_RECORD && type <= RECORD_COMPRESSED2;
    if (size < HEADER_BYTES || !(kernel || user)) return false;
    if (type === RECORD_FINISHED_ROUND && size !== HEADER_BYTES) return false;
    if (type === RECORD_COMPRESSED && count === 0)
      return view.getUint32(at + HEADER_BYTES, true) === 0xfd2fb528;
    at += size;
    count++;
  }
  return count >= ENOUGH;
}

/** @throws TraceFormatError when the input is such a stream. */
export function refuseStream(source: ByteSource): void {
  const head = new Uint8Array(4096);
  const bytes = head.subarray(0, readFully(source, 0, head, 0, head.length));
  if (/^PERF|^2ELIF/.test(new TextDecoder('latin1').decode(bytes.subarray(0, 8))) || !looksLikeStream(bytes))
    return;
  throw new TraceFormatError({
    format: 'perf.data',
    message:
      'this is one stream (data.N) of a `perf record --threads` folder, without the description of its events',
    hint: 'name the folder instead of the file in it',
  });
}
