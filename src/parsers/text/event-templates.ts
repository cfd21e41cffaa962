/**
 * Texts that differ from an earlier one in nothing but their numbers. The grammar finds out once which number of a text
 * goes to which column (recorded-numbers.ts); the next text that has the same bytes between its numbers needs no words
 * looked up. What the words say, and what stands in no number, is the same for all of them.
 */
import {
  CARRIAGE_RETURN,
  DASH,
  LINE_FEED,
  LOWER_A,
  LOWER_CASE,
  LOWER_Z,
  NINE,
  SLASH,
  UNDERSCORE,
  ZERO,
} from '../../core/ascii.ts';
import {
  type EventBatch,
  F_ADDRESS,
  F_ARG0,
  F_ARG1,
  F_ERROR_CODE,
  F_INFO1,
  F_INFO2,
  F_INTR_INFO,
} from '../../core/event-batch.ts';
import {
  C_ADDRESS,
  C_ARG0,
  C_ARG1,
  C_CODE,
  C_ERROR_CODE,
  C_INFO1,
  C_INFO2,
  C_INTR_INFO,
  C_VCPU,
  setColumn,
} from '../columns.ts';
import { readHexPairs } from './digit-pairs.ts';
import { readSigned, word } from './numbers.ts';
import type { ReasonNames } from './reason-names.ts';
import { MAX_NUMBERS, recorded } from './recorded-numbers.ts';

const PLACES = 4096;
/** Longest text that is remembered. */
const MAX_TEXT = 255;
/** Templates made in all: where texts keep differing, making more of them is no gain. */
const MAX_MADE = 65536;

interface Template {
  /** Event that the text belongs to. */
  readonly id: number;
  /** Bytes between the numbers, four at a time; the last word of a run has its rest masked off. */
  readonly words: Int32Array;
  readonly masks: Int32Array;
  /** By run: bytes. One run more than numbers. */
  readonly lengths: Uint8Array;
  readonly columns: Int8Array;
  readonly hex: Uint8Array;
  readonly numbers: number;
  readonly isa: number;
  /** Of `code`: its value, or the bits that words add to the number in it. */
  readonly code: number;
  readonly fields: number;
  /** Columns whose values do not come from numbers: code, low and high word. */
  readonly constants: Int32Array;
}

export interface EventTemplates {
  readonly reasons: ReasonNames;
  readonly places: (Template | null)[];
  made: number;
  /** `reasons.changes` when the templates were made: names mean something else since. */
  changes: number;
}

export function createEventTemplates(reasons: ReasonNames): EventTemplates {
  return {
    reasons,
    places: new Array<Template | null>(PLACES).fill(null),
    made: 0,
    changes: reasons.changes,
  };
}

/** Two places are tried: this one and its neighbour. `key`: where in the text two words tell its forms apart. */
function placeIn(view: DataView, text: number, key: number, id: number): number {
  const a = view.getInt32(text + key, true);
  const b = view.getInt32(text + key + 4, true);
  const mixed = Math.imul(
    Math.imul(a, 0x2c1b3c6d) ^ Math.imul(b, 0x297a2d39) ^ Math.imul(id, 0x3d4d51cb),
    0x165667b1,
  );
  return (mixed >>> 16) & (PLACES - 2);
}

/**
 * Reads the text at `text` of event `id` into the row's value columns if it is known but for its numbers; returns the
 * position of the line's end (a line feed, or a CR before it) or −1.
 */
export function readTemplate(
  templates: EventTemplates,
  view: DataView,
  buf: Uint8Array,
  text: number,
  key: number,
  id: number,
  batch: EventBatch,
  row: number,
): number {
  if (templates.changes !== templates.reasons.changes) return -1;
  const place = placeIn(view, text, key, id);
  const first = templates.places[place];
  if (first === null || first.id !== id) return -1;
  const end = fillFrom(first, view, buf, text, batch, row);
  if (end >= 0) return end;
  const second = templates.places[place + 1];
  return second === null || second.id !== id ? -1 : fillFrom(second, view, buf, text, batch, row);
}

