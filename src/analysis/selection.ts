/**
 * Which exits (and entries) an analysis looks at: the filters of the command line as plain sets, and what they say of a
 * row. Batches go through a kernel that says the same (selection-tables.ts).
 */
import { type EventBatch, F_CODE, F_ISA } from '../core/event-batch.ts';
import { compareWords, TWO_32 } from '../core/words.ts';
import { basicReason } from '../isa/reason-code.ts';
import type { ExitBatch } from './exit-batch.ts';

export interface Selection {
  readonly pids: ReadonlySet<number> | null;
  readonly tids: ReadonlySet<number> | null;
  readonly vcpus: ReadonlySet<number> | null;
  readonly cpus: ReadonlySet<number> | null;
  /** Keys of reasonKey(). */
  readonly reasons: ReadonlySet<number> | null;
  readonly excludes: ReadonlySet<number> | null;
  readonly levels: ReadonlySet<number> | null;
  /** Exits from this time on and before that one, word pairs. */
  readonly from: readonly [number, number] | null;
  readonly to: readonly [number, number] | null;
}

/** One number for an exit reason, VMX's flag bits left aside: a failed entry is selected by its reason as well. */
export function reasonKey(isa: number, code: number): number {
  return isa * TWO_32 + basicReason(isa, code);
}

/** Whether an exit passes every filter. */
export function selectExit(selection: Selection, batch: ExitBatch, row: number): boolean {
  return (
    passesThread(selection, batch.pid[row], batch.tid[row], batch.vcpu[row], batch.exitCpu[row]) &&
    passesReason(selection, batch.isa[row], batch.code[row]) &&
    (selection.levels === null || selection.levels.has(batch.level[row])) &&
    passesTime(selection, batch.exitTime[2 * row], batch.exitTime[2 * row + 1])
  );
}

function passesThread(selection: Selection, pid: number, tid: number, vcpu: number, cpu: number): boolean {
  return (
    (selection.pids === null || selection.pids.has(pid)) &&
    (selection.tids === null || selection.tids.has(tid)) &&
    (selection.vcpus === null || selection.vcpus.has(vcpu)) &&
    (selection.cpus === null || selection.cpus.has(cpu))
  );
}

function passesReason(selection: Selection, isa: number, code: number): boolean {
  if (selection.reasons === null && selection.excludes === null) return true;
  const key = reasonKey(isa, code);
  return (
    (selection.reasons === null || selection.reasons.has(key)) &&
    (selection.excludes === null || !selection.excludes.has(key))
  );
}

function passesTime(selection: Selection, low: number, high: number): boolean {
  const { from, to } = selection;
  return (
    (from === null || compareWords(low, high, from[0], from[1]) >= 0) &&
    (to === null || compareWords(low, high, to[0], to[1]) < 0)
  );
}

/** The part of the filters that an exit's own event tells of: CPU and reason. */
export function selectEvent(selection: Selection, batch: EventBatch, row: number): boolean {
  const fields = batch.fields[row];
  return (
    (selection.cpus === null || selection.cpus.has(batch.cpu[row])) &&
    passesReason(selection, fields & F_ISA ? batch.isa[row] : 0, fields & F_CODE ? batch.code[row] : 0)
  );
}

/** The part of the filters that applies to entries: thread, CPU and time (an entry has no reason). */
export function passesEntry(
  selection: Selection,
  batch: EventBatch,
  row: number,
  pid: number,
  vcpu: number,
): boolean {
  return (
    passesThread(selection, pid, batch.tid[row], vcpu, batch.cpu[row]) &&
    passesTime(selection, batch.time[2 * row], batch.time[2 * row + 1])
  );
}
