/** Exits per vCPU thread: the list of who took part. */
import { addExact, mergeExact } from './exact-sum.ts';
import { type ExitBatch, PAIRED } from './exit-batch.ts';
import { createThreadSlots, slotOf, type ThreadSlots } from './thread-slots.ts';

export interface ThreadStats {
  readonly slots: ThreadSlots;
  pid: Int32Array;
  vcpu: Int32Array;
  exits: Float64Array;
  paired: Float64Array;
  /** Exact sums of ns: latency of all pairs, and of idle exits. */
  total: Float64Array;
  idle: Float64Array;
}

export function createThreadStats(): ThreadStats {
  return {
    slots: createThreadSlots(),
    pid: new Int32Array(16).fill(-1),
    vcpu: new Int32Array(16).fill(-1),
    exits: new Float64Array(16),
    paired: new Float64Array(16),
    total: new Float64Array(32),
    idle: new Float64Array(32),
  };
}

function threadSlot(stats: ThreadStats, tid: number): number {
  const slot = slotOf(stats.slots, tid);
  const size = stats.exits.length;
  if (slot < size) return slot;
  const ints = (old: Int32Array) => {
    const column = new Int32Array(2 * size).fill(-1);
    column.set(old);
    return column;
  };
  const doubles = (old: Float64Array) => {
    const column = new Float64Array(2 * old.length);
    column.set(old);
    return column;
  };
  stats.pid = ints(stats.pid);
  stats.vcpu = ints(stats.vcpu);
  stats.exits = doubles(stats.exits);
  stats.paired = doubles(stats.paired);
  stats.total = doubles(stats.total);
  stats.idle = doubles(stats.idle);
  return slot;
}

/** `idle(isa, code)` tells exits in which the guest merely waits. */
export function addThreads(
  stats: ThreadStats,
  batch: ExitBatch,
  selected: Uint8Array | null,
  idle: (isa: number, code: number) => boolean,
): void {
  for (let row = 0; row < batch.length; row++) {
    if (selected !== null && selected[row] === 0) continue;
    const slot = threadSlot(stats, batch.tid[row]!);
    stats.exits[slot]!++;
    if (batch.pid[row]! >= 0) stats.pid[slot] = batch.pid[row]!;
    if (batch.vcpu[row]! >= 0) stats.vcpu[slot] = batch.vcpu[row]!;
    if (batch.state[row] !== PAIRED) continue;
    stats.paired[slot]!++;
    addExact(stats.total, slot, batch.latency[row]!);
    if (idle(batch.isa[row]!, batch.code[row]!)) addExact(stats.idle, slot, batch.latency[row]!);
  }
}

export function mergeThreadStats(stats: ThreadStats, other: ThreadStats): void {
  for (let from = 0; from < other.slots.count; from++) {
    const slot = threadSlot(stats, other.slots.tids[from]!);
    stats.exits[slot]! += other.exits[from]!;
    stats.paired[slot]! += other.paired[from]!;
    if (other.pid[from]! >= 0) stats.pid[slot] = other.pid[from]!;
    if (other.vcpu[from]! >= 0) stats.vcpu[slot] = other.vcpu[from]!;
    mergeExact(stats.total, slot, other.total, from);
    mergeExact(stats.idle, slot, other.idle, from);
  }
}
