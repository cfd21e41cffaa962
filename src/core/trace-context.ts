/**
 * What a parser learns about a recording besides its events, filled while it reads: the frame that the event
 * rows refer to (dictionaries, threads) and the facts about host and recording.
 */
import { createDiagnostics, type Diagnostics } from './diagnostics.ts';
import { createEventDictionary, type EventDictionary } from './events.ts';
import { createStringTable, type StringTable } from './string-table.ts';
import { createThreadTable, type ThreadTable } from './thread-table.ts';

export interface SourceInfo {
  readonly path: string;
  /** Format id of the parser registry. */
  readonly format: string;
  /** Size in bytes as stored; null for a pipe that was not spooled. */
  bytes: number | null;
  /** Hex SHA-256 of the stored bytes, when it was computed. */
  sha256?: string;
}

export interface TraceContext {
  readonly sources: SourceInfo[];
  readonly events: EventDictionary;
  readonly threads: ThreadTable;
  readonly strings: StringTable;
  readonly diagnostics: Diagnostics;
  /** Machine of the recording host: x86_64, aarch64 …; null if the file does not say. */
  arch: string | null;
  /** Kernel release of the recording host. */
  kernel: string | null;
  host: string | null;
  /** CPU model text of the recording host. */
  cpuModel: string | null;
  /** Clock of the timestamps by ftrace's name: local, global, perf, mono, mono_raw, boot, tai, x86-tsc, counter … */
  clock: string | null;
  /** False where timestamps have no known unit (clock counter, uncalibrated x86-tsc): no durations then. */
  timeIsNs: boolean;
  /** Resolution of the recorded timestamps in ns: 1, or 1000 for most text. */
  timeResolutionNs: number;
  /** ISA code of exits whose record does not say (old kernels), from the host's CPU vendor. */
  defaultIsa: number;
  /** Under which event name the recording has user space's markers: tracing_mark_write, or print in binary files. */
  markerName: string;
  /** Event names that the recording had switched on, null if the format does not tell. */
  enabledEvents: Set<string> | null;
  /** Command line that made the recording, version of the recorder … as `key: value` facts for `info`. */
  readonly facts: Map<string, string>;
}

export function createTraceContext(): TraceContext {
  const diagnostics = createDiagnostics();
  return {
    sources: [],
    events: createEventDictionary(),
    threads: createThreadTable(diagnostics),
    strings: createStringTable(),
    diagnostics,
    arch: null,
    kernel: null,
    host: null,
    cpuModel: null,
    clock: null,
    timeIsNs: true,
    timeResolutionNs: 1,
    defaultIsa: 0,
    markerName: 'tracing_mark_write',
    enabledEvents: null,
    facts: new Map(),
  };
}
