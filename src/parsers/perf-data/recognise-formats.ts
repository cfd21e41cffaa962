/**
 * Files without event formats: perf was killed, or the file is cut off before what lies behind the records. A sample
 * then has a tracepoint number and bytes, but no name. The three events that exits need are recognised by structure:
 * a layout that a known kernel has, values that all fit it, and above all how they follow each other in each thread.
 * Nothing is assumed unless exactly one tracepoint fits; otherwise the file is refused.
 */
import { createArena } from '../../core/arena.ts';
import { note } from '../../core/diagnostics.ts';
import { TraceFormatError } from '../../core/errors.ts';
import { createTraceContext } from '../../core/trace-context.ts';
import { type EventFormat, parseEventFormat } from '../tracepoint/format.ts';
import { PERF_TYPE_TRACEPOINT, rawOffset } from './attr.ts';
import type { Container } from './container-records.ts';
import type { PerfHeader } from './header.ts';
import { KNOWN_FORMATS } from './known-formats.generated.ts';
import { createRecordReader, passContainerRecord, readMore } from './record-reader.ts';
import { addFormats, createRecordState, layoutOf, type RecordState } from './record-state.ts';
import { RECORD_SAMPLE } from './record-types.ts';
import { START_BYTES, startStream, WINDOW_LIMITS } from './record-window.ts';
import { closeRun, timedKey, WALK_CONTAINER, WALK_DAMAGED, WALK_ROUND, walkRecords } from './walk-records.ts';

/** Bytes of records that are looked at. */
const LOOK = 16 << 20;
/** Fewer exits or entries prove nothing. */
const ENOUGH = 20;
/** Pairs of tracepoints that are looked at; all of KVM's together make a few dozen. */
const MAX_PAIRS = 1024;
/** Share of cases in which a rule must hold: threads may be cut anywhere, and the fast path of older kernels (5.10) traces no entry. */
const NEARLY_ALL = 0.9;
/** Share of entries at or just behind the exit's instruction; measured: 0.55 and more. */
const RESUMED = 0.4;

/** A sample: where its raw data lies and how long it is. */
interface Sample {
  readonly key: number;
  readonly tid: number;
  readonly id: number;
  readonly at: number;
  readonly length: number;
}

/** Gives the state decoders for the events it recognises. @throws TraceFormatError when exits or entries are not. */
export function recogniseFormats(
  header: PerfHeader,
  { state, source }: Container,
  streams: readonly (readonly [number, number])[],
): void {
  const cause = header.unfinished
    ? 'perf was killed before it wrote the event formats'
    : 'the file is cut off before the event formats or was made without them';
  const scratch = createRecordState(
    createTraceContext(),
    header,
    false,
    // Apart, since it goes when the formats are known.
    createArena(),
    {
      ...WINDOW_LIMITS,
      startBytes: Math.min(START_BYTES, (source.size ?? START_BYTES) + 8),
    },
  );
  const samples = collect(scratch, { ...header, source }, streams);
  const found = findEvents(scratch, samples);
  if (found === null)
    throw new TraceFormatError({
      format: 'perf.data',
      message: `${cause}, and ${samples.length === 0 ? 'it holds no samples' : 'its exits and entries cannot be told by their content'}`,
      hint: 'record again and stop perf with Ctrl-C (or give it a command such as `sleep 10`)',
    });
  addFormats(state, found);
  const names = [...found.values()].map(({ name, id }) => `${name} = tracepoint ${id}`).join(', ');
  note(
    state.context.diagnostics,
    'recognised-events',
    'suspect',
    `${cause}: ${names} were told by their content (layout, values, order in each thread); all other events were left out`,
  );
}

