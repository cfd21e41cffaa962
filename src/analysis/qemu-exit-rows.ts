/** State of qemu-exits.ts: a vCPU of a QEMU process and its exits by reason. */
import { mergeExact } from './exact-sum.ts';
import { createAccess, type QemuAccess, type QemuDevices } from './qemu-devices.ts';

/** Exits of one vCPU with one reason. Sums are pairs of exact-sum.ts. */
export interface QemuRow {
  readonly code: number;
  count: number;
  /** kvm_run_exit → KVM_RUN. */
  pairs: number;
  readonly totalNs: Float64Array;
  minNs: number;
  maxNs: number;
  /** KVM_RUN → kvm_run_exit. */
  kvmPairs: number;
  readonly kvmNs: Float64Array;
  /** Group of the latency log; a new one when the times are discarded. */
  group: number;
}

export interface QemuSlot {
  readonly pid: number;
  /** Where one of its events told it, else −1. */
  tid: number;
  readonly vcpu: number;
  readonly rows: Map<number, QemuRow>;
  /** The row of the last exit, which the next often has too. */
  recent: QemuRow | null;
  /** The last event (0 none, 1 kvm_run_exit, 2 KVM_RUN), its time words and, of an exit, its row. */
  last: number;
  lastLow: number;
  lastHigh: number;
  lastRow: QemuRow | null;
  /** Whether filters choose it. */
  lastChosen: boolean;
  /** The first event likewise, for merging with what came before. */
  head: number;
  headLow: number;
  headHigh: number;
  headRow: QemuRow | null;
  headChosen: boolean;
  /** What the last event, if it is an exit, was about; and the access before the first event, for merging. */
  readonly access: QemuAccess;
  readonly headAccess: QemuAccess;
  readonly devices: QemuDevices;
  /** Events were dropped before the first: it makes no pair with what came before. */
  headBlocked: boolean;
  interruptedRuns: number;
  exitsWithoutRun: number;
  backwards: number;
  invalidated: number;
}

export function createQemuRow(code: number, group: number): QemuRow {
  return {
    code,
    count: 0,
    pairs: 0,
    totalNs: new Float64Array(2),
    minNs: Number.POSITIVE_INFINITY,
    maxNs: 0,
    kvmPairs: 0,
    kvmNs: new Float64Array(2),
    group,
  };
}

export function createSlot(pid: number, tid: number, vcpu: number): QemuSlot {
  return {
    pid,
    tid,
    vcpu,
    rows: new Map(),
    recent: null,
    last: 0,
    lastLow: 0,
    lastHigh: 0,
    lastRow: null,
    lastChosen: false,
    head: 0,
    headLow: 0,
    headHigh: 0,
    headRow: null,
    headChosen: false,
    access: createAccess(),
    headAccess: createAccess(),
    devices: new Map(),
    headBlocked: false,
    interruptedRuns: 0,
    exitsWithoutRun: 0,
    backwards: 0,
    invalidated: 0,
  };
}

/** Takes all times of the vCPU back: events may be missing between them. Counts stay. */
export function discardTimes(slot: QemuSlot, newGroup: () => number): void {
  slot.devices.clear();
  for (const row of slot.rows.values()) {
    if (row.pairs === 0 && row.kvmPairs === 0) continue;
    slot.invalidated += row.pairs + row.kvmPairs;
    row.pairs = 0;
    row.kvmPairs = 0;
    row.totalNs.fill(0);
    row.kvmNs.fill(0);
    row.minNs = Number.POSITIVE_INFINITY;
    row.maxNs = 0;
    row.group = newGroup();
  }
}

/** Adds the other row's counts and times. */
export function mergeRow(row: QemuRow, other: QemuRow): void {
  row.count += other.count;
  row.pairs += other.pairs;
  row.kvmPairs += other.kvmPairs;
  mergeExact(row.totalNs, 0, other.totalNs, 0);
  mergeExact(row.kvmNs, 0, other.kvmNs, 0);
  row.minNs = Math.min(row.minNs, other.minNs);
  row.maxNs = Math.max(row.maxNs, other.maxNs);
}
