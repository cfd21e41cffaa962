/** The ledger as plain data: one row per thread, whose columns add up to the recording's length. */
import { hadLossBefore } from './cpu-losses.ts';
import { book, settle, takeOutWaits } from './ledger-booking.ts';
import { CATEGORIES, classify, T_AFTER, TO_KERNEL, UNKNOWN_STATE } from './ledger-segment.ts';
import type { Ledger } from './ledger-state.ts';
import type { VcpuNumbers } from './pass.ts';
import { threadInScope } from './thread-scope.ts';

/** Longest span in which doubles count ns exactly: 104 days. */
const MAX_SPAN = 2 ** 53;
export interface LedgerRow {
  readonly tid: number;
  /** As events told them, else −1. */
  readonly pid: number;
  readonly vcpu: number;
  readonly entries: number;
  /** ns by T_*; they add up to wallNs. */
  readonly sums: Float64Array;
}

export interface LedgerResult {
  /** First event (or --from) to the last (or --to), ns; null: longer than can be counted exactly. */
  readonly wallNs: number | null;
  readonly rows: readonly LedgerRow[];
  /** How many of the events there were that some columns need. */
  readonly halts: number;
  readonly switches: number;
  readonly switchesWithoutState: number;
  readonly wakes: number;
  /** Events of threads beyond the limit. */
  readonly ignored: number;
}

export function ledgerResult(ledger: Ledger, numbers?: VcpuNumbers): LedgerResult {
  const { threads, slots, scope } = ledger;
  takeOutWaits(ledger);
  for (const cpu of [...ledger.waiting.keys()]) settle(ledger, cpu, false);
  for (const pending of ledger.provisional) book(threads, pending, false);
  ledger.provisional = [];
  // The last event ends the span although it lies in it: without --to the limit is there.
  const begin = Math.max(0, ledger.first);
  const end = Math.max(begin, Math.min(ledger.limit, ledger.last));
  const { halts, switches, switchesWithoutState, wakes, ignored } = ledger;
  const countable = ledger.first === Number.POSITIVE_INFINITY || end < MAX_SPAN;
  const rows: LedgerRow[] = [];
  for (let slot = 0; countable && slot < slots.count; slot++) {
    const head = threads.heads[slot];
    const [tid, pid, vcpu] = [slots.tids[slot], threads.pid[slot], threads.vcpu[slot]];
    if (head === null || !threadInScope(scope, tid, pid, vcpu, numbers)) continue;
    const sums = threads.sums.slice(slot * CATEGORIES, (slot + 1) * CATEGORIES);
    const limit = Math.max(begin, ledger.limit);
    const lost = hadLossBefore(ledger.losses, head.cpu, head.row);
    classify(sums, 0, UNKNOWN_STATE, begin, lost ? { ...head, kind: TO_KERNEL } : head, null, limit);
    const tail = Math.max(begin, threads.start[slot]);
    sums[T_AFTER] += Math.max(0, end - tail);
    rows.push({
      tid,
      pid,
      vcpu,
      entries: threads.entries[slot],
      sums,
    });
  }
  return {
    wallNs: !countable ? null : ledger.first === Number.POSITIVE_INFINITY ? 0 : end - begin,
    rows,
    halts,
    switches,
    switchesWithoutState,
    wakes,
    ignored,
  };
}
