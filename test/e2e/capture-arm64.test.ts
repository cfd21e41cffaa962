/**
 * The capture helper for arm64 hosts: cross-compiled where the compiler is installed (gcc-aarch64-linux-gnu,
 * libc6-dev-arm64-cross), and run by qemu-user where that is (qemu-user), on this machine's own kernel.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loudly, repoRoot, traceCmdReport } from './harness.ts';

const compiler = 'aarch64-linux-gnu-gcc';
const has = (command: string) => !spawnSync(command, ['--version']).error;
const noCompiler = has(compiler) ? null : `SKIPPED: ${compiler} is not installed`;
const noRunner =
  noCompiler ?? (has('qemu-aarch64') ? null : 'SKIPPED: qemu-aarch64 (qemu-user) is not installed');
if (noRunner) loudly('capture-arm64', noRunner);

describe('kvmtrace-capture for arm64', () => {
  let folder: string;
  let helper: string;
  beforeAll(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'kvmtrace-arm64-'));
    helper = path.join(folder, 'kvmtrace-capture');
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const run = (...args: string[]) =>
    spawnSync('qemu-aarch64', [helper, ...args], { cwd: folder, encoding: 'utf8' });

  it('compiles without a warning, statically', (ctx) => {
    if (noCompiler) return ctx.skip(noCompiler);
    const made = spawnSync(
      'sh',
      ['-c', `${compiler} -O2 -Wall -Wextra -Werror -static -pthread -o '${helper}' *.c`],
      { cwd: path.join(repoRoot, 'native'), encoding: 'utf8' },
    );
    expect(made.stderr).toBe('');
    expect(made.status).toBe(0);
  }, 60_000);

  it('runs, and records where this machine can', (ctx) => {
    if (noRunner) return ctx.skip(noRunner);
    expect(run('--version').stdout).toMatch(/^kvmtrace-capture \d/);
    const check = run('--check');
    if (check.status !== 0) {
      expect(check.stderr).toMatch(/error: /); // told, not crashed
      return ctx.skip(`SKIPPED: ${check.stderr.trim().split('\n')[0]}`);
    }
    const own = ['--only', '-e', 'sched:sched_switch', '-p', String(process.pid)];
    const { status, stderr } = run('-o', 'arm64.dat', '-d', '0.5', '--status-json', ...own);
    expect(status, stderr).toBe(0);
    const end = stderr
      .trim()
      .split('\n')
      .map((l) => JSON.parse(l))
      .find((l) => l.type === 'end');
    expect(end.lost).toBe(0);
    expect(traceCmdReport(path.join(folder, 'arm64.dat')).length).toBe(end.events);
  }, 60_000);
});
