/**
 * The report model: everything that a report shows, as plain data. Renderers turn it into text, Markdown, JSON
 * or CSV and compute nothing; the JSON renderer writes these keys as they are (docs/json.md).
 *
 * Integers are ns unless the name says otherwise. A value that is not known is null, never 0. Absolute times are
 * BigInt (clocks like TAI exceed 2^53 ns), sums are a number while that is exact and a BigInt beyond.
 */

import type { AdviceModel } from './advice/rule.ts';
import type { ContextModel } from './build-context.ts';
import type { DetailModel } from './build-detail.ts';
import type { DevicesModel } from './build-devices.ts';
import type { HaltPollingModel } from './build-halt-polling.ts';
import type { HeatmapModel } from './build-heatmap.ts';
import type { HotspotsModel } from './build-hotspots.ts';
import type { IntervalsModel } from './build-intervals.ts';
import type { LedgerModel } from './build-ledger.ts';
import type { NestedModel } from './build-nested.ts';
import type { QemuModel } from './build-qemu.ts';
import type { StormsModel } from './build-storms.ts';

/** Exact integer: a BigInt where a double could not hold it. */
export type Exact = number | bigint;

export interface ReportModel {
  schema: 'kvmtrace.report';
  schemaVersion: 1;
  tool: { name: 'kvmtrace'; version: string };
  capture: CaptureModel;
  /** What --pid, --reason … select; null when the whole capture is reported. */
  selection: SelectionModel | null;
  quality: QualityModel;
  vcpus: VcpuModel[];
  /** Grouping keys of `reasons` (--by), [] by default. */
  by: GroupKey[];
  reasons: ReasonModel[];
  /** All reported exits together. */
  totals: TotalModel;
  /** The same without idle exits (HLT, WFx …): what thresholds look at. */
  busyTotals: TotalModel;
  escalation: EscalationModel;
  slow: SlowModel[];
  /** What the slow list holds: its threshold in ns (strict), whether idle exits are in, how many qualified (null: times are not known). */
  slowSelection: { thanNs: number; includesIdle: boolean; qualified: number | null; limit: number };
  /** Sentences that the reader must know beside the numbers: nesting not recorded, escalation unknown … */
  notes: string[];
  /** Sections (sections.ts): there when their passes ran. */
  detail?: DetailModel;
  devices?: DevicesModel;
  /** Present when the capture has QEMU's kvm_run_exit. */
  /** null: the filters choose by what QEMU does not know. */
  qemu?: QemuModel | null;
  hotspots?: HotspotsModel;
  context?: ContextModel;
  ledger?: LedgerModel;
  haltPolling?: HaltPollingModel;
  nested?: NestedModel;
  intervals?: IntervalsModel;
  storms?: StormsModel;
  heatmap?: HeatmapModel;
  /** The report in another tool's layout (--view), as text. */
  view?: { name: string; tool: string; text: string };
  /** Findings with what is known to help (advice/), the costliest first. */
  advice?: AdviceModel[];
  /** What the numbers say in words (build-verdict.ts). */
  verdict?: VerdictModel;
  /** How to get this report again; only in reports that hold it (HTML). */
  reproduce?: ReproduceModel;
}

export type GroupKey = 'vm' | 'vcpu' | 'tid' | 'cpu' | 'level' | 'reason';

export interface CaptureModel {
  sources: { path: string; format: string; bytes: number | null; sha256?: string }[];
  arch: string | null;
  isa: string[];
  kernel: string | null;
  host: string | null;
  cpuModel: string | null;
  clock: string | null;
  /** False: the clock has no known unit and every duration is null. */
  timeIsNs: boolean;
  /** Resolution of the recorded timestamps: 1 for binary formats, 1000 for most text. */
  timeResolutionNs: number;
  firstNs: bigint | null;
  lastNs: bigint | null;
  durationNs: Exact | null;
  /** Count of every recorded event, most frequent first. */
  events: Record<string, number>;
  /**
   * `events` adds up the losses that say how many events they cost (null: none does), `uncountedRegions` is how many
   * do not. `affectedNs` is the sum of the gaps over all CPUs (null: the clock has no unit), `affectedPct` its
   * share of CPU time.
   */
  lost: {
    events: number | null;
    regions: number;
    uncountedRegions: number;
    affectedNs: Exact | null;
    affectedPct: number;
  };
  /** Facts that the file states about the recording: recorder, command line … */
  facts: Record<string, string>;
}

export interface SelectionModel {
  /** In words, one entry per filter: `tid 139`, `reason not hlt`. */
  filters: string[];
  /** The kind of each of them. */
  kinds: FilterKind[];
}

/** What a filter chooses by; `time`: --from and --to, `reason`: --reason and --exclude. */
export type FilterKind = 'pid' | 'tid' | 'vcpu' | 'cpu' | 'reason' | 'level' | 'time';

