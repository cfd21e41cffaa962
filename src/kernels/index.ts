/** What the module exports (core/kernel-functions.ts says it to TypeScript). */
import { matchRows } from './pairing.ts';
import { mergeSamples } from './perf-merge.ts';
import { walkSamples } from './perf-walk.ts';

export { matchRows, mergeSamples, walkSamples };
