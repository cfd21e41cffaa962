/** Escalated exits by the reason that KVM_RUN gave to user space (KVM_EXIT_*). */
import { addExact, mergeExact } from './exact-sum.ts';
import { type ExitBatch, PAIRED } from './exit-batch.ts';
import { USERSPACE_REASONS as REASONS } from './exit-count-layout.ts';

export interface UserspaceStats {
  /** Escalated exits per KVM_EXIT_*; an exit counts once, by its first userspace exit. */
  readonly count: Float64Array;
  /** Exact sums: userspace exit → entry, ns, over pairs. */
  readonly userspaceNs: Float64Array;
}

export function createUserspaceStats(): UserspaceStats {
  return { count: new Float64Array(REASONS), userspaceNs: new Float64Array(2 * REASONS) };
}

/** Adds an exit, if it was escalated. */
export function addEscalation(stats: UserspaceStats, batch: ExitBatch, row: number): void {
  if (batch.userspaceExits[row] === 0) return;
  const code = Math.min(batch.userspaceCode[row], REASONS - 1);
  stats.count[code]++;
  if (batch.state[row] === PAIRED) addExact(stats.userspaceNs, code, batch.userspaceNs[row]);
}

export function mergeUserspaceStats(stats: UserspaceStats, other: UserspaceStats): void {
  for (let code = 0; code < REASONS; code++) {
    stats.count[code] += other.count[code];
    mergeExact(stats.userspaceNs, code, other.userspaceNs, code);
  }
}