export interface QualityModel {
  exits: number;
  entries: number;
  paired: number;
  exitWithoutEntry: number;
  entryWithoutExit: number;
  openAtEnd: number;
  invalidatedByLoss: number;
  /** Pairs whose entry was stamped before its exit (unsynchronised clocks); their latency counts as 0. */
  negativeLatency: number;
  warnings: WarningModel[];
}

export interface WarningModel {
  code: string;
  severity: 'info' | 'suspect' | 'data-loss';
  message: string;
  count: number;
}

export interface VcpuModel {
  pid: number | null;
  tid: number;
  comm: string | null;
  vcpu: number | null;
  vm: string | null;
  exits: number;
  paired: number;
  totalNs: Exact | null;
  /** Part of totalNs in idle exits (HLT, WFx, MWAIT …). */
  idleNs: Exact | null;
}

/** Which exits a row is about. Grouping values are present with --by. */
export interface GroupModel {
  pid?: number | null;
  tid?: number | null;
  vcpu?: number | null;
  cpu?: number | null;
  level?: string;
  isa: string;
  /** Number as recorded; null where the exit has none (arm64 exits that are no TRAP). */
  code: number | null;
  name: string;
  /** True where the time is mostly the guest's own idling (HLT, WFx). */
  idle: boolean;
}

export interface ReasonModel extends GroupModel {
  vm?: string | null;
  exits: number;
  paired: number;
  totalNs: Exact | null;
  minNs: number | null;
  avgNs: number | null;
  maxNs: number | null;
  stddevNs: number | null;
  /** Relative standard error of the mean in percent, as perf kvm stat prints it. */
  stderrPct: number | null;
  p50Ns: number | null;
  p90Ns: number | null;
  p99Ns: number | null;
  p999Ns: number | null;
  /** Largest relative error of the percentiles in percent: 0 when exact. */
  percentileErrorPct: number;
  exitsPct: number;
  timePct: number | null;
  guestKernelTimePct: number | null;
  /** Exits that went to user space; null when the capture cannot tell. */
  escalated: number | null;
  restarts: number | null;
  levels: { L1: number; L2: number; 'L2-reflected': number };
  histogram: { loNs: number; hiNs: number; count: number }[];
}

export type TotalModel = Pick<
  ReasonModel,
  | 'exits'
  | 'paired'
  | 'totalNs'
  | 'minNs'
  | 'avgNs'
  | 'maxNs'
  | 'p50Ns'
  | 'p90Ns'
  | 'p99Ns'
  | 'p999Ns'
  | 'percentileErrorPct'
  | 'exitsPct'
  | 'timePct'
  | 'escalated'
  | 'restarts'
>;

export interface EscalationModel {
  /** False: the capture never enabled kvm_userspace_exit and holds no QEMU data, or no exit has a thread. Then all numbers are null. */
  known: boolean;
  /** Why it is not known, a sentence; null where it is. */
  unknownBecause: string | null;
  /** The same in a word: the events were not recorded, or they cannot be joined with exits. */
  gap: 'not-recorded' | 'not-joined' | null;
  exits: number | null;
  escalated: number | null;
  ratio: number | null;
  restarts: number | null;
  errors: number | null;
  kernelNs: Exact | null;
  userspaceNs: Exact | null;
  byReason: {
    isa: string;
    code: number | null;
    name: string;
    exits: number;
    escalated: number;
    ratio: number;
    kernelNs: Exact | null;
    userspaceNs: Exact | null;
  }[];
  byUserspaceReason: { code: number; name: string; count: number; userspaceNs: Exact | null }[];
}

export interface SlowModel {
  exitNs: bigint;
  entryNs: bigint;
  latencyNs: number;
  pid: number | null;
  tid: number;
  vcpu: number | null;
  comm: string | null;
  exitCpu: number | null;
  entryCpu: number | null;
  isa: string;
  code: number | null;
  name: string;
  level: string;
  rip: string | null;
  /** null when the capture cannot tell. */
  escalated: boolean | null;
  userspaceReason: string | null;
}

export interface VerdictModel {
  /** null where the recorded time or the clock does not allow it. */
  headline: {
    exitsPerSecond: number | null;
    /** Time of paired exits that are not idle, and its share of threads × recorded time. */
    busyNs: Exact | null;
    busyPct: number | null;
    escalatedPct: number | null;
  };
  /** Where the time goes: sentences of our own words and names of reasons. */
  summary: string[];
  /** The costliest reasons without idle ones, at most three, the costliest first. */
  findings: { title: string; text: string; exits: number; totalNs: Exact | null }[];
}

export interface ReproduceModel {
  /** Arguments of the program as they were given. */
  command: string[];
  /** Versions of what made the report: kvmtrace, Node.js. */
  versions: Record<string, string>;
  /** The inputs as given; null where a file could not be read again (standard input). */
  inputs: { path: string; sha256: string | null }[];
}
