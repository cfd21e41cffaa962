/**
 * From what the user named to a byte source and its format: files, standard input and other pipes, packed ones. What a parser
 * must read back and forth and cannot (a pipe, a compressed file) is spooled to a temporary file that is unlinked at once.
 */
import { statSync } from 'node:fs';
import type { Diagnostics } from '../core/diagnostics.ts';
import { TraceFormatError } from '../core/errors.ts';
import { type ByteSource, openFileSource, readFully } from './byte-source.ts';
import { openPerfFolder } from './folder-source.ts';
import { foreignFile } from './foreign-files.ts';
import { findFormat } from './registry.ts';
import { type KeptStreams, spool } from './spool.ts';
import { isStream, openStream } from './stream-source.ts';
import { SNIFF_BYTES, type TraceFormat } from './trace-format.ts';
import { packedBy, unpack } from './unpack.ts';

export interface OpenedInput {
  readonly source: ByteSource;
  readonly format: TraceFormat;
  /** Size as stored (before decompression), null for a pipe. */
  readonly storedBytes: number | null;
  /** About how many bytes of events there are, null for a pipe. */
  readonly eventBytes: number | null;
  readonly compressed: boolean;
}

const UNPACK_HINT = 'decompress it to a file yourself, or ';

/**
 * Opens `path` (`-` is standard input, unless it is among those `kept`) and finds its format by content.
 * @throws TraceFormatError when no format matches, with every format's verdict; Node's file errors as they are.
 */
export async function openInput(
  path: string,
  diagnostics: Diagnostics,
  kept: KeptStreams | null = null,
): Promise<OpenedInput> {
  let source = kept?.open(path) ?? (isStream(path) ? openStream(path) : openFile(path));
  const storedBytes = source.size;
  let head = readHead(source);
  const packing = packedBy(head);
  if (packing) {
    source = await unpack(source, packing, UNPACK_HINT, diagnostics);
    head = readHead(source);
  }
  if (head.length === 0)
    throw new TraceFormatError({
      format: path,
      message: 'the input is empty',
      hint: 'nothing was recorded, or the recorder did not finish its file',
    });
  const { format, verdicts } = await findFormat(head, path);
  const foreign = format ? null : foreignFile(head, packing?.name ?? null);
  if (foreign)
    throw new TraceFormatError({ format: path, message: `this is ${foreign.what}`, hint: foreign.hint });
  if (!format)
    throw new TraceFormatError({
      format: path,
      message: 'no known trace format',
      hint: verdicts.map(({ format: tried, verdict }) => `${tried.id}: ${verdict.reason}`).join('\n'),
    });
  if (!source.seekable && format.access === 'random') source = await spool(source);
  const eventBytes = source.size === null ? null : source.size * (format.expansion?.(head) ?? 1);
  return { source, format, storedBytes, eventBytes, compressed: packing !== null };
}

function openFile(path: string): ByteSource {
  if (!statSync(path).isDirectory()) return openFileSource(path);
  const folder = openPerfFolder(path);
  if (folder) return folder;
  throw new TraceFormatError({
    format: path,
    message: 'this is a folder, and not one that `perf record --threads` writes (no file `data` in it)',
    hint: 'name the files in it',
  });
}

function readHead(source: ByteSource): Uint8Array {
  const head = new Uint8Array(SNIFF_BYTES);
  return head.subarray(0, readFully(source, 0, head, 0, head.length));
}
