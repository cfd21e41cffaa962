/** One line of a reason table. */
export interface ReasonRow {
  readonly code: number;
  /** The kernel's own spelling; where it has none, the macro without its prefix or another tool's name. */
  readonly name: string;
  /** What libtraceevent's plugin (trace-cmd report, perf script) prints, if that differs. */
  readonly printed?: string;
  /** Further spellings in tools and headers that users type. */
  readonly aliases?: readonly string[];
}

/** An exit reason as the `isa` and `code` columns of an EventBatch hold it (src/core/isa-codes.ts). */
export interface Reason {
  readonly isa: number;
  readonly code: number;
}

export interface NamedReason extends Reason {
  readonly name: string;
}
