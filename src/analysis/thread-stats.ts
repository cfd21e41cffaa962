/** Exits per vCPU thread: the list of who took part. */
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

/** `idle[row]` 1: an exit in which the guest merely waits. */
export function addThreads(
  stats: ThreadStats,
  batch: ExitBatch,
  selected: Uint8Array | null,
  idle: Uint8Array,
): void {
  const highest = highestThread(batch, stats.count - 1);
  if (highest >= stats.exits.length) grow(stats, 2 * (highest + 1));
  stats.count = highest + 1;
  sumThreads(stats, batch, selected, idle);
}

function highestThread({ thread, length }: ExitBatch, highest: number): number {
  for (let row = 0; row < length; row++) if (thread[row] > highest) highest = thread[row];
  return highest;
}

function sumThreads(
  stats: ThreadStats,
  batch: ExitBatch,
  selected: Uint8Array | null,
  idle: Uint8Array,
): void {
  const { tid, pid, vcpu, exits, paired, total, idle: idleNs } = stats;
  const { thread, tid: tids, pid: pids, vcpu: vcpus, state, latency, length } = batch;
  for (let row = 0; row < length; row++) {
    if (selected !== null && selected[row] === 0) continue;
    const slot = thread[row];
    exits[slot]++;
    tid[slot] = tids[row];
    if (pids[row] >= 0) pid[slot] = pids[row];
    if (vcpus[row] >= 0) vcpu[slot] = vcpus[row];
    if (state[row] !== PAIRED) continue;
    paired[slot]++;
    addExact(total, slot, latency[row]);
    if (idle[row] !== 0) addExact(idleNs, slot, latency[row]);
  }
}

/** Adds the other's threads, found by tid (numbers of threads differ between partial results). */
export function mergeThreadStats(stats: ThreadStats, other: ThreadStats): void {
  const slots = new Map<number, number>();
  for (let slot = 0; slot < stats.count; slot++) if (stats.tid[slot] >= 0) slots.set(stats.tid[slot], slot);
  for (let from = 0; from < other.count; from++) {
    const tid = other.tid[from];
    if (tid < 0) continue;
    let slot = slots.get(tid);
    if (slot === undefined) {
      slot = stats.count++;
      if (slot >= stats.exits.length) grow(stats, 2 * (slot + 1));
      stats.tid[slot] = tid;
    }
    stats.exits[slot] += other.exits[from];
    stats.paired[slot] += other.paired[from];
    if (other.pid[from] >= 0) stats.pid[slot] = other.pid[from];
    if (other.vcpu[from] >= 0) stats.vcpu[slot] = other.vcpu[from];
    mergeExact(stats.total, slot, other.total, from);
    mergeExact(stats.idle, slot, other.idle, from);
  }
}
