/**
 * Reads what a trace event's printf format has printed back into its arguments. Formats are the C text of trace-events
 * files: string pieces and macros (`"addr 0x%" PRIx64 " size %u"`).
 */
import { BLANK } from '../../core/ascii.ts';
import type { EventBatch } from '../../core/event-batch.ts';
import { setColumn } from '../columns.ts';
import {
  ascii,
  findIn,
  findLast,
  matchesAt,
  readHex,
  readHexPrefixed,
  readSigned,
  word,
} from '../text/numbers.ts';
import { argumentColumns, C_TEXT, NO_COLUMN } from './argument-columns.ts';
import { type InternedBytes, internBytes } from './interned-bytes.ts';
import type { EventDeclaration } from './trace-events.ts';

const LITERAL = 0;
const DECIMAL = 1;
const HEX = 2;
const POINTER = 3;
const STRING = 4;
const CHARACTER = 5;
/** From here on the text cannot be told apart: what was read before counts. */
const STOP = 6;

interface FormatOp {
  readonly kind: number;
  /** LITERAL only. */
  readonly bytes: Uint8Array;
  readonly column: number;
}

export type TextFormat = readonly FormatOp[];

export const TEXT_MATCHES = 1;
/** The text ends before the format does: a line that was wrapped or cut. */
export const TEXT_CUT = 2;
export const TEXT_DIFFERS = 0;

const EMPTY = new Uint8Array(0);
const NIL = ascii('(nil)');

