/** Where a perf.data file ends by its own header: behind the records, their index of features and these themselves. */
import { type ByteSource, readFully } from '../byte-source.ts';

/** `bits`: the features that the file has; `index`: where their {u64 offset, u64 size} pairs begin. Infinity: damaged. */
export function endOfFile(
  source: ByteSource,
  index: number,
  bits: readonly number[],
  little: boolean,
): number {
  let end = index + 16 * bits.length;
  const table = new Uint8Array(16 * bits.length);
  if (readFully(source, index, table, 0, table.length) < table.length) return Infinity;
  const view = new DataView(table.buffer);
  for (let at = 0; at < table.length; at += 16)
    end = Math.max(end, Number(view.getBigUint64(at, little)) + Number(view.getBigUint64(at + 8, little)));
  return end;
}
