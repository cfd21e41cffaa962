/** `kvmtrace diff`: two recordings → what changed → each output in its format → thresholds. */
import { UsageError } from '../core/errors.ts';
import { DIFF_RENDERERS } from '../report/diff/renderers.ts';
import { checkDiffThreshold, parseDiffThreshold } from './diff-thresholds.ts';
import type { Environment } from './environment.ts';
import { tryOutput } from './output.ts';
import { parseCount } from './parse-lists.ts';
import { option, parseReportOptions, type RawReportOptions } from './report-options.ts';
import { chooseTargets, writeTargets } from './targets.ts';
import { type ColorChoice, createPause, createProgress } from './terminal.ts';
import { checkThresholds, prepareThresholds, requiredNames } from './thresholds.ts';

export interface RawDiff extends RawReportOptions {
  output?: string[];
  format?: string;
  rows?: string;
  failOn?: string[];
  redact?: boolean;
  quiet?: boolean;
  color: ColorChoice;
}

const DEFAULT_ROWS = 30;

/** Exit status: 0, or 1 when a threshold is exceeded. */
export async function diff(
  before: string,
  after: string,
  raw: RawDiff,
  environment: Environment,
): Promise<number> {
  const thresholds = await prepareThresholds(raw.failOn, parseDiffThreshold);
  const targets = chooseTargets(raw, DIFF_RENDERERS, 'diff');
  const rows = option('--rows', raw.rows, DEFAULT_ROWS, (text) => parseCount(text));
  const options = await parseReportOptions(raw);
  if (before === '-' && after === '-')
    throw new UsageError('standard input can be one of the recordings, not both');
  for (const { path } of targets) if (path !== null) tryOutput(path, [before, after]);
  const progress = createProgress(environment.stderr, 'reading', raw.quiet === true, environment.env);
  try {
    const { runDiff } = await environment.loadPipeline();
    const model = await runDiff(before, after, {
      ...options,
      unknownReasons: requiredNames(options, thresholds),
      onProgress: progress.update,
      pause: createPause(),
    });
    progress.clear();
    const shown = raw.redact ? (await import('../report/diff/redact.ts')).redactDiff(model) : model;
    await writeTargets(targets, [before, after], raw.color, environment, async (renderer, page) =>
      (await renderer.load()).render(shown, { rows, ...page }),
    );
    return checkThresholds(
      thresholds,
      (threshold, matches) => checkDiffThreshold(model, threshold, matches),
      environment.stderr,
    );
  } finally {
    progress.clear();
  }
}
