/** Runs the end-to-end scripts and reads what they leave. A part that this machine cannot run is skipped, loudly. */
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

export const repoRoot = path.resolve(import.meta.dirname, '../..');
const labDir = process.env.KVMLAB ?? path.join(repoRoot, '.kvmlab');

export interface Run {
  /** Folder with what the script left. */
  readonly out: string;
  /** Why nothing could be run here; null if it ran. */
  readonly skipped: string | null;
  readonly log: string;
}

function output(r: SpawnSyncReturns<string>): string {
  return `${r.stdout ?? ''}${r.stderr ?? ''}${r.error ? String(r.error) : ''}`;
}

function compile(sources: string, folder: string, out: string): string {
  const part = `${out}.${process.pid}`;
  const made = spawnSync(
    'sh',
    ['-c', `cc -O2 -Wall -Wextra -Werror -static -pthread -o '${part}' ${sources} && mv '${part}' '${out}'`],
    { cwd: path.join(repoRoot, folder), encoding: 'utf8' },
  );
  if (made.status !== 0) throw new Error(`${folder}/${sources} does not compile:\n${output(made)}`);
  return out;
}

/** Builds the helper and kill-times outside the source tree; null when there is no compiler. */
function buildTools(): { helper: string; killTimes: string } | null {
  if (spawnSync('cc', ['--version']).status !== 0) return null;
  mkdirSync(labDir, { recursive: true });
  return {
    helper: compile('*.c', 'native', path.join(labDir, 'kvmtrace-capture')),
    killTimes: compile('kill-times.c', 'test/e2e', path.join(labDir, 'kill-times')),
  };
}

/** Runs a script of this folder: exit status 77 means that this machine cannot, anything else but 0 is a failure. */
export function runScript(
  name: string,
  args: (helper: string, out: string, killTimes: string) => string[],
  environment: Readonly<Record<string, string>> = {},
): Run {
  // a folder per run: several test runs may share the lab
  const out = path.join(mkdtempSync(path.join(tmpdir(), 'kvmtrace-e2e-')), 'out');
  const tools = buildTools();
  let skipped: string | null = tools === null ? 'SKIPPED: no C compiler (cc)' : null;
  let log = '';
  if (tools !== null) {
    const r = spawnSync(path.join(repoRoot, 'test/e2e', name), args(tools.helper, out, tools.killTimes), {
      encoding: 'utf8',
      timeout: 590_000,
      env: { ...process.env, ...environment },
    });
    log = output(r);
    if (r.status === 77) skipped = log.trim().split('\n').at(-1) ?? 'SKIPPED';
    else if (r.status !== 0) throw new Error(`${name} failed (${r.status ?? r.signal}):\n${log}`);
  }
  if (skipped === null && spawnSync('trace-cmd', ['--help']).error)
    skipped = 'SKIPPED: trace-cmd is not installed';
  if (skipped !== null) loudly(name, skipped);
  return { out, skipped, log };
}

export function loudly(name: string, reason: string): void {
  const bar = '!'.repeat(78);
  process.stderr.write(`\n${bar}\n!! ${name}: ${reason}\n${bar}\n`);
}

/** Removes what a run left, unless KVMTRACE_KEEP is set. */
export function removeRun(run: Run | undefined): void {
  if (run === undefined) return;
  if (process.env.KVMTRACE_KEEP) process.stderr.write(`results stay in ${run.out}\n`);
  else rmSync(path.dirname(run.out), { recursive: true, force: true });
}

export function results(run: Run): Map<string, string> {
  const lines = readFileSync(path.join(run.out, 'results.txt'), 'utf8').trim().split('\n');
  return new Map(lines.map((l) => [l.slice(0, l.indexOf('=')), l.slice(l.indexOf('=') + 1)]));
}

export interface ReportLine {
  readonly tid: number;
  readonly comm: string;
  readonly cpu: number;
  readonly event: string;
  /** The fields as `trace-cmd report -R` prints them. */
  readonly text: string;
}

/** What trace-cmd reads from a trace.dat; it must read it without a complaint. */
export function traceCmdReport(file: string): ReportLine[] {
  const r = spawnSync('trace-cmd', ['report', '-R', '-q', file], { encoding: 'utf8', maxBuffer: 1 << 30 });
  if (r.status !== 0 || r.stderr.trim() !== '')
    throw new Error(`trace-cmd report ${file}: ${r.status} ${r.stderr}`);
  const lines: ReportLine[] = [];
  for (const line of r.stdout.split('\n')) {
    const m = /^\s*(.+?)-(\d+)\s+\[(\d+)\]\s+[\d.]+: (\w+):\s*(.*)$/.exec(line);
    if (m)
      lines.push({
        comm: m[1] ?? '',
        tid: Number(m[2]),
        cpu: Number(m[3]),
        event: m[4] ?? '',
        text: (m[5] ?? '').trim(),
      });
  }
  return lines;
}

export function count<T>(items: readonly T[], key: (item: T) => string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const item of items) counts.set(key(item), (counts.get(key(item)) ?? 0) + 1);
  return counts;
}

export interface StatusLine {
  readonly type: string;
  readonly [key: string]: unknown;
}

/** The helper's own status lines; every one must be JSON. */
export function statusLines(run: Run, name: string): StatusLine[] {
  const text = readFileSync(path.join(run.out, name), 'utf8').trim();
  return text.split('\n').map((l) => JSON.parse(l) as StatusLine);
}

export function endLine(run: Run, name: string): StatusLine {
  const end = statusLines(run, name).find((l) => l.type === 'end');
  if (end === undefined) throw new Error(`${name} has no end line`);
  return end;
}

/** Milliseconds that kill-times measured, one array per kill: tracing off, events off, instance gone, file finished. */
export function killTimes(run: Run, name: string): number[][] {
  const lines = readFileSync(path.join(run.out, name), 'utf8').trim().split('\n');
  return lines.map((l) => l.split(' ').map(Number));
}
