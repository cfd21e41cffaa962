/** `kvmtrace report`: inputs → report model → each output in its format → thresholds. */
import { UsageError } from '../core/errors.ts';
import { csvTableNames } from '../report/csv-tables.ts';
import type { ReportModel } from '../report/model.ts';
import { RENDERERS, type Renderer, type RenderOptions, rendererForPath } from '../report/renderers.ts';
import { sectionRequests } from '../report/sections.ts';
import type { Environment } from './environment.ts';
import { checkThreshold, parseThreshold, type RowMatcher, type Threshold } from './fail-on.ts';
import { startHeatmap } from './heatmap-file.ts';
import type { ReportOptions } from './options.ts';
import { createOutput, type OutputFile, tryOutput, writeToFile, writeToStream } from './output.ts';
import { parseCount, parseWordList } from './parse-lists.ts';
import { option, parseReportOptions, type RawReportOptions } from './report-options.ts';
import { type ColorChoice, createPause, createProgress, terminalWidth, wantsColor } from './terminal.ts';

export interface RawReport extends RawReportOptions {
  output?: string[];
  format?: string;
  table?: string;
  rows?: string;
  histogram?: boolean;
  failOn?: string[];
  redact?: boolean;
  heatmap?: string;
  quiet?: boolean;
  color: ColorChoice;
}

export const DEFAULT_ROWS = 30;

/** Where one rendering goes; null: standard output. */
interface Target {
  readonly renderer: Renderer;
  readonly path: string | null;
}

/** Exit status: 0, or 1 when a threshold is exceeded. */
export async function report(
  inputs: readonly string[],
  raw: RawReport,
  environment: Environment,
): Promise<number> {
  if (raw.redact && raw.view !== undefined)
    throw new UsageError('--redact: a view shows thread numbers as its tool does', 'Leave out --view.');
  const thresholds = await Promise.all((raw.failOn ?? []).map(prepareThreshold));
  const targets = chooseTargets(raw);
  const options = forTargets(await parseReportOptions(raw), raw, targets);
  const shape: Omit<RenderOptions, 'color' | 'width'> = {
    rows: option('--rows', raw.rows, DEFAULT_ROWS, (text) => parseCount(text)),
    histogram: raw.histogram === true,
    table: chooseTable(raw, targets),
    sections: options.sections ?? [],
  };
  for (const { path } of targets) if (path !== null) tryOutput(path, inputs);
  const heatmap = raw.heatmap === undefined ? null : startHeatmap(raw.heatmap, inputs);
  const progress = createProgress(environment.stderr, 'reading', raw.quiet === true, environment.env);
  try {
    const pipeline = await environment.loadPipeline();
    const reproduction = targets.some(({ renderer }) => renderer.reproduces)
      ? (await import('./reproduction.ts')).startReproduction(inputs, environment.args ?? [])
      : null;
    const model = await pipeline.runReport(inputs, {
      ...options,
      passes: [...(options.passes ?? []), ...(heatmap?.passes ?? [])],
      onProgress: progress.update,
      pause: createPause(),
    });
    if (reproduction) model.reproduce = await reproduction;
    heatmap?.commit();
    progress.clear();
    const shown = raw.redact ? (await import('../report/redact.ts')).redactModel(model) : model;
    await writeAll(shown, targets, inputs, shape, { raw, environment });
    return checkAll(model, thresholds, environment);
  } finally {
    heatmap?.abort();
    progress.clear();
  }
}

/** What the chosen formats show beyond the other ones, unless the user has said how much. */
function forTargets(options: ReportOptions, raw: RawReport, targets: readonly Target[]): ReportOptions {
  const sections = [
    ...(options.sections ?? []),
    ...targets.flatMap(({ renderer }) => renderer.sections ?? []),
  ];
  const limits = targets.map(({ renderer }) => renderer.slowLimit ?? 0);
  const slowLimit =
    raw.slow === undefined ? Math.max(options.slowLimit, Math.min(...limits)) : options.slowLimit;
  const { thanNs, includeIdle, by, intervalNs = null } = options;
  const passes = sectionRequests(sections, { slowLimit, thanNs, includeIdle, by, intervalNs });
  return { ...options, slowLimit, passes };
}

