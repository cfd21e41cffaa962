/**
 * perf.data as `perf record` and `perf kvm stat record` write it to a file. Container layouts: formats.md A.1.
 */
import { note } from '../../core/diagnostics.ts';
import { TraceFormatError } from '../../core/errors.ts';
import { createEventBatch, type EventBatch } from '../../core/event-batch.ts';
import { threadOf } from '../../core/thread-table.ts';
import type { TraceContext } from '../../core/trace-context.ts';
import type { ByteSource } from '../byte-source.ts';
import type { ParseOptions, TraceFormat, Verdict } from '../trace-format.ts';
import { PERF_TYPE_TRACEPOINT } from './attr.ts';
import { decodeReady } from './decode-records.ts';
import { type PerfHeader, readHeader } from './header.ts';
import { addFormats, createRecordState, type RecordState } from './record-state.ts';
import { RECORD_AUXTRACE } from './record-types.ts';
import { reserve, startMerge } from './record-window.ts';
import { parseTracingData } from './tracing-data.ts';
import { closeRun, WALK_CONTAINER, WALK_DAMAGED, WALK_ROUND, walkRecords } from './walk-records.ts';

const CHUNK = 1 << 20;

export const perfData: TraceFormat = {
  id: 'perf.data',
  title: 'perf.data (perf record, perf kvm stat record)',
  access: 'random',
  sniff,
  parse,
};

function sniff(head: Uint8Array): Verdict {
  const magic = new TextDecoder('latin1').decode(head.subarray(0, 8));
  if (magic === 'PERFILE2' || magic === '2ELIFREP') return { confidence: 3, reason: 'PERFILE2 magic' };
  if (magic === 'PERFFILE') return { confidence: 3, reason: 'PERFFILE magic (version 1)' };
  return { confidence: 0, reason: 'does not start with PERFILE2' };
}

function* parse(
  source: ByteSource,
  context: TraceContext,
  options: ParseOptions,
): Generator<EventBatch, void, void> {
  const header = readHeader(source, context);
  const state = createRecordState(
    context,
    header.little,
    header.attrs,
    header.attrOfId,
    options.coreOnly ?? false,
  );
  prepare(header, state);
  const { window } = state;
  const output = { batch: firstBatch(options), options };
  let position = header.dataOffset;
  const end = header.dataEnd ?? Number.POSITIVE_INFINITY;
  while (true) {
    const reason = walkRecords(state);
    if (reason === WALK_ROUND) {
      yield* drain(state, output);
      continue;
    }
    if (reason === WALK_DAMAGED) {
      note(
        context.diagnostics,
        'damaged-records',
        'data-loss',
        `a record header at byte ${position - window.used + window.parsed} cannot be one; what follows was left out`,
      );
      window.used = window.parsed;
      break;
    }
    if (reason === WALK_CONTAINER) {
      const size = containerRecord(window.view, window.parsed, header.little);
      window.parsed += size;
      if (window.parsed > window.used) {
        // AUXTRACE data lies behind its record; it is passed over without being read.
        position += window.parsed - window.used;
        window.used = window.parsed = Math.min(window.parsed, window.used);
      }
      continue;
    }
    const want = Math.min(CHUNK, end - position);
    if (want <= 0) break;
    reserve(window, want);
    const got = source.readAt(position, window.bytes, window.used, want);
    if (got === 0) break;
    position += got;
    window.used += got;
    options.onProgress?.(position);
  }
  if (window.used > window.parsed)
    note(context.diagnostics, 'truncated-file', 'data-loss', 'the last record is cut off');
  closeRun(window);
  startMerge(window, Number.POSITIVE_INFINITY);
  yield* drain(state, output);
  if (output.batch.length > 0) yield output.batch;
}

/** Size of the container's record at `at`, with the data that AUXTRACE has behind it. */
function containerRecord(view: DataView, at: number, little: boolean): number {
  const size = view.getUint16(at + 6, little);
  if (view.getUint32(at, little) === RECORD_AUXTRACE && size >= 16)
    return size + Number(view.getBigUint64(at + 8, little));
  return size;
}

/** Formats, names and doubts that the header tells before the first record. */
function prepare(header: PerfHeader, state: RecordState): void {
  const { context } = state;
  const { diagnostics } = context;
  if (!header.tracingData)
    throw new TraceFormatError({
      format: 'perf.data',
      section: 'header',
      message: 'the file holds no event formats (no tracing data), so that its samples cannot be decoded',
      hint:
        header.dataEnd === null
          ? 'perf was killed before it finished the file; record again and stop perf with Ctrl-C'
          : 'it was recorded without tracepoints; record with -e kvm:kvm_exit -e kvm:kvm_entry -e kvm:kvm_userspace_exit',
    });
  const tracing = parseTracingData(header.tracingData, diagnostics);
  addFormats(state, tracing.formats);
  for (const [tid, comm] of tracing.cmdlines) if (tid > 0) threadOf(context.threads, tid).comm = comm;
  const enabled = new Set<string>();
  for (const attr of header.attrs) {
    if (attr.type !== PERF_TYPE_TRACEPOINT) continue;
    const format = tracing.formats.get(attr.config);
    if (format) enabled.add(format.name);
    if (attr.freq || attr.samplePeriod > 1)
      note(
        diagnostics,
        'sampled-tracepoints',
        'data-loss',
        'tracepoints were sampled (-F or -c): events are missing by design and pairs cannot be trusted',
      );
    if (attr.writeBackward)
      note(
        diagnostics,
        'overwrite-mode',
        'suspect',
        'recorded with --overwrite: only the newest part of each ring is in the file',
      );
  }
  context.enabledEvents = enabled;
}

/** The batch being filled. */
interface Output {
  batch: EventBatch;
  readonly options: ParseOptions;
}

function firstBatch(options: ParseOptions): EventBatch {
  if (options.nextBatch) return options.nextBatch();
  const batch = createEventBatch();
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
