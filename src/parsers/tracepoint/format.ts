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

/** What losses are called among events: no tracepoint's name. */
const LOSS = createEventDictionary().names[EV_LOST];

/** Parses one format text; null if it has no name or id (damaged file). */
export function parseEventFormat(text: string, system: string): EventFormat | null {
  let name: string | null = null;
  let id: number | null = null;
  const fields = new Map<string, FormatField>();
  for (const line of text.split('\n')) {
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
  const match = /^\s*(.*?)([A-Za-z_]\w*)\s*(\[[^\]]*\])?\s*$/.exec(declaration);
  if (!match) return null;
  const type = match[1].trim();
  const dynamic = type.startsWith('__data_loc') ? 'data' : type.startsWith('__rel_loc') ? 'rel' : null;
  // 2.6.32 printed no `signed:`; C's rules then decide.
  const signed =
    signedFlag === undefined ? /^(?:int|long|short|s\d+|char|pid_t)\b/.test(type) : signedFlag === '1';
  const array = match[3] !== undefined || dynamic !== null || size > 8;
  return { name: match[2], offset, size, signed, array, dynamic, type };
}

/** Whether a field can be read as an integer. */
export function isInteger(field: FormatField | undefined): field is FormatField {
  return (
    field !== undefined &&
    !field.array &&
    (field.size === 1 || field.size === 2 || field.size === 4 || field.size === 8)
  );
}