function fillFrom(
  template: Template,
  view: DataView,
  buf: Uint8Array,
  text: number,
  batch: EventBatch,
  row: number,
): number {
  const { words, masks, lengths, numbers } = template;
  batch.vcpu[row] = -1;
  batch.isa[row] = template.isa;
  batch.code[row] = 0;
  batch.fields[row] = 0;
  let p = text;
  let at = 0;
  for (let i = 0; ; i++) {
    const next = p + lengths[i];
    for (; p < next; p += 4, at++) if ((view.getInt32(p, true) & masks[at]) !== words[at]) return -1;
    p = next;
    if (i === numbers) break;
    p = template.hex[i] === 1 ? readHexPairs(view, p) : readSigned(buf, p);
    if (p < 0) return -1;
    const column = template.columns[i];
    if (column >= 0) setColumn(batch, row, column, word[0], word[1]);
  }
  if (buf[p] !== LINE_FEED && (buf[p] !== CARRIAGE_RETURN || buf[p + 1] !== LINE_FEED)) return -1;
  const { constants } = template;
  for (let i = 0; i < constants.length; i += 3)
    setColumn(batch, row, constants[i], constants[i + 1], constants[i + 2]);
  batch.text[row] = -1;
  batch.code[row] |= template.code;
  batch.fields[row] = template.fields;
  return p;
}

/** Bytes of words and numbers: what a number ends at must not be one. */
function goesOn(byte: number): boolean {
  return (
    (byte >= ZERO && byte <= NINE) ||
    ((byte | LOWER_CASE) >= LOWER_A && (byte | LOWER_CASE) <= LOWER_Z) ||
    byte === UNDERSCORE ||
    byte === DASH ||
    byte === SLASH
  );
}

/** Makes a template of the text [text, end) that the grammar has just read into the row. */
export function learnTemplate(
  templates: EventTemplates,
  view: DataView,
  buf: Uint8Array,
  text: number,
  end: number,
  key: number,
  id: number,
  batch: EventBatch,
  row: number,
): void {
  const { count, start } = recorded;
  if (count > MAX_NUMBERS || end - text > MAX_TEXT || end - text < key + 8) return;
  if (batch.text[row] >= 0 || templates.made >= MAX_MADE) return;
  for (let i = 0; i < count; i++) if (recorded.end[i] < end && goesOn(buf[recorded.end[i]])) return;
  const lengths = new Uint8Array(count + 1);
  const words: number[] = [];
  const masks: number[] = [];
  let p = text;
  for (let i = 0; i <= count; i++) {
    const stop = i < count ? start[i] : end;
    if (stop < p) return;
    lengths[i] = stop - p;
    for (; p < stop; p += 4) {
      const mask = stop - p >= 4 ? -1 : (1 << (8 * (stop - p))) - 1;
      masks.push(mask);
      words.push(view.getInt32(p, true) & mask);
    }
    if (i < count) p = recorded.end[i];
  }
  if (templates.changes !== templates.reasons.changes) {
    templates.changes = templates.reasons.changes;
    templates.places.fill(null);
  }
  templates.made++;
  const place = placeIn(view, text, key, id);
  // The newest stands first.
  templates.places[place + 1] = templates.places[place];
  templates.places[place] = {
    id,
    words: Int32Array.from(words),
    masks: Int32Array.from(masks),
    lengths,
    columns: recorded.column.slice(0, count),
    hex: recorded.hex.slice(0, count),
    numbers: count,
    isa: batch.isa[row],
    code: fromNumber(C_CODE) ? recorded.bits : batch.code[row] | 0,
    fields: batch.fields[row],
    constants: constantsOf(batch, row),
  };
}

/** Whether one of the numbers went to the column. */
function fromNumber(column: number): boolean {
  for (let i = 0; i < recorded.count; i++) if (recorded.column[i] === column) return true;
  return false;
}

function constantsOf(batch: EventBatch, row: number): Int32Array {
  const found: number[] = [];
  const fields = batch.fields[row];
  const wide = [
    [C_ADDRESS, F_ADDRESS, batch.address],
    [C_INFO1, F_INFO1, batch.info1],
    [C_INFO2, F_INFO2, batch.info2],
    [C_ARG0, F_ARG0, batch.arg0],
    [C_ARG1, F_ARG1, batch.arg1],
  ] as const;
  for (const [column, bit, values] of wide)
    if (fields & bit && !fromNumber(column)) found.push(column, values[2 * row], values[2 * row + 1]);
  if (fields & F_INTR_INFO && !fromNumber(C_INTR_INFO)) found.push(C_INTR_INFO, batch.intrInfo[row], 0);
  if (fields & F_ERROR_CODE && !fromNumber(C_ERROR_CODE)) found.push(C_ERROR_CODE, batch.errorCode[row], 0);
  if (batch.vcpu[row] !== -1 && !fromNumber(C_VCPU)) found.push(C_VCPU, batch.vcpu[row], 0);
  return Int32Array.from(found);
}
