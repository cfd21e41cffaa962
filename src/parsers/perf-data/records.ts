/**
 * From perf records to rows: what a record stream holds is sorted into the window (samples, losses) or applied at
 * once (threads, rounds), and ready samples are decoded into batches. Record layouts: include/uapi/linux/perf_event.h,
 * tools/lib/perf/include/perf/event.h, formats.md A.5–A.6.
 */
import { note } from '../../core/diagnostics.ts';
import { copyRow, type EventBatch, F_ARG0, F_ISA, NO_CPU } from '../../core/event-batch.ts';
import { EV_EXIT, EV_LOST, EV_NESTED_VMEXIT } from '../../core/events.ts';
import { threadOf } from '../../core/thread-table.ts';
import type { TraceContext } from '../../core/trace-context.ts';
import { compileDecoder, decodeRecord, type RecordDecoder } from '../tracepoint/decoder.ts';
import type { EventFormat } from '../tracepoint/format.ts';
import { PERF_TYPE_TRACEPOINT, type PerfAttr, rawOffset, type SampleLayout } from './attr.ts';
import { addRow, createSampleWindow, finishRound, reserve, type SampleWindow } from './sample-window.ts';

export const RECORD_LOST = 2;
export const RECORD_COMM = 3;
export const RECORD_EXIT = 4;
export const RECORD_THROTTLE = 5;
export const RECORD_FORK = 7;
export const RECORD_SAMPLE = 9;
export const RECORD_LOST_SAMPLES = 13;
export const RECORD_HEADER_ATTR = 64;
export const RECORD_TRACING_DATA = 66;
export const RECORD_FINISHED_ROUND = 68;
export const RECORD_AUXTRACE = 71;
export const RECORD_EVENT_UPDATE = 78;
export const RECORD_HEADER_FEATURE = 80;
export const RECORD_COMPRESSED = 81;
export const RECORD_COMPRESSED2 = 83;

/** Members of one sampled group that are looked at. */
const MAX_MEMBERS = 64;
/** Size of a record header: u32 type, u16 misc, u16 size. */
export const HEADER_BYTES = 8;

export interface RecordState {
  readonly context: TraceContext;
  readonly little: boolean;
  readonly attrs: PerfAttr[];
  readonly attrOfId: Map<number, number>;
  /** True when all attrs place sample fields alike, so that no id look-up is needed. */
  uniform: boolean;
  /** Layout of side-band records and of samples whose attr cannot be found. */
  layout: SampleLayout;
  readonly decoders: (RecordDecoder | undefined)[];
  readonly window: SampleWindow;
  /** FINISHED_ROUND was seen: the window may hand out what is ready. */
  roundEnded: boolean;
  /** Most members that a sampled group adds to a sample; 0 where there are no such groups. */
  groupMembers: number;
  /** Last count of each member by sample id. */
  readonly groupCounts: Map<number, number>;
}

export function createRecordState(
  context: TraceContext,
  little: boolean,
  attrs: PerfAttr[],
  attrOfId: Map<number, number>,
): RecordState {
  const state: RecordState = {
    context,
    little,
    attrs,
    attrOfId,
    uniform: true,
    layout: attrs[0]!.layout,
    decoders: [],
    window: createSampleWindow(),
    roundEnded: false,
    groupMembers: 0,
    groupCounts: new Map(),
  };
  attrsChanged(state);
  return state;
}

/** To be called when attrs were added (pipes). */
export function attrsChanged(state: RecordState): void {
  const tracepoint = state.attrs.find((attr) => attr.type === PERF_TYPE_TRACEPOINT) ?? state.attrs[0]!;
  state.layout = tracepoint.layout;
  state.uniform = state.attrs.every(
    (attr) =>
      attr.type === PERF_TYPE_TRACEPOINT &&
      attr.sampleType === tracepoint.sampleType &&
      attr.readFormat === tracepoint.readFormat,
  );
  state.groupMembers = state.attrs.some((attr) => attr.layout.hasRead && attr.readFormat & 8) ? MAX_MEMBERS : 0;
}

