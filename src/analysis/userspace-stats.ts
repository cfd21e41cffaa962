/** Escalated exits by the reason that KVM_RUN gave to user space (KVM_EXIT_*). */
import { addExact, mergeExact } from './exact-sum.ts';
import { type ExitBatch, PAIRED } from './exit-batch.ts';

/** Reasons with a column of their own; larger numbers (none exists) share the last. */
const REASONS = 256;

export interface UserspaceStats {
  /** Escalated exits per KVM_EXIT_*; an exit counts once, by its first userspace exit. */
  readonly count: Float64Array;
  /** Exact sums: userspace exit → entry, ns, over pairs. */
  readonly userspaceNs: Float64Array;
}

export function createUserspaceStats(): UserspaceStats {
  return { count: new Float64Array(REASONS), userspaceNs: new Float64Array(2 * REASONS) };
}

export function addUserspace(stats: UserspaceStats, batch: ExitBatch, selected: Uint8Array | null): void {
  for (let row = 0; row < batch.length; row++) {
    if (batch.userspaceExits[row] === 0 || (selected !== null && selected[row] === 0)) continue;
    const code = Math.min(batch.userspaceCode[row], REASONS - 1);
    stats.count[code]++;
    if (batch.state[row] === PAIRED) addExact(stats.userspaceNs, code, batch.userspaceNs[row]);
  }
}

export function mergeUserspaceStats(stats: UserspaceStats, other: UserspaceStats): void {
  for (let code = 0; code < REASONS; code++) {
    stats.count[code] += other.count[code];
    mergeExact(stats.userspaceNs, code, other.userspaceNs, code);
  }
}
