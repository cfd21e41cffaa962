/** From inputs to one stream of events in time order, with what the parsers learned. */

import { realpathSync } from 'node:fs';
import { combineContexts, createInputContext } from '../capture/combine-contexts.ts';
import { mergeStreams } from '../capture/merge.ts';
import { createPauses, type Pauses } from '../capture/pauses.ts';
import { shiftTimes } from '../capture/shift-times.ts';
import { note } from '../core/diagnostics.ts';
import { UsageError } from '../core/errors.ts';
import type { EventBatch } from '../core/event-batch.ts';
import { createTraceContext, type TraceContext } from '../core/trace-context.ts';
import { type OpenedInput, openInput } from '../parsers/open-input.ts';
import { type KeptStreams, keepStreams } from '../parsers/spool.ts';
import type { BlockRange, ParseOptions } from '../parsers/trace-format.ts';
import { type AlignedInputs, alignClocks } from './align-inputs.ts';
import { findTwins, type TwinPlan } from './find-twins.ts';
import type { ReadOptions } from './options.ts';
import { isQemu, traceEventsOf } from './qemu-inputs.ts';

/** Batches for a parser to fill, and the arena that they lie in (ParseOptions). */
export type BatchLender = Required<Pick<ParseOptions, 'arena' | 'nextBatch'>>;

export interface EventStream {
  readonly context: TraceContext;
  /** Batches in time order; each is valid until the next is asked for. */
  readonly batches: Iterator<EventBatch>;
  /** Inputs as opened, in the order given. */
  readonly inputs: readonly OpenedInput[];
  /** Whether an input is from a machine of that kind, as far as it has been read: `ppc`. */
  isFrom(arch: string): boolean;
  /** Lets the parser fill the given batches instead of its own; only has an effect before the first batch. */
  lendBatches(lender: BatchLender): void;
  /** Only these of the only input's `count` blocks are parsed; before the first batch as well. */
  readBlocks(blocks: BlockRange, count: number): void;
  close(): void;
}

/** What can be asked for until the first batch is. */
interface Asked {
  lent?: BatchLender;
  blocks?: BlockRange;
  /** How much of an input the part of it stands for that is read. */
  share: number;
}

/** Inputs that are read as one; by input. */
interface Inputs {
  readonly inputs: readonly OpenedInput[];
  readonly contexts: readonly TraceContext[];
  readonly parsers: readonly Generator<EventBatch, void, void>[];
}

/** Opens all inputs. Errors carry the input's name as `path`. */
export async function openEvents(
  paths: readonly string[],
  options: ReadOptions,
  /** Only the columns that analyses of exits read (ParseOptions.coreOnly). */
  coreOnly = false,
): Promise<EventStream> {
  rejectSameFile(paths);
  const context = createTraceContext();
  // Several are read for comparison first.
  const kept = options.kept ?? (paths.length > 1 ? await keepStreams(paths) : null);
  const inputs = await openInputs(paths, context, kept);
  const alone = inputs.length === 1;
  // One input states the run's facts itself; of several each states its own, which are combined at the end.
  const contexts = inputs.map(() => (alone ? context : createInputContext(context)));
  const aligned = alone ? null : await alignClocks(paths, inputs, context, options);
  const twins = aligned && findTwins(paths, inputs, aligned, context);
  const progress = sumProgress(inputs, options);
  const asked: Asked = { share: 1 };
  const parsers = inputs.map((input, i) =>
    named(
      paths[i],
      parseLazily(input, contexts[i], () => ({
        // Merged streams copy rows into a batch of their own anyway.
        ...(alone ? asked.lent : {}),
        ...traceEventsOf(paths[i], input, options),
        ...(asked.blocks ? { blocks: asked.blocks } : {}),
        coreOnly,
        onProgress: (bytes) => progress(i, bytes * asked.share),
      })),
    ),
  );
  return {
    context,
    batches: aligned ? mergeInputs({ inputs, contexts, parsers }, aligned, twins, context) : parsers[0],
    inputs,
    isFrom: (arch) => contexts.some((input) => input.arch?.startsWith(arch) ?? false),
    lendBatches: (lender) => {
      asked.lent = lender;
    },
    readBlocks: (range, count) => {
      asked.blocks = range;
      asked.share = count / (range.to - range.from);
    },
    close: () => {
      // A parser that is left before its end lets go of what it has put on disk.
      for (const events of parsers) events.return();
      for (const input of inputs) input.source.close();
      if (kept !== options.kept) kept?.close();
    },
  };
}

