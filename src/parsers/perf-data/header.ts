/** The perf.data file header: attrs, ids and feature sections. Layout: tools/perf/util/header.h. */
import { note } from '../../core/diagnostics.ts';
import { TraceFormatError } from '../../core/errors.ts';
import { ISA_SVM, ISA_VMX, isaOfMachine } from '../../core/isa-codes.ts';
import type { TraceContext } from '../../core/trace-context.ts';
import { type ByteSource, readFully } from '../byte-source.ts';
import { type PerfAttr, parseAttr } from './attr.ts';
import { endOfFile } from './file-end.ts';
import { FEATURE_HOSTNAME, type FixedHeader, PIPE_HEADER, readFixedHeader } from './fixed-header.ts';

const FEATURE_TRACING_DATA = 1;
const FEATURE_OSRELEASE = 4;
const FEATURE_VERSION = 5;
const FEATURE_ARCH = 6;
const FEATURE_NRCPUS = 7;
const FEATURE_CPUDESC = 8;
const FEATURE_CPUID = 9;
const FEATURE_CMDLINE = 11;
const FEATURE_STAT = 19;
const FEATURE_CLOCKID = 23;
const FEATURE_DIR_FORMAT = 24;
export const FEATURE_COMPRESSED = 27;
const FEATURE_CLOCK_DATA = 29;
/** The header's sections that are read; the others (build ids, topology, caches …) tell nothing that a report shows. */
const FEATURES_READ: ReadonlySet<number> = new Set([
  FEATURE_TRACING_DATA,
  FEATURE_HOSTNAME,
  FEATURE_OSRELEASE,
  FEATURE_VERSION,
  FEATURE_ARCH,
  FEATURE_NRCPUS,
  FEATURE_CPUDESC,
  FEATURE_CPUID,
  FEATURE_CMDLINE,
  FEATURE_STAT,
  FEATURE_CLOCKID,
  FEATURE_DIR_FORMAT,
  FEATURE_COMPRESSED,
  FEATURE_CLOCK_DATA,
]);

/** Most bytes of the event formats that are read; those of a whole kernel are about 10 MB. */
const MAX_TRACING_BYTES = 64 << 20;
/** Most bytes of any other feature section: names, a command line, a few numbers. */
const MAX_FEATURE_BYTES = 1 << 16;
/** Most sample ids of all events: one per event and CPU. */
export const MAX_IDS = 1 << 22;

export interface PerfHeader {
  readonly little: boolean;
  /** Pipe mode: nothing but records, which describe themselves. */
  readonly pipe: boolean;
  readonly attrs: PerfAttr[];
  /** Index into attrs by sample id. */
  readonly attrOfId: Map<number, number>;
  readonly dataOffset: number;
  /** End of the records; null when the recorder died before it wrote it (header says 0). */
  readonly dataEnd: number | null;
  /** End of all that belongs to the recording; null where the header does not say (pipe, recorder died). */
  readonly fileEnd: number | null;
  /** The tracing_data blob, null if the file has none. */
  readonly tracingData: Uint8Array | null;
  /** perf was killed before it wrote where the records end and what comes behind them. */
  readonly unfinished: boolean;
  /** Most plain bytes of one compressed record (COMPRESSED feature), null if the file does not say. */
  readonly mmapLength: number | null;
  /** The records lie in files of their own beside this one (`perf record --threads`). */
  readonly folder: boolean;
}

const utf8 = new TextDecoder();

export function readHeader(source: ByteSource, context: TraceContext): PerfHeader {
  const fixed = readFixedHeader(source);
  if (fixed.pipe) return pipeHeader(fixed.little);
  const { little, dataOffset, dataSize, bits } = fixed;
  const unfinished = dataSize === 0;
  const { attrs, attrOfId } = readAttrs(
    source,
    fixed.attrsOffset,
    fixed.entrySize,
    fixed.count,
    little,
    context,
  );
  const dataEnd = unfinished ? null : endOfData(fixed, context);
  const index = dataOffset + dataSize;
  const features = readFeatures(source, bits, index, little, context);
  applyFeatures(features, little, attrs, context);
  return {
    little,
    pipe: false,
    attrs,
    attrOfId,
    dataOffset,
    dataEnd,
    fileEnd: unfinished ? null : endOfFile(source, index, bits, little),
    tracingData: features.get(FEATURE_TRACING_DATA) ?? null,
    unfinished,
    mmapLength: mmapLength(features.get(FEATURE_COMPRESSED), little),
    folder: isFolder(features.get(FEATURE_DIR_FORMAT), little),
  };
}