/** Makes the decoders of the recorded formats; the index is the tracepoint id (at most 65535: common_type is u16). */
export function addFormats(state: RecordState, formats: ReadonlyMap<number, EventFormat>): void {
  for (const [id, format] of formats)
    if (id < 65536 && !state.decoders[id]) state.decoders[id] = compileDecoder(format, state.context.events, state.little);
}

/**
 * Takes in the whole records of bytes[start, end) (`view` is of the same buffer). Returns where it stopped: at the
 * first record that is not whole, behind a FINISHED_ROUND (`roundEnded` is set), at a record that the container must
 * handle (types from 64 on but rounds), or −1 − position at a header that cannot be one.
 */
export function takeRecords(state: RecordState, bytes: Uint8Array, view: DataView, start: number, end: number): number {
  const { window, little } = state;
  // Rows refer to the window's copy, which is made in one piece when it is known how far the records reach.
  const shift = window.used - start;
  let at = start;
  let damaged = false;
  while (at + HEADER_BYTES <= end) {
    const type = view.getUint32(at, little);
    const size = view.getUint16(at + 6, little);
    if (size < HEADER_BYTES) {
      damaged = true;
      break;
    }
    if (at + size > end) break;
    if (type === RECORD_SAMPLE) takeSample(state, view, at, at + size, shift);
    else if (type === RECORD_FINISHED_ROUND) {
      state.roundEnded = true;
      at += size;
      break;
    } else if (type >= 64) break;
    else takeSideBand(state, bytes, view, type, at, at + size, shift);
    at += size;
  }
  const copy = reserve(window, at - start);
  window.bytes.set(bytes.subarray(start, at), copy);
  window.used = copy + (at - start);
  if (state.roundEnded) finishRound(window);
  return damaged ? -1 - at : at;
}

/** Layout of the sample at [at, end); null for samples of events that are no tracepoints. */
function layoutOf(state: RecordState, view: DataView, at: number, end: number): SampleLayout | null {
  if (state.uniform) return state.layout;
  const idOffset = state.layout.id;
  if (idOffset < 0 || at + idOffset + 8 > end) return state.layout;
  const low = view.getUint32(at + idOffset + (state.little ? 0 : 4), state.little);
  const high = view.getUint32(at + idOffset + (state.little ? 4 : 0), state.little);
  const index = state.attrOfId.get(high * 4294967296 + low);
  const attr = index === undefined ? undefined : state.attrs[index];
  if (!attr) return state.layout;
  return attr.type === PERF_TYPE_TRACEPOINT ? attr.layout : null;
}

function takeSample(state: RecordState, view: DataView, at: number, end: number, shift: number): void {
  const layout = layoutOf(state, view, at, end);
  if (layout === null) {
    note(state.context.diagnostics, 'other-samples', 'info', 'samples of events that are no tracepoints were left out');
    return;
  }
  if (layout.time < 0 || layout.variable > end - at) {
    note(state.context.diagnostics, 'damaged-records', 'data-loss', DAMAGED);
    return;
  }
  addTimedRow(state, view, at + layout.time, at + shift);
}

function addTimedRow(state: RecordState, view: DataView, time: number, offset: number): void {
  const { little } = state;
  addRow(state.window, view.getUint32(little ? time : time + 4, little), view.getUint32(little ? time + 4 : time, little), offset);
}

const DAMAGED = 'records that are cut off or damaged were left out';

const utf8 = new TextDecoder();

/** Records of types below 64 that are no samples. Their sample_id trailer is counted from the end. */
function takeSideBand(
  state: RecordState,
  bytes: Uint8Array,
  view: DataView,
  type: number,
  at: number,
  end: number,
  shift: number,
): void {
  const { little, layout, context } = state;
  switch (type) {
    case RECORD_LOST: {
      if (layout.trailerTime < 0 || end - at < 24 + layout.trailerTime) {
        note(context.diagnostics, 'losses-without-time', 'data-loss', 'losses without a time: their pairs cannot be told apart');
        return;
      }
      addTimedRow(state, view, end - layout.trailerTime, at + shift);
      return;
    }
    case RECORD_COMM:
    case RECORD_FORK: {
      if (end - at < 24) return;
      const time = layout.trailerTime < 0 ? -1 : end - layout.trailerTime;
      // perf makes such records for threads that exist when it starts, at time 0: they come before everything.
      if (time < at + 16 || (view.getUint32(time, little) | view.getUint32(time + 4, little)) === 0)
        applyThreadRecord(state, bytes, view, at, end);
      else addTimedRow(state, view, time, at + shift);
      return;
    }
    case RECORD_LOST_SAMPLES:
      // Repeats per event, at the end of the file, what LOST records have told in their place (spec §3). Bit 15 of
      // misc: dropped by a BPF filter, no loss.
      if (end - at >= 16 && (view.getUint16(at + 4, little) & 0x8000) === 0) {
        const count = view.getUint32(little ? at + 8 : at + 12, little);
        note(context.diagnostics, 'lost-samples', 'info', 'losses stated per event at the end of the file (not added: LOST records tell the same)', count);
      }
      return;
    case RECORD_THROTTLE:
      note(context.diagnostics, 'throttled', 'suspect', 'the kernel throttled an event: some of its samples are missing');
      return;
    default:
  }
}

