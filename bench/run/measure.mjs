// One run of one whole process: wall time, CPU time, peak memory, exit status.

import { spawn, spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** GNU time reads the kernel's own figures at the end of the process (getrusage): exact, and costs nothing. */
const GNU_TIME = '/usr/bin/time';
export const hasGnuTime =
  existsSync(GNU_TIME) && spawnSync(GNU_TIME, ['-f', '%M', 'true'], { encoding: 'utf8' }).status === 0;

const POLL_MS = 20;
const LIMIT_MS = 30 * 60 * 1000;

/**
 * @typedef {object} Run
 * @property {number} wallMs
 * @property {number | null} cpuMs user and system; null without GNU time
 * @property {number} peakKb largest resident set, pages of mapped files included (perf maps what it reads)
 * @property {number} anonKb largest anonymous part of it seen at 20 ms steps: what the process really needs
 * @property {number} status exit status, -1 if killed
 * @property {string} stdout when asked for
 * @property {string} stderr first 4000 bytes
 */

/**
 * @param {string[]} argv
 * @param {{ keepStdout?: boolean, limitMs?: number }} [options] stdout goes to a file when kept, else to /dev/null. To a
 *   file also matters for grep: GNU grep stops at the first match when it sees /dev/null.
 * @returns {Promise<Run>}
 */
export async function measure(argv, { keepStdout = false, limitMs = LIMIT_MS } = {}) {
  const scratch = mkdtempSync(path.join(tmpdir(), 'kvmtrace-bench-'));
  const files = {
    out: path.join(scratch, 'out'),
    err: path.join(scratch, 'err'),
    time: path.join(scratch, 'time'),
  };
  const out = openSync(keepStdout ? files.out : '/dev/null', 'w');
  const err = openSync(files.err, 'w');
  const full = hasGnuTime ? [GNU_TIME, '-q', '-f', '%U %S %M', '-o', files.time, ...argv] : argv;
  const memory = { peakKb: 0, anonKb: 0 };
  try {
    const started = performance.now();
    const child = spawn(full[0], full.slice(1), {
      stdio: ['ignore', out, err],
      env: environment(),
      timeout: limitMs,
    });
    const poll = setInterval(() => sampleMemory(child.pid ?? 0, memory), POLL_MS);
    const status = await new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('exit', (code) => resolve(code ?? -1));
    }).finally(() => clearInterval(poll));
    const wallMs = performance.now() - started;
    let cpuMs = null;
    if (hasGnuTime) {
      const [user, system, kb] =
        readFileSync(files.time, 'utf8').trim().split('\n').at(-1)?.split(' ').map(Number) ?? [];
      cpuMs = (user + system) * 1000;
      memory.peakKb = kb;
    }
    return {
      wallMs,
      cpuMs,
      ...memory,
      status: Number(status),
      stdout: keepStdout ? readFileSync(files.out, 'utf8') : '',
      stderr: readFileSync(files.err, 'utf8').slice(0, 4000),
    };
  } finally {
    closeSync(out);
    closeSync(err);
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Without what makes Node.js itself slower to start: certificates for TLS, which nobody here uses, take 30 ms to read. */
function environment() {
  const { NODE_EXTRA_CA_CERTS: _, NODE_OPTIONS: __, ...env } = process.env;
  return { ...env, LC_ALL: 'C', PAGER: 'cat' };
}

/** @param {number} pid @param {{ peakKb: number, anonKb: number }} memory */
function sampleMemory(pid, memory) {
  try {
    const measured = hasGnuTime
      ? readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim() || pid
      : pid;
    const text = readFileSync(`/proc/${measured}/status`, 'utf8');
    memory.anonKb = Math.max(memory.anonKb, Number(/RssAnon:\s+(\d+)/.exec(text)?.[1] ?? 0));
    memory.peakKb = Math.max(memory.peakKb, Number(/VmHWM:\s+(\d+)/.exec(text)?.[1] ?? 0));
  } catch {
    // the process has ended between two steps, or this is no Linux
  }
}

/** @param {number[]} values */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
