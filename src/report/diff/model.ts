/**
 * The model of `kvmtrace diff`: two recordings and what changed from the one to the other, as plain data (docs/diff.md).
 * Names are those of the report's JSON. Times are ns unless the name says otherwise; null: not known.
 */
import type { CaptureModel, Exact, ReproduceModel, SelectionModel } from '../model.ts';

/**
 * `higher` and `lower`: the interval of the change leaves out "no change". `noise`: it does not. `unknown`: one of the
 * recordings lacks the figure, or is too short or has too few exits to tell how far it scatters.
 */
export type ChangeVerdict = 'higher' | 'lower' | 'noise' | 'unknown';

export interface DiffFigure {
  before: number | null;
  after: number | null;
  /** after − before. */
  change: number | null;
  /** Of before; null where that is 0. */
  changePct: number | null;
  /** Interval of `change`. */
  low: number | null;
  high: number | null;
  verdict: ChangeVerdict;
}

/** What costs and rates are per: units of work that each recording saw done; null: a second of vCPU time. */
export interface DiffWork {
  before: number;
  after: number;
}

/** The report's own numbers of one reason in one recording. */
export interface DiffCounts {
  exits: number;
  paired: number;
  totalNs: Exact | null;
  escalated: number | null;
}

export interface DiffFigures {
  before: DiffCounts;
  after: DiffCounts;
  /** ns in exits per second of vCPU time (or unit of work): what the table is sorted by. */
  costNs: DiffFigure;
  /** Exits per second of vCPU time (or unit of work), and per second in the guest. */
  rate: DiffFigure;
  guestRate: DiffFigure;
  p50Ns: DiffFigure;
  p90Ns: DiffFigure;
  p99Ns: DiffFigure;
  /** Share of exits that went to user space, 0–1. */
  escalation: DiffFigure;
}

export interface DiffReasonModel extends DiffFigures {
  isa: string;
  code: number | null;
  name: string;
  idle: boolean;
}

export interface DiffUserspaceModel {
  code: number;
  name: string;
  before: number;
  after: number;
  /** Escalations per second of vCPU time (or unit of work). */
  rate: DiffFigure;
}

export interface DiffQemuModel {
  code: number;
  name: string;
  /** Returns of KVM_RUN to QEMU; `totalNs`: QEMU's time for those that it is known of, null where events are missing. */
  before: { count: number; totalNs: Exact | null };
  after: { count: number; totalNs: Exact | null };
  /** QEMU's time (ns), and returns, per second of vCPU time (or unit of work). */
  costNs: DiffFigure;
  rate: DiffFigure;
}

export interface DiffSideModel {
  capture: CaptureModel;
  /** The report's verdict on its data. */
  trust: { ok: boolean; reasons: string[] };
  /** vCPU threads; where only QEMU was recorded, vCPUs that returned to it. */
  vcpus: number;
  /** Recorded (or selected) time. */
  wallNs: number | null;
  /** wallNs × vCPU threads. */
  vcpuNs: number | null;
  /** Entry → exit, all vCPU threads together. */
  guestNs: number | null;
  slices: number;
}

export interface DiffModel {
  schema: 'kvmtrace.diff';
  schemaVersion: 1;
  tool: { name: 'kvmtrace'; version: string };
  before: DiffSideModel;
  after: DiffSideModel;
  selection: SelectionModel | null;
  work: DiffWork | null;
  method: {
    /** All intervals together hold with this confidence (Bonferroni). */
    confidencePct: number;
    /** Figures compared. */
    figures: number;
    replicates: number;
  };
  /** Without idle exits. */
  busyTotals: DiffFigures;
  totals: DiffFigures;
  /** By size of the change of cost, idle reasons last. */
  reasons: DiffReasonModel[];
  /** Escalations by KVM_EXIT reason; [] where either recording cannot tell. */
  userspace: DiffUserspaceModel[];
  /** QEMU's own word (kvm_run_exit) by KVM_EXIT reason; [] where either recording has none. */
  qemu: DiffQemuModel[];
  notes: string[];
  /** Where a chosen format shows it. */
  reproduce?: ReproduceModel;
}