/** Names and processes of threads: COMM and FORK. */
function applyThreadRecord(state: RecordState, bytes: Uint8Array, view: DataView, at: number, end: number): void {
  const { little } = state;
  const { threads } = state.context;
  if (view.getUint32(at, little) === RECORD_COMM) {
    const thread = threadOf(threads, view.getInt32(at + 12, little));
    thread.pid = view.getInt32(at + 8, little);
    let stop = at + 16;
    while (stop < end && bytes[stop] !== 0) stop++;
    thread.comm = utf8.decode(bytes.subarray(at + 16, stop));
    return;
  }
  const thread = threadOf(threads, view.getInt32(at + 16, little));
  thread.pid = view.getInt32(at + 8, little);
  // A new thread has its creator's name until a COMM says otherwise.
  const creator = threads.byTid.get(view.getInt32(at + 20, little)) ?? threads.byTid.get(view.getInt32(at + 12, little));
  if (creator) thread.comm = creator.comm;
}

/**
 * Decodes rows of the window that are ready into `batch` until it is full or none is left. Returns whether any are
 * left.
 */
export function decodeReady(state: RecordState, batch: EventBatch): boolean {
  const { window, little } = state;
  const { view } = window;
  const { values } = window.rows;
  let row = batch.length;
  const { capacity } = batch;
  let next = window.next;
  const { ready } = window;
  while (next < ready && row + state.groupMembers < capacity) {
    const at = values[next++]!;
    const end = at + view.getUint16(at + 6, little);
    const type = view.getUint32(at, little);
    if (type === RECORD_SAMPLE) {
      if (!decodeSample(state, view, at, end, batch, row)) continue;
      row++;
      if (state.groupMembers > 0) row += addGroupMembers(state, view, at, end, batch, row);
    } else if (type === RECORD_LOST) decodeLost(state, view, at, end, batch, row++);
    else applyThreadRecord(state, window.bytes, view, at, end);
  }
  window.next = next;
  batch.length = row;
  return next < ready;
}

function decodeSample(
  state: RecordState,
  view: DataView,
  at: number,
  end: number,
  batch: EventBatch,
  row: number,
): boolean {
  const { little } = state;
  const layout = layoutOf(state, view, at, end) ?? state.layout;
  const raw = rawOffset(layout, view, at, end, little);
  const length = raw < 0 ? 0 : view.getUint32(raw, little);
  if (raw < 0 || length < 8 || raw + 4 + length > end) {
    note(state.context.diagnostics, 'damaged-records', 'data-loss', DAMAGED);
    return false;
  }
  const base = raw + 4;
  // common_type is the tracepoint id; the attr's config says the same but needs a look-up.
  const decoder = state.decoders[view.getUint16(base, little)];
  if (decoder === undefined) {
    note(state.context.diagnostics, 'unknown-events', 'data-loss', 'samples of events whose format the file does not hold were left out');
    return false;
  }
  if (length < decoder.minimum)
    note(state.context.diagnostics, 'short-records', 'suspect', 'records shorter than their format: the missing fields are unknown');
  const time = at + layout.time;
  batch.time[2 * row] = view.getUint32(little ? time : time + 4, little);
  batch.time[2 * row + 1] = view.getUint32(little ? time + 4 : time, little);
  if (layout.cpu >= 0) {
    const cpu = view.getUint32(at + layout.cpu, little);
    batch.cpu[row] = cpu < NO_CPU ? cpu : NO_CPU;
  } else batch.cpu[row] = NO_CPU;
  if (layout.tid >= 0) {
    batch.pid[row] = view.getInt32(at + layout.tid, little);
    batch.tid[row] = view.getInt32(at + layout.tid + 4, little);
  } else {
    batch.pid[row] = -1;
    batch.tid[row] = decoder.pidOffset >= 0 ? view.getInt32(base + decoder.pidOffset, little) : -1;
  }
  decodeRecord(decoder, view, base, length, batch, row);
  if ((decoder.event === EV_EXIT || decoder.event === EV_NESTED_VMEXIT) && (batch.fields[row]! & F_ISA) === 0) {
    // Kernels before 2.6.38 did not record the ISA; the header's CPU vendor tells (spec §3).
    batch.isa[row] = state.context.defaultIsa;
    if (state.context.defaultIsa) batch.fields[row]! |= F_ISA;
  }
  return true;
}

