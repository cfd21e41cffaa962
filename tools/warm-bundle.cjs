#!/usr/bin/env node
/**
 * Fills a bundle's code cache (load-chunk.cjs): runs what users run most, so that V8 has compiled what that takes, and
 * keeps what it has compiled. A process of its own, started by bundle.mjs with the bundle's folder, its output thrown
 * away: flags and whatever is loaded here would be in the cache as well.
 */
const { mkdirSync, mkdtempSync, rmSync, writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');

const [bundle] = process.argv.slice(2);
const SAMPLES = join(__dirname, '../samples');
const OUTPUT = mkdtempSync(join(tmpdir(), 'kvmtrace-warm-'));
const CAPTURE = join(OUTPUT, 'capture.arrow');

/**
 * Each run adds the files that none before it has loaded. What all have in common is kept as the first one leaves it: to
 * read functions that most runs do not call takes longer than it saves the others.
 */
const RUNS = [
  ['report', join(SAMPLES, 'intel-perf/perf.data')],
  ['report', join(SAMPLES, 'intel-perf/perf.data'), '--format', 'json'],
  ['report', join(SAMPLES, 'intel-trace-dat/trace.dat')],
  ['report', join(SAMPLES, 'intel-trace-pipe/trace_pipe.txt.gz')],
  ['report', join(SAMPLES, 'qemu-simpletrace/trace.bin')],
  ['convert', join(SAMPLES, 'intel-perf/perf.data'), '-q', '-o', CAPTURE],
  ['report', CAPTURE],
  ['report', CAPTURE, '-o', join(OUTPUT, 'report.html')],
];

const { load, chunks, CACHES } = require(join(bundle, 'load.js'));

/** @type {Map<string, Buffer>} */
const caches = new Map();

async function warm() {
  // Reports end the process.
  process.exit = /** @type {never} */ (() => {});
  for (const words of RUNS) {
    await load('./main.js').main(words);
    if (process.exitCode !== 0) return;
    for (const [id, { script }] of chunks) if (!caches.has(id)) caches.set(id, script.createCachedData());
  }
  mkdirSync(join(bundle, CACHES));
  for (const [id, cache] of caches) writeFileSync(join(bundle, CACHES, `${id}.cache`), cache);
}

warm().finally(() => rmSync(OUTPUT, { recursive: true }));
