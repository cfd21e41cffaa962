/** Decides whether analyses run in a thread of their own, and launches it while the rest of the program is loaded. */
import { statSync } from 'node:fs';
import { canOffload, launchThread } from '../analysis/analysis-thread.ts';
import { ANALYSIS_WORKER } from './analysis-worker-file.ts';

/** Below this size a second thread takes longer to start than it saves. */
export const OFFLOAD_BYTES = 48 << 20;

/** To be called as soon as the inputs are known; errors of inputs are left to whoever opens them. */
export function launchAnalysis(inputs: readonly string[], jobs: string | undefined): void {
  if (jobs !== '1' && canOffload() && inputs.reduce((sum, input) => sum + sizeOf(input), 0) >= OFFLOAD_BYTES)
    launchThread(ANALYSIS_WORKER);
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
