/**
 * perf.data in all its containers: a file, a pipe (`-o -`), compressed (`-z`), a folder (`--threads`). Layouts:
 * tools/perf/Documentation/perf.data-file-format.txt and perf.data-directory-format.txt.
 */

import { type Arena, createArena } from '../../core/arena.ts';
import { note } from '../../core/diagnostics.ts';
import { TraceFormatError } from '../../core/errors.ts';
import { BATCH_ROWS, createArenaBatch, type EventBatch } from '../../core/event-batch.ts';
import type { TraceContext } from '../../core/trace-context.ts';
import type { ByteSource } from '../byte-source.ts';
import { checkBehind } from '../following-recording.ts';
import type { ParseOptions, TraceFormat, Verdict } from '../trace-format.ts';
import { PERF_TYPE_TRACEPOINT } from './attr.ts';
import type { Container } from './container-records.ts';
import { decodeReady } from './decode-records.ts';
import { addTracingData, describeAttr, nameEnabledEvents } from './describe.ts';
import { type PerfHeader, readHeader } from './header.ts';
import { looksLikeStream, refuseStream } from './lone-stream.ts';
import { recogniseFormats } from './recognise-formats.ts';
import {
  createRecordReader,
  endAtFollowing,
  passContainerRecord,
  type RecordReader,
  readMore,
} from './record-reader.ts';
import { createRecordState, type RecordState } from './record-state.ts';
import { START_BYTES, startStream, WINDOW_LIMITS, type WindowLimits } from './record-window.ts';
import { closeSpills, finishRound, keepWithinCap, makeReady } from './spill.ts';
import { closeRun, WALK_CONTAINER, WALK_DAMAGED, WALK_ROUND, walkRecords } from './walk-records.ts';

export const perfData: TraceFormat = {
  id: 'perf.data',
  title: 'perf.data (perf record, perf kvm stat record)',
  access: 'random',
  kernels: true,
  sniff,
  parse: (source, context, options) => parsePerfData(source, context, options),
};

const latin1 = new TextDecoder('latin1');

function sniff(head: Uint8Array): Verdict {
  const magic = latin1.decode(head.subarray(0, 8));
  if (magic === 'PERFILE2' || magic === '2ELIFREP') return { confidence: 3, reason: 'PERFILE2 magic' };
  if (magic === 'PERFFILE') return { confidence: 3, reason: 'PERFFILE magic (version 1)' };
  if (looksLikeStream(head))
    return { confidence: 1, reason: 'perf records without a header (data.N of a folder)' };
  return { confidence: 0, reason: 'does not start with PERFILE2' };
}

/** `limits` are for tests: how much is kept in memory. */
export function* parsePerfData(
  source: ByteSource,
  context: TraceContext,
  options: ParseOptions,
  limits: WindowLimits = WINDOW_LIMITS,
): Generator<EventBatch, void, void> {
  refuseStream(source);
  const header = readHeader(source, context);
  const { pipe } = header;
  const startBytes = Math.min(START_BYTES, (source.size ?? START_BYTES) + 8);
  const arena = options.arena ?? createArena();
  const state = createRecordState(context, header, options.coreOnly ?? false, arena, {
    startBytes,
    ...limits,
  });
  const container: Container = {
    state,
    source,
    pipe,
    mmapLength: header.mmapLength,
    hasFormats: header.tracingData !== null,
  };
  if (!pipe) prepare(header, container);
  const streams = streamsOf(header, source);
  const output = { batch: firstBatch(arena, options), options };
  try {
    for (const [from, to] of streams)
      yield* readStream(createRecordReader(container, from, to), streams.length === 1, output);
    makeReady(state, Number.POSITIVE_INFINITY);
    yield* drain(state, output);
  } finally {
    closeSpills(state.window);
  }
  noteUntoldLosses(state);
  if (pipe) checkPipe(container);
  if (header.fileEnd !== null && !source.parts) checkBehind(source, header.fileEnd, context.diagnostics);
  if (output.batch.length > 0) yield output.batch;
}

/** Where streams of records lie: [from, to) each. */
function streamsOf(header: PerfHeader, source: ByteSource): [number, number][] {
  const { parts } = source;
  const end = header.dataEnd ?? parts?.[0].size ?? Number.POSITIVE_INFINITY;
  const streams: [number, number][] = [[header.dataOffset, end]];
  for (const { start, size } of parts?.slice(1) ?? []) streams.push([start, start + size]);
  return streams;
}