function pipeHeader(little: boolean): PerfHeader {
  return {
    little,
    pipe: true,
    attrs: [],
    attrOfId: new Map(),
    dataOffset: PIPE_HEADER,
    dataEnd: null,
    fileEnd: null,
    tracingData: null,
    unfinished: false,
    mmapLength: null,
    folder: false,
  };
}

/** Where the records end, or the file, if it ends before. */
function endOfData({ dataOffset, dataSize, size }: FixedHeader, context: TraceContext): number {
  const dataEnd = dataOffset + dataSize;
  if (dataEnd <= size) return dataEnd;
  note(
    context.diagnostics,
    'truncated-file',
    'data-loss',
    `the file ends ${dataEnd - size} bytes before the end of its records; what is there was read`,
  );
  return size;
}

function readAttrs(
  source: ByteSource,
  offset: number,
  entrySize: number,
  count: number,
  little: boolean,
  context: TraceContext,
): { attrs: PerfAttr[]; attrOfId: Map<number, number> } {
  const table = new Uint8Array(entrySize * count);
  const got = readFully(source, offset, table, 0, table.length);
  const view = new DataView(table.buffer);
  const attrs: PerfAttr[] = [];
  const attrOfId = new Map<number, number>();
  let idsLeft = MAX_IDS;
  for (let i = 0; (i + 1) * entrySize <= got; i++) {
    const at = i * entrySize;
    attrs.push(parseAttr(view, at, entrySize - 16, little));
    const idsOffset = Number(view.getBigUint64(at + entrySize - 16, little));
    const idsSize = Number(view.getBigUint64(at + entrySize - 8, little));
    if (idsSize === 0) continue;
    if (idsSize > 8 * idsLeft || idsOffset + idsSize > (source.size ?? Infinity)) {
      note(
        context.diagnostics,
        'damaged-ids',
        'suspect',
        'the id list of an event lies outside the file or is longer than any; its samples may not be found',
      );
      continue;
    }
    idsLeft -= idsSize / 8;
    const ids = new Uint8Array(idsSize);
    const idBytes = readFully(source, idsOffset, ids, 0, idsSize);
    const idView = new DataView(ids.buffer);
    for (let j = 0; j + 8 <= idBytes; j += 8) attrOfId.set(Number(idView.getBigUint64(j, little)), i);
  }
  return { attrs, attrOfId };
}

/** Reads the feature sections that are used: {offset, size} pairs behind the data, one per set bit in order. */
function readFeatures(
  source: ByteSource,
  bits: readonly number[],
  indexOffset: number,
  little: boolean,
  context: TraceContext,
): Map<number, Uint8Array> {
  const index = new Uint8Array(bits.length * 16);
  const got = readFully(source, indexOffset, index, 0, index.length);
  const view = new DataView(index.buffer);
  const features = new Map<number, Uint8Array>();
  for (const [i, bit] of bits.entries()) {
    if (!FEATURES_READ.has(bit)) continue;
    const offset = (i + 1) * 16 <= got ? Number(view.getBigUint64(i * 16, little)) : -1;
    const size = offset < 0 ? 0 : Number(view.getBigUint64(i * 16 + 8, little));
    const most = bit === FEATURE_TRACING_DATA ? MAX_TRACING_BYTES : MAX_FEATURE_BYTES;
    if (offset < 0 || size > most || offset + size > (source.size ?? Infinity)) {
      note(
        context.diagnostics,
        'damaged-feature',
        bit === FEATURE_TRACING_DATA ? 'data-loss' : 'info',
        `header sections behind the records are missing or damaged (first: feature ${bit})`,
      );
      continue;
    }
    const body = new Uint8Array(size);
    features.set(bit, body.subarray(0, readFully(source, offset, body, 0, size)));
  }
  return features;
}

/** clockid_t numbers by ftrace's clock names. */
const CLOCK_NAMES: Readonly<Record<number, string>> = {
  0: 'realtime',
  1: 'mono',
  4: 'mono_raw',
  7: 'boot',
  11: 'tai',
};

/** Name of the clock of the samples: perf's own (`local_clock`, ftrace's `perf`) unless `-k` chose another. */
export function clockOf(attrs: readonly PerfAttr[]): string {
  const attr = attrs.find((candidate) => candidate.type === 2) ?? attrs[0];
  return attr?.useClockid ? (CLOCK_NAMES[attr.clockid] ?? `clockid ${attr.clockid}`) : 'perf';
}

