/**
 * Recordings that were made one after the other: between them nothing was recorded, and an exit at the end of one has no
 * entry at the start of the next. Files of one recording that was cut (perf's --switch-output, trace-cmd split) follow
 * each other as closely as the events within them, and their pairs go on.
 */

import { clearRow, type EventBatch } from '../core/event-batch.ts';
import { EV_LOST } from '../core/events.ts';
import { TWO_32 } from '../core/words.ts';

/** Shorter pauses are no gap between recordings: it takes longer to start a recorder. */
const SHORTEST_GAP_NS = 100_000_000;

export interface Pauses {
  /** By stream: 1 where its rows are watched. */
  readonly watched: Uint8Array;
  readonly begun: Uint8Array;
  /** Watched streams that have begun and not ended. */
  open: number;
  /** Longest time between two rows so far, and the time of the last one. */
  longestNs: number;
  lastNs: number;
  lastLow: number;
  lastHigh: number;
  lastCpu: number;
  readonly cpus: Set<number>;
  /** Gaps that were found. */
  gaps: number;
}

export function createPauses(watched: readonly boolean[]): Pauses {
  return {
    watched: Uint8Array.from(watched, Number),
    begun: new Uint8Array(watched.length),
    open: 0,
    longestNs: 0,
    lastNs: Number.NaN,
    lastLow: 0,
    lastHigh: 0,
    lastCpu: -1,
    cpus: new Set(),
    gaps: 0,
  };
}

/** Notes a row that is handed out. */
export function passRow(pauses: Pauses, stream: number, batch: EventBatch, row: number): void {
  if (pauses.watched[stream] === 0) return;
  const { time } = batch;
  const ns = nsOf(time[2 * row], time[2 * row + 1] | 0);
  if (ns - pauses.lastNs > pauses.longestNs) pauses.longestNs = ns - pauses.lastNs;
  pauses.lastNs = ns;
  pauses.lastLow = time[2 * row];
  pauses.lastHigh = time[2 * row + 1];
  // Rows of one CPU come many in a row.
  if (batch.cpu[row] === pauses.lastCpu) return;
  pauses.lastCpu = batch.cpu[row];
  pauses.cpus.add(pauses.lastCpu);
}

/** A difference of such times is exact to 256 ns, which is enough here. */
function nsOf(low: number, high: number): number {
  return high * TWO_32 + low;
}

/**
 * To be called before a stream's first row, whose time is given. Returns whether a gap ends there: no recording was
 * running, for longer than any pause within the recordings so far.
 */
export function beginStream(pauses: Pauses, stream: number, low: number, high: number): boolean {
  if (pauses.watched[stream] === 0 || pauses.begun[stream] === 1) return false;
  pauses.begun[stream] = 1;
  pauses.open++;
  const gapNs = nsOf(low, high) - pauses.lastNs;
  if (pauses.open > 1 || !(gapNs > Math.max(SHORTEST_GAP_NS, pauses.longestNs))) return false;
  pauses.gaps++;
  // The gap is no pause within a recording.
  pauses.lastNs = Number.NaN;
  return true;
}

export function endStream(pauses: Pauses, stream: number): void {
  if (pauses.watched[stream] === 1) pauses.open--;
}

/** Makes `row` the mark of a loss of unknown size on a CPU, at the time of the last row. */
export function writeGap(pauses: Pauses, cpu: number, batch: EventBatch, row: number): void {
  clearRow(batch, row);
  batch.time[2 * row] = pauses.lastLow;
  batch.time[2 * row + 1] = pauses.lastHigh;
  batch.cpu[row] = cpu;
  batch.event[row] = EV_LOST;
}
