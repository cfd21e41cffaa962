/** Exits per vCPU thread: the list of who took part. */

import { UNKNOWN } from '../core/event-columns.ts';
import { addExact, mergeExact } from './exact-sum.ts';
import { type ExitBatch, PAIRED } from './exit-batch.ts';

/** Columns by ExitBatch's `thread` number. */
export interface ThreadStats {
  count: number;
  tid: Int32Array;
  pid: Int32Array;
  vcpu: Int32Array;
  exits: Float64Array;
  paired: Float64Array;
  /** Exact sums of ns: latency of all pairs, and of idle exits. */
  total: Float64Array;
  idle: Float64Array;
}

export function createThreadStats(): ThreadStats {
  const stats = { count: 0 } as ThreadStats;
  grow(stats, 16);
  return stats;
}

function grow(stats: ThreadStats, size: number): void {
  const ints = (old: Int32Array | undefined) => {
    const column = new Int32Array(size).fill(-1);
    if (old) column.set(old);
    return column;
  };
  const doubles = (old: Float64Array | undefined, each: number) => {
    const column = new Float64Array(size * each);
    if (old) column.set(old);
    return column;
  };
  stats.tid = ints(stats.tid);
  stats.pid = ints(stats.pid);
  stats.vcpu = ints(stats.vcpu);
  stats.exits = doubles(stats.exits, 1);
  stats.paired = doubles(stats.paired, 1);
  stats.total = doubles(stats.total, 2);
  stats.idle = doubles(stats.idle, 2);
}

/** Makes columns for threads up to this number of them. */
export function coverThreads(stats: ThreadStats, count: number): void {
  if (count > stats.exits.length) grow(stats, 2 * count);
  if (count > stats.count) stats.count = count;
}

/** Adds an exit to its thread. `idle`: one in which the guest merely waits. */
export function addThreadExit(stats: ThreadStats, batch: ExitBatch, row: number, idle: boolean): void {
  const slot = batch.thread[row];
  coverThreads(stats, slot + 1);
  stats.exits[slot]++;
  stats.tid[slot] = batch.tid[row];
  if (batch.pid[row] >= 0) stats.pid[slot] = batch.pid[row];
  if (batch.vcpu[row] >= 0) stats.vcpu[slot] = batch.vcpu[row];
  if (batch.state[row] !== PAIRED) return;
  stats.paired[slot]++;
  addExact(stats.total, slot, batch.latency[row]);
  if (idle) addExact(stats.idle, slot, batch.latency[row]);
}

/** What a thread is found by; all exits of unknown thread are one's. */
const keyOf = (tid: number) => Math.max(UNKNOWN, tid);

/** Adds the other's threads, found by tid (numbers of threads differ between partial results). */
export function mergeThreadStats(stats: ThreadStats, other: ThreadStats): void {
  const slots = new Map<number, number>();
  for (let slot = 0; slot < stats.count; slot++)
    if (isUsed(stats, slot)) slots.set(keyOf(stats.tid[slot]), slot);
  for (let from = 0; from < other.count; from++) {
    if (!isUsed(other, from)) continue;
    const tid = other.tid[from];
    let slot = slots.get(keyOf(tid));
    if (slot === undefined) {
      slot = stats.count++;
      if (slot >= stats.exits.length) grow(stats, 2 * (slot + 1));
      slots.set(keyOf(tid), slot);
    }
    stats.tid[slot] = tid;
    stats.exits[slot] += other.exits[from];
    stats.paired[slot] += other.paired[from];
    if (other.pid[from] >= 0) stats.pid[slot] = other.pid[from];
    if (other.vcpu[from] >= 0) stats.vcpu[slot] = other.vcpu[from];
    mergeExact(stats.total, slot, other.total, from);
    mergeExact(stats.idle, slot, other.idle, from);
  }
}

/** Numbers of threads without exits were left out. */
function isUsed({ tid, exits }: ThreadStats, slot: number): boolean {
  return tid[slot] >= 0 || exits[slot] > 0;
}
