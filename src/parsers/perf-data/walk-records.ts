/**
 * First look at records: which are timed (samples, losses, changes of threads) and so go into the window's runs,
 * and which are applied or counted at once.
 */
import { note } from '../../core/diagnostics.ts';
import { layoutOf, type RecordState } from './record-state.ts';
import {
  FIRST_USER_RECORD,
  HEADER_BYTES,
  RECORD_COMM,
  RECORD_FINISHED_ROUND,
  RECORD_FORK,
  RECORD_LOST,
  RECORD_LOST_SAMPLES,
  RECORD_SAMPLE,
  RECORD_THROTTLE,
} from './record-types.ts';
import { keyOf, type RecordWindow, startRun } from './record-window.ts';
import { walkSamples } from './sample-kernels.ts';
import { applyThreadRecord } from './thread-records.ts';

/** Why walking stopped. */
const WALK_MORE = 0;
/** Behind a FINISHED_ROUND: the window has records ready. */
export const WALK_ROUND = 1;
/** At a record of the container, which the caller must handle. */
export const WALK_CONTAINER = 2;
/** At a header that cannot be one. */
export const WALK_DAMAGED = 3;

/** Walks the window's records from `parsed` on as far as they are whole. */
export function walkRecords(state: RecordState): number {
  const { window, little, walksPlain } = state;
  const { view, used } = window;
  let at = window.parsed;
  let reason = WALK_MORE;
  while (true) {
    if (walksPlain) at = walkSamples(window, at);
    if (at + HEADER_BYTES > used) break;
    const type = view.getUint32(at, little);
    const size = view.getUint16(at + 6, little);
    if (size < HEADER_BYTES) {
      reason = WALK_DAMAGED;
      break;
    }
    if (at + size > used) break;
    if (type === RECORD_SAMPLE) {
      const key = timedKey(state, type, at, size);
      if (!Number.isNaN(key)) addTimed(window, at, key);
      else countLeftOut(state, at, size);
    } else if (type >= FIRST_USER_RECORD) {
      if (type !== RECORD_FINISHED_ROUND) {
        reason = WALK_CONTAINER;
        break;
      }
      at += size;
      reason = WALK_ROUND;
      break;
    } else takeSideBand(state, type, at, size);
    at += size;
  }
  window.parsed = at;
  return reason;
}

/** Ends the last run at what has been walked. */
export function closeRun(window: RecordWindow): void {
  if (window.runs > 0 && window.lastKey !== Number.POSITIVE_INFINITY)
    window.runEnd[window.runs - 1] = window.parsed;
}

function addTimed(window: RecordWindow, at: number, key: number): void {
  if (key < window.lastKey) {
    if (window.runs > 0 && window.lastKey !== Number.POSITIVE_INFINITY) window.runEnd[window.runs - 1] = at;
    startRun(window, at, key);
  }
  window.lastKey = key;
  if (key > window.maxKey) window.maxKey = key;
}

/** Key of a record that belongs into the order of time, NaN for all others. */
export function timedKey(state: RecordState, type: number, at: number, size: number): number {
  const { layout, window, little } = state;
  let time: number;
  if (type === RECORD_SAMPLE) {
    const own = layoutOf(state, at, size);
    if (own === null || own.time < 0 || own.variable > size) return Number.NaN;
    time = at + own.time;
  } else if (type === RECORD_LOST || type === RECORD_COMM || type === RECORD_FORK) {
    if (layout.trailerTime < 0 || size < 24 + layout.trailerTime) return Number.NaN;
    time = at + size - layout.trailerTime;
  } else return Number.NaN;
  const { view } = window;
  const low = view.getUint32(little ? time : time + 4, little);
  const high = view.getUint32(little ? time + 4 : time, little);
  // perf makes COMM and FORK of threads that exist when it starts at time 0: they come before everything.
  if (low === 0 && high === 0 && type !== RECORD_SAMPLE) return Number.NaN;
  return keyOf(window, low, high);
}

function countLeftOut(state: RecordState, at: number, size: number): void {
  const { diagnostics } = state.context;
  if (layoutOf(state, at, size) === null)
    note(diagnostics, 'other-samples', 'info', 'samples of events that are no tracepoints were left out');
  else note(diagnostics, 'damaged-records', 'data-loss', 'records that are cut off or damaged were left out');
}

/** The kernel's records that are no samples. Their sample_id trailer is counted from the end. */
function takeSideBand(state: RecordState, type: number, at: number, size: number): void {
  const { window, little } = state;
  const { diagnostics } = state.context;
  const { view } = window;
  switch (type) {
    case RECORD_LOST:
    case RECORD_COMM:
    case RECORD_FORK: {
      const key = timedKey(state, type, at, size);
      if (!Number.isNaN(key)) addTimed(window, at, key);
      else if (type !== RECORD_LOST) applyThreadRecord(state, at, size);
      else {
        if (size >= 24) state.lossesTold += view.getUint32(little ? at + 16 : at + 20, little);
        note(
          diagnostics,
          'losses-without-time',
          'data-loss',
          'losses without a time: the pairs that they cut cannot be told',
        );
      }
      return;
    }
    case RECORD_LOST_SAMPLES:
      // Repeats per event, at the end of the file, what LOST records have told in their place (tools/perf/builtin-record.c,
      // record__read_lost_samples). Bit 15 of misc: dropped by a BPF filter, no loss (PERF_RECORD_MISC_LOST_SAMPLES_BPF).
      if (size >= 16 && (view.getUint16(at + 4, little) & 0x8000) === 0) {
        const count = view.getUint32(little ? at + 8 : at + 12, little);
        state.lossesStated += count;
        note(
          diagnostics,
          'lost-samples',
          'info',
          'losses stated per event at the end of the file (not added: LOST records tell them where they happened)',
          count,
        );
      }
      return;
    case RECORD_THROTTLE:
      note(
        diagnostics,
        'throttled',
        'suspect',
        'the kernel throttled an event: some of its samples are missing',
      );
      return;
    default:
  }
}
