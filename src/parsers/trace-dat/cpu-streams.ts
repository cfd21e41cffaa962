/**
 * The events of every CPU's pages, one at a time, whatever the pages are like: kernels (src/kernels/page-walk.ts) do the
 * same for those that are as they should be. The streams' state is in tables that both share. Page and event layouts:
 * include/linux/ring_buffer.h, kernel/trace/ring_buffer.c.
 */
import { type Diagnostics, note } from '../../core/diagnostics.ts';
import { NO_CPU } from '../../core/event-columns.ts';
import { TWO_32 } from '../../core/words.ts';
import type { PageLayout } from './page-layout.ts';
import { endsInsidePage, type PageSource, TRUNCATED, takePage, windowLength } from './page-source.ts';
import {
  LENGTH_MASK,
  LOSS_UNKNOWN,
  LOST_EVENTS,
  LOST_STORED,
  NO_LOSS,
  S_AT,
  S_CPU,
  S_END,
  S_LENGTH,
  S_LOSSES,
  S_NEXT,
  S_PAGES,
  S_RAW,
  S_RECORDS,
  S_TIME,
  STREAM_BYTES,
  TYPE_PADDING,
  TYPE_TIME_EXTEND,
} from './stream-layout.ts';
import { convertTime, type TimeConversion } from './time-conversion.ts';

/** Indices in a stream's table. `times`: [low, high] words. */
const STREAM_WORDS = STREAM_BYTES >> 2;
const AT = S_AT >> 2;
const LENGTH = S_LENGTH >> 2;
const NEXT = S_NEXT >> 2;
const END = S_END >> 2;
const TIME = S_TIME >> 2;
const RAW = S_RAW >> 2;

export interface CpuStreams {
  readonly count: number;
  readonly little: boolean;
  readonly layout: PageLayout;
  readonly conversion: TimeConversion | null;
  readonly diagnostics: Diagnostics;
  readonly pages: PageSource[];
  /** View of the bytes that `places` refers to. */
  readonly views: DataView[];
  /** CPU number of each stream, and the buffer it belongs to. */
  readonly cpus: number[];
  readonly buffers: number[];
  /** The streams' tables (stream-layout.ts), three views of the same memory. */
  readonly words: Int32Array;
  readonly times: Uint32Array;
  readonly floats: Float64Array;
  /** Losses counted in page headers. */
  readonly lost: Float64Array;
  readonly lostUnknown: Uint8Array;
  /** The stream held damage: its counts cannot be compared with the kernel's. */
  readonly damaged: Uint8Array;
}

export interface StreamSetup {
  readonly pages: PageSource;
  readonly cpu: number;
  readonly buffer: number;
}

/** The table of stream `stream`, of those in `words`. */
export function tableOf(words: Int32Array, stream: number): Int32Array {
  return words.subarray(STREAM_WORDS * stream, STREAM_WORDS * (stream + 1));
}

/** `words`: the streams' tables, which their sources have a part in. */
export function createCpuStreams(
  words: Int32Array,
  setups: readonly StreamSetup[],
  little: boolean,
  layout: PageLayout,
  conversion: TimeConversion | null,
  diagnostics: Diagnostics,
): CpuStreams {
  const count = setups.length;
  const { buffer, byteOffset, byteLength } = words;
  const streams: CpuStreams = {
    count,
    little,
    layout,
    conversion,
    diagnostics,
    pages: setups.map(({ pages }) => pages),
    views: setups.map(({ pages }) => pages.view),
    cpus: setups.map(({ cpu }) => cpu),
    buffers: setups.map(({ buffer }) => buffer),
    words,
    times: new Uint32Array(buffer, byteOffset, byteLength >> 2),
    floats: new Float64Array(buffer, byteOffset, byteLength >> 3),
    lost: new Float64Array(count),
    lostUnknown: new Uint8Array(count),
    damaged: new Uint8Array(count),
  };
  for (let stream = 0; stream < count; stream++) {
    words[STREAM_WORDS * stream + (S_CPU >> 2)] = Math.min(streams.cpus[stream], NO_CPU);
    setLosses(streams, stream, NO_LOSS);
  }
  return streams;
}

/** Events lost before the stream's current one: how many, NO_LOSS or LOSS_UNKNOWN. */
export function lossesOf({ floats }: CpuStreams, stream: number): number {
  return floats[(STREAM_BYTES * stream + S_LOSSES) >> 3];
}

export function setLosses({ floats }: CpuStreams, stream: number, count: number): void {
  floats[(STREAM_BYTES * stream + S_LOSSES) >> 3] = count;
}

