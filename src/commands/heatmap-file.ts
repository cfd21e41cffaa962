/** --heatmap FILE: the file that a pass writes lines to while the recording is read. */
import { closeSync, fstatSync, openSync } from 'node:fs';
import type { PassRequest } from '../analysis/pass.ts';
import { UsageError } from '../core/errors.ts';
import { createOutput } from './output.ts';

export interface HeatmapFile {
  readonly passes: readonly PassRequest[];
  /** The file is complete. */
  commit(): void;
  /** Removes it; harmless after commit(). */
  abort(): void;
}

/** `inputs` are refused as outputs. */
export function startHeatmap(path: string, inputs: readonly string[]): HeatmapFile {
  if (path === '-')
    throw new UsageError(
      '--heatmap -: standard output is for the report',
      'Name a file; --heatmap /dev/stdout -o FILE hands the lines on.',
    );
  const output = createOutput(path, inputs);
  let fd: number | null = openSync(output.writePath, 'a');
  const close = () => {
    if (fd !== null) closeSync(fd);
    fd = null;
  };
  const stat = fstatSync(fd);
  const start = stat.isFile() ? stat.size : null;
  return {
    passes: [{ name: 'heatmap-lines', options: { fd, path, start } }],
    commit: () => {
      close();
      output.commit();
    },
    abort: () => {
      close();
      output.abort();
    },
  };
}
