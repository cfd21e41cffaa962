/**
 * trace.dat as `trace-cmd record`, `extract` and `convert` write it, versions 6 and 7. Files: open-recording.ts reads
 * what stands before the events, page-source.ts and cpu-streams.ts one CPU's pages and events, merge.ts puts the CPUs
 * in order.
 */
import { type Arena, allocateI32, createArena } from '../../core/arena.ts';
import { type Diagnostics, note } from '../../core/diagnostics.ts';
import { BATCH_ROWS, createArenaBatch, type EventBatch, UNKNOWN } from '../../core/event-batch.ts';
import { EV_EXIT, EV_PPC_GUEST_EXIT, EV_S390_SIE_EXIT } from '../../core/events.ts';
import type { TraceContext } from '../../core/trace-context.ts';
import type { ByteSource } from '../byte-source.ts';
import { checkBehind } from '../following-recording.ts';
import type { ParseOptions, TraceFormat, Verdict } from '../trace-format.ts';
import { compareCounters } from './counters.ts';
import { createCpuStreams, type StreamSetup, tableOf } from './cpu-streams.ts';
import { decompressorOf } from './decompress.ts';
import { createEventRows, type EventRows } from './event-rows.ts';
import { applyFacts, clockOf } from './facts.ts';
import { readLatencyText } from './latency-text.ts';
import { createStreamMerge, fillBatch, type StreamMerge } from './merge.ts';
import { FORMAT_ID } from './metadata.ts';
import { MAGIC, openRecording } from './open-recording.ts';
import { createPageSource, createSourcePool, type SourcePool } from './page-source.ts';
import type { Recording } from './recording.ts';
import { STREAM_BYTES } from './stream-layout.ts';
import { placeStreams } from './stream-places.ts';
import { createTimeConversion } from './time-conversion.ts';

/** What tells an exit on any processor. */
const EXITS: readonly number[] = [EV_EXIT, EV_S390_SIE_EXIT, EV_PPC_GUEST_EXIT];

export const traceDat: TraceFormat = {
  id: FORMAT_ID,
  title: 'trace.dat (trace-cmd record, extract, convert)',
  access: 'random',
  kernels: true,
  sniff,
  expansion,
  parse,
};

/** What trace-cmd's zstd and zlib make of kvm events. */
const COMPRESSION_RATIO = 5;

function sniff(head: Uint8Array): Verdict {
  if (MAGIC.every((byte, i) => head[i] === byte)) return { confidence: 3, reason: 'trace-cmd magic number' };
  return { confidence: 0, reason: 'does not start with 17 08 44 "tracing"' };
}

/** Version 7 names its compression behind the magic number, the version, byte order, long's and the page's size. */
function expansion(head: Uint8Array): number {
  const at = MAGIC.length + 2 + 1 + 1 + 4;
  const name = Buffer.from(head.subarray(at, at + 5)).toString('latin1');
  return head[MAGIC.length] === 0x37 && name !== 'none\0' ? COMPRESSION_RATIO : 1;
}

function* parse(
  source: ByteSource,
  context: TraceContext,
  options: ParseOptions,
): Generator<EventBatch, void, void> {
  const recording = openRecording(source, context);
  applyFacts(recording, context);
  const { diagnostics } = context;
  const places = placeStreams(recording, source.size ?? Infinity, diagnostics);
  const arena = options.arena ?? createArena();
  const pool = createSourcePool(
    source,
    recording.little,
    decompressorFor(recording),
    diagnostics,
    places.length,
    arena,
  );
  const tables = allocateI32(arena, (places.length * STREAM_BYTES) >> 2);
  const streams = createCpuStreams(
    tables,
    places.map(
      (place, i): StreamSetup => ({
        buffer: place.buffer,
        cpu: place.cpu,
        pages: createPageSource(pool, place, tableOf(tables, i)),
      }),
    ),
    recording.little,
    recording.layout,
    createTimeConversion(recording.options, clockOf(recording)),
    diagnostics,
  );
  const rows = createEventRows(context, recording.little, recording.formats, options);
  const merge = createStreamMerge(streams, rows, recording.buffers.length, arena, options.coreOnly ?? false);
  yield* mergeBatches(merge, pool, arena, options);
  noteSharedEvents(merge, rows, diagnostics);
  compareCounters(recording, streams, diagnostics);
  checkBehind(source, recording.end, diagnostics);
  for (const text of recording.texts) yield* readLatencyText(recording, text, source, context, options);
  if (recording.texts.length === 0) noteWithoutExits(rows, context);
}

function* mergeBatches(
  merge: StreamMerge,
  pool: SourcePool,
  arena: Arena,
  options: ParseOptions,
): Generator<EventBatch, void, void> {
  const { rows } = merge;
  const own = options.nextBatch ? null : createArenaBatch(arena, BATCH_ROWS);
  own?.text.fill(UNKNOWN);
  for (;;) {
    const batch = own ?? options.nextBatch!();
    batch.length = 0;
    if (rows.textWritten) batch.text.fill(UNKNOWN);
    const more = fillBatch(merge, batch);
    options.onProgress?.(pool.readBytes);
    if (batch.length > 0) yield batch;
    if (!more) return;
  }
}

/** The decompressor of the pages; null if no buffer needs one. */
function decompressorFor(recording: Recording): SourcePool['decompress'] {
  if (![...recording.buffers, ...recording.texts].some(({ compressed }) => compressed)) return null;
  return decompressorOf(recording.compression);
}

/** All buffers are read, as trace-cmd report does; an event enabled in two of them then counts twice. */
function noteSharedEvents(merge: StreamMerge, rows: EventRows, diagnostics: Diagnostics): void {
  const { seen } = merge;
  if (seen === null) return;
  const shared: string[] = [];
  for (let id = 0; id < 65536; id++) {
    const format = rows.decoders[id]?.format;
    if (format && seen.reduce((sum, ids) => sum + ids[id], 0) > 1) shared.push(format.name);
  }
  if (shared.length > 0)
    note(
      diagnostics,
      'events-in-several-buffers',
      'suspect',
      `events recorded in more than one buffer of the file appear once per buffer: counts are too high and pairs too short (${shared.slice(0, 8).join(', ')})`,
      shared.length,
    );
  if (merge.streams.lost.some((count) => count > 0) || merge.streams.lostUnknown.some((flag) => flag > 0))
    note(
      diagnostics,
      'losses-in-one-of-several-buffers',
      'suspect',
      'events were lost in a file of several buffers: a loss in one is taken to end at the next event of its CPU in any',
    );
}

function noteWithoutExits(rows: EventRows, context: TraceContext): void {
  for (const decoder of rows.decoders) if (decoder && EXITS.includes(decoder.event)) return;
  const enabled = EXITS.map((event) => context.events.names[event]).find((name) =>
    context.enabledEvents?.has(name),
  );
  note(
    context.diagnostics,
    'no-exits-recorded',
    'info',
    enabled
      ? `${enabled} was switched on, but the file holds none: no VM ran, a filter (-f, -P, -M) let none through, it was recorded in a guest, or this KVM does not trace its exits; nothing can be said about exits`
      : 'the file holds no kvm_exit: it was recorded in a guest, or without -e kvm:kvm_exit; nothing can be said about exits',
  );
}
