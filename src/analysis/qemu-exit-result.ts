/** QEMU's exits as plain data: counts, rates and handling times per vCPU and reason. */
import { compareWords, diffWords } from '../core/words.ts';
import { exactToBigInt, exactValue, mean } from './exact-sum.ts';
import { quantilesOf } from './latency-log.ts';
import { mergeDevices, type QemuDeviceRow, type QemuDevices } from './qemu-devices.ts';
import type { QemuSlot } from './qemu-exit-rows.ts';
import type { QemuExits } from './qemu-exits.ts';

export interface QemuExitRow {
  /** null where the recording does not tell. */
  readonly pid: number | null;
  readonly tid: number | null;
  readonly vcpu: number;
  /** KVM_EXIT_*. */
  readonly code: number;
  readonly count: number;
  /** Per second of the recording, or the part of it that filters choose; null when that has no length. */
  readonly perSecond: number | null;
  /** QEMU's own time, kvm_run_exit → KVM_RUN; null without a pair. */
  readonly handling: {
    readonly pairs: number;
    readonly totalNs: number | bigint;
    readonly minNs: number;
    readonly avgNs: number;
    readonly maxNs: number;
    readonly p50Ns: number;
    readonly p99Ns: number;
    /** Largest relative error of the percentiles in percent. */
    readonly percentileErrorPct: number;
  } | null;
  /** Time in KVM_RUN (guest and kernel) that ended with this reason; null without a pair. */
  readonly inKvm: { readonly pairs: number; readonly totalNs: number | bigint } | null;
}

/** What QEMU did after exits, by memory region, direction and reason: kvm_run_exit → KVM_RUN. */
export interface QemuDeviceResult {
  /** Code of the region's name; −1, NO_ACCESS, OTHERS. */
  readonly text: number;
  readonly code: number;
  readonly write: boolean;
  readonly from: readonly [low: number, high: number];
  readonly to: readonly [low: number, high: number];
  readonly pairs: number;
  readonly totalNs: number | bigint;
  readonly avgNs: number;
  readonly maxNs: number;
}

export interface QemuExitResult {
  /** kvm_run_exit events of the whole recording. */
  readonly recorded: number;
  /** Those that filters by thread and time choose. */
  readonly exits: number;
  /** false: there are filters by exit reason, level or CPU, of which QEMU knows nothing. */
  readonly selectable: boolean;
  /** Left out by a filter for threads, as the recording does not tell theirs. */
  readonly threadUnknown: number;
  /** Costliest first; null: no access to a memory region was recorded. */
  readonly devices: readonly QemuDeviceResult[] | null;
  /** Most frequent first. */
  readonly rows: readonly QemuExitRow[];
  /** kvm_run_exit that is in no row. */
  readonly unplaced: number;
  /** False: KVM_RUN calls were not recorded, so that handling times are not known. */
  readonly handlingKnown: boolean;
  /** KVM_RUN without a kvm_run_exit: interrupted by a signal (−EINTR), as the kernel's "restart". */
  readonly interruptedRuns: number;
  /** kvm_run_exit without a KVM_RUN after it, where they are recorded: its event was lost. */
  readonly exitsWithoutRun: number;
  /** Times that were discarded because QEMU dropped events around them. */
  readonly invalidated: number;
  /** Pairs whose second event was stamped first, or later than any recording lasts. */
  readonly backwards: number;
  readonly droppedEvents: number;
}

const PERCENTILES = [0.5, 0.99];

export function qemuExitResult(exits: QemuExits): QemuExitResult {
  const seconds = spanOf(exits) / 1e9;
  const slots = [...exits.slots.values()];
  const pairs = slots.flatMap((slot) => [...slot.rows.values()].map((row) => ({ slot, row })));
  pairs.sort(
    ({ row: x, slot: a }, { row: y, slot: b }) =>
      y.count - x.count || a.vcpu - b.vcpu || x.code - y.code || a.pid - b.pid || a.tid - b.tid,
  );
  const quantiles = quantilesOf(
    exits.log,
    pairs.map(({ row }) => Uint32Array.of(row.group)),
    PERCENTILES,
  );
  const sum = (value: (slot: QemuSlot) => number) => slots.reduce((total, slot) => total + value(slot), 0);
  return {
    recorded: exits.recorded,
    exits: pairs.reduce((total, { row }) => total + row.count, exits.unplaced),
    selectable: isSelectable(exits),
    threadUnknown: exits.threadUnknown,
    rows: pairs.map(({ slot, row }, i): QemuExitRow => {
      const { values, errorPct } = quantiles[i];
      return {
        pid: slot.pid < 0 ? null : slot.pid,
        tid: slot.tid < 0 ? null : slot.tid,
        vcpu: slot.vcpu,
        code: row.code,
        count: row.count,
        perSecond: seconds > 0 ? row.count / seconds : null,
        handling:
          row.pairs === 0
            ? null
            : {
                pairs: row.pairs,
                totalNs: exactValue(row.totalNs, 0),
                minNs: row.minNs,
                avgNs: mean(exactToBigInt(row.totalNs, 0), row.pairs),
                maxNs: row.maxNs,
                p50Ns: values[0],
                p99Ns: values[1],
                percentileErrorPct: errorPct,
              },
        inKvm: row.kvmPairs === 0 ? null : { pairs: row.kvmPairs, totalNs: exactValue(row.kvmNs, 0) },
      };
    }),
    devices: exits.accesses > 0 && exits.runs > 0 ? deviceResults(slots) : null,
    unplaced: exits.unplaced,
    handlingKnown: exits.runs > 0,
    interruptedRuns: sum((slot) => slot.interruptedRuns),
    exitsWithoutRun: exits.runs > 0 ? sum((slot) => slot.exitsWithoutRun) : 0,
    invalidated: sum((slot) => slot.invalidated),
    backwards: sum((slot) => slot.backwards),
    droppedEvents: exits.droppedEvents,
  };
}

/** ns between the first and the last event, within --from and --to. */
function spanOf({ hasTime, first, last, scope: { selection } }: QemuExits): number {
  if (!hasTime) return 0;
  const start =
    selection?.from && compareWords(...selection.from, first[0], first[1]) > 0 ? selection.from : first;
  const end = selection?.to && compareWords(...selection.to, last[0], last[1]) < 0 ? selection.to : last;
  return diffWords(end[0], end[1], start[0], start[1]);
}

function isSelectable({ scope: { selection } }: QemuExits): boolean {
  return (
    selection === null ||
    [selection.cpus, selection.reasons, selection.excludes, selection.levels].every(
      (filter) => filter === null,
    )
  );
}

function deviceResults(slots: readonly QemuSlot[]): QemuDeviceResult[] {
  const all: QemuDevices = new Map();
  for (const { devices } of slots) mergeDevices(all, devices);
  return [...all.values()]
    .map(({ text, code, write, from, to, pairs, totalNs, maxNs }: QemuDeviceRow): QemuDeviceResult => {
      const avgNs = mean(exactToBigInt(totalNs, 0), pairs);
      return {
        ...{ text, code, write, from: [from[0], from[1]], to: [to[0], to[1]] },
        ...{ pairs, totalNs: exactValue(totalNs, 0), avgNs, maxNs },
      };
    })
    .sort(
      (a, b) =>
        Number(b.totalNs) - Number(a.totalNs) ||
        b.pairs - a.pairs ||
        a.text - b.text ||
        a.from[1] - b.from[1] ||
        a.from[0] - b.from[0] ||
        a.code - b.code ||
        Number(a.write) - Number(b.write),
    );
}