/** The declaration's format, null if it uses something unknown. */
export function compileFormat(declaration: EventDeclaration): TextFormat | null {
  const format = joinPieces(declaration.format);
  if (format === null) return null;
  const columns = argumentColumns(declaration);
  const ops: FormatOp[] = [];
  let arg = 0;
  let at = 0;
  const conversion = /%(%|[-#0 +]*([0-9]*|\*)(\.([0-9]*|\*))?(?:hh|h|ll|l|z|j|t)?([diuxXpsco]))/g;
  for (const match of format.matchAll(conversion)) {
    literal(ops, format.slice(at, match.index));
    at = match.index + match[0].length;
    if (match[1] === '%') {
      literal(ops, '%');
      continue;
    }
    if (match[2] === '*') arg++;
    if (match[4] === '*') arg++;
    const declared = columns[arg++] ?? NO_COLUMN;
    const column = (declared === C_TEXT) === (match[5] === 's') ? declared : NO_COLUMN;
    const kind = match[0].includes('#') && /x$/i.test(match[0]) ? POINTER : KINDS[match[5]];
    const before = ops[ops.length - 1];
    // Nothing says where a string ends that a number follows at once.
    ops.push({ kind: before?.kind === STRING ? STOP : kind, bytes: EMPTY, column });
  }
  literal(ops, format.slice(at));
  return ops;
}

const KINDS: Readonly<Record<string, number>> = {
  d: DECIMAL,
  i: DECIMAL,
  u: DECIMAL,
  x: HEX,
  X: HEX,
  p: POINTER,
  s: STRING,
  c: CHARACTER,
  o: STOP,
};

/** Adds literal text, joined with a literal before it. */
function literal(ops: FormatOp[], text: string): void {
  if (text === '') return;
  const bytes = new TextEncoder().encode(text);
  const before = ops[ops.length - 1];
  if (before?.kind !== LITERAL) ops.push({ kind: LITERAL, bytes, column: NO_COLUMN });
  else ops[ops.length - 1] = { ...before, bytes: Uint8Array.from([...before.bytes, ...bytes]) };
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r' };

/** C string pieces and macros as one format; of two formats (TCG events had them) the second. Null: unknown macro. */
function joinPieces(pieces: string): string | null {
  const text = pieces.trim();
  let format = '';
  const piece = /\s*(?:"((?:[^"\\]|\\.)*)"|([A-Za-z_]\w*)|(,))/y;
  while (piece.lastIndex < text.length) {
    const match = piece.exec(text);
    if (!match) return null;
    if (match[3] !== undefined) format = '';
    else if (match[1] !== undefined)
      format += match[1].replace(/\\(.)/g, (_, char: string) => ESCAPES[char] ?? char);
    else {
      const macro = expandMacro(match[2]);
      if (macro === null) return null;
      format += macro;
    }
  }
  return format;
}

/** inttypes.h's PRIx64 …, and QEMU's own (include/exec/): HWADDR_PRIx is a letter, TARGET_FMT_lx a conversion. */
function expandMacro(name: string): string | null {
  const letter = /^PRI([dioxuX])(?:8|16|32|64|PTR|MAX)$/.exec(name) ?? /^\w+_PRI([dioxuX])$/.exec(name);
  if (letter) return letter[1];
  if (!name.includes('_FMT')) return null;
  return /d$/.test(name) ? '%d' : /u$/.test(name) ? '%u' : '%x';
}

/** Reads the text in [pos, end) into the row's columns. TEXT_DIFFERS may leave some columns written. */
export function readFormat(
  format: TextFormat,
  interned: InternedBytes,
  buf: Uint8Array,
  pos: number,
  end: number,
  batch: EventBatch,
  row: number,
): number {
  const status = readWith(findIn, format, interned, buf, pos, end, batch, row);
  // A string may hold the text that is to follow it: JSON has blanks and numbers. Then its last occurrence counts.
  return status === TEXT_DIFFERS && format.some(({ kind }) => kind === STRING)
    ? readWith(findLast, format, interned, buf, pos, end, batch, row)
    : status;
}

function readWith(
  find: typeof findIn,
  format: TextFormat,
  interned: InternedBytes,
  buf: Uint8Array,
  pos: number,
  end: number,
  batch: EventBatch,
  row: number,
): number {
  let p = pos;
  for (let i = 0; i < format.length; i++) {
    const op = format[i];
    if (op.kind === STOP) return TEXT_MATCHES;
    if (op.kind === LITERAL) {
      const next = afterLiteral(op.bytes, buf, p, end);
      if (next < 0) return next === CUT ? TEXT_CUT : TEXT_DIFFERS;
      p = next;
      continue;
    }
    if (op.kind === STRING) {
      const stop = stringEnd(find, format, i, buf, p, end);
      if (stop < 0) return TEXT_CUT;
      if (op.column === C_TEXT && stop > p) batch.text[row] = internBytes(interned, buf, p, stop);
      p = stop;
      continue;
    }
    // printf pads with blanks: "%3d".
    while (buf[p] === BLANK) p++;
    if (p >= end) return TEXT_CUT;
    p = readNumber(op.kind, buf, p);
    if (p < 0 || p > end) return TEXT_DIFFERS;
    if (op.column >= 0) setColumn(batch, row, op.column, word[0], word[1]);
  }
  while (p < end && buf[p] === BLANK) p++;
  return p === end ? TEXT_MATCHES : TEXT_DIFFERS;
}

function readNumber(kind: number, buf: Uint8Array, p: number): number {
  switch (kind) {
    case DECIMAL:
      return readSigned(buf, p);
    case HEX:
      return readHex(buf, p);
    case CHARACTER:
      word[0] = buf[p];
      word[1] = 0;
      return p + 1;
    default:
      if (!matchesAt(buf, p, NIL)) return readHexPrefixed(buf, p);
      word[0] = 0;
      word[1] = 0;
      return p + NIL.length;
  }
}

const CUT = -2;

/** Position after the literal at `p`; CUT if the text ends within it, −1 if it is another text. */
function afterLiteral(bytes: Uint8Array, buf: Uint8Array, p: number, end: number): number {
  const { length } = bytes;
  const there = Math.min(length, end - p);
  for (let i = 0; i < there; i++) if (buf[p + i] !== bytes[i]) return -1;
  if (there === length) return p + length;
  // Blanks at the end of a line get lost easily.
  for (let i = there; i < length; i++) if (bytes[i] !== BLANK) return CUT;
  return end;
}

/** End of the string at `p`: where the next literal begins, at the end of the line if that is the last one. */
function stringEnd(
  find: typeof findIn,
  format: TextFormat,
  index: number,
  buf: Uint8Array,
  p: number,
  end: number,
): number {
  const next = format[index + 1];
  if (next === undefined || next.kind !== LITERAL) return end;
  const last = end - next.bytes.length;
  if (index + 2 === format.length && last >= p && matchesAt(buf, last, next.bytes)) return last;
  return find(buf, p, end, next.bytes);
}
