/** From the window's ready records to rows, in the order of time. */
import { note } from '../../core/diagnostics.ts';
import {
  type ArenaBatch,
  clearRow,
  type EventBatch,
  F_ARG0,
  liesIn,
  NO_CPU,
} from '../../core/event-batch.ts';
import { EV_LOST, EXIT_REASON_EVENTS } from '../../core/events.ts';
import { decodeRecord } from '../tracepoint/decoder.ts';
import { completeExit } from '../tracepoint/exit-reason.ts';
import { rawOffset } from './attr.ts';
import { layoutOf, MERGED_ROWS, type RecordState } from './record-state.ts';
import { RECORD_LOST, RECORD_SAMPLE } from './record-types.ts';
import { dropRuns, popRun, sinkRun } from './record-window.ts';
import { fillListed, mergeSamples } from './sample-kernels.ts';
import { addGroupMembers } from './sampled-groups.ts';
import { loadBlock, unloadSpills } from './spill.ts';
import { applyThreadRecord } from './thread-records.ts';
import { isTwin } from './twin-samples.ts';
import { timedKey } from './walk-records.ts';

/** Decodes ready records into `batch` until it is full or none is left; returns whether any are left. */
export function decodeReady(state: RecordState, batch: EventBatch): boolean {
  const { window } = state;
  const { groupMembers } = state;
  while (window.heapSize > 0) {
    const room = batch.capacity - batch.length - groupMembers;
    if (room <= 0) return true;
    if (state.mergesPlain && liesIn(window.arena, batch)) {
      const rows = Math.min(room, MERGED_ROWS);
      const before = batch.length;
      completeRows(state, batch, mergeSamples(window, batch, rows));
      if (batch.length === before + rows) continue;
    }
    // The best run is used up, beyond the limit, or stands at a record that is to be looked at by itself.
    const run = window.heap[0];
    if (findKey(state, run)) {
      sinkRun(window);
      if (window.heap[0] !== run) continue;
      if (window.runKey[run] <= window.limit) {
        decodeOther(state, batch, window.runAt[run]);
        window.runAt[run] += window.view.getUint16(window.runAt[run] + 6, state.little);
        findKey(state, run);
      }
    }
    if (window.runAt[run] >= window.runEnd[run] && run < window.loaded.length) loadBlock(state, run);
    if (window.runAt[run] >= window.runEnd[run] || window.runKey[run] > window.limit) popRun(window);
    else sinkRun(window);
  }
  dropRuns(window, unloadSpills(window));
  return false;
}

/** Decodes what a merge has left out of the first `count` rows of `state.listed`. */
function completeRows(state: RecordState, batch: ArenaBatch, count: number): void {
  const { listed } = state;
  const { view } = state.window;
  for (let i = fillListed(state, batch, 0, count); i < count; i = fillListed(state, batch, i + 1, count)) {
    const row = listed[2 * i];
    const base = listed[2 * i + 1];
    // Whole, and of a tracepoint with a decoder: the merge stops at any other.
    const decoder = state.decoders[view.getUint16(base, true)]!;
    decodeRecord(decoder, view, base, view.getUint32(base - 4, true), batch, row);
    if (EXIT_REASON_EVENTS.has(decoder.event)) completeExit(state.context, batch, row);
  }
}

/** Steps to a run's next timed record, from the one at runAt on, and makes its time the run's key; false: no more. */
function findKey(state: RecordState, run: number): boolean {
  const { window, little } = state;
  const { view, runAt, runEnd, runKey } = window;
  while (runAt[run] < runEnd[run]) {
    const at = runAt[run];
    const size = view.getUint16(at + 6, little);
    const key = timedKey(state, view.getUint32(at, little), at, size);
    if (!Number.isNaN(key)) {
      runKey[run] = key;
      return true;
    }
    runAt[run] += size;
  }
  return false;
}

