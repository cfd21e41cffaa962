/** What tests of live recordings share: the helper built, its process found, waiting for something to come true. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { REPO } from './corpus.ts';

/**
 * kvmtrace-capture in `folder`, built of the sources; its path. Built once for all test files: the first one leaves it in the
 * temporary folder, under a name that tells its sources. `flags`: -D of what a test cannot wait for.
 */
export function buildHelper(folder: string, flags = ''): string {
  const sources = join(REPO, 'native');
  const hash = createHash('sha256').update(flags);
  for (const name of readdirSync(sources).filter((file) => /\.[ch]$/.test(file)))
    hash.update(readFileSync(join(sources, name)));
  const built = join(tmpdir(), `kvmtrace-test-helper-${hash.digest('hex').slice(0, 16)}`);
  if (!existsSync(built)) {
    const part = `${built}.${process.pid}`;
    const made = spawnSync('sh', ['-c', `cc -O1 ${flags} -static -pthread -o '${part}' *.c`], {
      cwd: sources,
      encoding: 'utf8',
    });
    if (made.status !== 0) throw new Error(`the helper does not compile: ${made.stderr}`);
    renameSync(part, built);
  }
  const helper = join(folder, 'kvmtrace-capture');
  copyFileSync(built, helper);
  return helper;
}

export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  ms = 15_000,
): Promise<number> {
  const start = Date.now();
  while (!(await condition())) {
    if (Date.now() - start > ms) throw new Error(`not within ${ms} ms: ${what}`);
    await new Promise((tick) => setTimeout(tick, 20));
  }
  return Date.now() - start;
}

/** The helper of a recorder, by its parent: its instance is kvmtrace-<pid>. */
export function helperOf(pid: number): number | null {
  const file = `/proc/${pid}/task/${pid}/children`;
  const children = existsSync(file) ? readFileSync(file, 'utf8').trim().split(' ').filter(Boolean) : [];
  const found = children.find(
    (child) =>
      existsSync(`/proc/${child}/comm`) &&
      readFileSync(`/proc/${child}/comm`, 'utf8').startsWith('kvmtrace-'),
  );
  return found ? Number(found) : null;
}

/** Why no guest can be recorded here; null if it can: the ROM is for x86, /dev/kvm must be usable. */
export function kvmMissing(): string | null {
  if (process.arch !== 'x64') return 'SKIPPED: the ROM is for x86';
  return existsSync('/dev/kvm') ? null : 'SKIPPED: no /dev/kvm';
}

/** Whether a switch of tracefs (tracing_on, enable) is on; an instance may come and go while its files are looked at. */
export function isSwitchedOn(path: string): boolean {
  try {
    return readFileSync(path, 'utf8').startsWith('1');
  } catch {
    return false;
  }
}