/** Reads a stream to its end; what it leaves in the window is in runs. `rounds`: its FINISHED_ROUNDs hold for all. */
function* readStream(
  reader: RecordReader,
  rounds: boolean,
  output: Output,
): Generator<EventBatch, void, void> {
  const { state } = reader.container;
  const { window, context } = state;
  const { diagnostics } = context;
  startStream(window);
  while (true) {
    const reason = walkRecords(state);
    if (reason === WALK_ROUND) {
      if (!rounds) continue;
      closeRun(window);
      finishRound(state);
      yield* drain(state, output);
    } else if (reason === WALK_CONTAINER) passContainerRecord(reader, window);
    else if (reason === WALK_DAMAGED) {
      if (endAtFollowing(reader, window)) break;
      note(
        diagnostics,
        'damaged-records',
        'data-loss',
        `a record header before byte ${reader.position} cannot be one; what follows it was left out`,
      );
      window.used = window.parsed;
      break;
    } else {
      keepWithinCap(state);
      if (!readMore(reader, window)) break;
      output.options.onProgress?.(reader.position);
    }
  }
  if (window.used > window.parsed && !endAtFollowing(reader, window))
    note(diagnostics, 'truncated-file', 'data-loss', 'the last record is cut off');
  window.used = window.parsed;
  closeRun(window);
  // The next stream is not in order with this one.
  window.lastKey = Number.POSITIVE_INFINITY;
}

/** Formats, names and doubts that the header tells before the first record. */
function prepare(header: PerfHeader, container: Container): void {
  const { state, source } = container;
  for (const attr of header.attrs) describeAttr(state, attr);
  if (!header.attrs.some(({ type }) => type === PERF_TYPE_TRACEPOINT))
    throw new TraceFormatError({
      format: 'perf.data',
      section: 'header',
      message: 'no tracepoint was recorded, so that there are no exits in it',
      hint: 'record with -e kvm:kvm_exit -e kvm:kvm_entry -e kvm:kvm_userspace_exit',
    });
  if (state.layout.time < 0)
    throw new TraceFormatError({
      format: 'perf.data',
      section: 'header',
      message: 'the samples have no times',
      hint: 'record without --no-timestamp',
    });
  if (header.folder && !source.parts)
    throw new TraceFormatError({
      format: 'perf.data',
      message:
        'this is `data` of a `perf record --threads` folder; its events lie in data.0, data.1 … beside it',
      hint: 'name the folder instead of the file in it',
    });
  if (header.folder && source.parts && source.parts.length === 1)
    note(
      state.context.diagnostics,
      'missing-streams',
      'data-loss',
      'recorded with --threads, but the folder lacks data.0, data.1 …, in which the events lie',
    );
  if (header.tracingData) addTracingData(state, header.tracingData);
  else recogniseFormats(header, container, streamsOf(header, source));
  nameEnabledEvents(state);
}

/**
 * The kernel writes a LOST record before the next record that fits again, so what a CPU loses last is only in the
 * counters that LOST_SAMPLES repeat; and these count from the start of perf, over all files of --switch-output.
 */
function noteUntoldLosses({ context, lossesStated, lossesTold }: RecordState): void {
  if (lossesStated <= lossesTold) return;
  note(
    context.diagnostics,
    'losses-without-place',
    'data-loss',
    'lost events that perf counted, but no LOST record of this file places: after the last record of a CPU, or in an earlier file of --switch-output',
    lossesStated - lossesTold,
  );
}

/** A pipe tells as it goes what a header would have told at once. */
function checkPipe({ state, hasFormats }: Container): void {
  const fail = (message: string, hint: string) =>
    new TraceFormatError({ format: 'perf.data', message, hint });
  if (!state.attrs.some(({ type }) => type === PERF_TYPE_TRACEPOINT))
    throw fail('the pipe describes no tracepoint', 'it is cut off, or was recorded without -e kvm:…');
  if (!hasFormats)
    throw fail(
      'the pipe holds no event formats (tracing data), so that its samples cannot be decoded',
      'it is cut off or was made by a tool that leaves them out; record again',
    );
}

/** The batch being filled. */
interface Output {
  batch: EventBatch;
  readonly options: ParseOptions;
}

function firstBatch(arena: Arena, options: ParseOptions): EventBatch {
  if (options.nextBatch) return options.nextBatch();
  const batch = createArenaBatch(arena, BATCH_ROWS);
  // No perf record has a text: the column is set once.
  batch.text.fill(-1);
  return batch;
}

function* drain(state: RecordState, output: Output): Generator<EventBatch, void, void> {
  while (decodeReady(state, output.batch)) {
    yield output.batch;
    if (output.options.nextBatch) output.batch = output.options.nextBatch();
    else output.batch.length = 0;
  }
}
