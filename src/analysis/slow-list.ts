/**
 * The slowest pairs: those longer than a threshold (strict), the longest first, of equal ones the later
 * first. Rows are
 * kept in an ExitBatch of twice the wanted size that is cut back to the best half when full.
 */
import { compareWords } from '../core/words.ts';
import { copyExit, createExitBatch, type ExitBatch, PAIRED } from './exit-batch.ts';

export interface SlowList {
  readonly limit: number;
  /** Threshold in ns: only longer latencies qualify. */
  readonly thanNs: number;
  readonly includeIdle: boolean;
  /** Pairs that qualified, in the list or not. */
  qualified: number;
  /** Latency that a row must reach to get in at all. */
  floor: number;
  rows: ExitBatch;
}

export function createSlowList(limit: number, thanNs: number, includeIdle: boolean): SlowList {
  return {
    limit,
    thanNs,
    includeIdle,
    qualified: 0,
    floor: -1,
    rows: createExitBatch(Math.max(16, 2 * Math.min(limit, 1 << 20))),
  };
}

/** Adds a batch's rows; `selected[row]` 0 leaves one out (null: none), `idle[row]` 1: the guest merely waits in it. */
export function addSlow(
  list: SlowList,
  batch: ExitBatch,
  selected: Uint8Array | null,
  idle: Uint8Array,
): void {
  for (let row = 0; row < batch.length; row++)
    if (selected === null || selected[row] !== 0) addSlowRow(list, batch, row, idle[row] !== 0);
}

export function addSlowRow(list: SlowList, batch: ExitBatch, row: number, idle: boolean): void {
  const latency = batch.latency[row];
  if (latency <= list.thanNs || batch.state[row] !== PAIRED || (idle && !list.includeIdle)) return;
  list.qualified++;
  if (latency >= list.floor) addRow(list, batch, row);
}

/** Takes in a row that qualified and reaches the floor. */
export function addRow(list: SlowList, batch: ExitBatch, row: number): void {
  if (list.limit === 0) return;
  copyExit(batch, row, list.rows, list.rows.length++);
  if (list.rows.length === list.rows.capacity) cut(list);
}

/** Whether the list holds the exit of a row. */
export function isListed({ rows }: SlowList, batch: ExitBatch, row: number): boolean {
  for (let own = 0; own < rows.length; own++)
    if (
      rows.latency[own] === batch.latency[row] &&
      rows.exitTime[2 * own] === batch.exitTime[2 * row] &&
      rows.exitTime[2 * own + 1] === batch.exitTime[2 * row + 1] &&
      rows.tid[own] === batch.tid[row]
    )
      return true;
  return false;
}

/** Brings the rows in order and drops those beyond the limit. */
function cut(list: SlowList): void {
  const { rows } = list;
  const order = Array.from({ length: rows.length }, (_, i) => i).sort((a, b) => compareSlow(rows, a, b));
  const kept = createExitBatch(rows.capacity);
  for (const from of order.slice(0, list.limit)) copyExit(rows, from, kept, kept.length++);
  list.rows = kept;
  if (kept.length === list.limit) list.floor = kept.latency[kept.length - 1];
}

function compareSlow(rows: ExitBatch, a: number, b: number): number {
  return (
    rows.latency[b] - rows.latency[a] ||
    compareWords(
      rows.exitTime[2 * b],
      rows.exitTime[2 * b + 1],
      rows.exitTime[2 * a],
      rows.exitTime[2 * a + 1],
    ) ||
    rows.tid[a] - rows.tid[b] ||
    // A thread's exits of one stamp: parts of a recording may tell them in another order.
    rows.isa[a] - rows.isa[b] ||
    rows.code[a] - rows.code[b] ||
    compareWords(rows.rip[2 * a], rows.rip[2 * a + 1], rows.rip[2 * b], rows.rip[2 * b + 1])
  );
}

export function mergeSlowLists(list: SlowList, other: SlowList): void {
  list.qualified += other.qualified;
  for (let row = 0; row < other.rows.length; row++) addRow(list, other.rows, row);
}

/** The list in order. */
export interface SlowResult {
  readonly rows: ExitBatch;
  readonly qualified: number;
  readonly limit: number;
  readonly thanNs: number;
  readonly includeIdle: boolean;
}

export function slowResult(list: SlowList): SlowResult {
  cut(list);
  const { rows, qualified, limit, thanNs, includeIdle } = list;
  return { rows, qualified, limit, thanNs, includeIdle };
}