/** Records handed out so far. */
export function recordsOf({ floats }: CpuStreams, stream: number): number {
  return floats[(STREAM_BYTES * stream + S_RECORDS) >> 3];
}

/** Pages entered so far. */
export function pagesOf({ floats }: CpuStreams, stream: number): number {
  return floats[(STREAM_BYTES * stream + S_PAGES) >> 3];
}

/** Where the stream's current record begins in its view. */
export function recordAt({ words }: CpuStreams, stream: number): number {
  return words[STREAM_WORDS * stream + AT];
}

export function recordLength({ words }: CpuStreams, stream: number): number {
  return words[STREAM_WORDS * stream + LENGTH];
}

/** Moves to the stream's next record; false at its end. */
export function advance(streams: CpuStreams, stream: number): boolean {
  const { words, times, little, conversion } = streams;
  const base = STREAM_WORDS * stream;
  const raw = base + RAW;
  let view = streams.views[stream];
  let at = words[base + NEXT];
  let end = words[base + END];
  let low = times[raw];
  let high = times[raw + 1];
  for (;;) {
    if (at + 4 > end) {
      if (!nextPage(streams, stream)) return false;
      view = streams.views[stream];
      at = words[base + NEXT];
      end = words[base + END];
      low = times[raw];
      high = times[raw + 1];
      continue;
    }
    const word = view.getUint32(at, little);
    const type = little ? word & 31 : word >>> 27;
    const delta = little ? word >>> 5 : word & 0x07ffffff;
    if (type < TYPE_PADDING) {
      let record = at + 4;
      let length = type << 2;
      if (type === 0) {
        // The length stands in the next word and counts that word.
        const size = at + 8 <= end ? view.getUint32(record, little) : 0;
        if (size < 4 || size > end - record) {
          at = abandon(streams, stream, end);
          continue;
        }
        length = size - 4;
        at = record + ((size + 3) & ~3);
        record += 4;
      } else {
        at = record + length;
        if (at > end) {
          at = abandon(streams, stream, end);
          continue;
        }
      }
      low += delta;
      if (low >= TWO_32) {
        low -= TWO_32;
        high++;
      }
      times[raw] = low;
      times[raw + 1] = high;
      times[base + TIME] = low;
      times[base + TIME + 1] = high;
      if (conversion !== null) convertTime(conversion, streams.cpus[stream], times, base + TIME);
      words[base + AT] = record;
      words[base + LENGTH] = length;
      words[base + NEXT] = at;
      streams.floats[(base >> 1) + (S_RECORDS >> 3)]++;
      return true;
    }
    // Padding without a time: the rest of the page is unused.
    if (type === TYPE_PADDING && delta === 0) {
      at = end;
      continue;
    }
    if (at + 8 > end) {
      at = abandon(streams, stream, end);
      continue;
    }
    const upper = view.getUint32(at + 4, little);
    if (type === TYPE_PADDING) {
      // A discarded event; later deltas count from its time.
      if (upper < 4 || upper > end - at - 4) {
        at = abandon(streams, stream, end);
        continue;
      }
      low += delta;
      at += 4 + ((upper + 3) & ~3);
    } else {
      const extraLow = (((upper & 31) << 27) | delta) >>> 0;
      const extraHigh = upper >>> 5;
      if (type === TYPE_TIME_EXTEND) {
        low += extraLow;
        high += extraHigh;
      } else {
        // 59 bits of an absolute time: the top five are those of the time so far, or the next if it wrapped.
        const wrapped = (high & 0x07ffffff) - extraHigh > 0x04000000 ? 0x08000000 : 0;
        low = extraLow;
        high = ((high & 0xf8000000) >>> 0) + extraHigh + wrapped;
      }
      at += 8;
    }
    if (low >= TWO_32) {
      low -= TWO_32;
      high++;
    }
    high >>>= 0;
    times[raw] = low;
    times[raw + 1] = high;
  }
}

/** The rest of the page makes no sense: it is left out. */
function abandon(streams: CpuStreams, stream: number, end: number): number {
  const pages = streams.pages[stream];
  if (pages.cut && endsInsidePage(pages))
    note(streams.diagnostics, 'truncated-file', 'data-loss', TRUNCATED, 0);
  else
    note(
      streams.diagnostics,
      'damaged-pages',
      'data-loss',
      'pages of events that are damaged were left out from the damage on; events around them count as lost',
    );
  addLoss(streams, stream, LOSS_UNKNOWN);
  streams.damaged[stream] = 1;
  return end;
}

