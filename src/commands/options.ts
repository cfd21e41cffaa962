/** What the command line asks of the pipeline (pipeline.ts), as plain data: parsed, checked, ready to use. */
import type { PassRequest } from '../analysis/pass.ts';
import type { KeptStreams } from '../parsers/spool.ts';
import type { DiffModel, DiffWork } from '../report/diff/model.ts';
import type { Filter } from '../report/filters.ts';
import type { InfoModel } from '../report/info-model.ts';
import type { CaptureModel, GroupKey, ReportModel, WarningModel } from '../report/model.ts';
import type { ViewRequest } from '../report/views/view.ts';

/** A moment of the capture: ns after its first event, before its last one, or on its clock, as other tools print times. */
export interface TimeBound {
  readonly ns: bigint;
  readonly origin: 'start' | 'end' | 'clock';
}

/** An exit reason: ISA code (core/isa-codes.ts) and number as the `code` column holds it. */
export interface ReasonSelector {
  readonly isa: number;
  readonly code: number;
}

/** A name that no table of reasons has; some recordings have reasons by their printed name only. */
export interface UnknownReason {
  readonly name: string;
  /** The option that it was given to. */
  readonly option: '--reason' | '--exclude' | '--fail-on';
}

/** How a long run talks to the terminal. All of it may be absent (tests, library use). */
export interface PipelineHooks {
  /** Bytes read so far of all inputs together, and their total if it is known. */
  readonly onProgress?: (doneBytes: number, totalBytes: number | null) => void;
  /**
   * To be called after each batch: gives a promise now and then (about ten times a second), undefined else. The
   * run must await it: only then does the process see Ctrl-C and remove its unfinished output.
   */
  readonly pause?: () => Promise<void> | undefined;
}

export interface ReadOptions extends PipelineHooks {
  /** Threads to use at most (--jobs); results do not depend on it. */
  readonly jobs?: number;
  /** Text of QEMU's trace-events-all (--trace-events), for simpletrace arguments. */
  readonly traceEvents: string | null;
  /** Pipes among the inputs that were read already. */
  readonly kept?: KeptStreams | null;
}

/** Which exits an analysis looks at. null: no such filter. Several filters all have to hold. */
export interface Filters {
  readonly pids: readonly number[] | null;
  readonly tids: readonly number[] | null;
  readonly vcpus: readonly number[] | null;
  /** CPUs on which the exit was recorded. */
  readonly cpus: readonly number[] | null;
  /** Only these reasons; one number may stand for several ISAs. */
  readonly reasons: readonly ReasonSelector[] | null;
  /** All but these. */
  readonly excludes: readonly ReasonSelector[] | null;
  /** LEVEL_* of analysis/exit-batch.ts. */
  readonly levels: readonly number[] | null;
  /** Exits from this moment on (inclusive) and before that one (exclusive). */
  readonly from: TimeBound | null;
  readonly to: TimeBound | null;
  /** The filters in words, one entry each, for the report's selection. */
  readonly words: readonly Filter[];
}

export interface ReportOptions extends ReadOptions {
  /** Further passes to run, by name (analysis/passes.ts). */
  readonly passes?: readonly PassRequest[];
  /** Sections asked for by id (report/sections.ts). */
  readonly sections?: readonly string[];
  /** The report in another tool's layout (--view). */
  readonly view?: ViewRequest;
  /** Length of intervals over time, ns (--interval); null: follows from the recording's length. */
  readonly intervalNs?: number | null;
  /** Text of a guest's System.map or kallsyms (--guest-symbols). */
  readonly guestSymbols?: string | null;
  readonly filters: Filters;
  /** Names that the recording must have, of --reason and --exclude to select by, of --fail-on to speak of. */
  readonly unknownReasons?: readonly UnknownReason[];
  readonly by: readonly GroupKey[];
  /** Slow list: exits longer than this (strict), ns. */
  readonly thanNs: number;
  /** Slow list: at most so many, the longest first. */
  readonly slowLimit: number;
  /** Slow list: idle exits (HLT, WFx …) too. */
  readonly includeIdle: boolean;
}

export interface ConvertSummary {
  /** Events written. */
  readonly events: number;
  /** Bytes of the capture. */
  readonly bytes: number;
  readonly durationNs: number | bigint | null;
  readonly lost: Pick<CaptureModel['lost'], 'events' | 'regions' | 'uncountedRegions'>;
  readonly warnings: readonly WarningModel[];
}

/**
 * What pipeline.ts exports. Inputs are as the user named them, `-` is standard input. An error about one input
 * carries its name as `path`, as Node's own file errors do.
 */
export interface Pipeline {
  runReport(inputs: readonly string[], options: ReportOptions): Promise<ReportModel>;
  runInfo(input: string, options: ReadOptions): Promise<InfoModel>;
  /**
   * What changed from one recording to another, costs and rates per unit of `work`, or per second (null). `by`, `passes`
   * and `sections` of the options are not used.
   */
  runDiff(before: string, after: string, options: ReportOptions, work: DiffWork | null): Promise<DiffModel>;
  /**
   * Writes the capture to the file `output` (its name, or open), which exists and is empty; the caller renames or removes it.
   */
  runConvert(
    inputs: readonly string[],
    output: string | number,
    options: ReadOptions,
  ): Promise<ConvertSummary>;
}
