/** The guest's symbol table that --guest-symbols names. */
import { zlib } from '../core/builtins.ts';
import { UsageError } from '../core/errors.ts';
import { readWhole } from '../parsers/read-whole.ts';

/** A distribution kernel's System.map has 5 to 10 MB; kallsyms with modules a few more. */
const MAX_BYTES = 256 << 20;

/** Text of the file, gzipped or not. @throws UsageError when it is too large; Node's file errors as they are. */
export function readSymbolFile(path: string): string {
  const bytes = readWhole(path, MAX_BYTES);
  if (bytes === null) throw new UsageError(`${path} is too large for a symbol table`);
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes.toString('latin1');
  try {
    return zlib().gunzipSync(bytes, { maxOutputLength: MAX_BYTES }).toString('latin1');
  } catch (error) {
    throw new UsageError(`${path}: ${(error as Error).message}`, 'The file is damaged or too large.');
  }
}
