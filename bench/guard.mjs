#!/usr/bin/env node
// The speed guard of CI: ratios of CPU times taken in turns on one machine, never a wall time. Exit 1 when a ratio is over
// its limit, 2 when it cannot be measured. Limits are in LIMITS; how to change them stands in README.md.

import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { amplify } from './amplify.mjs';
import { baseSample, REPO } from './run/bases.mjs';
import { CLI, installed } from './run/contenders.mjs';
import { measure } from './run/measure.mjs';

/** One and a half times what was measured on 2026-11-29 (7.2, 1.0, 1.0, 3.1, 83 MB); starts vary more.
 * @type {Record<string, { limit: number, what: string }>} */
const LIMITS = {
  calibrated: { limit: 12, what: 'perf.data, CPU time per event ÷ one step of the calibration loop' },
  perf: { limit: 1.6, what: 'perf.data, CPU time per event ÷ perf kvm stat report' },
  start: { limit: 2, what: 'kvmtrace --version ÷ node -e 0' },
  // Without the code cache 4.6.
  report: { limit: 4, what: 'kvmtrace report of a small file ÷ node -e 0' },
  memory: { limit: 130, what: 'peak memory of the report in MB' },
};

const LARGE_BYTES = 200e6;
const ROUNDS = 5;
const DEADLINE_MS = 25_000;
const MORE_TRIES = 2;

const CALIBRATE = '--calibrate';
const CALIBRATION_STEPS = 20_000_000;

/** A fixed piece of the kind of work a parser does: words read at steps through a buffer, a time difference in two
 * words, a table looked up, a counter raised. It scales with the machine as kvmtrace does. */
function calibrate() {
  const words = new Uint32Array(1 << 22);
  for (let i = 0, x = 1; i < words.length; i++) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    words[i] = x;
  }
  const counts = new Uint32Array(4096);
  const sums = new Float64Array(4096);
  let at = 0;
  for (let i = 0; i < CALIBRATION_STEPS; i++) {
    at = (at + 25) & (words.length - 8);
    const lo = words[at + 1] - words[at];
    const hi = (words[at + 3] & 0xff) - (words[at + 2] & 0xff) - (lo < 0 ? 1 : 0);
    const slot = words[at + 4] >>> 20;
    counts[slot]++;
    sums[slot] += hi * 4294967296 + (lo >>> 0);
  }
  if (counts[0] + sums[0] === Number.MIN_VALUE) process.stdout.write('never\n'); // keeps the loop alive
}

