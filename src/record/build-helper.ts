/** Builds kvmtrace-capture of its C sources: only when a recording needs it, never when the package is installed. */
import { spawn } from 'node:child_process';
import {
  accessSync,
  constants,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, isAbsolute, join } from 'node:path';
import { UsageError } from '../core/errors.ts';

const NAME = 'kvmtrace-capture';
const WORK = '.build-';
/** No build takes that long. */
const LEFT_MS = 10 * 60_000;

/** Compilers that PATH has, the user's own (CC) first. */
export function compilersOf(env: NodeJS.ProcessEnv): string[] {
  const names = [...(env.CC ? [env.CC] : []), 'cc', 'gcc', 'clang'];
  return names.flatMap((name) => find(name, env.PATH ?? '') ?? []);
}

function find(name: string, path: string): string | null {
  // A relative entry of PATH would let the current directory decide what root runs.
  const folders = isAbsolute(name) ? [''] : path.split(delimiter).filter((folder) => isAbsolute(folder));
  for (const folder of folders) {
    const file = folder === '' ? name : join(folder, name);
    try {
      accessSync(file, constants.X_OK);
      if (statSync(file).isFile()) return file;
    } catch {
      // Not here.
    }
  }
  return null;
}

/** The built program. Its place: beside the sources, else (an installation that cannot be written) the user's cache. */
export async function buildHelper(
  sources: string,
  compilers: readonly string[],
  env: NodeJS.ProcessEnv,
  tell: (text: string) => void,
): Promise<string> {
  let files: string[];
  try {
    files = readdirSync(sources).filter((name) => name.endsWith('.c'));
  } catch {
    files = [];
  }
  if (files.length === 0)
    throw new UsageError(
      `${NAME} is not there, and its sources (${sources}) are not either`,
      'Install the package anew, or name a built one: --helper FILE.',
    );
  const place = placeFor(sources, env);
  tell(`building ${join(place, NAME)} with ${compilers[0]} (once; it is the program that records)`);
  clearBuilds(place);
  const work = mkdtempSync(join(place, WORK));
  try {
    const made = join(work, NAME);
    let said = '';
    // Fedora and RHEL keep the static C library in a package of its own.
    for (const compiler of compilers)
      for (const linking of [['-static'], []]) {
        const result = await compile(
          compiler,
          ['-O2', ...linking, '-pthread', '-o', made, ...files],
          sources,
        );
        if (result.status === 0) {
          const built = join(place, NAME);
          renameSync(made, built);
          return built;
        }
        said = result.output;
      }
    throw new UsageError(
      `${NAME} cannot be built: ${lastError(said)}`,
      `See: cd ${sources} && cc -O2 -static -pthread -o /tmp/${NAME} *.c\nDebian needs gcc and libc6-dev, Fedora gcc and glibc-static. Or name one built elsewhere: --helper FILE.`,
    );
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** What builds left that were interrupted (Ctrl-C) or killed. */
function clearBuilds(place: string): void {
  for (const name of readdirSync(place)) {
    const path = join(place, name);
    const stat = name.startsWith(WORK) ? lstatSync(path, { throwIfNoEntry: false }) : undefined;
    // Another one may be building just now.
    if (stat?.isDirectory() && stat.uid === process.geteuid?.() && Date.now() - stat.mtimeMs > LEFT_MS)
      rmSync(path, { recursive: true, force: true });
  }
}

function placeFor(sources: string, env: NodeJS.ProcessEnv): string {
  try {
    accessSync(sources, constants.W_OK);
    return sources;
  } catch {
    const cache = join(env.XDG_CACHE_HOME || join(env.HOME || homedir(), '.cache'), 'kvmtrace');
    mkdirSync(cache, { recursive: true, mode: 0o700 });
    const { uid, mode } = statSync(cache);
    // What is built there is run with all rights: nobody else may have put it there.
    if (uid !== process.geteuid?.() || (mode & 0o022) !== 0)
      throw new UsageError(
        `${cache} belongs to another user, or others may write to it`,
        'Build kvmtrace-capture elsewhere and name it: --helper FILE.',
      );
    return cache;
  }
}

function compile(
  compiler: string,
  args: readonly string[],
  cwd: string,
): Promise<{ status: number; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(compiler, args, { cwd, stdio: ['ignore', 'ignore', 'pipe'] });
    let output = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-20_000);
    });
    child.on('error', (error) => resolve({ status: -1, output: error.message }));
    child.on('close', (status) => resolve({ status: status ?? -1, output }));
  });
}

function lastError(output: string): string {
  const lines = output.split('\n').filter((line) => line.trim() !== '');
  return (
    lines.find((line) => /error|cannot find/i.test(line)) ??
    lines.at(-1) ??
    'the compiler failed without a word'
  );
}