/**
 * `-e '{a,b}:S'` samples the leader only and notes the members' counts in it. perf delivers each member whose count
 * rose as a sample of its own with the leader's time and data (deliver_sample_group in tools/perf/util/session.c);
 * so do we, and say that such times mean nothing. Returns how many rows were added from `row` on.
 */
function addGroupMembers(
  state: RecordState,
  view: DataView,
  at: number,
  end: number,
  batch: EventBatch,
  row: number,
): number {
  const { little } = state;
  const layout = layoutOf(state, view, at, end) ?? state.layout;
  const format = layout.readFormat;
  // PERF_FORMAT_GROUP and PERF_FORMAT_ID: without ids the members cannot be told.
  if (!layout.hasRead || (format & 12) !== 12) return 0;
  const u64 = (offset: number) =>
    view.getUint32(offset + (little ? 0 : 4), little) + view.getUint32(offset + (little ? 4 : 0), little) * 4294967296;
  const own = layout.id < 0 ? -1 : u64(at + layout.id);
  let position = at + layout.variable;
  const count = u64(position);
  position += 8 + (format & 1 ? 8 : 0) + (format & 2 ? 8 : 0);
  const step = 16 + (format & 16 ? 8 : 0);
  let added = 0;
  for (let i = 0; i < count && position + step <= end && added < state.groupMembers; i++, position += step) {
    const id = u64(position + 8);
    const value = u64(position);
    const rose = value !== (state.groupCounts.get(id) ?? 0);
    state.groupCounts.set(id, value);
    const attr = state.attrs[state.attrOfId.get(id) ?? -1];
    const decoder = attr?.type === PERF_TYPE_TRACEPOINT ? state.decoders[attr.config] : undefined;
    if (id === own || !rose || !decoder) continue;
    copyRow(batch, row - 1, batch, row + added);
    batch.event[row + added] = decoder.event;
    added++;
    note(
      state.context.diagnostics,
      'leader-sampled-group',
      'data-loss',
      'events of a sampled group ({…}:S) are only counted with their leader: as in perf they appear at its time, so latencies between them mean nothing; record without :S',
    );
  }
  return added;
}

function decodeLost(state: RecordState, view: DataView, at: number, end: number, batch: EventBatch, row: number): void {
  const { little, layout } = state;
  const time = end - layout.trailerTime;
  batch.time[2 * row] = view.getUint32(little ? time : time + 4, little);
  batch.time[2 * row + 1] = view.getUint32(little ? time + 4 : time, little);
  const cpu = layout.trailerCpu >= 0 ? view.getUint32(end - layout.trailerCpu, little) : NO_CPU;
  batch.cpu[row] = cpu < NO_CPU ? cpu : NO_CPU;
  batch.tid[row] = -1;
  batch.pid[row] = -1;
  batch.vcpu[row] = -1;
  batch.event[row] = EV_LOST;
  batch.isa[row] = 0;
  batch.code[row] = 0;
  batch.text[row] = -1;
  batch.arg0[2 * row] = view.getUint32(little ? at + 16 : at + 20, little);
  batch.arg0[2 * row + 1] = view.getUint32(little ? at + 20 : at + 16, little);
  batch.fields[row] = F_ARG0;
}
