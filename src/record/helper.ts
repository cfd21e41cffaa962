/** Where kvmtrace-capture is: named by the user, or one of the usual places, or built there. */
import { execFile } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { UsageError } from '../core/errors.ts';
import { buildHelper, compilersOf } from './build-helper.ts';

const HELPER_NAME = 'kvmtrace-capture';
const run = promisify(execFile);

/** Two levels up from src/record and from dist/record. */
const PACKAGE = fileURLToPath(new URL('../..', import.meta.url));

export interface HelperSearch {
  /** --helper */
  readonly named: string | null;
  readonly env: NodeJS.ProcessEnv;
  /** A line for the user. */
  readonly tell: (text: string) => void;
  /** Root of the package; tests hand in their own. */
  readonly root?: string;
}

/** @throws UsageError that says how to get one. */
export async function findHelper({ named, env, tell, root = PACKAGE }: HelperSearch): Promise<string> {
  const chosen = named ?? (env.KVMTRACE_HELPER || null);
  if (chosen !== null) {
    // Without a folder it would be looked for in PATH, and what runs has all rights.
    const path = resolve(chosen);
    const problem = await refusal(path);
    if (problem === null) return path;
    throw new UsageError(
      `${named === null ? 'KVMTRACE_HELPER=' : '--helper '}${chosen}: ${problem}`,
      `Name a ${HELPER_NAME} built for this machine. ${howToBuild(join(root, 'native'))}`,
    );
  }
  const sources = join(root, 'native');
  const built = join(sources, HELPER_NAME);
  const compilers = compilersOf(env);
  const places = [
    built,
    join(root, 'prebuilds', `linux-${process.arch}`, HELPER_NAME),
    join(dirname(root), HELPER_NAME),
  ];
  for (const place of places) {
    if (!statSync(place, { throwIfNoEntry: false })?.isFile()) continue;
    if (place === built && compilers.length > 0 && isOutdated(built, sources)) break;
    if ((await refusal(place)) === null) return place;
  }
  if (compilers.length > 0) return await buildHelper(sources, compilers, env, tell);
  throw new UsageError(
    `${HELPER_NAME}, the program that records, is not there, and no C compiler (cc, gcc, clang) to build it`,
    `${howToBuild(sources)}\nOr install a compiler here: apt-get install gcc libc6-dev, dnf install gcc glibc-static.\nOr record with other tools: kvmtrace reads perf.data and trace.dat as well.`,
  );
}

function howToBuild(sources: string): string {
  return `On any machine of the same kind: cd ${sources} && cc -O2 -static -pthread -o ${HELPER_NAME} *.c; copy it here and name it with --helper FILE or KVMTRACE_HELPER=FILE.`;
}

/** Why this file is not the helper; null if it is. */
async function refusal(path: string): Promise<string | null> {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) return 'no such file';
  if (!stat.isFile()) return 'is not a file';
  try {
    const { stdout } = await run(path, ['--version'], { timeout: 10_000, maxBuffer: 1 << 16 });
    return stdout.startsWith(`${HELPER_NAME} `) ? null : `is no ${HELPER_NAME}`;
  } catch (error) {
    const { code } = error as { code?: string | number };
    if (code === 'EACCES') return 'is not executable (chmod +x), or on a file system mounted noexec';
    return `is no ${HELPER_NAME} that runs on this machine`;
  }
}

/** A checkout whose C sources are newer than what was built of them. */
function isOutdated(built: string, sources: string): boolean {
  const made = statSync(built).mtimeMs;
  return readdirSync(sources).some(
    (name) => /\.[ch]$/.test(name) && statSync(join(sources, name)).mtimeMs > made,
  );
}
