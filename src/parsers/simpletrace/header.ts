/** The 24 bytes in front of a simpletrace file: u64 all ones, u64 magic, u64 version (trace/simple.c). */
import { TraceFormatError } from '../../core/errors.ts';

export const HEADER_BYTES = 24;

const ONES = 0xffffffff;
const MAGIC_HIGH = 0xf2b177cb;
const MAGIC_LOW = 0x0aa429b4;

export interface TraceHeader {
  readonly little: boolean;
  readonly version: number;
}

/** Byte order of a header at `at`, null if there is none. Needs 16 bytes. */
export function headerOrder(view: DataView, at: number): 'little' | 'big' | null {
  if (at + 16 > view.byteLength || view.getUint32(at) !== ONES || view.getUint32(at + 4) !== ONES)
    return null;
  if (view.getUint32(at + 8, true) === MAGIC_LOW && view.getUint32(at + 12, true) === MAGIC_HIGH)
    return 'little';
  if (view.getUint32(at + 8) === MAGIC_HIGH && view.getUint32(at + 12) === MAGIC_LOW) return 'big';
  return null;
}

/** Reads the header; `length`: bytes there. */
export function readHeader(view: DataView, length: number): TraceHeader {
  const order = length >= 16 ? headerOrder(view, 0) : null;
  if (order === null)
    throw new TraceFormatError({
      format: 'simpletrace',
      section: 'header',
      offset: 0,
      message: 'not a simpletrace file',
    });
  if (length < HEADER_BYTES)
    throw new TraceFormatError({
      format: 'simpletrace',
      section: 'header',
      offset: length,
      message: 'the file ends inside its header',
      hint: 'QEMU was killed at once, or the copy is cut off; there are no events in it',
    });
  const little = order === 'little';
  const version = view.getUint32(little ? 16 : 20, little);
  const rest = view.getUint32(little ? 20 : 16, little);
  if (rest !== 0 || (version !== 0 && version !== 2 && version !== 3 && version !== 4))
    throw new TraceFormatError({
      format: 'simpletrace',
      section: 'header',
      offset: 16,
      message: `simpletrace version ${rest === 0 ? version : 'beyond 32 bits'} is not known; 0, 2, 3 and 4 are`,
      hint: 'the file comes from a newer QEMU, or it is damaged',
    });
  return { little, version };
}
