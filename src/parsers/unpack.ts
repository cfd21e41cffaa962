/** Files that are packed as a whole: unpacked to a temporary file, as parsers read back and forth. */
import { createReadStream } from 'node:fs';
import { stream, zlib } from '../core/builtins.ts';
import { type Diagnostics, note } from '../core/diagnostics.ts';
import { TraceFormatError } from '../core/errors.ts';
import { type ByteSource, chunksOf } from './byte-source.ts';
import { temporaryFile } from './temporary-file.ts';

export interface Packing {
  /** Name of the format and of the program: `gzip`. */
  readonly name: string;
  readonly magic: readonly number[];
  /** Gives the plain bytes in pieces that are only good during the call. @throws Error where the file is damaged */
  readonly decode: (source: ByteSource, take: (plain: Uint8Array) => void) => Promise<void>;
}

const PACKINGS: readonly Packing[] = [
  { name: 'gzip', magic: [0x1f, 0x8b], decode: gunzip },
  { name: 'zstd', magic: [0x28, 0xb5, 0x2f, 0xfd], decode: unzstd },
  // pzstd begins with a skippable frame.
  { name: 'zstd', magic: [0x50, 0x2a, 0x4d, 0x18], decode: unzstd },
];

/** How a file that begins like this is packed; null if it is not, or by something that is not unpacked here. */
export function packedBy(head: Uint8Array): Packing | null {
  return PACKINGS.find(({ magic }) => magic.every((byte, i) => head[i] === byte)) ?? null;
}

/**
 * The unpacked bytes, as a source with the same name; closes the packed one. What comes before damage is kept, with a
 * diagnostic. @throws TraceFormatError if there is none, or too much for the disk (with `hint`).
 */
export async function unpack(
  source: ByteSource,
  { name, decode }: Packing,
  hint: string,
  diagnostics: Diagnostics,
): Promise<ByteSource> {
  const file = temporaryFile(hint);
  try {
    await decode(source, file.write);
  } catch (error) {
    if (error instanceof TraceFormatError) throw error;
    const { message } = error as Error;
    if (file.size() === 0)
      throw new TraceFormatError(
        { format: name, message: `cannot be decompressed: ${message}` },
        { cause: error },
      );
    note(
      diagnostics,
      `truncated-${name}`,
      'data-loss',
      `the ${name} file is cut off or damaged (${message}); what came before was read`,
    );
  }
  source.close();
  return file.open(source.name);
}

async function gunzip(source: ByteSource, take: (plain: Uint8Array) => void): Promise<void> {
  const input =
    source.fd !== undefined
      ? createReadStream(source.name, { highWaterMark: 1 << 20 })
      : stream().Readable.from(chunksOf(source));
  const output = input.pipe(zlib().createGunzip({ chunkSize: 1 << 18 }));
  input.on('error', (error: Error) => output.destroy(error));
  for await (const chunk of output) take(chunk as Buffer);
}

async function unzstd(source: ByteSource, take: (plain: Uint8Array) => void): Promise<void> {
  const { createZstdStream, endZstd, pushZstd } = await import('./zstd-stream.ts');
  const { default: xxhash } = await import('xxhash-wasm');
  const { create64 } = await xxhash();
  const zstd = createZstdStream(create64);
  for (const chunk of chunksOf(source)) {
    pushZstd(zstd, chunk, take);
    // Lets Ctrl-C through.
    await new Promise((resolve) => setImmediate(resolve));
  }
  endZstd(zstd, take);
}
