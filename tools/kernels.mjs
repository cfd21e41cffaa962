#!/usr/bin/env node
/** Compiles src/kernels/ to dist/kernels.wasm, in Debug mode's place always optimised: it is what every run uses. */
import { mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const TARGET = join(ROOT, 'dist/kernels.wasm');
/** core/arena.ts makes the memory, of as many pages at most and no fewer at first. */
const OPTIONS = [
  '--baseDir',
  ROOT,
  'src/kernels/index.ts',
  '--runtime',
  'stub',
  '--importMemory',
  '--sharedMemory',
  '--initialMemory',
  '16',
  '--maximumMemory',
  '16384',
  '--enable',
  'simd',
  '--enable',
  'threads',
  '--optimizeLevel',
  '3',
  '--converge',
  '--noAssert',
];

mkdirSync(join(ROOT, 'dist'), { recursive: true });
// Renamed when whole, so that programs started meanwhile find the old one or the new one.
const fresh = `dist/kernels.${process.pid}.tmp.wasm`;
const { error, stderr } = await asc.main([...OPTIONS, '--outFile', fresh]);
if (error) {
  process.stderr.write(stderr.toString());
  process.exitCode = 1;
} else renameSync(join(ROOT, fresh), TARGET);
