/** What makes a text format: everything of its lines but `EVENT: TEXT`, which all of them share. */
import type { HeadShape } from './line-heads.ts';
import type { LinePrefix } from './line-prefix.ts';
import type { LineReader } from './line-reader.ts';
import type { LineState } from './line-state.ts';

/** A kind of line that cannot be read for a known reason. */
export interface Oddity {
  /** Code of its counter. */
  readonly code: string;
  /** `lines in latency-format` */
  readonly what: string;
  readonly missing: string;
  readonly hint: string;
}

export interface LineDialect {
  /** Format id, for errors. */
  readonly format: string;
  /**
   * Reads the columns before the event in the line [start, end); returns the position of `EVENT: TEXT`, −1 if the
   * line has no such columns.
   */
  readonly parsePrefix: (prefix: LinePrefix, buf: Uint8Array, start: number, end: number) => number;
  /** How lines that begin like an earlier one are told; null: every line is read by parsePrefix(). */
  readonly head: HeadShape | null;
  /** Takes a line that the format has besides events (header, side-band record); false if it is none. */
  readonly takeOwnLine: (state: LineState, reader: LineReader, start: number, end: number) => boolean;
  readonly oddityAt: (buf: Uint8Array, start: number, end: number) => Oddity | null;
  /**
   * Printed by libtraceevent, which takes the errno of kvm_userspace_exit for unsigned: a KVM_RUN that failed looks
   * like one that succeeded, with whatever reason was left in the record.
   */
  readonly errnoLost: boolean;
  /** Lines can begin with the name of a file or instance, before COMM's columns. */
  readonly origins: boolean;
  /** Whether the times at the beginning of the input are those since the line before. Absent: they never are. */
  readonly hasDeltaTimes?: (prefix: LinePrefix, buf: Uint8Array, start: number, end: number) => boolean;
}
