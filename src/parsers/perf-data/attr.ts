/**
 * perf_event_attr and what follows from it: where the fields of a SAMPLE record and of the sample_id trailer of
 * other records lie. Order of sample fields: include/uapi/linux/perf_event.h, PERF_RECORD_SAMPLE.
 */

export const PERF_TYPE_TRACEPOINT = 2;

export const SAMPLE_IP = 1 << 0;
export const SAMPLE_TID = 1 << 1;
export const SAMPLE_TIME = 1 << 2;
export const SAMPLE_ADDR = 1 << 3;
export const SAMPLE_READ = 1 << 4;
export const SAMPLE_CALLCHAIN = 1 << 5;
export const SAMPLE_ID = 1 << 6;
export const SAMPLE_CPU = 1 << 7;
export const SAMPLE_PERIOD = 1 << 8;
export const SAMPLE_STREAM_ID = 1 << 9;
export const SAMPLE_RAW = 1 << 10;
export const SAMPLE_IDENTIFIER = 1 << 16;

const FLAG_FREQ = 1n << 10n;
const FLAG_SAMPLE_ID_ALL = 1n << 18n;
const FLAG_USE_CLOCKID = 1n << 25n;
const FLAG_WRITE_BACKWARD = 1n << 27n;

export interface PerfAttr {
  readonly type: number;
  /** Tracepoint id where type is PERF_TYPE_TRACEPOINT. */
  readonly config: number;
  readonly samplePeriod: number;
  readonly sampleType: number;
  readonly readFormat: number;
  readonly freq: boolean;
  readonly sampleIdAll: boolean;
  readonly useClockid: boolean;
  readonly writeBackward: boolean;
  readonly clockid: number;
  /** Where the fields of this attr's samples lie. */
  readonly layout: SampleLayout;
}

/** Byte offsets from the start of a record (or, in `trailer…`, back from its end); −1 where not recorded. */
export interface SampleLayout {
  readonly id: number;
  readonly tid: number;
  readonly time: number;
  readonly cpu: number;
  /** First byte after the fields of fixed size: READ, CALLCHAIN and RAW follow as recorded. */
  readonly variable: number;
  readonly hasRead: boolean;
  readonly hasCallchain: boolean;
  readonly hasRaw: boolean;
  /** The raw data's size word is right at `variable`. */
  readonly fixedRaw: boolean;
  readonly readFormat: number;
  /** Bytes back from the record's end of the sample_id trailer; −1 if not recorded. */
  readonly trailerTid: number;
  readonly trailerTime: number;
  readonly trailerCpu: number;
  readonly trailerId: number;
}

/** Reads an attr of `size` bytes (its own size field may say less); fields that older perf lacks are 0. */
export function parseAttr(view: DataView, at: number, size: number, little: boolean): PerfAttr {
  const own = size >= 8 ? view.getUint32(at + 4, little) : 0;
  const limit = own >= 64 ? Math.min(size, own) : size;
  const u32 = (offset: number) => (offset + 4 <= limit ? view.getUint32(at + offset, little) : 0);
  const u64 = (offset: number) => (offset + 8 <= limit ? view.getBigUint64(at + offset, little) : 0n);
  const flags = little ? u64(40) : mirrorBits(u64(40));
  const sampleType = Number(u64(24) & 0xffffffffn) >>> 0;
  const readFormat = Number(u64(32) & 0xffn);
  const sampleIdAll = (flags & FLAG_SAMPLE_ID_ALL) !== 0n;
  return {
    type: u32(0),
    config: Number(u64(8)),
    samplePeriod: Number(u64(16)),
    sampleType,
    readFormat,
    freq: (flags & FLAG_FREQ) !== 0n,
    sampleIdAll,
    useClockid: (flags & FLAG_USE_CLOCKID) !== 0n,
    writeBackward: (flags & FLAG_WRITE_BACKWARD) !== 0n,
    clockid: u32(92) | 0,
    layout: sampleLayout(sampleType, readFormat, sampleIdAll),
  };
}

/** Bit-fields of a big-endian recorder lie mirrored in each byte (perf's swap_bitfield). */
function mirrorBits(value: bigint): bigint {
  let result = 0n;
  for (let byte = 0n; byte < 8n; byte++) {
    const source = (value >> (8n * byte)) & 0xffn;
    for (let bit = 0n; bit < 8n; bit++)
      if (source & (1n << bit)) result |= 1n << (8n * (7n - byte) + (7n - bit));
  }
  return result;
}

export function sampleLayout(sampleType: number, readFormat: number, sampleIdAll: boolean): SampleLayout {
  const has = (bit: number) => (sampleType & bit) !== 0;
  let at = 8;
  const field = (bit: number) => {
    if (!has(bit)) return -1;
    at += 8;
    return at - 8;
  };
  const identifier = field(SAMPLE_IDENTIFIER);
  field(SAMPLE_IP);
  const tid = field(SAMPLE_TID);
  const time = field(SAMPLE_TIME);
  field(SAMPLE_ADDR);
  const id = field(SAMPLE_ID);
  field(SAMPLE_STREAM_ID);
  const cpu = field(SAMPLE_CPU);
  field(SAMPLE_PERIOD);
  let back = 0;
  const trailer = (bit: number) => {
    if (!sampleIdAll || !has(bit)) return -1;
    back += 8;
    return back;
  };
  // From the end backwards: IDENTIFIER, CPU, STREAM_ID, ID, TIME, TID.
  const trailerIdentifier = trailer(SAMPLE_IDENTIFIER);
  const trailerCpu = trailer(SAMPLE_CPU);
  trailer(SAMPLE_STREAM_ID);
  const trailerPlainId = trailer(SAMPLE_ID);
  const trailerTime = trailer(SAMPLE_TIME);
  const trailerTid = trailer(SAMPLE_TID);
  return {
    id: identifier >= 0 ? identifier : id,
    tid,
    time,
    cpu,
    variable: at,
    hasRead: has(SAMPLE_READ),
    hasCallchain: has(SAMPLE_CALLCHAIN),
    hasRaw: has(SAMPLE_RAW),
    fixedRaw: has(SAMPLE_RAW) && !has(SAMPLE_READ) && !has(SAMPLE_CALLCHAIN),
    readFormat,
    trailerTid,
    trailerTime,
    trailerCpu,
    trailerId: trailerIdentifier >= 0 ? trailerIdentifier : trailerPlainId,
  };
}

/**
 * Offset of the raw data's u32 size in the SAMPLE record [at, end), −1 if the record has none or is damaged.
 */
export function rawOffset(
  layout: SampleLayout,
  view: DataView,
  at: number,
  end: number,
  little: boolean,
): number {
  if (!layout.hasRaw) return -1;
  let position = at + layout.variable;
  if (layout.hasRead) {
    // PERF_FORMAT_ TOTAL_TIME_ENABLED 1, TOTAL_TIME_RUNNING 2, ID 4, GROUP 8, LOST 16
    const format = layout.readFormat;
    const times = (format & 1 ? 8 : 0) + (format & 2 ? 8 : 0);
    const each = 8 + (format & 4 ? 8 : 0) + (format & 16 ? 8 : 0);
    if (format & 8) {
      if (position + 8 > end) return -1;
      const count = view.getUint32(position + (little ? 0 : 4), little);
      if (count > 4096) return -1;
      position += 8 + times + count * each;
    } else position += times + each;
  }
  if (layout.hasCallchain) {
    if (position + 8 > end) return -1;
    const count = view.getUint32(position + (little ? 0 : 4), little);
    if (count > 8192) return -1;
    position += 8 + 8 * count;
  }
  return position + 4 <= end ? position : -1;
}
