/** Decompression of sections and of chunks of pages: each is a complete stream of its own. */
import * as zlib from 'node:zlib';
import { decompress as unzstd } from 'fzstd';
import { TraceFormatError } from '../../core/errors.ts';
import { FORMAT_ID } from './metadata.ts';
import { loadWasmZstd } from './wasm-zstd.ts';

/** Most plain bytes of one section or chunk; trace-cmd makes chunks of ten pages. */
export const MAX_PLAIN = 64 << 20;

type Inflate = (data: Uint8Array, options: { maxOutputLength: number; chunkSize?: number }) => Uint8Array;

/** Node has zstd since 22.15 and 23.8. */
const nodeZstd = (zlib as unknown as { zstdDecompressSync?: Inflate }).zstdDecompressSync;

/**
 * Gives the `plain` bytes that `data` holds, or fewer if it holds less, possibly in `target` (which is as long); throws
 * what the library throws.
 */
export type Decompress = (data: Uint8Array, plain: number, target: Uint8Array | null) => Uint8Array;

/**
 * Decoders of zstd, the best first; null where it does not exist. Node's own makes new buffers for each chunk: measured
 * with Node 22 it is a little slower than the one in WebAssembly, and garbage adds 200 MB to the peak memory.
 */
export const ZSTD_DECODERS: Readonly<Record<string, () => Decompress | null>> = {
  wasm: loadWasmZstd,
  node: () =>
    nodeZstd
      ? (data, plain) =>
          nodeZstd(data, { maxOutputLength: Math.max(1, plain), chunkSize: Math.max(64, plain) })
      : null,
  javascript: () => (data, plain, target) => {
    // fzstd does not tell how much it wrote: what is missing has to be zero, as in an empty page.
    const output = withAnswer(target && target.length === plain ? target.fill(0) : new Uint8Array(plain));
    unzstd(data, output);
    return output;
  },
};

let zstd: Decompress | null = null;

/** The decompressor by trace-cmd's name for it. @throws TraceFormatError for a name that is not known. */
export function decompressorOf(name: string): Decompress {
  if (name === 'zlib')
    return (data, plain) => zlib.inflateSync(data, { maxOutputLength: Math.max(1, plain) });
  if (name === 'zstd') for (const create of Object.values(ZSTD_DECODERS)) zstd ??= create();
  if (name === 'zstd' && zstd) return zstd;
  throw new TraceFormatError({
    format: FORMAT_ID,
    section: 'header',
    message: `compressed with ${JSON.stringify(name.slice(0, 32))}, which is not known`,
    hint: 'zlib and zstd are: trace-cmd convert --compression zstd',
  });
}

/**
 * fzstd 0.1.1 asks of its output whether it `== 1`, which turns the array into a string of all its numbers: four fifths
 * of the time, unless the array answers by itself.
 */
function withAnswer(output: Uint8Array): Uint8Array {
  return Object.hasOwn(output, Symbol.toPrimitive)
    ? output
    : Object.defineProperty(output, Symbol.toPrimitive, { value: () => 0 });
}
