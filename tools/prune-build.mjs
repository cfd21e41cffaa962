#!/usr/bin/env node
/** Removes from dist what was built of sources that are gone: tsc leaves it there, and it would be packed. */
import { existsSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const SRC = fileURLToPath(new URL('../src', import.meta.url));
const DIST = fileURLToPath(new URL('../dist', import.meta.url));

/** @param {string} folder */
function prune(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    const source = join(SRC, relative(DIST, path));
    if (entry.isDirectory()) {
      // A lock of tests that build side by side is not ours.
      if (entry.name === '.building') continue;
      prune(path);
      if (!existsSync(source) && readdirSync(path).length === 0) rmdirSync(path);
    } else if (entry.name.endsWith('.js') && !existsSync(source.replace(/\.js$/, '.ts'))) rmSync(path);
  }
}

if (existsSync(DIST)) prune(DIST);
