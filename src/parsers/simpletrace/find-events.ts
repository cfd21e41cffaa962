/** Finds the trace-events-all that belongs to a QEMU recording, for callers that open files (parsers get its text). */
import { statSync } from 'node:fs';
import path from 'node:path';
import { zlib } from '../../core/builtins.ts';
import { UsageError } from '../../core/errors.ts';
import { readWhole } from '../read-whole.ts';

const NAMES = ['trace-events-all', 'trace-events-all.gz'];
/** QEMU's own is half a megabyte. */
const MAX_BYTES = 64 << 20;

export interface FoundEvents {
  readonly path: string;
  readonly text: string;
}

/**
 * trace-events-all, plain or gzipped, beside the recording or one folder up (recordings of one build, a folder each).
 * Null if there is none that can be read. The file of an installed QEMU is not looked for: it belongs to that build
 * alone, and a wrong one gives wrong arguments.
 */
export function findTraceEvents(recording: string): FoundEvents | null {
  if (recording === '-') return null;
  const folder = path.dirname(recording);
  for (const place of [folder, path.join(folder, '..')])
    for (const name of NAMES) {
      const file = path.join(place, name);
      try {
        if (statSync(file).isFile()) return { path: file, text: readTraceEventsFile(file) };
      } catch {
        // Not there, or not readable: as if it were not there.
      }
    }
  return null;
}

/** @throws UsageError if it is too large or not gzip after all; Node's file errors as they are. */
export function readTraceEventsFile(file: string): string {
  const bytes = readWhole(file, MAX_BYTES);
  if (bytes === null) throw tooLarge(file);
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes.toString('utf8');
  try {
    return zlib().gunzipSync(bytes, { maxOutputLength: MAX_BYTES }).toString('utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(file);
    throw new UsageError(`${file}: cannot be decompressed (${(error as Error).message})`);
  }
}

function tooLarge(file: string): UsageError {
  return new UsageError(
    `${file}: too large for a trace-events file`,
    'It is the file trace-events-all of the QEMU build that recorded.',
  );
}
