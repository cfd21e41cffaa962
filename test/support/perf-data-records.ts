/** Records of perf.data: samples of kvm_exit, kvm_entry and the dummy, losses, threads and mappings. */
import type { PerfBytes } from './perf-data-bytes.ts';

export interface PerfRecord {
  readonly kind:
    | 'exit'
    | 'exitAgain'
    | 'entry'
    | 'foreign'
    | 'lost'
    | 'lostSamples'
    | 'comm'
    | 'fork'
    | 'mmap';
  readonly time: bigint;
  readonly cpu: number;
  readonly pid: number;
  readonly tid: number;
  /** Exit reason, or how many were lost. */
  readonly value: number;
  readonly rip: bigint;
  readonly name: string;
  /** With PerfOptions.readFormat: counts of exits, of entries and of the dummy. */
  readonly counts?: readonly [number, number, number];
}

export interface PerfOptions {
  readonly little: boolean;
  /** Sample fields besides TID, TIME and RAW. */
  readonly identifier: boolean;
  readonly ip: boolean;
  readonly cpu: boolean;
  readonly period: boolean;
  /** Frames of each sample's callchain, null without. */
  readonly callchain: number | null;
  /** kvm_exit was switched on twice: its second attr's samples are of kind `exitAgain`. */
  readonly exitTwice?: boolean;
  /** Samples hold counts (PERF_SAMPLE_READ) in this form: PERF_FORMAT_* bits. */
  readonly readFormat?: number;
}

export const PLAIN: PerfOptions = {
  little: true,
  identifier: true,
  ip: true,
  cpu: true,
  period: true,
  callchain: null,
};

export const EXIT_ID = 1473;
export const ENTRY_ID = 1482;
export const SAMPLE_IDS = { exit: 11, entry: 12, foreign: 13, exitAgain: 14 };

// PERF_SAMPLE_* (include/uapi/linux/perf_event.h).
const SAMPLE_IP = 1;
const SAMPLE_TID = 2;
const SAMPLE_TIME = 4;
const SAMPLE_READ = 16;
const SAMPLE_CALLCHAIN = 32;
const SAMPLE_CPU = 128;
const SAMPLE_PERIOD = 256;
const SAMPLE_RAW = 1024;
const SAMPLE_IDENTIFIER = 65536;

export function sampleType(options: PerfOptions): number {
  return (
    (options.identifier ? SAMPLE_IDENTIFIER : 0) |
    (options.ip ? SAMPLE_IP : 0) |
    SAMPLE_TID |
    SAMPLE_TIME |
    (options.cpu ? SAMPLE_CPU : 0) |
    (options.period ? SAMPLE_PERIOD : 0) |
    (options.readFormat === undefined ? 0 : SAMPLE_READ) |
    (options.callchain === null ? 0 : SAMPLE_CALLCHAIN) |
    SAMPLE_RAW
  );
}

/** Of the dummy that carries side-band records: no tracepoint, no raw data. */
export function foreignType(options: PerfOptions): number {
  return sampleType(options) & ~SAMPLE_RAW & ~SAMPLE_CALLCHAIN & ~SAMPLE_READ;
}

/** What stands behind a record that is no sample (sample_id_all). */
function sampleIds({ num }: PerfBytes, options: PerfOptions, r: PerfRecord, id: number): Buffer[] {
  return [
    num(4, r.pid),
    num(4, r.tid),
    num(8, r.time),
    ...(options.cpu ? [num(4, r.cpu), num(4, 0)] : []),
    ...(options.identifier ? [num(8, id)] : []),
  ];
}

/** Counts of a sample: struct read_format; of a group all members, else the event itself. */
function counts({ num }: PerfBytes, { readFormat = 0 }: PerfOptions, r: PerfRecord): Buffer[] {
  if (readFormat === 0) return [];
  const times = [1, 2].filter((bit) => readFormat & bit).map((bit) => num(8, 1000 + bit));
  const ids = [SAMPLE_IDS.exit, SAMPLE_IDS.entry, SAMPLE_IDS.foreign];
  const members = (r.counts ?? [1, 0, 0]).map((value, i) => [
    num(8, value),
    ...(readFormat & 4 ? [num(8, ids[i])] : []),
    ...(readFormat & 16 ? [num(8, 55)] : []),
  ]);
  return readFormat & 8
    ? [num(8, members.length), ...times, ...members.flat()]
    : [members[0][0], ...times, ...members[0].slice(1)];
}

function callchain({ num }: PerfBytes, { callchain: frames }: PerfOptions): Buffer[] {
  if (frames === null) return [];
  return [num(8, frames), ...Array.from({ length: frames }, (_, i) => num(8, i))];
}

/** A sample; `raw`: its tracepoint's data, with the size in front. */
function sample(bytes: PerfBytes, options: PerfOptions, r: PerfRecord, id: number, raw: Buffer[]): Buffer {
  const { num, record } = bytes;
  return record(
    9,
    1,
    ...(options.identifier ? [num(8, id)] : []),
    ...(options.ip ? [num(8, 0xffffffff81000000n)] : []),
    num(4, r.pid),
    num(4, r.tid),
    num(8, r.time),
    ...(options.cpu ? [num(4, r.cpu), num(4, 0)] : []),
    ...(options.period ? [num(8, 1)] : []),
    ...(raw.length > 0 ? [...counts(bytes, options, r), ...callchain(bytes, options)] : []),
    ...raw,
  );
}

function rawExit({ num }: PerfBytes, r: PerfRecord): Buffer[] {
  const common = [num(2, EXIT_ID), num(2, 0), num(4, r.tid)];
  return [num(4, 36), ...common, num(4, r.value), num(4, 0), num(8, r.rip), num(4, 1), num(8, 0)];
}

function rawEntry({ num }: PerfBytes, r: PerfRecord): Buffer[] {
  const common = [num(2, ENTRY_ID), num(2, 0), num(4, r.tid)];
  return [num(4, 28), ...common, num(4, 3), num(4, 0), num(8, r.rip), num(4, 0)];
}

export function encodeRecord(bytes: PerfBytes, options: PerfOptions, r: PerfRecord | null): Buffer {
  const { num, text, record } = bytes;
  if (r === null) return record(68, 0);
  const ids = (id: number, of: PerfRecord = r) => sampleIds(bytes, options, of, id);
  const [pid, tid] = [num(4, r.pid), num(4, r.tid)];
  switch (r.kind) {
    case 'exit':
    case 'exitAgain':
      return sample(bytes, options, r, SAMPLE_IDS[r.kind], rawExit(bytes, r));
    case 'entry':
      return sample(bytes, options, r, SAMPLE_IDS.entry, rawEntry(bytes, r));
    case 'foreign':
      return sample(bytes, options, r, SAMPLE_IDS.foreign, []);
    case 'lost':
      return record(2, 0, num(8, SAMPLE_IDS.exit), num(8, r.value), ...ids(SAMPLE_IDS.exit));
    case 'lostSamples':
      // perf makes it when it ends: at time 0.
      return record(13, 0, num(8, r.value), ...ids(SAMPLE_IDS.exit, { ...r, time: 0n }));
    case 'comm':
      return record(3, 0, pid, tid, text(r.name), ...ids(SAMPLE_IDS.foreign));
    case 'fork':
      return record(7, 0, pid, pid, tid, num(4, r.value), num(8, r.time), ...ids(SAMPLE_IDS.foreign));
    default:
      return record(10, 0, pid, tid, Buffer.alloc(56), text(r.name), ...ids(SAMPLE_IDS.foreign));
  }
}
