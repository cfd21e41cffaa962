/** trace.dat version 7: sections found through chained options (trace-cmd.dat.v7(5)). */
import { note } from '../../core/diagnostics.ts';
import { TraceFormatError } from '../../core/errors.ts';
import type { TraceContext } from '../../core/trace-context.ts';
import { memorySource } from '../byte-source.ts';
import {
  type Cursor,
  createCursor,
  cursorAt,
  readBlock,
  readString,
  readU16,
  readU32,
  readU64,
  skip,
} from './cursor.ts';
import { decompressorOf, MAX_PLAIN } from './decompress.ts';
import { readEventFormats, readFtraceFormats } from './event-formats.ts';
import { FORMAT_ID, readCommandLines, readHeaderInfo } from './metadata.ts';
import { OPTION_BUFFER, OPTION_DONE, takeOption } from './options.ts';
import { type CpuData, type Recording, reaches } from './recording.ts';

const SECTION_HEADER_INFO = 16;
const SECTION_FTRACE_EVENTS = 17;
const SECTION_EVENT_FORMATS = 18;
const SECTION_KALLSYMS = 19;
const SECTION_PRINTK = 20;
const SECTION_CMDLINES = 21;
const OPTION_BUFFER_TEXT = 22;
const SECTION_BTF = 23;
const SECTION_MODULES = 25;

/** Of the sections whose body is read. */
const SECTION_NAMES: Readonly<Record<number, string>> = {
  [SECTION_HEADER_INFO]: 'header_page',
  [SECTION_FTRACE_EVENTS]: 'ftrace formats',
  [SECTION_EVENT_FORMATS]: 'event formats',
  [SECTION_CMDLINES]: 'thread names',
};

/** Bytes of a section's header: u16 id, u16 flags, u32 description, u64 size. */
const SECTION_HEADER = 16;
const FLAG_COMPRESSED = 1;
/** Bytes of a CPU's entry in a BUFFER option: u32 number, u64 offset, u64 size. */
const CPU_ENTRY = 20;
/** Links of the chain of options that are followed; real files have one per buffer. */
const MAX_LINKS = 4096;

interface Section {
  readonly id: number;
  readonly compressed: boolean;
  /** Of the body. */
  readonly offset: number;
  readonly size: number;
}

/** Reads everything before the pages; the chain of options starts at `first`. */
export function readVersion7(
  cursor: Cursor,
  first: number,
  recording: Recording,
  context: TraceContext,
): void {
  const visited = new Set<number>();
  for (let offset = first; offset !== 0; ) {
    if (visited.has(offset) || visited.size === MAX_LINKS) {
      noteChain(context, offset, 'the chain of options goes in circles');
      break;
    }
    visited.add(offset);
    try {
      const section = openSection(cursor, offset, recording);
      if (section.id !== OPTION_DONE) throw new RangeError(`section ${section.id} where options should be`);
      offset = readOptions(cursor, sectionBody(cursor, section, recording), recording, context);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      // The tables of the events' places are written last: without any, nothing can be read.
      if (recording.buffers.length === 0 && recording.texts.length === 0) throw cutOff(offset, error);
      noteChain(context, offset, error.message);
      break;
    }
  }
  if (recording.buffers.length === 0 && recording.texts.length === 0)
    throw cutOff(first, new RangeError('no option says where events are'));
}

function cutOff(offset: number, error: RangeError): TraceFormatError {
  return new TraceFormatError(
    {
      format: FORMAT_ID,
      section: 'options',
      offset,
      message: `the file is cut off or damaged: it does not say where its events are (${error.message})`,
      hint: 'a version 7 file says so at its very end: copy it again; if trace-cmd was killed, its NAME.cpuN files may lie beside: trace-cmd restore',
    },
    { cause: error },
  );
}

function noteChain(context: TraceContext, offset: number, why: string): void {
  note(
    context.diagnostics,
    'damaged-options',
    'data-loss',
    `the options at byte ${offset} cannot be read (${why}): what they tell, perhaps a whole buffer, is missing`,
  );
}

function openSection(cursor: Cursor, offset: number, recording: Recording): Section {
  const at = cursorAt(cursor, offset);
  const id = readU16(at);
  const flags = readU16(at);
  skip(at, 4);
  const size = readU64(at);
  reaches(recording, at.at + size);
  return { id, compressed: (flags & FLAG_COMPRESSED) !== 0, size, offset: offset + SECTION_HEADER };
}

/** A cursor over the section's plain body. */
function sectionBody(cursor: Cursor, section: Section, recording: Recording): Cursor {
  const { offset, size } = section;
  if (size > cursor.end - offset)
    throw new RangeError(`a section of ${size} bytes, ${Math.max(0, cursor.end - offset)} left`);
  spend(recording, size);
  if (!section.compressed) return cursorAt(cursor, offset, offset + size);
  const at = cursorAt(cursor, offset, offset + size);
  const stored = readU32(at);
  const plain = readU32(at);
  if (plain > MAX_PLAIN) throw new RangeError(`a section of ${plain} plain bytes`);
  spend(recording, plain);
  return createCursor(
    memorySource(decompressBlock(readBlock(at, stored), plain, recording.compression)),
    cursor.little,
  );
}

