/** The text of a latency tracer's `trace` file, which trace-cmd stores in place of pages: read as tracefs text. */
import type { EventBatch } from '../../core/event-batch.ts';
import type { TraceContext } from '../../core/trace-context.ts';
import type { ByteSource } from '../byte-source.ts';
import { ftraceText } from '../ftrace-text/index.ts';
import type { ParseOptions } from '../trace-format.ts';
import { decompressorOf } from './decompress.ts';
import {
  createPageSource,
  createSourcePool,
  type PageSource,
  takeWindow,
  windowLength,
} from './page-source.ts';
import type { Recording, TraceText } from './recording.ts';

export function readLatencyText(
  recording: Recording,
  text: TraceText,
  source: ByteSource,
  context: TraceContext,
  options: ParseOptions,
): Generator<EventBatch, void, void> {
  const pool = createSourcePool(
    source,
    recording.little,
    text.compressed ? decompressorOf(recording.compression) : null,
    context.diagnostics,
    1,
  );
  const { offset, size, compressed } = text;
  const end = compressed ? (source.size ?? Infinity) : offset + size;
  const pages = createPageSource(pool, { offset, end, pageSize: 1, compressed, cut: false });
  return ftraceText.parse(sequentialSource(pages, source.name), context, options);
}

/** The windows' bytes one after the other. */
function sequentialSource(pages: PageSource, name: string): ByteSource {
  let used = 0;
  return {
    name,
    size: null,
    seekable: false,
    readAt(_position, target, offset, length) {
      while (used >= windowLength(pages)) {
        if (!takeWindow(pages)) return 0;
        used = 0;
      }
      const count = Math.min(length, windowLength(pages) - used);
      target.set(pages.bytes.subarray(used, used + count), offset);
      used += count;
      return count;
    },
    close: () => {},
  };
}
