/**
 * A pass: one analysis as a pure accumulator over events, exits or both. Passes run side by side over the same
 * batches, possibly in a worker thread, and merge, so that chunks, captures and hosts can be combined.
 */
import type { Arena } from '../core/arena.ts';
import type { EventBatch } from '../core/event-batch.ts';
import type { ThreadTable } from '../core/thread-table.ts';
import type { ExitBatch } from './exit-batch.ts';
import type { Selection } from './selection.ts';

/** What of the report's filters a pass over events has to look at itself (exits come with `selected`). */
export interface PassScope {
  /** null: everything. */
  readonly selection: Selection | null;
  /** Known when the selection or grouping needs processes or vCPUs that events do not carry. */
  readonly threads: ThreadTable | null;
  /**
   * Of a part that does not begin with the recording: when that began (word pair). Such a part also remembers what an
   * earlier one may have left open, until it knows that it has ended; absent: the recording begins with this part.
   */
  readonly recordingStart?: readonly [number, number];
}

export const EVERYTHING: PassScope = { selection: null, threads: null };

export interface Pass<Options, State, Result> {
  /** Name in the registry (passes.ts). */
  readonly name: string;
  /** Whether it reads columns beyond ParseOptions.coreOnly (info1, info2, intrInfo, errorCode, arg1). */
  readonly allColumns: boolean;
  /** Whether there is anything to do in a recording of these events; absent: always. Asked when they are known. */
  readonly wants?: (enabledEvents: ReadonlySet<string>) => boolean;
  /** false: parts of a recording, put together, may give another result than one pass, or write in another order. */
  readonly inParts?: false;
  /** Without scope: everything. `arena`: where batches lie that kernels can work on; null: no kernel is used. */
  create(options: Options, scope?: PassScope, arena?: Arena | null): State;
  /** Every event in order of time, before the exits that it decides. */
  readonly events?: (state: State, batch: EventBatch) => void;
  /** Decided exits; `selected[row]` 0 leaves a row out, null: all are selected. */
  readonly exits?: (state: State, batch: ExitBatch, selected: Uint8Array | null) => void;
  /**
   * Adds `other`, which saw what came next with the same options and was created as a later part (scope). `state` has
   * seen everything from the recording's beginning on. `other` must not be used afterwards.
   */
  readonly merge: (state: State, other: State) => void;
  /** The state as plain data, for another thread: it will be merged, and may get exits, but none by a kernel. Absent: it is. */
  readonly plain?: (state: State) => State;
  /**
   * Plain data (numbers, strings, typed arrays, BigInts): it may be sent between threads. To be called once.
   * `numbers`: vCPUs of threads as pairing came to know them, from more events than a pass looks at.
   */
  readonly result: (state: State, numbers?: VcpuNumbers) => Result;
}

/** vCPU number by tid, −1 or nothing where no event told it. */
export type VcpuNumbers = ReadonlyMap<number, number>;

/** A pass and its options by name: what can be sent to a worker. */
export interface PassRequest {
  readonly name: string;
  readonly options: unknown;
  /** Nobody asked for it: it may be left out of recordings in which it has nothing to do (Pass.wants). */
  readonly optional?: boolean;
}

// biome-ignore lint/suspicious/noExplicitAny: options, state and result differ from pass to pass
export type AnyPass = Pass<any, any, any>;
