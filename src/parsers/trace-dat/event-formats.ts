/**
 * The recorded format texts by tracepoint id. `trace-cmd extract` stores those of every event of the kernel
 * (thousands), so a text is only parsed when the first event of its kind is met.
 */
import { type EventFormat, parseEventFormat } from '../tracepoint/format.ts';
import { type Cursor, readString, readText, readU32, readU64 } from './cursor.ts';

interface FormatText {
  readonly system: string;
  readonly text: string;
}

export interface FormatTexts {
  readonly byId: Map<number, FormatText>;
  /** Names of tracepoints (not of ftrace's own events). */
  readonly names: Set<string>;
  readonly systems: Set<string>;
  /** Formats without name or id. */
  damaged: number;
}

/** common_type is a u16. */
const MAX_ID = 65535;
const FTRACE = 'ftrace';

export function createFormatTexts(): FormatTexts {
  return { byId: new Map(), names: new Set(), systems: new Set(), damaged: 0 };
}

/** u32 count, then u64 size and text of each: ftrace's own events (print, function …). */
export function readFtraceFormats(cursor: Cursor, formats: FormatTexts): void {
  for (let left = readCount(cursor); left > 0; left--)
    addText(formats, FTRACE, readText(cursor, readU64(cursor)));
}

/** u32 systems; of each its name, u32 count, then u64 size and text of each event. */
export function readEventFormats(cursor: Cursor, formats: FormatTexts): void {
  for (let systems = readCount(cursor); systems > 0; systems--) {
    const system = readString(cursor);
    formats.systems.add(system);
    for (let left = readCount(cursor); left > 0; left--)
      addText(formats, system, readText(cursor, readU64(cursor)));
  }
}

/** A file of zeros may be as long as it says. */
function readCount(cursor: Cursor): number {
  const count = readU32(cursor);
  if (count > MAX_ID) throw new RangeError(`${count} formats or groups of them cannot be`);
  return count;
}

function addText(formats: FormatTexts, system: string, text: string): void {
  const start = text.slice(0, 512);
  const name = /^name:\s*(\S+)/m.exec(start)?.[1];
  const id = Number(/^ID:\s*(\d+)/m.exec(start)?.[1] ?? -1);
  if (name === undefined || id < 0 || id > MAX_ID) {
    formats.damaged++;
    return;
  }
  formats.byId.set(id, { system, text });
  if (system !== FTRACE) formats.names.add(name);
}

/** The format with this id, null if the file has none that can be read. */
export function formatOf(formats: FormatTexts, id: number): EventFormat | null {
  const found = formats.byId.get(id);
  return found ? parseEventFormat(found.text, found.system) : null;
}
