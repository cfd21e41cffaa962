/**
 * Pass `heatmap-lines`: each pair as a line `EXIT_NS LATENCY_NS`, as perf-prof --heatmap writes them. The one analysis
 * that writes: its result is as long as the recording, so that the lines go to an open file while the pairs pass by.
 */
import { writeSync } from 'node:fs';
import { wordsToBigInt } from '../core/words.ts';
import { PAIRED } from './exit-batch.ts';
import type { Pass } from './pass.ts';

export interface HeatmapLineOptions {
  /** Open file; threads of a process share them. */
  readonly fd: number;
  /** As the user named it, for errors. */
  readonly path: string;
}

interface HeatmapLines extends HeatmapLineOptions {
  lines: number;
}

/** Lines per write. */
const AT_ONCE = 4096;

export const heatmapLinesPass: Pass<HeatmapLineOptions, HeatmapLines, { readonly lines: number }> = {
  name: 'heatmap-lines',
  allColumns: false,
  // The lines go to the file as the exits come.
  inParts: false,
  create: ({ fd, path }: HeatmapLineOptions) => ({ fd, path, lines: 0 }),
  exits: (state, batch, selected) => {
    const lines: string[] = [];
    for (let row = 0; row < batch.length; row++) {
      if (batch.state[row] !== PAIRED || (selected !== null && selected[row] === 0)) continue;
      const time = wordsToBigInt(batch.exitTime[2 * row], batch.exitTime[2 * row + 1]);
      lines.push(`${time} ${batch.latency[row]}\n`);
      if (lines.length === AT_ONCE) writeLines(state, lines);
    }
    writeLines(state, lines);
  },
  merge: (state, other) => {
    state.lines += other.lines;
  },
  result: ({ lines }) => ({ lines }),
};

function writeLines(state: HeatmapLines, lines: string[]): void {
  const bytes = Buffer.from(lines.join(''));
  try {
    for (let done = 0; done < bytes.length; ) done += writeSync(state.fd, bytes, done);
  } catch (error) {
    throw Object.assign(error as Error, { path: state.path, isOutput: true });
  }
  state.lines += lines.length;
  lines.length = 0;
}