/** A few bytes may name the same section again and again. */
function spend(recording: Recording, bytes: number): void {
  if (bytes > recording.sectionBytesLeft)
    throw new RangeError('more bytes in sections before the events than any recording has');
  recording.sectionBytesLeft -= bytes;
}

function decompressBlock(data: Uint8Array, plain: number, compression: string): Uint8Array {
  const decompress = decompressorOf(compression);
  try {
    return decompress(data, plain, null);
  } catch (error) {
    throw new RangeError(`cannot be decompressed: ${(error as Error).message}`, { cause: error });
  }
}

/** Takes in the options of one section; returns where the next are, 0: none. */
function readOptions(file: Cursor, options: Cursor, recording: Recording, context: TraceContext): number {
  while (options.at < options.end) {
    const id = readU16(options);
    const size = readU32(options);
    const body = createCursor(memorySource(readBlock(options, size)), options.little);
    switch (id) {
      case OPTION_DONE:
        return readU64(body);
      case OPTION_BUFFER:
      case OPTION_BUFFER_TEXT:
        readBuffer(file, body, id, recording, context);
        break;
      case SECTION_HEADER_INFO:
      case SECTION_FTRACE_EVENTS:
      case SECTION_EVENT_FORMATS:
      case SECTION_CMDLINES:
        readSection(file, id, readU64(body), recording, context);
        break;
      case SECTION_KALLSYMS:
      case SECTION_PRINTK:
      case SECTION_BTF:
      case SECTION_MODULES:
        reachSection(file, body, recording);
        break;
      default:
        takeOption(recording.options, id, body, context.diagnostics);
    }
  }
  return 0;
}

/** Nothing in the section is wanted but its end. */
function reachSection(file: Cursor, body: Cursor, recording: Recording): void {
  try {
    openSection(file, readU64(body), recording);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
}

function readSection(
  file: Cursor,
  id: number,
  offset: number,
  recording: Recording,
  context: TraceContext,
): void {
  const { diagnostics } = context;
  try {
    const section = openSection(file, offset, recording);
    if (section.id !== id) throw new RangeError(`section ${section.id} where ${id} should be`);
    const body = sectionBody(file, section, recording);
    if (id === SECTION_HEADER_INFO) recording.layout = readHeaderInfo(body, diagnostics);
    else if (id === SECTION_FTRACE_EVENTS) readFtraceFormats(body, recording.formats);
    else if (id === SECTION_EVENT_FORMATS) readEventFormats(body, recording.formats);
    else readCommandLines(body, context.threads);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const name = SECTION_NAMES[id];
    note(
      diagnostics,
      'damaged-section',
      'suspect',
      `a section is cut off or damaged (first: ${name} at byte ${offset}, ${error.message}); events without a format are not decoded, threads without a name have none`,
    );
  }
}

/**
 * BUFFER: u64 offset of the section, name, clock, u32 page size, u32 count, entries; CPUs without data are left out.
 * BUFFER_TEXT: offset, name and clock only.
 */
function readBuffer(
  file: Cursor,
  body: Cursor,
  id: number,
  recording: Recording,
  context: TraceContext,
): void {
  let name = '';
  try {
    const offset = readU64(body);
    name = readString(body);
    const clock = readString(body) || null;
    const section = openSection(file, offset, recording);
    if (section.id !== id) throw new RangeError(`section ${section.id} where ${id} should be`);
    const { compressed } = section;
    if (id === OPTION_BUFFER_TEXT) {
      recording.texts.push({
        name,
        offset: section.offset,
        size: Math.min(section.size, file.end - section.offset),
        compressed,
      });
      return;
    }
    const pageSize = readU32(body);
    const count = readU32(body);
    if (count * CPU_ENTRY > body.end - body.at) throw new RangeError(`a table of ${count} CPUs does not fit`);
    recording.entriesLeft -= count;
    if (recording.entriesLeft < 0) throw new RangeError('tables of too many CPUs');
    const cpus: CpuData[] = [];
    for (let i = 0; i < count; i++) {
      const cpu = readU32(body);
      const at = readU64(body);
      const size = readU64(body);
      reaches(recording, at + size);
      if (size > 0) cpus.push({ cpu, offset: at, size });
    }
    recording.buffers.push({ name, clock, pageSize, compressed, cpus });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    note(
      context.diagnostics,
      'damaged-buffer',
      'data-loss',
      `the events of a buffer cannot be found (first: ${name || 'the top buffer'}, ${error.message})`,
    );
  }
}
