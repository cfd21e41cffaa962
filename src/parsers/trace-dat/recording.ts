/** What a trace.dat says before its first event: formats, options, and where each CPU's pages are. */
import type { FormatTexts } from './event-formats.ts';
import type { PageLayout } from './page-layout.ts';

/** One CPU's part of a buffer. */
export interface CpuData {
  readonly cpu: number;
  readonly offset: number;
  /** Bytes as the file states them; of compressed data 4 less than there are (the chunk count is not in it). */
  readonly size: number;
}

/** A ring buffer: the top one (name '') or an instance's. */
export interface TraceBuffer {
  readonly name: string;
  readonly clock: string | null;
  /** Bytes of a sub-buffer ("page"). */
  readonly pageSize: number;
  readonly compressed: boolean;
  readonly cpus: CpuData[];
}

/** The text of a latency tracer's `trace` file in place of pages. */
export interface TraceText {
  readonly name: string;
  readonly offset: number;
  readonly size: number;
  readonly compressed: boolean;
}

/** per_cpu/cpuN/stats when the recording stopped; null where the text did not say. */
export interface CpuCounters {
  readonly buffer: string;
  readonly cpu: number;
  /** Events left in the kernel's buffer and read from it: all that the file should hold. */
  readonly recorded: number | null;
  /** Events lost: overwritten before they were read, refused by a full buffer, or too many at once. */
  readonly overrun: number;
  readonly dropped: number;
  readonly commitOverrun: number;
}

export interface Guest {
  readonly name: string;
  readonly vcpus: readonly { readonly vcpu: number; readonly tid: number }[];
}

/** One measurement of the clock difference between guest and host (option TIME_SHIFT). */
export interface ShiftSample {
  readonly time: bigint;
  readonly offset: bigint;
  readonly scaling: bigint;
  fraction: bigint;
}

export interface TimeShift {
  readonly interpolate: boolean;
  /** By CPU, in time order. */
  readonly cpus: ShiftSample[][];
}

export interface RecordingOptions {
  /** Sum of DATE and OFFSET in ns, which trace-cmd report adds to every time; null if there is neither. */
  offsetNs: bigint | null;
  hasDate: boolean;
  /** Selected clock of TRACECLOCK. */
  clock: string | null;
  uname: string | null;
  recorder: string | null;
  cpuCount: number | null;
  counters: CpuCounters[];
  /** Buffer that the next CPUSTAT option speaks of. */
  countersOf: string;
  guests: Guest[];
  timeShift: TimeShift | null;
  tscToNs: { readonly mult: number; readonly shift: number } | null;
  /** Names of processes by PROCMAPS. */
  processes: Map<number, string>;
  /** JSON that kvmtrace's recorder adds (recorder-notes.ts), in the file's order. */
  readonly recorderNotes: Readonly<Record<string, unknown>>[];
}

/** Most buffers that are read: each kind of event is noted per buffer. */
export const MAX_BUFFERS = 512;
export const TOO_MANY_BUFFERS = `buffers beyond the first ${MAX_BUFFERS} were left out`;
/** Entries of CPUs in all tables together. */
export const MAX_ENTRIES = 1 << 22;
/** Bytes of sections that are read before the events, plain ones of those that are compressed as well. */
export const MAX_SECTION_BYTES = 512 << 20;

export interface Recording {
  readonly version: 6 | 7;
  readonly little: boolean;
  /** `none`, `zlib`, `zstd` … ('none' in version 6). */
  readonly compression: string;
  /** Page size of the traced host, which is also the sub-buffer size of version 6. */
  readonly pageSize: number;
  layout: PageLayout;
  readonly formats: FormatTexts;
  readonly options: RecordingOptions;
  readonly buffers: TraceBuffer[];
  readonly texts: TraceText[];
  /** What may still be read of tables and sections: parts of a damaged file may lie in each other. */
  entriesLeft: number;
  sectionBytesLeft: number;
  /** End of the last part of the file that was met: tables, sections, pages as stated; more may belong to it. */
  end: number;
}

/** Takes note that bytes before `end` belong to the recording. */
export function reaches(recording: Recording, end: number): void {
  if (end > recording.end) recording.end = end;
}
