/**
 * Output files: created under a temporary name before the long work, so that a wrong path fails at once, and
 * renamed when complete, so that nobody takes half a report for a whole one.
 */
import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  fsyncSync,
  openSync,
  realpathSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { UsageError } from '../core/errors.ts';
import type { Rendered } from '../report/renderers.ts';

export interface OutputFile {
  /** As the user named it. */
  readonly path: string;
  /** Where to write until commit(). */
  readonly writePath: string;
  write(text: string): void;
  /** Closes and renames. */
  commit(): void;
  /** Closes and removes; harmless after commit(). */
  abort(): void;
}

/** Not yet complete; removed when the program is interrupted. */
const unfinished = new Set<OutputFile>();

export function abortOutputs(): void {
  for (const output of [...unfinished]) output.abort();
}

/** Node's file errors name the path of the call; users know their own. */
function naming<T>(path: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw Object.assign(error as Error, { path });
  }
}

/** `inputs` are refused as outputs. */
export function createOutput(path: string, inputs: readonly string[] = []): OutputFile {
  return naming(path, () => {
    const existing = statSync(path, { throwIfNoEntry: false });
    for (const input of inputs) {
      const stat = input === '-' ? undefined : statSync(input, { throwIfNoEntry: false });
      if (existing && stat && stat.ino === existing.ino && stat.dev === existing.dev)
        throw new UsageError(
          `-o ${path} is an input too`,
          'Choose another name: the recording would be overwritten.',
        );
    }
    if (existing?.isDirectory()) throw Object.assign(new Error('is a directory'), { code: 'EISDIR' });
    // Devices and pipes (/dev/null, /dev/stdout) are written as they are.
    if (existing && !existing.isFile()) return directOutput(path);
    return renamedOutput(path, existing?.mode ?? null);
  });
}

function renamedOutput(path: string, mode: number | null): OutputFile {
  // A symbolic link stays one: what it points at is replaced.
  const target = mode === null ? resolve(path) : realpathSync(path);
  if (mode !== null) accessSync(target, constants.W_OK);
  const writePath = join(dirname(target), `.${basename(target).slice(0, 200)}.${process.pid}.tmp`);
  let fd: number | null = openSync(writePath, 'wx', 0o666);
  if (mode !== null) chmodSync(writePath, mode & 0o777);
  const output: OutputFile = {
    path,
    writePath,
    write: (text) => naming(path, () => writeAll(fd!, text)),
    commit: () =>
      naming(path, () => {
        if (fd === null) return;
        fsyncSync(fd);
        closeSync(fd);
        fd = null;
        renameSync(writePath, target);
        unfinished.delete(output);
      }),
    abort: () => {
      if (!unfinished.delete(output)) return;
      if (fd !== null) closeSync(fd);
      fd = null;
      try {
        unlinkSync(writePath);
      } catch {
        // Gone already: nothing is left behind, which is all that matters here.
      }
    },
  };
  unfinished.add(output);
  return output;
}

function directOutput(path: string): OutputFile {
  const fd = openSync(path, 'w');
  return {
    path,
    writePath: path,
    write: (text) => naming(path, () => writeAll(fd, text)),
    commit: () => closeSync(fd),
    abort: () => {},
  };
}

function writeAll(fd: number, text: string): void {
  const bytes = Buffer.from(text, 'utf8');
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
}

/** Writes all pieces to a file. */
export async function writeToFile(output: OutputFile, rendered: Rendered): Promise<void> {
  if (typeof rendered === 'string') output.write(rendered);
  else for await (const piece of rendered) output.write(piece);
}

/** Writes all pieces to a stream and waits until it has taken them. */
export async function writeToStream(stream: NodeJS.WritableStream, rendered: Rendered): Promise<void> {
  const write = (text: string) =>
    new Promise<void>((done, failed) => stream.write(text, (error) => (error ? failed(error) : done())));
  if (typeof rendered === 'string') await write(rendered);
  else for await (const piece of rendered) await write(piece);
}