/** Samples of tracepoints from the beginning of the streams. */
function collect(
  state: RecordState,
  file: { readonly source: Container['source']; readonly mmapLength: number | null },
  streams: readonly (readonly [number, number])[],
): Sample[] {
  const { window, little } = state;
  const container = {
    state,
    source: file.source,
    pipe: false,
    mmapLength: file.mmapLength,
    hasFormats: true,
  };
  for (const [from, to] of streams) {
    const reader = createRecordReader(container, from, to);
    startStream(window);
    while (window.used < LOOK) {
      const reason = walkRecords(state);
      if (reason === WALK_CONTAINER) passContainerRecord(reader, window);
      else if (reason === WALK_DAMAGED || (reason !== WALK_ROUND && !readMore(reader, window))) break;
    }
    window.used = window.parsed;
    closeRun(window);
    window.lastKey = Number.POSITIVE_INFINITY;
  }
  const samples: Sample[] = [];
  const { view } = window;
  for (let run = 0; run < window.runs; run++) {
    for (let at = window.runAt[run]; at < window.runEnd[run]; ) {
      const size = view.getUint16(at + 6, little);
      const key = timedKey(state, view.getUint32(at, little), at, size);
      if (view.getUint32(at, little) === RECORD_SAMPLE && !Number.isNaN(key)) {
        const layout = layoutOf(state, at, size) ?? state.layout;
        const raw = rawOffset(layout, view, at, at + size, little);
        const length = raw < 0 ? 0 : view.getUint32(raw, little);
        if (length >= 8 && raw + 4 + length <= at + size) {
          const tid = view.getInt32(raw + 8, little);
          samples.push({ key, tid, id: view.getUint16(raw + 4, little), at: raw + 4, length });
        }
      }
      at += size;
    }
  }
  return samples.sort((a, b) => a.tid - b.tid || a.key - b.key);
}

/** The formats by tracepoint id; null unless exactly one pair of tracepoints can be exits and entries. */
function findEvents(state: RecordState, samples: readonly Sample[]): Map<number, EventFormat> | null {
  const ids = state.attrs.filter(({ type }) => type === PERF_TYPE_TRACEPOINT).map(({ config }) => config);
  const byId = new Map<number, Sample[]>(ids.map((id) => [id, []]));
  for (const sample of samples) byId.get(sample.id)?.push(sample);
  const { view } = state.window;
  const read = createFieldReader(view, state.little);
  const candidates = (name: string) =>
    KNOWN_FORMATS.filter((known) => known.name === name).flatMap(({ fields }) =>
      [...byId]
        .filter(([, list]) => list.length > 0)
        .map(([id, list]) => ({
          list,
          format: parseEventFormat(`name: ${name}\nID: ${id}\n${fields}`, 'kvm')!,
        }))
        .filter(({ list, format }) => list.every((sample) => fits(sample, format, read))),
    );
  const enough = (name: string) => candidates(name).filter(({ list }) => list.length >= ENOUGH);
  const exits = enough('kvm_exit');
  const entries = enough('kvm_entry');
  if (exits.length * entries.length > MAX_PAIRS) return null;
  const pairs = exits.flatMap(({ format: exit }) =>
    entries
      .filter(
        ({ format: entry }) =>
          entry.fields.has('vcpu_pc') === exit.fields.has('vcpu_pc') && alternate(samples, exit, entry, read),
      )
      .map(({ format: entry }) => [exit, entry] as const),
  );
  if (pairs.length !== 1) return null;
  const [exit, entry] = pairs[0];
  const found = new Map([
    [exit.id, exit],
    [entry.id, entry],
  ]);
  const users = candidates('kvm_userspace_exit').filter(
    ({ format }) => !found.has(format.id) && followsExits(samples, exit, entry, format, read),
  );
  if (users.length === 1) found.set(users[0].format.id, users[0].format);
  return found;
}

type ReadField = (sample: Sample, format: EventFormat, name: string) => number;

/** Reads a field as an unsigned number (64 bits rounded: only nearness and small values matter). */
function createFieldReader(view: DataView, little: boolean): ReadField {
  return (sample, format, name) => {
    const field = format.fields.get(name)!;
    const at = sample.at + field.offset;
    if (field.size === 8) return Number(view.getBigUint64(at, little));
    return field.size === 4 ? view.getUint32(at, little) : view.getUint8(at);
  };
}

const ARM_EXIT_TYPES = new Set([0, 1, 2, 3, 0xbadca11]);
/** KVM_EXIT_* numbers that exist (7.2: up to 43), with room. */
const MAX_USERSPACE_REASON = 64;
const MAX_VCPU = 65536;

