/**
 * The statistics that every report has, counted from batches of decided exits: most rows by a kernel
 * (src/kernels/exit-counts.ts) into records (exit-records.ts), the others one by one.
 */
import type { Arena } from '../core/arena.ts';
import { allocateU32 } from '../core/arena.ts';
import { diffWords } from '../core/words.ts';
import { isIdle } from '../isa/reasons.ts';
import { type ArenaExits, type ExitBatch, PAIRED } from './exit-batch.ts';
import {
  C_BYTES,
  C_FLOOR,
  C_GROUPS,
  C_KEEPS,
  C_KEPT,
  C_KEPT_END,
  C_KEPT_GROUPS,
  C_KEPT_VALUES,
  C_ODD,
  C_PAGES,
  C_QUALIFIED,
  C_RECENT,
  C_RECORDS,
  C_SELECTED,
  C_SELECTED_ROWS,
  C_STATES,
  C_STOP,
  C_THAN,
  C_THREAD_COUNT,
  C_THREADS,
  C_USERSPACE,
  C_WITH_IDLE,
  ODD_ABSURD,
  ODD_INSTANT,
  ODD_KINDS,
  ODD_NEGATIVE,
  STOP_FULL,
  STOP_SLOW,
} from './exit-count-layout.ts';
import {
  createExitRecords,
  type ExitRecords,
  hasPage,
  hasRecord,
  hasThread,
  settleGroups,
  settleThread,
  settleThreads,
  settleUserspace,
  threadRoom,
} from './exit-records.ts';
import { addExit, createExitStats, type ExitStats } from './exit-stats.ts';
import { type Grouping, groupOf, showGroups } from './groups.ts';
import { CHUNK, fitsChunk, inChunks, type LatencyLog, openChunk } from './latency-log.ts';
import { MAX_LATENCY } from './pairing-layout.ts';
import { addRow, addSlowRow, type SlowList } from './slow-list.ts';
import { addThreadExit, createThreadStats, type ThreadStats } from './thread-stats.ts';
import { addEscalation, createUserspaceStats, type UserspaceStats } from './userspace-stats.ts';

/** Rows after which records are settled at the latest: counts of histograms have 32 bits. */
const MAX_ROWS = 2 ** 31;

export interface ExitCounter {
  readonly arena: Arena;
  /** Complete after settleExits(). */
  readonly stats: ExitStats;
  readonly threads: ThreadStats;
  readonly userspace: UserspaceStats;
  readonly slow: SlowList;
  /** Selected exits by state. */
  readonly states: Float64Array;
  /** Selected pairs with odd stamps, by ODD_*. */
  readonly odd: Float64Array;
  readonly records: ExitRecords;
  /** Rows since the records were settled. */
  rows: number;
  /** The kernel's view: words at C_*, and the same memory as doubles. */
  readonly view: Uint32Array;
  readonly doubles: Float64Array;
}

/** `exactLimit`: values that percentiles are exact for. */
export function createExitCounter(
  grouping: Grouping,
  slow: SlowList,
  arena: Arena,
  exactLimit?: number,
): ExitCounter {
  const view = allocateU32(arena, C_BYTES / 4);
  return {
    arena,
    stats: createExitStats(grouping, arena, exactLimit),
    threads: createThreadStats(),
    userspace: createUserspaceStats(),
    slow,
    states: new Float64Array(4),
    odd: new Float64Array(ODD_KINDS),
    records: createExitRecords(arena),
    rows: 0,
    view,
    doubles: new Float64Array(view.buffer, view.byteOffset, view.length >> 1),
  };
}

/** Counts a batch; `selected[row]` 0 leaves a row out (null: none). It lies in the counter's arena. */
export function countExits(counter: ExitCounter, batch: ExitBatch, selected: Uint8Array | null): void {
  if (!liesIn(counter.arena, batch)) {
    for (let row = 0; row < batch.length; row++)
      if (selected === null || selected[row] !== 0) countRow(counter, batch, row);
    return;
  }
  counter.rows += batch.length;
  if (counter.rows > MAX_ROWS) settleExits(counter);
  for (let row = 0; row < batch.length; ) {
    row = countRows(counter, batch, selected, row);
    const stop = counter.view[C_STOP / 4];
    if (stop & STOP_SLOW) addRow(counter.slow, batch, row - 1);
    if (stop & STOP_FULL) settleExits(counter);
    if (stop === 0 && row < batch.length && !makeRoom(counter, batch, row)) countRow(counter, batch, row++);
  }
}

const liesIn = (arena: Arena, batch: ExitBatch): batch is ArenaExits =>
  (batch as Partial<ArenaExits>).arena === arena;

