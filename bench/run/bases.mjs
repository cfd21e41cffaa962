// The real captures everything is made from: the project's shared corpus where it is checked out beside the
// repository, else whatever of that format is in samples/.

import { existsSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { UnsuitableSample } from '../amplify/template.mjs';
import { planOf } from '../amplify.mjs';

export const REPO = path.resolve(import.meta.dirname, '../..');
const CORPUS = path.resolve(REPO, '../shared/corpus');

/** Preferred bases: exits and entries mostly, as the usual recording has. A v6 file does for v7: trace-cmd converts it.
 * @type {Record<string, { corpus: string, formats: string[] }>} */
const WANTED = {
  'perf.data': { corpus: 'x86/pf-min/perf.data', formats: ['perf.data'] },
  'trace.dat v6': { corpus: 'x86/tc-v6/trace.dat', formats: ['trace.dat v6'] },
  'trace.dat v7': { corpus: 'x86/tc-v7-none/trace.dat', formats: ['trace.dat v7', 'trace.dat v6'] },
  'trace_pipe text': { corpus: 'x86/tp-min/trace_pipe.txt.gz', formats: ['ftrace-text'] },
  simpletrace: { corpus: 'x86/st-tc-mono/trace.bin', formats: ['simpletrace'] },
};

/** @type {Map<string, { file: string, events: number }> | undefined} */
let inSamples;

/**
 * @param {string} kind a key of WANTED
 * @returns {string | undefined} path of the base sample
 */
export function baseSample(kind) {
  const wanted = WANTED[kind];
  const shared = path.join(CORPUS, wanted.corpus);
  if (existsSync(shared)) return shared;
  inSamples ??= scan(path.join(REPO, 'samples'));
  const format = wanted.formats.find((name) => inSamples?.has(name));
  return format === undefined ? undefined : inSamples.get(format)?.file;
}

/** The largest usable file of each format.
 * @param {string} folder
 */
function scan(folder) {
  const best = new Map();
  if (!existsSync(folder)) return best;
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    const file = path.join(folder, name);
    if (!statSync(file).isFile()) continue;
    try {
      const { format, events } = planOf(file);
      if (!(best.get(format)?.events >= events)) best.set(format, { file, events });
    } catch (error) {
      // a README, an expected.json, a compressed capture: not a base
      if (!(error instanceof UnsuitableSample) && !(error instanceof RangeError)) throw error;
    }
  }
  return best;
}