/** Whether the sample can be such an event: the length perf gives it, and every value within its range. */
function fits(sample: Sample, format: EventFormat, read: ReadField): boolean {
  let end = 0;
  let align = 1;
  for (const { offset, size } of format.fields.values()) {
    end = Math.max(end, offset + size);
    align = Math.max(align, size);
  }
  // The size of the C struct; the kernel then pads the size word and the raw data together to 8 bytes.
  const struct = Math.ceil(end / align) * align;
  if (sample.length !== Math.ceil((struct + 4) / 8) * 8 - 4) return false;
  const value = (name: string) => read(sample, format, name);
  if (format.fields.has('vcpu_id') && value('vcpu_id') >= MAX_VCPU) return false;
  switch (format.name) {
    case 'kvm_exit': {
      if (format.fields.has('ret'))
        return ARM_EXIT_TYPES.has(value('ret') & 0x3fffffff) && value('esr_ec') < 64;
      const reason = value('exit_reason');
      if (value('isa') === 1) return (reason & 0xffff) < 128 && (reason & 0x7fff0000) === 0;
      return value('isa') === 2 && (reason < 0x500 || reason >= 0x80000000);
    }
    case 'kvm_entry':
      return !format.fields.has('immediate_exit') || value('immediate_exit') <= 1;
    default: {
      const error = value('errno') | 0;
      return value('reason') <= MAX_USERSPACE_REASON && error <= 0 && error > -4096;
    }
  }
}

/** Exits and entries take turns in each thread, on the same vCPU, and most entries resume where the exit was. */
function alternate(
  samples: readonly Sample[],
  exit: EventFormat,
  entry: EventFormat,
  read: ReadField,
): boolean {
  const hasVcpu = exit.fields.has('vcpu_id');
  const place = (format: EventFormat) =>
    ['guest_rip', 'rip', 'vcpu_pc'].find((name) => format.fields.has(name))!;
  let steps = 0;
  let turns = 0;
  let resumed = 0;
  let last: Sample | null = null;
  for (const sample of samples) {
    if (sample.id !== exit.id && sample.id !== entry.id) continue;
    if (last !== null && last.tid === sample.tid) {
      steps++;
      if (last.id !== sample.id) {
        turns++;
        const formats = sample.id === entry.id ? ([exit, entry] as const) : ([entry, exit] as const);
        if (hasVcpu && read(last, formats[0], 'vcpu_id') !== read(sample, formats[1], 'vcpu_id'))
          return false;
        if (sample.id === entry.id) {
          const distance = read(sample, entry, place(entry)) - read(last, exit, place(exit));
          if (distance >= 0 && distance < 16) resumed += 2;
        }
      }
    }
    last = sample;
  }
  return steps >= ENOUGH && turns >= NEARLY_ALL * steps && resumed >= RESUMED * steps;
}

/** KVM_EXIT_* and the exits that lead to it: port I/O and MMIO. */
const IO = 2;
const MMIO = 6;
const CAUSES: Readonly<Record<string, Readonly<Record<number, readonly number[]>>>> = {
  vmx: { [IO]: [30], [MMIO]: [48, 49, 44] },
  svm: { [IO]: [0x7b], [MMIO]: [0x400] },
  arm: { [MMIO]: [0x24, 0x25] },
};

/** Exits to user space lie between an exit and the next entry, and those for I/O behind an exit for I/O. */
function followsExits(
  samples: readonly Sample[],
  exit: EventFormat,
  entry: EventFormat,
  user: EventFormat,
  read: ReadField,
): boolean {
  let count = 0;
  let between = 0;
  let io = 0;
  let caused = 0;
  let last: Sample | null = null;
  for (const sample of samples) {
    if (sample.id === exit.id || sample.id === entry.id) last = sample;
    if (sample.id !== user.id || last === null || last.tid !== sample.tid) continue;
    count++;
    if (last.id !== exit.id) continue;
    between++;
    if (read(sample, user, 'errno') !== 0) continue;
    const arm = exit.fields.has('esr_ec');
    const isa = arm ? 'arm' : read(last, exit, 'isa') === 1 ? 'vmx' : 'svm';
    const causes = CAUSES[isa][read(sample, user, 'reason')];
    if (!causes) continue;
    io++;
    if (causes.includes(read(last, exit, arm ? 'esr_ec' : 'exit_reason'))) caused++;
  }
  return count >= ENOUGH && between >= NEARLY_ALL * count && io >= ENOUGH && caused >= NEARLY_ALL * io;
}
