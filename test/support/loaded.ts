/** What files a run of the real command line loads. */
import { spawnSync } from 'node:child_process';
import { join, relative } from 'node:path';
import { BIN } from './built.ts';
import { REPO } from './corpus.ts';

const HOOK = join(REPO, 'test/support/list-loaded.cjs');
const MARK = 'loaded: ';

/** Paths in the repository, in the order in which they were loaded; `rejected` are those whose code cache was not used. */
export function load(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const run = spawnSync(process.execPath, ['--require', HOOK, BIN, ...args], {
    env: { ...process.env, ...env },
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  const line = run.stderr.split('\n').find((text) => text.startsWith(MARK));
  if (run.status !== 0 || line === undefined) throw new Error(`status ${run.status}: ${run.stderr}`);
  const { files, rejected } = JSON.parse(line.slice(MARK.length)) as { files: string[]; rejected: string[] };
  const own = (paths: string[]) =>
    paths.map((path) => relative(REPO, path)).filter((path) => path !== relative(REPO, HOOK));
  return { files: own(files), rejected: own(rejected), stdout: run.stdout };
}

export const loadedFiles = (...args: string[]): string[] => load(args).files;
