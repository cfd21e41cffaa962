/** Pass `heatmap-lines`: writes the lines of --heatmap into an open file, in whichever thread the exits come by. */
import { ftruncateSync, writeSync } from 'node:fs';
import type { Pass } from '../analysis/pass.ts';
import { heatmapLines } from '../report/heatmap-lines.ts';

export interface HeatmapPassOptions {
  /** Open file; threads of a process share them. */
  readonly fd: number;
  /** As the user named it, for errors. */
  readonly path: string;
  /** Bytes that it has before the lines; null: no regular file. */
  readonly start: number | null;
}

interface HeatmapState extends HeatmapPassOptions {
  lines: number;
}

export const heatmapLinesPass: Pass<HeatmapPassOptions, HeatmapState, { readonly lines: number }> = {
  name: 'heatmap-lines',
  allColumns: false,
  // The lines go to the file as the exits come.
  inParts: false,
  create: (options: HeatmapPassOptions) => {
    // A recording that begins or ends elsewhere than its --from and --to were counted from is read anew.
    if (options.start !== null) ftruncateSync(options.fd, options.start);
    return { ...options, lines: 0 };
  },
  exits: (state, batch, selected) => {
    for (const lines of heatmapLines(batch, selected)) {
      write(state, Buffer.from(lines.join('')));
      state.lines += lines.length;
    }
  },
  merge: (state, other) => {
    state.lines += other.lines;
  },
  result: ({ lines }) => ({ lines }),
};

function write({ fd, path }: HeatmapPassOptions, bytes: Buffer): void {
  try {
    for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
  } catch (error) {
    throw Object.assign(error as Error, { path, isOutput: true });
  }
}
