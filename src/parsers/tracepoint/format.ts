/**
 * Tracepoint format descriptions: the `format` texts of tracefs (events/SYSTEM/EVENT/format) that perf.data and
 * trace.dat carry. They are the only source of record layouts: field order, sizes and presence differ between
 * kernels, and stable branches backport changes (include/trace/events/kvm.h, arch/ARCH/kvm/trace*.h).
 */
import { createEventDictionary, EV_LOST } from '../../core/events.ts';

export interface FormatField {
  readonly name: string;
  readonly offset: number;
  readonly size: number;
  readonly signed: boolean;
  /** Fixed array (`comm[16]`) or dynamic data; such fields are no integers. */
  readonly array: boolean;
  /** `__data_loc` / `__rel_loc` types: a u32 that says where the data lies. */
  readonly dynamic: 'data' | 'rel' | null;
  /** C type text without the name. */
  readonly type: string;
}

export interface EventFormat {
  readonly system: string;
  readonly name: string;
  readonly id: number;
  readonly fields: ReadonlyMap<string, FormatField>;
}

const FIELD = /^\s*field:(.*?);\s*offset:\s*(\d{1,6});\s*size:\s*(\d{1,6});(?:\s*signed:\s*([01]);)?/;

/** Characters of a description that are looked at: its fields come first, the longest are some 10,000. */
const MAX_FORMAT = 1 << 20;

/** What losses are called among events: no tracepoint's name. */
const LOSS = createEventDictionary().names[EV_LOST];

/** Parses one format text; null if it has no name or id (damaged file). */
export function parseEventFormat(text: string, system: string): EventFormat | null {
  let name: string | null = null;
  let id: number | null = null;
  const fields = new Map<string, FormatField>();
  for (const line of text.slice(0, MAX_FORMAT).split('\n')) {
    if (line.startsWith('print fmt:')) break;
    if (line.startsWith('name:')) name = line.slice(5).trim();
    else if (line.startsWith('ID:')) id = Number.parseInt(line.slice(3), 10);
    else {
      const match = FIELD.exec(line);
      const field = match && parseDeclaration(match[1], Number(match[2]), Number(match[3]), match[4]);
      if (field && !fields.has(field.name)) fields.set(field.name, field);
    }
  }
  if (!name || name === LOSS || id === null || !Number.isInteger(id) || id < 0) return null;
  return { system, name, id, fields };
}

function parseDeclaration(
  declaration: string,
  offset: number,
  size: number,
  signedFlag: string | undefined,
): FormatField | null {
  let text = declaration.trim();
  const bracket = text.endsWith(']') ? text.lastIndexOf('[') : -1;
  if (bracket >= 0) text = text.slice(0, bracket).trimEnd();
  const start = startOfName(text);
  if (start === text.length) return null;
  const type = text.slice(0, start).trim();
  const dynamic = type.startsWith('__data_loc') ? 'data' : type.startsWith('__rel_loc') ? 'rel' : null;
  // 2.6.32 printed no `signed:`; C's rules then decide.
  const signed =
    signedFlag === undefined ? /^(?:int|long|short|s\d+|char|pid_t)\b/.test(type) : signedFlag === '1';
  const array = bracket >= 0 || dynamic !== null || size > 8;
  return { name: text.slice(start), offset, size, signed, array, dynamic, type };
}

/** Where the identifier at a text's end begins. No pattern: a damaged file has lines of megabytes. */
function startOfName(text: string): number {
  let start = text.length;
  while (start > 0 && /\w/.test(text[start - 1])) start--;
  while (start < text.length && /\d/.test(text[start])) start++;
  return start;
}

/** Whether a field can be read as an integer. */
export function isInteger(field: FormatField | undefined): field is FormatField {
  return (
    field !== undefined &&
    !field.array &&
    (field.size === 1 || field.size === 2 || field.size === 4 || field.size === 8)
  );
}