/** One exit, by the rules of each statistic. */
function countRow(counter: ExitCounter, batch: ExitBatch, row: number): void {
  const { stats, threads, userspace, slow, states, odd } = counter;
  const idle = isIdle(batch.isa[row], batch.code[row]);
  // Who a thread is its latest exit says.
  settleThread(counter.records, threads, batch.thread[row]);
  addExit(stats, groupOf(stats.groups, batch, row), batch, row);
  addThreadExit(threads, batch, row, idle);
  addEscalation(userspace, batch, row);
  addSlowRow(slow, batch, row, idle);
  states[batch.state[row]]++;
  if (batch.state[row] !== PAIRED) return;
  const from = 2 * row;
  const { exitTime, entryTime } = batch;
  const ns = diffWords(entryTime[from], entryTime[from + 1], exitTime[from], exitTime[from + 1]);
  if (ns <= 0) odd[ns < 0 ? ODD_NEGATIVE : ODD_INSTANT]++;
  else if (ns > MAX_LATENCY) odd[ODD_ABSURD]++;
}

/** Runs the kernel from a row on; returns the next row to take (C_STOP says why it stopped). */
function countRows(
  counter: ExitCounter,
  batch: ArenaExits,
  selected: Uint8Array | null,
  from: number,
): number {
  const { view, stats, slow, states, odd } = counter;
  const kept = showChunk(view, stats.log);
  showTables(counter, selected);
  const row = counter.arena.kernels.countExits(view.byteOffset, batch.address, from, batch.length);
  stats.log.count += view[C_KEPT / 4] - kept;
  slow.qualified += view[C_QUALIFIED / 4];
  states[PAIRED] += view[C_SELECTED_ROWS / 4];
  for (let state = 0; state < states.length; state++) {
    if (state === PAIRED) continue;
    states[state] += view[C_STATES / 4 + state];
    states[PAIRED] -= view[C_STATES / 4 + state];
  }
  for (let kind = 0; kind < ODD_KINDS; kind++) odd[kind] += view[C_ODD / 4 + kind];
  return row;
}

/** Tables move when they grow. */
function showTables({ view, doubles, stats, records, slow }: ExitCounter, selected: Uint8Array | null): void {
  const { groups } = stats;
  view[C_SELECTED / 4] = selected === null ? 0 : selected.byteOffset;
  showGroups(view, C_RECENT, groups);
  view[C_GROUPS / 4] = records.groups;
  view[C_RECORDS / 4] = records.records.byteOffset;
  view[C_THREADS / 4] = records.threads.byteOffset;
  view[C_THREAD_COUNT / 4] = threadRoom(records);
  view[C_USERSPACE / 4] = records.userspace.byteOffset;
  view[C_PAGES / 4] = records.pages.byteOffset;
  view[C_WITH_IDLE / 4] = slow.includeIdle ? 1 : 0;
  doubles[C_THAN / 8] = slow.thanNs;
  doubles[C_FLOOR / 8] = slow.floor;
  view.fill(0, C_STATES / 4);
}

/** Shows the chunk that values are kept in; without one, or at its end, the kernel stops. Returns the next place. */
function showChunk(view: Uint32Array, log: LatencyLog): number {
  const { exact, chunks, count, limit } = log;
  const chunk = chunks.at(-1);
  const kept = chunk === undefined ? 0 : inChunks(log) - (chunks.length - 1) * CHUNK;
  view[C_KEEPS / 4] = exact ? 1 : 0;
  view[C_KEPT / 4] = kept;
  view[C_KEPT_END / 4] = chunk === undefined ? 0 : Math.min(CHUNK, kept + limit - count);
  view[C_KEPT_GROUPS / 4] = chunk?.groups.byteOffset ?? 0;
  view[C_KEPT_VALUES / 4] = chunk?.values.byteOffset ?? 0;
  return kept;
}

/** Makes what the kernel misses for a row; false if the row has to be counted without it. */
function makeRoom({ stats, records }: ExitCounter, batch: ExitBatch, row: number): boolean {
  const group = groupOf(stats.groups, batch, row);
  if (!hasRecord(records, stats, group) || !hasThread(records, batch.thread[row])) return false;
  if (batch.state[row] !== PAIRED) return true;
  if (!hasPage(records, group, batch.latency[row])) return false;
  // Long latencies of values that are kept take more than a chunk has.
  return openChunk(stats.log) === null || fitsChunk(group, batch.latency[row]);
}

/** Takes over all that records hold: the statistics are complete up to here. */
export function settleExits({ records, stats, threads, userspace }: ExitCounter): void {
  settleGroups(records, stats);
  settleThreads(records, threads);
  settleUserspace(records, userspace);
}
