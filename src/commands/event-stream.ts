/** From inputs to one stream of events in time order, with what the parsers learned. */

import { mergeStreams } from '../capture/merge.ts';
import type { EventBatch } from '../core/event-batch.ts';
import { createTraceContext, type TraceContext } from '../core/trace-context.ts';
import { type OpenedInput, openInput } from '../parsers/open-input.ts';
import type { ParseOptions } from '../parsers/trace-format.ts';
import type { ReadOptions } from './options.ts';

export interface EventStream {
  readonly context: TraceContext;
  /** Batches in time order; each is valid until the next is asked for. */
  readonly batches: Iterator<EventBatch>;
  /** Inputs as opened, in the order given. */
  readonly inputs: readonly OpenedInput[];
  /** Lets the parser fill the given batches instead of its own; only has an effect before the first batch. */
  lendBatches(nextBatch: () => EventBatch): void;
  close(): void;
}

/** Opens all inputs. Errors carry the input's name as `path`. */
export async function openEvents(
  paths: readonly string[],
  options: ReadOptions,
  /** Only the columns that analyses of exits read (ParseOptions.coreOnly). */
  coreOnly = false,
): Promise<EventStream> {
  const context = createTraceContext();
  const inputs: OpenedInput[] = [];
  for (const path of paths) {
    try {
      const input = await openInput(path, context.diagnostics);
      inputs.push(input);
      context.sources.push({ path, format: input.format.id, bytes: input.storedBytes });
    } catch (error) {
      throw Object.assign(error as Error, { path });
    }
  }
  const done = inputs.map(() => 0);
  const total = inputs.every((input) => input.source.size !== null)
    ? inputs.reduce((sum, input) => sum + input.source.size!, 0)
    : null;
  let nextBatch: (() => EventBatch) | undefined;
  const streams = inputs.map((input, i) =>
    named(
      paths[i],
      parseLazily(input, context, () => ({
        // Merged streams copy rows into a batch of their own anyway.
        ...(nextBatch && inputs.length === 1 ? { nextBatch } : {}),
        ...(options.traceEvents === null ? {} : { traceEvents: options.traceEvents }),
        coreOnly,
        onProgress: (bytes) => {
          done[i] = bytes;
          options.onProgress?.(
            done.reduce((sum, part) => sum + part, 0),
            total,
          );
        },
      })),
    ),
  );
  return {
    context,
    batches: mergeStreams(streams),
    inputs,
    lendBatches: (lender) => {
      nextBatch = lender;
    },
    close: () => {
      for (const input of inputs) input.source.close();
    },
  };
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
function* named(path: string, batches: Iterator<EventBatch>): Generator<EventBatch, void, void> {
  try {
    while (true) {
      const next = batches.next();
      if (next.done) return;
      yield next.value;
    }
  } catch (error) {
    throw Object.assign(error as Error, { path });
  }
}

/** Feeds every batch to `take`, giving the process a chance to see signals now and then. */
export async function forEachBatch(
  stream: EventStream,
  options: ReadOptions,
  take: (batch: EventBatch) => void,
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
    stream.close();
  }
}
