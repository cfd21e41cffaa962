#!/usr/bin/env node
/**
 * Fills a bundle's code cache (load-chunk.cjs): runs what users run most, so that V8 has compiled what that takes, and
 * keeps what it has compiled. A process of its own, started by bundle.mjs with the bundle's folder,
 * its output thrown away: flags and whatever
 * is loaded here would be in the cache as well.
 */
const { mkdirSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');

const [bundle] = process.argv.slice(2);
const SAMPLES = join(__dirname, '../samples');

const { load, chunks, CACHES } = require(join(bundle, 'load.js'));

process.on('exit', (status) => {
  if (status !== 0) return;
  mkdirSync(join(bundle, CACHES));
  for (const [id, { script }] of chunks)
    writeFileSync(join(bundle, CACHES, `${id}.cache`), script.createCachedData());
});

load('./main.js').main(['report', join(SAMPLES, 'intel-perf/perf.data')]);
