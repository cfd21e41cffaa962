/**
 * The tracing_data blob of perf.data (feature 1 of the header, record 66 of a pipe): the recording kernel's event
 * formats. Layout: tools/perf/util/trace-event-info.c (writer) and trace-event-read.c.
 */
import { type Diagnostics, note } from '../../core/diagnostics.ts';
import { type EventFormat, parseEventFormat } from '../tracepoint/format.ts';

export interface TracingData {
  /** Formats by tracepoint id (`ID:` line). */
  readonly formats: Map<number, EventFormat>;
  /** `tid comm` pairs of saved_cmdlines: a lossy and possibly stale cache of the kernel. */
  readonly cmdlines: [number, string][];
}

const latin1 = new TextDecoder('latin1');

/** Reads the blob as far as it goes; what is damaged is counted. */
export function parseTracingData(bytes: Uint8Array, diagnostics: Diagnostics): TracingData {
  const result: TracingData = { formats: new Map(), cmdlines: [] };
  const cursor = {
    view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength),
    at: 0,
    little: true,
  };
  try {
    if (
      bytes[0] !== 0x17 ||
      bytes[1] !== 0x08 ||
      bytes[2] !== 0x44 ||
      latin1.decode(bytes.subarray(3, 10)) !== 'tracing'
    )
      throw new RangeError('no tracing magic');
    cursor.at = 10;
    const version = Number(readString(bytes, cursor));
    cursor.little = bytes[take(cursor, 1)] === 0;
    take(cursor, 1 + 4);
    for (const name of ['header_page', 'header_event']) {
      if (readString(bytes, cursor) !== name) throw new RangeError(`no ${name}`);
      take(cursor, readSize(cursor));
    }
    const ftraceEvents = readCount(cursor);
    for (let i = 0; i < ftraceEvents; i++)
      addFormat(result, readText(bytes, cursor, readSize(cursor)), 'ftrace', diagnostics);
    const systems = readCount(cursor);
    for (let i = 0; i < systems; i++) {
      const system = readString(bytes, cursor);
      const events = readCount(cursor);
      for (let j = 0; j < events; j++)
        addFormat(result, readText(bytes, cursor, readSize(cursor)), system, diagnostics);
    }
    take(cursor, readCount(cursor)); // kallsyms
    take(cursor, readCount(cursor)); // printk formats
    if (version >= 0.6) {
      for (const line of readText(bytes, cursor, readSize(cursor)).split('\n')) {
        const space = line.indexOf(' ');
        if (space > 0) result.cmdlines.push([Number(line.slice(0, space)), line.slice(space + 1)]);
      }
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    note(
      diagnostics,
      'damaged-tracing-data',
      'suspect',
      `event formats are cut off or damaged (byte ${cursor.at} of ${bytes.length}: ${error.message}); events without a format are not decoded`,
    );
  }
  return result;
}

interface Cursor {
  readonly view: DataView;
  at: number;
  little: boolean;
}

function addFormat(result: TracingData, text: string, system: string, diagnostics: Diagnostics): void {
  const format = parseEventFormat(text, system);
  if (format) result.formats.set(format.id, format);
  else
    note(
      diagnostics,
      'damaged-event-format',
      'suspect',
      'an event format could not be read; its events are not decoded',
    );
}

/** Advances by `size` bytes and returns where they start. */
function take(cursor: Cursor, size: number): number {
  const at = cursor.at;
  if (size < 0 || at + size > cursor.view.byteLength)
    throw new RangeError(`needs ${size} bytes, ${cursor.view.byteLength - at} left`);
  cursor.at += size;
  return at;
}

function readCount(cursor: Cursor): number {
  return cursor.view.getUint32(take(cursor, 4), cursor.little);
}

function readSize(cursor: Cursor): number {
  return Number(cursor.view.getBigUint64(take(cursor, 8), cursor.little));
}

function readText(bytes: Uint8Array, cursor: Cursor, size: number): string {
  const at = take(cursor, size);
  return latin1.decode(bytes.subarray(at, at + size));
}

function readString(bytes: Uint8Array, cursor: Cursor): string {
  const end = bytes.indexOf(0, cursor.at);
  if (end < 0) throw new RangeError('string without end');
  const text = latin1.decode(bytes.subarray(cursor.at, end));
  cursor.at = end + 1;
  return text;
}
