/** `kvmtrace diff`: two recordings → what changed → each output in its format → thresholds. */
import { UsageError } from '../core/errors.ts';
import type { DiffModel } from '../report/diff/model.ts';
import { DIFF_RENDERERS, type DiffRenderer } from '../report/diff/renderers.ts';
import { checkDiffThreshold, type DiffThreshold, parseDiffThreshold } from './diff-thresholds.ts';
import type { Environment } from './environment.ts';
import type { RowMatcher } from './fail-on.ts';
import { createOutput, type OutputFile, tryOutput, writeToFile, writeToStream } from './output.ts';
import { parseCount } from './parse-lists.ts';
import { option, parseReportOptions, type RawReportOptions } from './report-options.ts';
import { type ColorChoice, createPause, createProgress, terminalWidth, wantsColor } from './terminal.ts';

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

interface Target {
  readonly renderer: DiffRenderer;
  /** null: standard output. */
  readonly path: string | null;
}

/** Exit status: 0, or 1 when a threshold is exceeded. */
export async function diff(
  before: string,
  after: string,
  raw: RawDiff,
  environment: Environment,
): Promise<number> {
  const thresholds = await Promise.all((raw.failOn ?? []).map(prepareThreshold));
  const targets = chooseTargets(raw);
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
      onProgress: progress.update,
      pause: createPause(),
    });
    progress.clear();
    const shown = raw.redact ? (await import('../report/diff/redact.ts')).redactDiff(model) : model;
    await writeAll(shown, targets, [before, after], rows, raw, environment);
    return checkAll(model, thresholds, environment);
  } finally {
    progress.clear();
  }
}

function chooseTargets(raw: RawDiff): Target[] {
  const named = raw.format === undefined ? null : findFormat(raw.format);
  if (raw.output === undefined) return [{ renderer: named ?? DIFF_RENDERERS[0], path: null }];
  return raw.output.map((path) => {
    if (path === '-') return { renderer: named ?? DIFF_RENDERERS[0], path: null };
    const lower = path.toLowerCase();
    const renderer =
      named ?? DIFF_RENDERERS.find(({ extensions }) => extensions.some((end) => lower.endsWith(end)));
    if (renderer) return { renderer, path };
    throw new UsageError(
      `-o ${path}: no format has this ending`,
      `Known endings: ${DIFF_RENDERERS.map(({ extensions }) => extensions[0]).join(' ')}; or say --format.`,
    );
  });
}

function findFormat(name: string): DiffRenderer {
  const wanted = name.toLowerCase();
  const found = DIFF_RENDERERS.find(
    ({ id, extensions }) => id === wanted || extensions.includes(`.${wanted}`),
  );
  if (found) return found;
  throw new UsageError(
    `--format: '${name}' is not a format of diff`,
    `Known: ${DIFF_RENDERERS.map(({ id }) => id).join(', ')}.`,
  );
}

async function writeAll(
  model: DiffModel,
  targets: readonly Target[],
  inputs: readonly string[],
  rows: number,
  raw: RawDiff,
  { stdout, env }: Environment,
): Promise<void> {
  const files: OutputFile[] = [];
  try {
    for (const { renderer, path } of targets) {
      const { render } = await renderer.load();
      if (path === null) {
        const color = wantsColor(raw.color, stdout, env);
        await writeToStream(stdout, render(model, { rows, color, width: terminalWidth(stdout) }));
        continue;
      }
      const file = createOutput(path, inputs);
      files.push(file);
      await writeToFile(file, render(model, { rows, color: false, width: null }));
    }
    for (const file of files) file.commit();
  } finally {
    for (const file of files) file.abort();
  }
}

interface PreparedThreshold {
  readonly threshold: DiffThreshold;
  readonly matches: RowMatcher;
}

async function prepareThreshold(text: string): Promise<PreparedThreshold> {
  const threshold = option('--fail-on', text, null, parseDiffThreshold)!;
  if (threshold.reason === null || threshold.reason === '*') return { threshold, matches: () => true };
  const { rowMatcher } = await import('./parse-reasons.ts');
  return { threshold, matches: option('--fail-on', threshold.reason, () => false, rowMatcher) };
}

function checkAll(
  model: DiffModel,
  thresholds: readonly PreparedThreshold[],
  { stderr }: Environment,
): number {
  let status = 0;
  for (const { threshold, matches } of thresholds) {
    const finding = checkDiffThreshold(model, threshold, matches);
    if (!finding.exceeded && finding.measured) continue;
    if (finding.exceeded) status = 1;
    stderr.write(`kvmtrace: --fail-on '${threshold.text}': ${finding.found}\n`);
  }
  return status;
}
