/** The outside world as commands see it; tests hand in their own streams and pipeline. */
import type { Pipeline } from './options.ts';

export interface Environment {
  readonly stdout: NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };
  readonly stderr: NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };
  readonly env: NodeJS.ProcessEnv;
  /** The command line, for reports that say how they were made. */
  readonly args?: readonly string[];
  /** Loads readers and analysis: large, so only when a command needs them. */
  readonly loadPipeline: () => Promise<Pipeline>;
}

export function processEnvironment(): Environment {
  return {
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    loadPipeline: () => import('./pipeline.ts'),
  };
}
