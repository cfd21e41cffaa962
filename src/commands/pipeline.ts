/** What commands do with inputs: open, parse, analyse, build the model. Calls the rooms in order, nothing else. */
import { fstatSync, statSync } from 'node:fs';
import type { AnalysisResult } from '../analysis/analyze.ts';
import {
  addEvents,
  createArenaSummary,
  createEventSummary,
  finishEvents,
  lostEvents,
} from '../analysis/event-summary.ts';
import { needsAllColumns } from '../analysis/passes.ts';
import { addThreadEvents, createThreadEvents } from '../analysis/thread-events.ts';
import { UsageError } from '../core/errors.ts';
import type { TraceContext } from '../core/trace-context.ts';
import { wordsToBigInt } from '../core/words.ts';
import { keepStreams } from '../parsers/spool.ts';
import { buildWarnings } from '../report/build-capture.ts';
import { buildInfo } from '../report/build-info.ts';
import { buildModel } from '../report/build-model.ts';
import type { DiffModel, DiffWork } from '../report/diff/model.ts';
import type { InfoModel } from '../report/info-model.ts';
import type { ReportModel } from '../report/model.ts';
import { analyzeStream } from './analyze-stream.ts';
import { type EventStream, forEachBatch, openEvents } from './event-stream.ts';
import { loadAllPasses } from './load-passes.ts';
import { canNameReasons, type NamedReasons, unknownReasonError, watchNames } from './named-reasons.ts';
import type { ConvertSummary, ReadOptions, ReportOptions, UnknownReason } from './options.ts';
import {
  guessSpan,
  holds,
  type ReportSelection,
  readSpan,
  resolveSelection,
  type Span,
} from './resolve-selection.ts';
import { withVcpuThreads } from './vcpu-threads.ts';
import { toolVersion } from './version.ts';

export async function runReport(paths: readonly string[], options: ReportOptions): Promise<ReportModel> {
  const { model, missing, names } = await analyzeInputs(paths, options, true);
  if (missing.length > 0) throw await unknownReasonError(missing[0], names);
  return model;
}

/** `before` and `after` are recordings of one host each. */
export async function runDiff(
  before: string,
  after: string,
  options: ReportOptions,
  work: DiffWork | null = null,
): Promise<DiffModel> {
  const { buildDiff, diffInput, DIFF_PASSES } = await import('../report/diff/build.ts');
  const sides = [];
  const found: Analyzed[] = [];
  for (const path of [before, after]) {
    const side = await analyzeInputs([path], { ...options, by: [], passes: DIFF_PASSES }, false);
    sides.push(diffInput(side.context, side.model, side.result));
    found.push(side);
  }
  // A reason may be new, or gone.
  const missing = found[0].missing.find(({ name }) => found[1].missing.some((other) => other.name === name));
  if (missing) throw await unknownReasonError(missing, [...new Set(found.flatMap(({ names }) => names))]);
  return buildDiff(sides[0], sides[1], toolVersion(), work);
}

interface Analyzed {
  readonly model: ReportModel;
  readonly result: AnalysisResult;
  readonly context: TraceContext;
  /** Of options.unknownReasons those that no exit had, and all names that exits had in place of numbers. */
  readonly missing: readonly UnknownReason[];
  readonly names: readonly string[];
}

/** `alone`: names that these inputs cannot have are an error at once. */
async function analyzeInputs(
  paths: readonly string[],
  options: ReportOptions,
  alone: boolean,
): Promise<Analyzed> {
  const { filters } = options;
  // The filters' times need a recording's ends before its exits.
  const kept = filters.from || filters.to ? await keepStreams(paths) : null;
  try {
    return await analyzeKept(paths, { ...options, kept }, alone);
  } finally {
    kept?.close();
  }
}

async function analyzeKept(
  paths: readonly string[],
  options: ReportOptions,
  alone: boolean,
): Promise<Analyzed> {
  const { filters } = options;
  const guess = await guessSpan(paths, filters, options);
  const found = await analyzeFrom(paths, options, alone, guess);
  if ((filters.from || filters.to) && !found.context.timeIsNs)
    throw new UsageError(
      '--from and --to count time, and the times of the recording have no known unit',
      'Leave them out, or record with another clock (mono, boot, local).',
    );
  if (holds(guess, found.result.summary)) return found;
  return await analyzeFrom(paths, options, alone, await readSpan(paths, options));
}

