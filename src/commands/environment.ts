/** The outside world as commands see it; tests hand in their own streams and pipeline. */
import type { Pipeline } from './options.ts';
import { type Output, standardError, standardOutput } from './standard-streams.ts';

export interface Environment {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: NodeJS.ProcessEnv;
  /** The command line, for reports that say how they were made. */
  readonly args?: readonly string[];
  /** Loads readers and analysis: large, so only when a command needs them. */
  readonly loadPipeline: () => Promise<Pipeline>;
}

/** `failed` is told when standard output or error cannot be written. */
export function processEnvironment(failed: (error: NodeJS.ErrnoException) => void = () => {}): Environment {
  return {
    stdout: standardOutput(failed),
    stderr: standardError(failed),
    env: process.env,
    loadPipeline: () => import('./pipeline.ts'),
  };
}
