/**
 * Reads capture.arrow, kvmtrace's own format (docs/capture-format.md): an Arrow IPC file, or the stream that is
 * left of one whose writer died before the footer.
 */
import { createDiagnostics, note } from '../../core/diagnostics.ts';
import { TraceFormatError } from '../../core/errors.ts';
import type { EventBatch } from '../../core/event-batch.ts';
import type { TraceContext } from '../../core/trace-context.ts';
import type { ByteSource } from '../byte-source.ts';
import type { ParseOptions, TraceFormat } from '../trace-format.ts';
import { mapEvents, mapTexts } from './dictionaries.ts';
import { firstCapture } from './first-capture.ts';
import { layOut } from './layout.ts';
import { BATCH_MESSAGE, FIRST_MESSAGE, MAGIC, type Message, readMessage } from './message.ts';
import { applyMetadata } from './metadata.ts';
import { countBatches, type OpenedFile, openFile } from './open-file.ts';
import { isCompressed } from './record-batch.ts';
import { createRowReader, type RowReader, readRows, startBehind } from './rows.ts';
import { CAPTURE_ID, EVENT_DICTIONARY, TEXT_DICTIONARY } from './schema.ts';
import { upgradeHeader, VERSIONING, type Versioning } from './upgrade.ts';

/** Reads batch message `index`; damage is counted, and the rows of other batches do not suffer. */
function batchMessage(source: ByteSource, file: OpenedFile, index: number): Message {
  const message = readMessage(source, file.batches[index].offset, `batch ${index}`);
  if (message === null || message.kind !== BATCH_MESSAGE)
    throw new TraceFormatError({
      format: CAPTURE_ID,
      message: 'no batch of rows here',
      offset: file.batches[index].offset,
      section: `batch ${index}`,
    });
  return message;
}

/** What is noted from here on is about blocks from `from` on. */
function startLater(
  reader: RowReader,
  source: ByteSource,
  file: OpenedFile,
  from: number,
  context: TraceContext,
): void {
  context.diagnostics.entries.clear();
  try {
    startBehind(reader, batchMessage(source, file, from - 1));
  } catch (error) {
    // Whoever reads that batch says that it is damaged.
    if (!(error instanceof TraceFormatError)) throw error;
  }
}

/**
 * What pyarrow and pandas write unless told otherwise is compressed; no row of it could be read. Both ends are looked at:
 * a single batch that says so is damaged. @throws TraceFormatError
 */
function refuseCompressed(source: ByteSource, file: OpenedFile): void {
  const last = file.batches.length - 1;
  if (last < 0) return;
  try {
    for (const index of [0, last]) if (!isCompressed(batchMessage(source, file, index))) return;
  } catch (error) {
    if (error instanceof TraceFormatError) return;
    throw error;
  }
  throw new TraceFormatError({
    format: CAPTURE_ID,
    message: 'its columns are compressed',
    offset: file.batches[0].offset,
    section: 'batch 0',
    hint: "write it without compression: pyarrow.feather.write_feather(table, path, compression='uncompressed')",
  });
}

/** How often parsers have noted that times were not in order. */
function countDisorder({ diagnostics }: TraceContext): number {
  const noted = ['time-backwards', 'late-events'].map((code) => diagnostics.entries.get(code)?.count ?? 0);
  return noted[0] + noted[1];
}

/** `versioning` is for tests of the upgrade mechanism. */
export function* readCapture(
  input: ByteSource,
  context: TraceContext,
  options: ParseOptions = {},
  versioning: Versioning = VERSIONING,
): Generator<EventBatch, void, void> {
  const source = firstCapture(input, context.diagnostics);
  const file = openFile(source, context.diagnostics);
  upgradeHeader(file.header, versioning);
  const layout = layOut(file.header);
  refuseCompressed(source, file);
  const disorder = countDisorder(context);
  applyMetadata(file.header.metadata, context);
  const isTold = countDisorder(context) > disorder;
  const values = file.readDictionaries(layout.dictionaries);
  if (!values.has(EVENT_DICTIONARY) && file.batches.length > 0)
    note(
      context.diagnostics,
      'missing-event-names',
      'data-loss',
      'the capture has lost its list of event names',
    );
  const events = mapEvents(values.get(EVENT_DICTIONARY) ?? [], context);
  const texts = mapTexts(values.get(TEXT_DICTIONARY) ?? [], context);
  const reader = createRowReader(source, layout, context, events, texts, options);
  reader.checksOrder = !isTold;
  const { from, to } = options.blocks ?? { from: 0, to: file.batches.length };
  if (from > 0) startLater(reader, source, file, from, context);
  for (let index = from; index < to; index++) {
    try {
      yield* readRows(reader, batchMessage(source, file, index));
    } catch (error) {
      if (!(error instanceof TraceFormatError)) throw error;
      note(
        context.diagnostics,
        'damaged-batch',
        'data-loss',
        `batches of rows are damaged and were left out (first: ${error.message})`,
      );
    }
    options.onProgress?.(
      file.batches[index].offset + file.batches[index].metadataLength + file.batches[index].bodyLength,
    );
  }
}

export const captureArrow: TraceFormat = {
  id: CAPTURE_ID,
  title: 'kvmtrace capture (Arrow)',
  access: 'random',
  kernels: true,
  namesReasons: true,
  blocks: (source) => countBatches(firstCapture(source, createDiagnostics())),
  sniff(head) {
    if (MAGIC.equals(head.subarray(0, MAGIC.length)))
      return { confidence: 3, reason: 'Arrow file magic ARROW1' };
    const cut = head.length < FIRST_MESSAGE && head.length > 0 && MAGIC.subarray(0, head.length).equals(head);
    return cut
      ? { confidence: 1, reason: 'starts like an Arrow file' }
      : { confidence: 0, reason: 'no Arrow file magic ARROW1' };
  },
  parse: readCapture,
};
