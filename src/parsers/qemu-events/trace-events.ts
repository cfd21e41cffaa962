/**
 * QEMU's trace-events-all: one event per line, `[disable] [vcpu] name(type arg, ...) "format"`.
 * Syntax: docs/devel/tracing.rst and scripts/tracetool/__init__.py of QEMU.
 */

export interface EventArgument {
  readonly name: string;
  /** Recorded as length and bytes, not as 8 bytes. */
  readonly isString: boolean;
}

export interface EventDeclaration {
  readonly name: string;
  readonly args: readonly EventArgument[];
  /** C text behind the argument list: string pieces and macros, '' if there is none. */
  readonly format: string;
  readonly disabled: boolean;
}

export interface TraceEvents {
  readonly byName: ReadonlyMap<string, EventDeclaration>;
  /** Events that are not disabled, in file order: the numbering of simpletrace versions 0, 2 and 3. */
  readonly numbered: readonly EventDeclaration[];
  /** Lines that are neither event nor comment. */
  readonly unreadable: number;
}

/** Events that are kept of a file; QEMU 7.2 has 5062. */
const MAX_DECLARATIONS = 65536;
/** Longest line that is looked at; QEMU's own are below 500 characters. */
const MAX_LINE = 8192;

export function parseTraceEvents(text: string): TraceEvents {
  const byName = new Map<string, EventDeclaration>();
  const numbered: EventDeclaration[] = [];
  let unreadable = 0;
  let start = 0;
  while (start < text.length && byName.size < MAX_DECLARATIONS) {
    let end = text.indexOf('\n', start);
    if (end < 0) end = text.length;
    const line = text.slice(start, end).trim();
    start = end + 1;
    if (line === '' || line.startsWith('#')) continue;
    const declaration = line.length > MAX_LINE ? null : parseDeclaration(line);
    if (!declaration) {
      unreadable++;
      continue;
    }
    if (!declaration.disabled) numbered.push(declaration);
    byName.set(declaration.name, declaration);
  }
  return { byName, numbered, unreadable };
}

/** One line, null if it is no declaration. */
export function parseDeclaration(line: string): EventDeclaration | null {
  const open = line.indexOf('(');
  const close = line.indexOf(')', open);
  if (open < 0 || close < 0) return null;
  const words = line.slice(0, open).trimEnd().split(/\s+/);
  const name = words.pop() ?? '';
  if (!/^\w+$/.test(name) || words.some((word) => !/^\w+$/.test(word))) return null;
  const args = parseArguments(line.slice(open + 1, close));
  if (!args) return null;
  let format = line.slice(close + 1).trim();
  // tracetool puts the CPU's address in front of the arguments of `vcpu` events (7.2; 10.0 has none).
  if (words.includes('vcpu')) {
    args.unshift({ name: '__cpu', isString: false });
    format = `"cpu=%p " ${format}`;
  }
  return { name, args, format, disabled: words.includes('disable') };
}

function parseArguments(text: string): EventArgument[] | null {
  const args: EventArgument[] = [];
  for (const part of text.split(',')) {
    const arg = part.trim();
    if (arg === 'void') continue;
    const star = arg.lastIndexOf('*');
    const split = star >= 0 ? star + 1 : arg.search(/\s\S*$/);
    if (split < 0 || arg === '') return null;
    const name = arg.slice(split).trim();
    if (!/^\w+$/.test(name)) return null;
    args.push({ name, isString: isString(arg.slice(0, split)) });
  }
  return args;
}

/** is_string() of scripts/tracetool/backend/simple.py; the one-star condition is missing in old QEMU. */
function isString(type: string): boolean {
  const text = type.trimStart();
  return /^(const )?char ?\*/.test(text) && text.indexOf('*') === text.lastIndexOf('*');
}
