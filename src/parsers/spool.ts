/**
 * Standard input and other pipes on disk: their bytes come once, and some are to be read again, by a parser that goes back and
 * forth or by a command that reads an input several times.
 */
import { type ByteSource, chunksOf } from './byte-source.ts';
import { isStream, openStream } from './stream-source.ts';
import { type TemporaryFile, temporaryFile } from './temporary-file.ts';

const SPOOL_HINT = 'save the input to a file yourself, or ';

async function spoolFile(source: ByteSource): Promise<TemporaryFile> {
  const file = temporaryFile(SPOOL_HINT);
  for (const chunk of chunksOf(source)) {
    file.write(chunk);
    // Lets Ctrl-C through while a pipe delivers.
    await new Promise((resolve) => setImmediate(resolve));
  }
  return file;
}

/** All of a source that cannot be read again, as one that can. */
export async function spool(source: ByteSource): Promise<ByteSource> {
  return (await spoolFile(source)).open(source.name);
}

/** Inputs that can be read once only, kept to be read as often as a command likes. */
export interface KeptStreams {
  /** null: the input is none of them. */
  open(path: string): ByteSource | null;
  /** Frees the disk. */
  close(): void;
}

/** Reads those of the inputs that are pipes to their end; null if none is. Errors carry the input's name as `path`. */
export async function keepStreams(paths: readonly string[]): Promise<KeptStreams | null> {
  const kept = new Map<string, ByteSource>();
  for (const path of new Set(paths.filter(isStream))) {
    try {
      const source = openStream(path);
      kept.set(path, await spool(source));
      source.close();
    } catch (error) {
      throw Object.assign(error as Error, { path });
    }
  }
  if (kept.size === 0) return null;
  return {
    open: (path) => {
      const source = kept.get(path);
      return source ? { ...source, close: () => {} } : null;
    },
    close: () => {
      for (const source of kept.values()) source.close();
    },
  };
}
