/**
 * A folder that `perf record --threads` wrote, as one input: `data` (a perf.data file of its own) with the record
 * streams `data.0`, `data.1` … behind it. The parser finds where each lies in ByteSource.parts.
 */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type ByteSource, openFileSource, type SourcePart } from './byte-source.ts';

/** Opens the folder; null if it is none of perf's. */
export function openPerfFolder(path: string): ByteSource | null {
  const names = readdirSync(path);
  if (!names.includes('data') || !statSync(join(path, 'data')).isFile()) return null;
  const streams = names
    .filter((name) => /^data\.\d{1,6}$/.test(name) && statSync(join(path, name)).isFile())
    .sort((a, b) => Number(a.slice(5)) - Number(b.slice(5)));
  const parts: SourcePart[] = [];
  let total = 0;
  for (const name of ['data', ...streams]) {
    const { size } = statSync(join(path, name));
    parts.push({ name, start: total, size });
    total += size;
  }
  // One file open at a time: there are as many as CPUs, and they are read one after the other.
  let open: { readonly part: SourcePart; readonly source: ByteSource } | null = null;
  return {
    name: path,
    size: total,
    seekable: true,
    parts,
    readAt(position, target, offset, length) {
      const part = parts.find(({ start, size }) => position >= start && position < start + size);
      if (!part) return 0;
      if (open?.part !== part) {
        open?.source.close();
        open = { part, source: openFileSource(join(path, part.name)) };
      }
      const inside = position - part.start;
      return open.source.readAt(inside, target, offset, Math.min(length, part.size - inside));
    },
    close() {
      open?.source.close();
      open = null;
    },
  };
}
