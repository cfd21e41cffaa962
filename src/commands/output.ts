/**
 * Output files: tried before the long work, so that a wrong path fails at once; written under a temporary name and
 * renamed when complete, so that nobody takes half a file for a whole one.
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
import type { Output } from './standard-streams.ts';

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

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Removes what is unfinished, then dies of the signal as if nobody had listened: shells see 130 for Ctrl-C. */
function interrupted(signal: NodeJS.Signals): void {
  abortOutputs();
  for (const name of SIGNALS) process.removeListener(name, interrupted);
  process.kill(process.pid, signal);
}

/**
 * Listens only while there is something to remove: a listener runs between two tasks, not inside a read that
 * waits for a pipe, and without one the signal ends the program at once.
 */
function guard(output: OutputFile): void {
  if (unfinished.size === 0) for (const name of SIGNALS) process.on(name, interrupted);
  unfinished.add(output);
}

/** False if it was not guarded (any more). */
function unguard(output: OutputFile): boolean {
  const known = unfinished.delete(output);
  if (known && unfinished.size === 0) for (const name of SIGNALS) process.removeListener(name, interrupted);
  return known;
}

/** Node's file errors name the path of the call, users know their own; and what helps differs from inputs. */
function naming<T>(path: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw Object.assign(error as Error, { path, isOutput: true });
  }
}

/** Whether the output is a file to be replaced; devices and pipes (/dev/null, /dev/stdout) are written as they are. */
function isRenamed(path: string, inputs: readonly string[]): boolean {
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
  return existing === undefined || existing.isFile();
}

/** Throws what createOutput would throw, and leaves nothing behind. `inputs` are refused as outputs. */
export function tryOutput(path: string, inputs: readonly string[]): void {
  naming(path, () => {
    if (isRenamed(path, inputs)) renamedOutput(path).abort();
    else accessSync(path, constants.W_OK);
  });
}

/** `inputs` are refused as outputs. */
export function createOutput(path: string, inputs: readonly string[] = []): OutputFile {
  return naming(path, () => (isRenamed(path, inputs) ? renamedOutput(path) : directOutput(path)));
}

function renamedOutput(path: string): OutputFile {
  const mode = statSync(path, { throwIfNoEntry: false })?.mode ?? null;
  // A symbolic link stays one: what it points at is replaced.
  const target = mode === null ? resolve(path) : realpathSync(path);
  if (mode !== null) accessSync(target, constants.W_OK);
  const writePath = join(dirname(target), `.${basename(target).slice(0, 200)}.${process.pid}.tmp`);
  let fd: number | null = openSync(writePath, 'wx', 0o666);
  const close = () => {
    if (fd !== null) closeSync(fd);
    fd = null;
  };
  const output: OutputFile = {
    path,
    writePath,
    write: (text) => naming(path, () => writeAll(fd!, text)),
    commit: () =>
      naming(path, () => {
        if (fd === null) return;
        fsyncSync(fd);
        close();
        renameSync(writePath, target);
        unguard(output);
      }),
    abort: () => {
      if (!unguard(output)) return;
      close();
      try {
        unlinkSync(writePath);
      } catch {
        // Gone already: nothing is left behind, which is all that matters here.
      }
    },
  };
  guard(output);
  if (mode !== null) chmodSync(writePath, mode & 0o777);
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
export async function writeToStream(stream: Output, rendered: Rendered): Promise<void> {
  const write = (text: string) =>
    new Promise<void>((done, failed) => stream.write(text, (error) => (error ? failed(error) : done())));
  if (typeof rendered === 'string') await write(rendered);
  else for await (const piece of rendered) await write(piece);
}