async function openInputs(
  paths: readonly string[],
  context: TraceContext,
  kept: KeptStreams | null,
): Promise<OpenedInput[]> {
  const inputs: OpenedInput[] = [];
  for (const path of paths) {
    try {
      const input = await openInput(path, context.diagnostics, kept);
      inputs.push(input);
      context.sources.push({ path, format: input.format.id, bytes: input.storedBytes });
    } catch (error) {
      throw Object.assign(error as Error, { path });
    }
  }
  return inputs;
}

/** Several inputs as one stream: on one clock, each event once, times that no input covers marked as losses. */
function mergeInputs(
  { inputs, contexts, parsers }: Inputs,
  { offsets, skipped }: AlignedInputs,
  twins: TwinPlan | null,
  run: TraceContext,
): Iterator<EventBatch> {
  const read = inputs.map((_, i) => i).filter((i) => !skipped.has(i));
  const streams = read.map((i) => {
    const offset = offsets[i] ?? 0n;
    const shifted = offset === 0n ? parsers[i] : shiftTimes(parsers[i], offset);
    return twins ? twins.mark(i, shifted) : shifted;
  });
  // QEMU's traces tell nothing of the kernel's recorder.
  const pauses = createPauses(read.map((i) => !isQemu(inputs[i])));
  const merged = mergeStreams(streams, pauses);
  const contextsRead = read.map((i) => contexts[i]);
  return combined(twins ? twins.drop(merged) : merged, run, contextsRead, pauses);
}

/** One file under two names or twice the same: all of it would count twice. */
function rejectSameFile(paths: readonly string[]): void {
  const seen = new Map<string, string>();
  for (const path of paths) {
    let file = path;
    try {
      if (path !== '-') file = realpathSync(path);
    } catch {
      // Opening it will say what is wrong.
    }
    const before = seen.get(file);
    if (before !== undefined)
      throw new UsageError(
        before === path ? `${path} is given twice` : `${before} and ${path} are the same file`,
        'Name each input once.',
      );
    seen.set(file, path);
  }
}

function sumProgress(
  inputs: readonly OpenedInput[],
  options: ReadOptions,
): (input: number, bytes: number) => void {
  const done = inputs.map(() => 0);
  const total = inputs.every((input) => input.source.size !== null)
    ? inputs.reduce((sum, input) => sum + input.source.size!, 0)
    : null;
  return (input, bytes) => {
    done[input] = bytes;
    options.onProgress?.(
      done.reduce((sum, part) => sum + part, 0),
      total,
    );
  };
}

/** The merged stream; when it ends the run's facts are complete. */
function* combined(
  batches: Iterator<EventBatch>,
  run: TraceContext,
  inputs: readonly TraceContext[],
  pauses: Pauses,
): Generator<EventBatch, void, void> {
  while (true) {
    const next = batches.next();
    if (next.done) break;
    yield next.value;
  }
  if (pauses.gaps > 0)
    note(
      run.diagnostics,
      'inputs-apart',
      'suspect',
      'times between inputs, longer than any pause within them, in which nothing was recorded: they count as losses, so that no exit of one input ends in the next',
      pauses.gaps,
    );
  combineContexts(run, inputs);
}

/** Options are asked for when the first batch is: some are known only then. */
function* parseLazily(
  input: OpenedInput,
  context: TraceContext,
  options: () => ParseOptions,
): Generator<EventBatch, void, void> {
  yield* input.format.parse(input.source, context, options());
}

/** Adds the input's name to errors of its parser. */
function* named(path: string, batches: Generator<EventBatch, void, void>): Generator<EventBatch, void, void> {
  try {
    yield* batches;
  } catch (error) {
    throw Object.assign(error as Error, { path });
  }
}

/** Feeds every batch to `take`, giving the process a chance to see signals now and then. */
export async function forEachBatch(
  stream: EventStream,
  options: ReadOptions,
  take: (batch: EventBatch) => void,
  beforeClose?: () => Promise<void>,
): Promise<void> {
  try {
    while (true) {
      const next = stream.batches.next();
      if (next.done) return;
      take(next.value);
      const pause = options.pause?.();
      if (pause) await pause;
    }
  } finally {
    await beforeClose?.();
    stream.close();
  }
}