/** All files or none: they are renamed when the last one is written. */
async function writeAll(
  model: ReportModel,
  targets: readonly Target[],
  inputs: readonly string[],
  shape: Omit<RenderOptions, 'color' | 'width'>,
  { raw, environment }: { raw: RawReport; environment: Environment },
): Promise<void> {
  const files: OutputFile[] = [];
  try {
    for (const { renderer, path } of targets) {
      const { render } = await renderer.load();
      if (path === null) {
        await writeToStream(environment.stdout, render(model, { ...shape, ...terminal(environment, raw) }));
        continue;
      }
      const file = createOutput(path, inputs);
      files.push(file);
      await writeToFile(file, render(model, { ...shape, color: false, width: null }));
    }
    for (const file of files) file.commit();
  } finally {
    for (const file of files) file.abort();
  }
}

function terminal({ stdout, env }: Environment, raw: RawReport): Pick<RenderOptions, 'color' | 'width'> {
  return { color: wantsColor(raw.color, stdout, env), width: terminalWidth(stdout) };
}

/** --format decides; without it the file's ending, and text for standard output. */
function chooseTargets(raw: RawReport): Target[] {
  const named = raw.format === undefined ? null : findFormat(raw.format);
  const paths = raw.output ?? ['-'];
  if (new Set(paths).size < paths.length) throw new UsageError('-o: the same output is named twice');
  return paths.map((path) => {
    if (path === '-') return { renderer: named ?? RENDERERS[0], path: null };
    const renderer = named ?? rendererForPath(path);
    if (renderer) return { renderer, path };
    if (/\.arrows?$/i.test(path))
      throw new UsageError(
        `-o ${path}: a capture is no report`,
        `Make one with kvmtrace convert … -o ${path}`,
      );
    const endings = RENDERERS.map((entry) => entry.extensions[0]).join(' ');
    throw new UsageError(
      `-o ${path}: no format has this ending`,
      `Known endings: ${endings}; or say --format.`,
    );
  });
}

function findFormat(name: string): Renderer {
  const wanted = name.toLowerCase();
  const found = RENDERERS.find(({ id, extensions }) => id === wanted || extensions.includes(`.${wanted}`));
  if (found) return found;
  throw new UsageError(
    `--format: '${name}' is not a format`,
    `Known: ${RENDERERS.map(({ id }) => id).join(', ')}.`,
  );
}

function chooseTable(raw: RawReport, targets: readonly Target[]): string {
  if (raw.table === undefined) return 'reasons';
  const [table] = option('--table', raw.table, [], (text) => parseWordList([text], 'table', csvTableNames()));
  if (!targets.some(({ renderer }) => renderer.id === 'csv'))
    throw new UsageError('--table chooses what a CSV file holds', 'Add --format csv or -o FILE.csv.');
  return table;
}

interface PreparedThreshold {
  readonly threshold: Threshold;
  readonly matches: RowMatcher;
}

async function prepareThreshold(text: string): Promise<PreparedThreshold> {
  const threshold = option('--fail-on', text, null, parseThreshold)!;
  if (threshold.reason === null || threshold.reason === '*') return { threshold, matches: () => true };
  const { rowMatcher } = await import('./parse-reasons.ts');
  return { threshold, matches: option('--fail-on', threshold.reason, () => false, rowMatcher) };
}

/** Every threshold is checked and reported, not only the first that is exceeded; so is one with nothing to check. */
function checkAll(
  model: ReportModel,
  thresholds: readonly PreparedThreshold[],
  { stderr }: Environment,
): number {
  let status = 0;
  for (const { threshold, matches } of thresholds) {
    const finding = checkThreshold(model, threshold, matches);
    if (!finding.exceeded && finding.measured) continue;
    if (finding.exceeded) status = 1;
    stderr.write(`kvmtrace: --fail-on '${threshold.text}': ${finding.found}\n`);
  }
  return status;
}
