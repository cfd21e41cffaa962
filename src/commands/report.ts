/** `kvmtrace report`: inputs → report model → each output in its format → thresholds. */
import { UsageError } from '../core/errors.ts';
import { csvTableNames } from '../report/csv-tables.ts';
import { RENDERERS, type Renderer, type RenderOptions } from '../report/renderers.ts';
import { sectionOfTable, sectionRequests } from '../report/sections.ts';
import type { Environment } from './environment.ts';
import { checkThreshold, parseThreshold } from './fail-on.ts';
import { startHeatmap } from './heatmap-file.ts';
import type { ReportOptions } from './options.ts';
import { tryOutput } from './output.ts';
import { parseCount, parseWordList } from './parse-lists.ts';
import { option, parseReportOptions, type RawReportOptions } from './report-options.ts';
import { chooseTargets, type Target, writeTargets } from './targets.ts';
import { type ColorChoice, createPause, createProgress } from './terminal.ts';
import { checkThresholds, prepareThresholds, requiredNames } from './thresholds.ts';

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

/** Exit status: 0, or 1 when a threshold is exceeded. */
export async function report(
  inputs: readonly string[],
  raw: RawReport,
  environment: Environment,
): Promise<number> {
  if (raw.redact && raw.view !== undefined)
    throw new UsageError('--redact: a view shows thread numbers as its tool does', 'Leave out --view.');
  const thresholds = await prepareThresholds(raw.failOn, parseThreshold);
  const targets = chooseTargets(raw, RENDERERS, 'report');
  const table = chooseTable(raw, targets);
  const options = forTargets(await parseReportOptions(raw), raw, targets, table);
  const shape: Omit<RenderOptions, 'color' | 'width'> = {
    rows: option('--rows', raw.rows, DEFAULT_ROWS, (text) => parseCount(text)),
    histogram: raw.histogram === true,
    table,
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
      unknownReasons: requiredNames(options, thresholds),
      onProgress: progress.update,
      pause: createPause(),
    });
    if (reproduction) model.reproduce = await reproduction;
    if (heatmap && !model.capture.timeIsNs)
      throw new UsageError('--heatmap: the times of the recording have no known unit', 'Leave it out.');
    heatmap?.commit();
    progress.clear();
    const shown = raw.redact ? (await import('../report/redact.ts')).redactModel(model) : model;
    await writeTargets(targets, inputs, raw.color, environment, async (renderer, page) =>
      (await renderer.load()).render(shown, { ...shape, ...page }),
    );
    return checkThresholds(
      thresholds,
      (threshold, matches) => checkThreshold(model, threshold, matches),
      environment.stderr,
    );
  } finally {
    heatmap?.abort();
    progress.clear();
  }
}

/** What the chosen formats show beyond the other ones, unless the user has said how much. */
function forTargets(
  options: ReportOptions,
  raw: RawReport,
  targets: readonly Target<Renderer>[],
  table: string,
): ReportOptions {
  const ofTable = sectionOfTable(table);
  const sections = [
    ...(options.sections ?? []),
    ...targets.flatMap(({ renderer }) => renderer.sections ?? []),
    ...(ofTable === null ? [] : [ofTable]),
  ];
  const limits = targets.map(({ renderer }) => renderer.slowLimit ?? 0);
  const slowLimit =
    raw.slow === undefined ? Math.max(options.slowLimit, Math.min(...limits)) : options.slowLimit;
  const { thanNs, includeIdle, by, intervalNs = null } = options;
  const passes = sectionRequests(sections, { slowLimit, thanNs, includeIdle, by, intervalNs });
  return { ...options, slowLimit, passes };
}

function chooseTable(raw: RawReport, targets: readonly Target<Renderer>[]): string {
  if (raw.table === undefined) return 'reasons';
  const [table] = option('--table', raw.table, [], (text) => parseWordList([text], 'table', csvTableNames()));
  if (!targets.some(({ renderer }) => renderer.id === 'csv'))
    throw new UsageError('--table chooses what a CSV file holds', 'Add --format csv or -o FILE.csv.');
  return table;
}
