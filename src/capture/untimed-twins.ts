/**
 * Twins where one side has no times (QEMU's log without `-msg timestamp=on`): only the order of events can tell. All of
 * the log must be found: each vCPU's events in one piece and in order, the others of QEMU at least as often.
 */
import { BATCH_ROWS, copyRow, createEventBatch, type EventBatch } from '../core/event-batch.ts';
import type { QemuSample } from './compare-twins.ts';
import { isSameEvent } from './twin-events.ts';

/** Fewer events may be alike by chance. */
const MIN_EVENTS = 3;

/** Whether all events of `log` are in `other`, too. False where the log is larger than a sample. */
export function repeatsUntimed(log: QemuSample, other: QemuSample): boolean {
  const count = log.rows.length;
  if (count < MIN_EVENTS || count === BATCH_ROWS || other.rows.length < count) return false;
  const rows = createEventBatch(count + other.rows.length);
  append(rows, log.rows);
  append(rows, other.rows);
  const theirs = byVcpu(rows, count, rows.length);
  for (const [vcpu, ours] of byVcpu(rows, 0, count)) {
    const candidates = theirs.get(vcpu) ?? [];
    if (!(vcpu >= 0 ? isPiece(rows, ours, candidates) : isSubset(rows, ours, candidates))) return false;
  }
  return true;
}

function append(rows: EventBatch, more: EventBatch): void {
  for (let row = 0; row < more.length; row++) copyRow(more, row, rows, rows.length++);
}

function byVcpu(rows: EventBatch, from: number, to: number): Map<number, number[]> {
  const lists = new Map<number, number[]>();
  for (let row = from; row < to; row++) {
    const list = lists.get(rows.vcpu[row]);
    if (list) list.push(row);
    else lists.set(rows.vcpu[row], [row]);
  }
  return lists;
}

/** Most comparisons: long runs of like events make each start look right for a while. */
const MAX_COMPARISONS = 20_000_000;

function isPiece(rows: EventBatch, part: readonly number[], whole: readonly number[]): boolean {
  let left = MAX_COMPARISONS;
  for (let start = 0; start + part.length <= whole.length && left > 0; start++) {
    let i = 0;
    while (i < part.length && isSameEvent(rows, part[i], whole[start + i])) i++;
    if (i === part.length) return true;
    left -= i + 1;
  }
  return false;
}

/** Events of several threads: their order may differ a little from back end to back end. */
function isSubset(rows: EventBatch, part: readonly number[], whole: readonly number[]): boolean {
  const unused = new Set(whole);
  let left = MAX_COMPARISONS;
  for (const row of part) {
    let found = false;
    for (const candidate of unused) {
      if (--left < 0) return false;
      if (!isSameEvent(rows, row, candidate)) continue;
      unused.delete(candidate);
      found = true;
      break;
    }
    if (!found) return false;
  }
  return true;
}
