/** The passes that commands ask for: the analyses, and those that write while the recording is read. */
import type { PassRequest } from '../analysis/pass.ts';
import { loadPasses, type PassLoaders, type PassOf } from '../analysis/passes.ts';

const WRITING_PASSES: PassLoaders = {
  'heatmap-lines': async () => (await import('./heatmap-pass.ts')).heatmapLinesPass,
};

export function loadAllPasses(requests: readonly PassRequest[]): Promise<PassOf> {
  return loadPasses(requests, WRITING_PASSES);
}
