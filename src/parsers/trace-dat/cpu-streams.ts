/**
 * The events of every CPU's pages, one at a time. State is in typed arrays by stream number, because a merge visits
 * streams in turns and nothing may be allocated per event. Page and event layouts: include/linux/ring_buffer.h,
 * kernel/trace/ring_buffer.c, formats.md B.4.
 */
import { type Diagnostics, note } from '../../core/diagnostics.ts';
import { TWO_32 } from '../../core/words.ts';
import type { PageLayout } from './page-layout.ts';
import { type PageSource, TRUNCATED, takePage } from './page-source.ts';
import { convertTime, type TimeConversion } from './time-conversion.ts';

/** Bits of a page's commit word. Only its low 32 bits count: the kernel sign-extends the flags (formats.md B.4). */
const LENGTH_MASK = 0x07ffffff;
const LOST_EVENTS = 0x80000000;
const LOST_STORED = 0x40000000;

const TYPE_PADDING = 29;
const TYPE_TIME_EXTEND = 30;

/** Words of a stream in `places`. */
export const AT = 0;
export const LENGTH = 1;
export const NEXT = 2;
export const END = 3;
/**
 * Words of a stream in `times`: time of the current event as reported, [low, high]; where times are converted, the
 * recorded one stands behind it (`raw`).
 */
const KEY = 0;
export const STREAM_WORDS = 4;

/** `losses`: no loss before the current event. */
export const NO_LOSS = -1;
/** `losses`: events were lost, but not counted. */
export const LOSS_UNKNOWN = -2;

const LITTLE_MACHINE = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;

export interface CpuStreams {
  readonly count: number;
  readonly little: boolean;
  readonly layout: PageLayout;
  readonly conversion: TimeConversion | null;
  readonly diagnostics: Diagnostics;
  readonly pages: PageSource[];
  /** View of the bytes that `places` refers to. */
  readonly views: DataView[];
  /** The same as words; only of use where file and machine are both little-endian. */
  readonly words: Int32Array[];
  readonly aligned: boolean;
  /** CPU number of each stream, and the buffer it belongs to. */
  readonly cpus: number[];
  readonly buffers: number[];
  /** Per stream: where the current record lies and how long it is, the next event, the end of the page's data. */
  readonly places: Int32Array;
  readonly times: Uint32Array;
  /** The same memory. */
  readonly signedTimes: Int32Array;
  /** Index of the recorded time among a stream's words in `times`; 0 if times are not converted. */
  readonly raw: number;
  /** Events lost before the current one: how many, NO_LOSS or LOSS_UNKNOWN. */
  readonly losses: Float64Array;
  /** Records handed out, pages entered, and losses counted in page headers. */
  readonly records: Float64Array;
  readonly pageCounts: Float64Array;
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

export function createCpuStreams(
  setups: readonly StreamSetup[],
  little: boolean,
  layout: PageLayout,
  conversion: TimeConversion | null,
  diagnostics: Diagnostics,
): CpuStreams {
  const count = setups.length;
  const times = new Uint32Array(STREAM_WORDS * count);
  return {
    count,
    little,
    layout,
    conversion,
    diagnostics,
    pages: setups.map(({ pages }) => pages),
    views: setups.map(({ pages }) => pages.view),
    words: setups.map(({ pages }) => pages.words),
    aligned: little && LITTLE_MACHINE,
    cpus: setups.map(({ cpu }) => cpu),
    buffers: setups.map(({ buffer }) => buffer),
    places: new Int32Array(STREAM_WORDS * count),
    times,
    signedTimes: new Int32Array(times.buffer),
    raw: conversion === null ? 0 : 2,
    losses: new Float64Array(count).fill(NO_LOSS),
    records: new Float64Array(count),
    pageCounts: new Float64Array(count),
    lost: new Float64Array(count),
    lostUnknown: new Uint8Array(count),
    damaged: new Uint8Array(count),
  };
}

/** Moves to the stream's next record; false at its end. */
export function advance(streams: CpuStreams, stream: number): boolean {
  const { places, times, little, aligned, conversion } = streams;
  const base = STREAM_WORDS * stream;
  const raw = base + streams.raw;
  let view = streams.views[stream];
  let words = streams.words[stream];
  let at = places[base + NEXT];
  let end = places[base + END];
  let low = times[raw];
  let high = times[raw + 1];
  for (;;) {
    if (at + 4 > end) {
      if (!nextPage(streams, stream)) return false;
      view = streams.views[stream];
      words = streams.words[stream];
      at = places[base + NEXT];
      end = places[base + END];
      low = times[raw];
      high = times[raw + 1];
      continue;
    }
    const word = aligned ? words[at >>> 2] : view.getUint32(at, little);
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
      if (conversion !== null) {
        times[base + KEY] = low;
        times[base + KEY + 1] = high;
        convertTime(conversion, streams.cpus[stream], times, base + KEY);
      }
      places[base + AT] = record;
      places[base + LENGTH] = length;
      places[base + NEXT] = at;
      streams.records[stream]++;
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
  if (pages.cut && pages.length < pages.next)
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
  const before = streams.losses[stream];
  if (before === NO_LOSS) streams.losses[stream] = count;
  else
    streams.losses[stream] =
      before === LOSS_UNKNOWN || count === LOSS_UNKNOWN ? LOSS_UNKNOWN : before + count;
}

/** Enters the stream's next page; false at its end. */
function nextPage(streams: CpuStreams, stream: number): boolean {
  const { places, times, little, layout, diagnostics } = streams;
  const pages = streams.pages[stream];
  const base = STREAM_WORDS * stream;
  const raw = base + streams.raw;
  const at = takePage(pages);
  const { view } = pages;
  streams.views[stream] = view;
  streams.words[stream] = pages.words;
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
  streams.pageCounts[stream]++;
  const available = Math.min(pages.pageSize, pages.length - at) - layout.dataOffset;
  if (available < 0) {
    note(diagnostics, 'truncated-file', 'data-loss', TRUNCATED);
    streams.damaged[stream] = 1;
    places[base + NEXT] = places[base + END] = 0;
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
    if (pages.length - at < pages.pageSize) note(diagnostics, 'truncated-file', 'data-loss', TRUNCATED);
    else abandon(streams, stream, 0);
    streams.damaged[stream] = 1;
    length = available;
  }
  if (length > 0 && streams.records[stream] > 0 && isBefore(low, high, times[raw], times[raw + 1]))
    note(
      diagnostics,
      'time-backwards',
      'suspect',
      'pages of a CPU begin before the one before them ends (damaged, or a clock that was set): they were left in file order',
    );
  times[raw] = low;
  times[raw + 1] = high;
  places[base + NEXT] = start;
  places[base + END] = start + length;
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
  const aHigh = times[STREAM_WORDS * a + KEY + 1];
  const bHigh = times[STREAM_WORDS * b + KEY + 1];
  if (aHigh !== bHigh) return aHigh < bHigh;
  const aLow = times[STREAM_WORDS * a + KEY];
  const bLow = times[STREAM_WORDS * b + KEY];
  return aLow === bLow ? a < b : aLow < bLow;
}

/** Index of a stream's words in `places` and `times` (its time is the first pair there). */
export function wordsOf(stream: number): number {
  return STREAM_WORDS * stream;
}
