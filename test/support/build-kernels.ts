/** Before all tests: sources that tests import run on dist/kernels.wasm, which is compiled anew if a source is newer. */
import { execFileSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { newestSource } from './built.ts';
import { REPO } from './corpus.ts';

export default function buildKernels(): void {
  const built = statSync(join(REPO, 'dist/kernels.wasm'), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (built < newestSource(join(REPO, 'src')))
    execFileSync(process.execPath, [join(REPO, 'tools/kernels.mjs')], { stdio: 'inherit' });
}
