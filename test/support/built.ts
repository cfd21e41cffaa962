/** Runs the real command line from dist/bundle/, built first if a source is newer. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { REPO } from './corpus.ts';

export const BIN = join(REPO, 'bin/kvmtrace.js');
const BUILT = join(REPO, 'dist/bundle/main.js');
const LOCK = join(REPO, 'dist/.building');

export function newestSource(folder: string): number {
  return Math.max(
    ...readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.name.endsWith('.ts'))
      .map((entry) => statSync(join(entry.parentPath, entry.name)).mtimeMs),
  );
}

const isFresh = () => existsSync(BUILT) && statSync(BUILT).mtimeMs >= newestSource(join(REPO, 'src'));

/** Test files run side by side: one of them builds, the others wait for it. */
export async function ensureBuilt(): Promise<void> {
  mkdirSync(join(REPO, 'dist'), { recursive: true });
  for (let waited = 0; !isFresh(); waited += 200) {
    try {
      mkdirSync(LOCK);
    } catch {
      // A lock that outlives two minutes is left over from a killed run.
      if (waited > 120_000) rmSync(LOCK, { recursive: true, force: true });
      await new Promise((done) => setTimeout(done, 200));
      continue;
    }
    try {
      const { status, stdout, stderr } = spawnSync('npm', ['run', '--silent', 'build'], {
        cwd: REPO,
        encoding: 'utf8',
      });
      if (status !== 0) throw new Error(`the build failed:\n${stdout}${stderr}`);
    } finally {
      rmSync(LOCK, { recursive: true, force: true });
    }
  }
}

export interface Outcome {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `kvmtrace ARGS` with `input` on standard input. */
export function kvmtrace(
  args: readonly string[],
  options: { input?: string; env?: NodeJS.ProcessEnv; cwd?: string } = {},
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [BIN, ...args], {
      env: { ...process.env, ...options.env },
      cwd: options.cwd ?? REPO,
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text) => (stderr += text));
    child.on('error', reject);
    child.on('close', (status, signal) => resolve({ status, signal, stdout, stderr }));
    child.stdin.on('error', () => {});
    child.stdin.end(options.input ?? '');
  });
}