/** Fills the context's facts from feature sections (of the file header or of a pipe's HEADER_FEATURE records). */
export function applyFeatures(
  features: ReadonlyMap<number, Uint8Array>,
  little: boolean,
  attrs: readonly PerfAttr[],
  context: TraceContext,
): void {
  if (features.has(FEATURE_STAT))
    throw new TraceFormatError({
      format: 'perf.data',
      message: 'this file holds counters of `perf stat record`, no events',
      hint: 'record with `perf kvm stat record` or `perf record -e kvm:kvm_exit -e kvm:kvm_entry -e kvm:kvm_userspace_exit`',
    });
  const text = (bit: number) => {
    const body = features.get(bit);
    return body ? featureString(body, 0, little)?.text : undefined;
  };
  context.host = text(FEATURE_HOSTNAME) ?? context.host;
  context.kernel = text(FEATURE_OSRELEASE) ?? context.kernel;
  context.arch = text(FEATURE_ARCH) ?? context.arch;
  context.cpuModel = text(FEATURE_CPUDESC) ?? context.cpuModel;
  const cpuid = text(FEATURE_CPUID);
  if (context.arch !== null) context.defaultIsa = isaOfMachine(context.arch) || context.defaultIsa;
  if (cpuid !== undefined) {
    if (/Intel|Centaur|Shanghai/.test(cpuid)) context.defaultIsa = ISA_VMX;
    else if (/AMD|Hygon/.test(cpuid)) context.defaultIsa = ISA_SVM;
  }
  const version = text(FEATURE_VERSION);
  if (version !== undefined) context.facts.set('recorder', `perf ${version}`);
  const cpus = features.get(FEATURE_NRCPUS);
  if (cpus && cpus.length >= 8) {
    const view = new DataView(cpus.buffer, cpus.byteOffset);
    context.facts.set('cpus', `${view.getUint32(4, little)} online of ${view.getUint32(0, little)}`);
  }
  const commandLine = features.get(FEATURE_CMDLINE);
  if (commandLine) {
    const words = featureStrings(commandLine, little);
    if (words.length) context.facts.set('command', ['perf', ...words.slice(1)].join(' '));
  }
  if (features.has(FEATURE_COMPRESSED)) context.facts.set('compression', 'zstd');
  const clockData = features.get(FEATURE_CLOCK_DATA);
  if (clockData && clockData.length >= 24) {
    const view = new DataView(clockData.buffer, clockData.byteOffset);
    context.facts.set('clock wall ns', view.getBigUint64(8, little).toString());
    context.facts.set('clock ns', view.getBigUint64(16, little).toString());
  }
  const resolution = features.get(FEATURE_CLOCKID);
  if (resolution && resolution.length >= 8) {
    const view = new DataView(resolution.buffer, resolution.byteOffset);
    context.facts.set('clock resolution ns', view.getBigUint64(0, little).toString());
  }
  context.clock = clockOf(attrs);
}

/** u32 length (padded), bytes, NUL inside. */
function featureString(body: Uint8Array, at: number, little: boolean): { text: string; next: number } | null {
  if (at + 4 > body.length) return null;
  const length = new DataView(body.buffer, body.byteOffset).getUint32(at, little);
  if (at + 4 + length > body.length) return null;
  const bytes = body.subarray(at + 4, at + 4 + length);
  const end = bytes.indexOf(0);
  return { text: utf8.decode(end < 0 ? bytes : bytes.subarray(0, end)), next: at + 4 + length };
}

function featureStrings(body: Uint8Array, little: boolean): string[] {
  if (body.length < 4) return [];
  const words: string[] = [];
  const count = new DataView(body.buffer, body.byteOffset).getUint32(0, little);
  let at = 4;
  for (let i = 0; i < count; i++) {
    const word = featureString(body, at, little);
    if (!word) break;
    words.push(word.text);
    at = word.next;
  }
  return words;
}

/** COMPRESSED: u32 version, type, level, ratio, mmap_len. */
export function mmapLength(body: Uint8Array | undefined, little: boolean): number | null {
  if (!body || body.length < 20) return null;
  return new DataView(body.buffer, body.byteOffset).getUint32(16, little) || null;
}

/** DIR_FORMAT: u64 version, 1 = the records are in data.N beside `data` (tools/perf/util/data.h, PERF_DIR_VERSION). */
function isFolder(body: Uint8Array | undefined, little: boolean): boolean {
  return (
    !!body && body.length >= 8 && new DataView(body.buffer, body.byteOffset).getBigUint64(0, little) > 0n
  );
}
