/**
 * Each pair as a line `EXIT_NS LATENCY_NS`, as perf-prof --heatmap writes them. They are as many as the recording has
 * pairs, so that they go out while the pairs pass by, and are no part of the model.
 */
import { type ExitBatch, PAIRED } from '../analysis/exit-batch.ts';
import { wordsToBigInt } from '../core/words.ts';

/** Lines that are handed out at once. */
const AT_ONCE = 4096;

/** `selected[row]` 0 leaves a row out; null: none. */
export function* heatmapLines(
  batch: ExitBatch,
  selected: Uint8Array | null,
): Generator<readonly string[], void, void> {
  let lines: string[] = [];
  for (let row = 0; row < batch.length; row++) {
    if (batch.state[row] !== PAIRED || (selected !== null && selected[row] === 0)) continue;
    const time = wordsToBigInt(batch.exitTime[2 * row], batch.exitTime[2 * row + 1]);
    lines.push(`${time} ${batch.latency[row]}\n`);
    if (lines.length < AT_ONCE) continue;
    yield lines;
    lines = [];
  }
  if (lines.length > 0) yield lines;
}
