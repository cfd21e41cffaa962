/** What every parser is to the rest of the program: one entry of the registry (registry.ts). */
import type { Arena } from '../core/arena.ts';
import type { EventBatch } from '../core/event-batch.ts';
import type { TraceContext } from '../core/trace-context.ts';
import type { ByteSource } from './byte-source.ts';

/** Bytes at the start of the input that sniff() gets (fewer if the input is shorter). */
export const SNIFF_BYTES = 16384;

export interface Verdict {
  /** 0: not this format; 1: could be (weak evidence); 2: looks like it; 3: certain (magic number). */
  readonly confidence: 0 | 1 | 2 | 3;
  /** Why, in a few words; shown to the user when no format matches. */
  readonly reason: string;
}

export interface ParseOptions {
  /** Text of a QEMU trace-events-all file, for simpletrace arguments. */
  readonly traceEvents?: string;
  /**
   * The consumer reads only what analyses of exits need: time, cpu, tid, pid, vcpu, event, isa, code, address and
   * arg0. Parsers may leave info1, info2, intrInfo, errorCode and arg1 unset (and their F_* bits clear).
   */
  readonly coreOnly?: boolean;
  /**
   * Where the parser gets batches from, one for each that it yields, so that a consumer may keep one while the next
   * is filled. `text` is −1 throughout when it comes. Parsers may ignore it and reuse a batch of their own.
   */
  readonly nextBatch?: () => EventBatch;
  /** Where those batches lie: kernels can fill them if the rest of what they need lies there as well. */
  readonly arena?: Arena;
  /** Only these blocks (TraceFormat.blocks): what is counted for the file as a whole goes with the first. */
  readonly blocks?: BlockRange;
  /** Called now and then with the bytes consumed so far. */
  readonly onProgress?: (bytes: number) => void;
}

/** Blocks [from, to) of a file. */
export interface BlockRange {
  readonly from: number;
  readonly to: number;
}

export interface TraceFormat {
  /** Stable identifier: `perf.data`, `ftrace-text`, `trace.dat` … */
  readonly id: string;
  readonly title: string;
  /** `random`: the parser reads back and forth, so a pipe is spooled to a temporary file first. */
  readonly access: 'sequential' | 'random';
  /** Written by QEMU, not by the kernel: on a clock of its own, without the kernel's events. */
  readonly ofQemu?: boolean;
  /** Exits can have reasons by a printed name that no table has (ISA_NAMED). */
  readonly namesReasons?: boolean;
  /** Its rows are made by kernels: what TypeScript there is between them hardly gains by being optimised. */
  readonly kernels?: boolean;
  sniff(head: Uint8Array, name: string): Verdict;
  /**
   * About how many times as much the events are as the file, given its start; 1 if absent. More for files that are
   * compressed inside: tells what is worth a second thread.
   */
  expansion?(head: Uint8Array): number;
  /**
   * Number of the blocks, of about the same size, that a file consists of, each later than the one before: threads may
   * parse some each. 0 if this one has to be read from its start; absent for formats without.
   */
  blocks?(source: ByteSource): number;
  /**
   * Yields the events in time order (equal times: recording order of a CPU kept) and fills `context`. A yielded
   * batch belongs to the consumer only until the next one is asked for. Text without a sound order is put in
   * order within a window; what arrives too late is counted in the diagnostics.
   * @throws TraceFormatError when nothing can be read; damage after that is counted and parsing goes on or ends.
   */
  parse(source: ByteSource, context: TraceContext, options: ParseOptions): Generator<EventBatch, void, void>;
}