/** Decodes the record at `at`, whatever it is. */
function decodeOther(state: RecordState, batch: EventBatch, at: number): void {
  const { view } = state.window;
  const type = view.getUint32(at, state.little);
  const size = view.getUint16(at + 6, state.little);
  if (type === RECORD_SAMPLE) {
    const row = batch.length;
    if (!decodeSample(state, at, at + size, batch, row)) return;
    batch.length = row + 1;
    if (state.groupMembers > 0) batch.length += addGroupMembers(state, view, at, at + size, batch, row + 1);
  } else if (type === RECORD_LOST) decodeLost(state, at, at + size, batch, batch.length++);
  else applyThreadRecord(state, at, size);
}

/** Any sample, wherever its fields lie. Returns whether the row was filled. */
function decodeSample(state: RecordState, at: number, end: number, batch: EventBatch, row: number): boolean {
  const { little, context } = state;
  const { view } = state.window;
  const layout = layoutOf(state, at, end - at) ?? state.layout;
  const raw = rawOffset(layout, view, at, end, little);
  const length = raw < 0 ? 0 : view.getUint32(raw, little);
  if (raw < 0 || length < 8 || raw + 4 + length > end) {
    noteDamaged(state);
    return false;
  }
  const base = raw + 4;
  const decoder = state.decoders[view.getUint16(base, little)];
  if (decoder === undefined) {
    note(
      context.diagnostics,
      'unknown-events',
      'data-loss',
      'samples of events whose format the file does not hold were left out',
    );
    return false;
  }
  if (state.hits !== null && isTwin(state, state.hits, layout, at, base, length)) return false;
  if (length < decoder.minimum)
    note(
      context.diagnostics,
      'short-records',
      'suspect',
      'records shorter than their format: the missing fields are unknown',
    );
  storeTime(batch, row, view, at + layout.time, little);
  const cpu = layout.cpu >= 0 ? view.getUint32(at + layout.cpu, little) : NO_CPU;
  batch.cpu[row] = cpu < NO_CPU ? cpu : NO_CPU;
  if (layout.tid >= 0) {
    batch.pid[row] = view.getInt32(at + layout.tid, little);
    batch.tid[row] = view.getInt32(at + layout.tid + 4, little);
  } else {
    batch.pid[row] = -1;
    batch.tid[row] = decoder.pidOffset >= 0 ? view.getInt32(base + decoder.pidOffset, little) : -1;
  }
  decodeRecord(decoder, view, base, length, batch, row);
  if (EXIT_REASON_EVENTS.has(decoder.event)) completeExit(state.context, batch, row);
  return true;
}

function noteDamaged(state: RecordState): void {
  note(
    state.context.diagnostics,
    'damaged-records',
    'data-loss',
    'records that are cut off or damaged were left out',
  );
}

function storeTime(batch: EventBatch, row: number, view: DataView, time: number, little: boolean): void {
  batch.time[2 * row] = view.getUint32(little ? time : time + 4, little);
  batch.time[2 * row + 1] = view.getUint32(little ? time + 4 : time, little);
}

function decodeLost(state: RecordState, at: number, end: number, batch: EventBatch, row: number): void {
  const { little, layout } = state;
  const { view } = state.window;
  storeTime(batch, row, view, end - layout.trailerTime, little);
  const cpu = layout.trailerCpu >= 0 ? view.getUint32(end - layout.trailerCpu, little) : NO_CPU;
  if (layout.trailerCpu < 0)
    note(
      state.context.diagnostics,
      'losses-without-cpu',
      'suspect',
      'losses whose CPU was not recorded (-p or -t without -a): which pairs they cut is uncertain',
    );
  clearRow(batch, row);
  batch.cpu[row] = Math.min(cpu, NO_CPU);
  batch.event[row] = EV_LOST;
  state.lossesTold += view.getUint32(little ? at + 16 : at + 20, little);
  batch.arg0[2 * row] = view.getUint32(little ? at + 16 : at + 20, little);
  batch.arg0[2 * row + 1] = view.getUint32(little ? at + 20 : at + 16, little);
  batch.fields[row] = F_ARG0;
}