/** `span`: the recording's ends, as far as filters count from them. */
async function analyzeFrom(
  paths: readonly string[],
  options: ReportOptions,
  alone: boolean,
  span: Span,
): Promise<Analyzed> {
  const { view } = options;
  const views = view ? await import('../report/views/views.ts') : null;
  const by = view ? views!.viewGrouping(view) : options.by;
  const passes = [...(options.passes ?? []), ...(view ? views!.viewPasses(view) : [])];
  const passOf = await loadAllPasses(passes);
  const selection = resolveSelection(options.filters, span);
  const coreOnly = !needsAllColumns(passes, passOf);
  const stream = withVcpuThreads(await openEvents(paths, options, coreOnly));
  const names = await watchUnknown(stream, selection, options, alone);
  const result = await analyzeStream(
    stream,
    {
      selection,
      grouping: {
        pid: by.includes('vm'),
        tid: by.includes('tid'),
        vcpu: by.includes('vcpu'),
        cpu: by.includes('cpu'),
        level: by.includes('level'),
      },
      slowLimit: options.slowLimit,
      slowThanNs: options.thanNs,
      slowIncludeIdle: options.includeIdle,
      passes,
    },
    passOf,
    options,
    coreOnly,
    names,
  );
  const { guestSymbols = null } = options;
  const model = buildModel(stream.context, result, {
    toolVersion: toolVersion(),
    by,
    filters: options.filters.words,
    guestSymbols,
  });
  const { context } = stream;
  const found = { result, context, missing: names?.missing() ?? [], names: names?.names() ?? [] };
  if (!view) return { ...found, model };
  const input = { context, analysis: result, model, guestSymbols };
  return { ...found, model: views!.withView(input, view) };
}

/** null if all names have a number. */
async function watchUnknown(
  stream: EventStream,
  selection: ReportSelection | null,
  { unknownReasons = [] }: ReportOptions,
  alone: boolean,
): Promise<NamedReasons | null> {
  if (unknownReasons.length === 0) return null;
  if (alone && !canNameReasons(stream.inputs)) {
    stream.close();
    throw await unknownReasonError(unknownReasons[0], []);
  }
  const { reasonInputKey } = await import('../isa/reasons.ts');
  const keysOf = { '--reason': selection?.reasons, '--exclude': selection?.excludes, '--fail-on': null };
  return watchNames(
    unknownReasons.map((unknown) => ({ ...unknown, keys: keysOf[unknown.option] ?? null })),
    stream.context,
    reasonInputKey,
  );
}

export async function runInfo(path: string, options: ReadOptions): Promise<InfoModel> {
  const stream = await openEvents([path], options, true);
  const summary = createEventSummary();
  const threads = createThreadEvents();
  await forEachBatch(stream, options, (batch) => {
    addEvents(summary, batch);
    addThreadEvents(threads, batch);
  });
  finishEvents(summary);
  return buildInfo(stream.context, summary, threads, toolVersion());
}

export async function runConvert(
  paths: readonly string[],
  output: string | number,
  options: ReadOptions,
): Promise<ConvertSummary> {
  // Loaded here: apache-arrow takes longer to load than a small capture to report.
  const { createCaptureWriter } = await import('../capture/writer.ts');
  const { startChecksums } = await import('../capture/checksum.ts');
  const stream = await openEvents(paths, options);
  const checksums = startChecksums(paths);
  const writer = createCaptureWriter(output, stream.context, toolVersion(), true);
  const summary = createArenaSummary(writer.arena);
  try {
    stream.lendBatches({ arena: writer.arena, nextBatch: writer.lend });
    // Rows go into the file while the next ones are read.
    const pause = () => {
      const busy = writer.busy();
      return busy === null ? options.pause?.() : busy.then(() => options.pause?.());
    };
    await forEachBatch(stream, { ...options, pause }, (batch) => {
      addEvents(summary, batch);
      writer.write(batch);
    });
    for (const [i, sha256] of (await checksums).entries())
      if (sha256 !== null) stream.context.sources[i].sha256 = sha256;
    await writer.settle();
    writer.finish();
  } catch (error) {
    await writer.settle().catch(() => {});
    writer.abort();
    throw error;
  }
  finishEvents(summary);
  return {
    events: summary.events,
    bytes: (typeof output === 'number' ? fstatSync(output) : statSync(output)).size,
    durationNs: summary.hasTime
      ? wordsToBigInt(summary.last[0], summary.last[1]) - wordsToBigInt(summary.first[0], summary.first[1])
      : null,
    lost: {
      events: lostEvents(summary),
      regions: summary.lostRegions,
      uncountedRegions: summary.lostUnknown,
    },
    warnings: buildWarnings(stream.context),
  };
}
