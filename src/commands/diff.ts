/** `kvmtrace diff`: two recordings → what changed → each output in its format → thresholds. */
import { UsageError } from '../core/errors.ts';
import type { DiffWork } from '../report/diff/model.ts';
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
  work?: string;
  failOn?: string[];
  redact?: boolean;
  quiet?: boolean;
  color: ColorChoice;
}

const DEFAULT_ROWS = 30;

/** `830` or `830,640`: units of work done before and after. */
function parseWork(text: string): DiffWork {
  const parts = text.split(',').map((part) => part.trim());
  const [before, after = before] = parts.map((part) =>
    /^\d{1,15}(\.\d{1,9})?$/.test(part) ? Number(part) : Number.NaN,
  );
  if (parts.length > 2 || !(before > 0 && after > 0))
    throw new UsageError(
      `'${text}' is not an amount of work`,
      'How many requests, boots … each recording saw: 1000, or 1000,1200 where they differ.',
    );
  return { before, after };
}

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
  const work = option('--work', raw.work, null, parseWork);
  const options = await parseReportOptions(raw);
  if (before === '-' && after === '-')
    throw new UsageError('standard input can be one of the recordings, not both');
  for (const { path } of targets) if (path !== null) tryOutput(path, [before, after]);
  const progress = createProgress(environment.stderr, 'reading', raw.quiet === true, environment.env);
  try {
    const { runDiff } = await environment.loadPipeline();
    const reading = {
      ...options,
      unknownReasons: requiredNames(options, thresholds),
      onProgress: progress.update,
      pause: createPause(),
    };
    const reproduction = targets.some(({ renderer }) => renderer.reproduces)
      ? (await import('./reproduction.ts')).startReproduction([before, after], environment.args ?? [])
      : null;
    const model = await runDiff(before, after, reading, work);
    if (reproduction) model.reproduce = await reproduction;
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