function addLoss(streams: CpuStreams, stream: number, count: number): void {
  const before = lossesOf(streams, stream);
  const isUnknown = before === LOSS_UNKNOWN || count === LOSS_UNKNOWN;
  setLosses(streams, stream, before === NO_LOSS ? count : isUnknown ? LOSS_UNKNOWN : before + count);
}

/** Enters the stream's next page; false at its end. */
function nextPage(streams: CpuStreams, stream: number): boolean {
  const { words, times, little, layout, diagnostics } = streams;
  const pages = streams.pages[stream];
  const base = STREAM_WORDS * stream;
  const raw = base + RAW;
  const at = takePage(pages);
  const { view } = pages;
  streams.views[stream] = view;
  if (pages.gap) {
    pages.gap = false;
    streams.damaged[stream] = 1;
    addLoss(streams, stream, LOSS_UNKNOWN);
  }
  if (pages.cut) streams.damaged[stream] = 1;
  if (at < 0) {
    // What the file no longer holds is a loss behind the CPU's last event.
    if (pages.cut) addLoss(streams, stream, LOSS_UNKNOWN);
    return false;
  }
  streams.floats[(base >> 1) + (S_PAGES >> 3)]++;
  const available = Math.min(pages.pageSize, windowLength(pages) - at) - layout.dataOffset;
  if (available < 0) {
    note(diagnostics, 'truncated-file', 'data-loss', TRUNCATED);
    streams.damaged[stream] = 1;
    words[base + NEXT] = words[base + END] = 0;
    return true;
  }
  const time = at + layout.timeOffset;
  const low = view.getUint32(little ? time : time + 4, little);
  const high = view.getUint32(little ? time + 4 : time, little);
  const commitAt = at + layout.commitOffset + (little || layout.commitSize === 4 ? 0 : 4);
  const commit = view.getUint32(commitAt, little);
  let length = commit & LENGTH_MASK;
  const start = at + layout.dataOffset;
  if (commit & LOST_EVENTS) takeLostCount(streams, stream, commit, start + length, start + available);
  if (length > available) {
    if (windowLength(pages) - at < pages.pageSize)
      note(diagnostics, 'truncated-file', 'data-loss', TRUNCATED);
    else abandon(streams, stream, 0);
    streams.damaged[stream] = 1;
    length = available;
  }
  if (length > 0 && recordsOf(streams, stream) > 0 && isBefore(low, high, times[raw], times[raw + 1]))
    note(
      diagnostics,
      'time-backwards',
      'suspect',
      'pages of a CPU begin before the one before them ends (damaged, or a clock that was set): they were left in file order',
    );
  times[raw] = low;
  times[raw + 1] = high;
  words[base + NEXT] = start;
  words[base + END] = start + length;
  return true;
}

function isBefore(aLow: number, aHigh: number, bLow: number, bHigh: number): boolean {
  return aHigh === bHigh ? aLow < bLow : aHigh < bHigh;
}

/** A flagged page may hold how many events were lost as a kernel long right behind its data. */
function takeLostCount(streams: CpuStreams, stream: number, commit: number, at: number, end: number): void {
  const { layout, little } = streams;
  const { view } = streams.pages[stream];
  if ((commit & LOST_STORED) === 0 || at + layout.commitSize > end) {
    streams.lostUnknown[stream] = 1;
    addLoss(streams, stream, LOSS_UNKNOWN);
    return;
  }
  const wide = layout.commitSize === 8;
  const low = view.getUint32(wide && !little ? at + 4 : at, little);
  const high = wide ? view.getUint32(little ? at + 4 : at, little) : 0;
  if (high >= 0x200000) {
    // More than 2^53 events: no count but damage.
    streams.lostUnknown[stream] = 1;
    addLoss(streams, stream, LOSS_UNKNOWN);
    return;
  }
  const count = high * TWO_32 + low;
  streams.lost[stream] += count;
  addLoss(streams, stream, count);
}

/** Compares the current events of two streams: earlier time first, equal times in stream order as trace-cmd report. */
export function comesBefore(times: Uint32Array, a: number, b: number): boolean {
  const aHigh = times[STREAM_WORDS * a + TIME + 1];
  const bHigh = times[STREAM_WORDS * b + TIME + 1];
  if (aHigh !== bHigh) return aHigh < bHigh;
  const aLow = times[STREAM_WORDS * a + TIME];
  const bLow = times[STREAM_WORDS * b + TIME];
  return aLow === bLow ? a < b : aLow < bLow;
}

/** Index of the stream's reported time in `times`. */
export function timeAt(stream: number): number {
  return STREAM_WORDS * stream + TIME;
}
