/** trace.dat version 6: one part after the other (trace-cmd.dat.v6(5)). */
import { note } from '../../core/diagnostics.ts';
import { TraceFormatError } from '../../core/errors.ts';
import type { TraceContext } from '../../core/trace-context.ts';
import { type ByteSource, memorySource } from '../byte-source.ts';
import { findRecording, noteFollowing } from '../following-recording.ts';
import {
  type Cursor,
  createCursor,
  cursorAt,
  readBlock,
  readString,
  readText,
  readU16,
  readU32,
  readU64,
  skip,
} from './cursor.ts';
import { readEventFormats, readFtraceFormats } from './event-formats.ts';
import { FORMAT_ID, readCommandLines, readHeaderInfo } from './metadata.ts';
import { OPTION_BUFFER, OPTION_CPUCOUNT, OPTION_DONE, selectedClock, takeOption } from './options.ts';
import { type CpuData, MAX_BUFFERS, type Recording, reaches, TOO_MANY_BUFFERS } from './recording.ts';

const TAG_BYTES = 10;
const TAG_OPTIONS = 'options  \0';
const TAG_LATENCY = 'latency  \0';
const TAG_FLYRECORD = 'flyrecord\0';

/** Bytes of a CPU's entry in a table: u64 offset, u64 size. */
const CPU_ENTRY = 16;

interface Instance {
  readonly name: string;
  readonly offset: number;
  cpuCount: number | null;
}

/** Reads everything before the pages. `cursor` is behind the initial header. */
export function readVersion6(cursor: Cursor, recording: Recording, context: TraceContext): void {
  let section = 'header_page';
  try {
    recording.layout = readHeaderInfo(cursor, context.diagnostics);
    section = 'ftrace formats';
    readFtraceFormats(cursor, recording.formats);
    section = 'event formats';
    readEventFormats(cursor, recording.formats);
    section = 'kallsyms';
    skip(cursor, readU32(cursor));
    section = 'printk formats';
    skip(cursor, readU32(cursor));
    section = 'thread names';
    readCommandLines(cursor, context.threads);
    section = 'CPU count';
    const cpus = readU32(cursor);
    section = 'options';
    readTail(cursor, cpus, recording, context);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new TraceFormatError(
      {
        format: FORMAT_ID,
        section,
        offset: cursor.at,
        message: `the file is cut off or damaged before its events (${error.message})`,
        hint: 'if trace-cmd was killed, its NAME.cpuN files may lie beside: trace-cmd restore',
      },
      { cause: error },
    );
  }
}

function readTail(cursor: Cursor, cpus: number, recording: Recording, context: TraceContext): void {
  const instances: Instance[] = [];
  for (;;) {
    const tag = readText(cursor, TAG_BYTES);
    if (tag === TAG_OPTIONS) readOptions(cursor, instances, recording, context);
    else if (tag === TAG_LATENCY) {
      readLatency(cursor, recording, context);
      return;
    } else if (tag === TAG_FLYRECORD) break;
    else throw new RangeError(`no part begins with ${JSON.stringify(tag)}`);
  }
  readBuffer(cursor, '', recording.options.cpuCount ?? cpus, recording);
  for (const { name, offset, cpuCount } of instances) {
    try {
      const at = cursorAt(cursor, offset);
      if (readText(at, TAG_BYTES) !== TAG_FLYRECORD) throw new RangeError('no table of its CPUs');
      readBuffer(at, name, cpuCount ?? recording.options.cpuCount ?? cpus, recording);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      note(
        context.diagnostics,
        'damaged-buffer',
        'data-loss',
        `the events of an instance cannot be found (first: ${name}, byte ${offset}, ${error.message})`,
      );
    }
  }
}

/** The text goes on to the end of the file, or to where another recording begins: text has no such bytes. */
function readLatency({ source, at, end }: Cursor, recording: Recording, context: TraceContext): void {
  const next = findRecording(source, at, end);
  if (next >= 0) noteFollowing(context.diagnostics, next);
  const textEnd = next >= 0 ? next : end;
  recording.texts.push({ name: '', offset: at, size: textEnd - at, compressed: false });
  reaches(recording, Infinity);
}

/** u16 id, u32 size, body each; id 0 ends them and has nothing behind it. */
function readOptions(
  cursor: Cursor,
  instances: Instance[],
  recording: Recording,
  context: TraceContext,
): void {
  const { options } = recording;
  const top = options.cpuCount;
  for (;;) {
    const id = readU16(cursor);
    if (id === OPTION_DONE) return;
    const body = readBlock(cursor, readU32(cursor));
    const bodyCursor = bodyOf(body, cursor.little);
    if (id === OPTION_BUFFER && body.length >= 8) {
      const offset = readU64(bodyCursor);
      if (instances.length === MAX_BUFFERS) {
        note(context.diagnostics, 'too-many-buffers', 'data-loss', TOO_MANY_BUFFERS);
        continue;
      }
      // Some versions write the name without its NUL.
      const name = body.includes(0, 8) ? readString(bodyCursor) : readText(bodyCursor, body.length - 8);
      instances.push({ name, offset, cpuCount: null });
      continue;
    }
    takeOption(options, id, bodyCursor, context.diagnostics);
    // CPUCOUNT behind BUFFER is that instance's.
    const last = instances.at(-1);
    if (id === OPTION_CPUCOUNT && last) {
      last.cpuCount = options.cpuCount;
      options.cpuCount = top;
    }
  }
}

function bodyOf(bytes: Uint8Array, little: boolean): Cursor {
  return createCursor(memorySource(bytes) satisfies ByteSource, little);
}

/** {u64 offset, u64 size} per CPU, then (trace-cmd 3) u64 length and text of the clock. */
function readBuffer(cursor: Cursor, name: string, count: number, recording: Recording): void {
  if (count * CPU_ENTRY > cursor.end - cursor.at)
    throw new RangeError(`a table of ${count} CPUs does not fit`);
  recording.entriesLeft -= count;
  if (recording.entriesLeft < 0) throw new RangeError('tables of too many CPUs');
  const cpus: CpuData[] = [];
  for (let cpu = 0; cpu < count; cpu++) {
    const offset = readU64(cursor);
    const size = readU64(cursor);
    reaches(recording, offset + size);
    if (size > 0) cpus.push({ cpu, offset, size });
  }
  const first = cpus.reduce((least, { offset }) => Math.min(least, offset), cursor.end);
  const clock = cursor.at + 8 <= first ? readClock(cursor, first) : null;
  reaches(recording, cursor.at);
  recording.buffers.push({ name, clock, pageSize: recording.pageSize, compressed: false, cpus });
}

function readClock(cursor: Cursor, limit: number): string | null {
  const length = readU64(cursor);
  if (length > 256 || cursor.at + length > limit) return null;
  return selectedClock(readText(cursor, length));
}