async function main() {
  const { versions } = installed({});
  const base = baseSample('perf.data');
  if (!versions.kvmtrace) return fail('kvmtrace does not run (npm ci first)');
  if (!base) return fail('no perf.data in samples/');
  if (!versions.perf) process.stdout.write('SKIPPED ratio to perf kvm stat report: perf is not installed\n');

  const scratch = mkdtempSync(path.join(tmpdir(), 'kvmtrace-guard-'));
  try {
    const large = path.join(scratch, 'large');
    const built = amplify(base, large, { size: LARGE_BYTES });
    const small = path.join(scratch, 'small');
    const tiny = amplify(base, small, { copies: 1 });
    const events = built.events - tiny.events;
    const measured = await rounds(large, small, Boolean(versions.perf));
    // A busy machine's caches make everything dearer: what is over is measured once more, the best of both counts.
    for (let tries = 0; tries < MORE_TRIES && isOver(ratios(measured, events)); tries++) {
      const again = await rounds(large, small, Boolean(versions.perf));
      for (const [name, ms] of Object.entries(again.best))
        measured.best[name] = Math.min(measured.best[name], ms);
      measured.peakKb = Math.min(measured.peakKb, again.peakKb);
    }
    return judge(measured, events, statSync(large).size);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** CPU times are told in hundredths of a second: too coarse for one start. @param {string[]} argv */
const tenTimes = (argv) => ['sh', '-c', 'for i in 0 1 2 3 4 5 6 7 8 9; do "$@" || exit; done', 'sh', ...argv];

/** The best of some rounds of each: noise only ever adds.
 * @param {string} large @param {string} small @param {boolean} perf
 */
async function rounds(large, small, perf) {
  const report = (/** @type {string} */ file) => [process.execPath, CLI, 'report', file, '--format', 'json'];
  const stat = (/** @type {string} */ file) => ['perf', 'kvm', '-i', file, 'stat', 'report'];
  /** @type {Record<string, string[]>} */
  const commands = {
    calibration: [process.execPath, path.join(REPO, 'bench/guard.mjs'), CALIBRATE],
    nodes: tenTimes([process.execPath, '-e', '0']),
    versions: tenTimes([process.execPath, CLI, '--version']),
    reports: tenTimes([process.execPath, CLI, 'report', small]),
    small: report(small),
    large: report(large),
    ...(perf ? { perfSmall: stat(small), perfLarge: stat(large) } : {}),
  };
  /** @type {Record<string, number>} */
  const best = {};
  let peakKb = 0;
  const started = performance.now();
  for (let round = 0; round < ROUNDS; round++) {
    if (round > 1 && performance.now() - started > DEADLINE_MS) break;
    for (const [name, argv] of Object.entries(commands)) {
      const run = await measure(argv, { limitMs: 120_000 });
      if (run.status !== 0)
        throw new Error(`${argv.slice(1).join(' ')}: ${run.stderr.trim().split('\n')[0]}`);
      // CPU time of all threads: what others do on the machine adds little to it.
      best[name] = Math.min(best[name] ?? Number.POSITIVE_INFINITY, run.cpuMs ?? run.wallMs);
      if (name === 'large') peakKb = Math.max(peakKb, run.peakKb);
    }
  }
  return { best, peakKb };
}

/** What a file costs beyond a small one, per event: starting up is judged on its own.
 * @param {{ best: Record<string, number>, peakKb: number }} measured @param {number} events
 */
function ratios({ best, peakKb }, events) {
  const { perEvent, perStep } = costs(best, events);
  /** @type {Record<string, number>} */
  const found = {
    calibrated: perEvent / perStep,
    ...(best.perfLarge ? { perf: perEvent / ((best.perfLarge - best.perfSmall) / events) } : {}),
    start: best.versions / best.nodes,
    report: best.reports / best.nodes,
    memory: peakKb / 1024,
  };
  return found;
}

/** In ms. @param {Record<string, number>} best @param {number} events */
const costs = (best, events) => ({
  perEvent: (best.large - best.small) / events,
  perStep: (best.calibration - best.nodes / 10) / CALIBRATION_STEPS,
});

/** @param {string} name @param {number} value */
const exceeds = (name, value) => !(value <= LIMITS[name].limit);

/** @param {Record<string, number>} found */
const isOver = (found) => Object.entries(found).some(([name, value]) => exceeds(name, value));

/** @param {{ best: Record<string, number>, peakKb: number }} measured @param {number} events @param {number} bytes */
function judge(measured, events, bytes) {
  const { perEvent, perStep } = costs(measured.best, events);
  process.stdout.write(
    `${(bytes / 1e6).toFixed(0)} MB perf.data, ${events} events: ${(perEvent * 1e6).toFixed(0)} ns/event; `,
  );
  process.stdout.write(`calibration ${(perStep * 1e6).toFixed(1)} ns/step\n`);
  const found = ratios(measured, events);
  for (const [name, value] of Object.entries(found)) {
    const { limit, what } = LIMITS[name];
    process.stdout.write(
      `${exceeds(name, value) ? 'OVER' : 'ok  '}  ${value.toFixed(2).padStart(7)} ≤ ${String(limit).padEnd(4)} ${what}\n`,
    );
  }
  return isOver(found) ? 1 : 0;
}

/** @param {string} why */
function fail(why) {
  process.stderr.write(`guard: ${why}\n`);
  return 2;
}

if (process.argv[2] === CALIBRATE) calibrate();
else
  process.exitCode = await main().catch((/** @type {unknown} */ error) =>
    fail(error instanceof Error ? error.message : String(error)),
  );
