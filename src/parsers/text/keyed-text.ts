/**
 * Event texts of the form "word value, word: value word" by tables: the kernel's print formats differ between
 * versions in order and presence of such pairs, seldom in their words. The `field=value` form that
 * `trace-cmd report -R` prints is read by the same tables, which also know the field names of RECORDED_FIELDS.
 */

import { BLANK, COLON, EQUALS } from '../../core/ascii.ts';
import type { EventBatch } from '../../core/event-batch.ts';
import { RECORDED_FIELDS } from '../../core/event-fields.ts';
import { C_CODE, COLUMN_CODES, hasColumn, setColumn } from '../columns.ts';
import { hashBytes } from './byte-names.ts';
import { ascii, readAny, readHexPrefixed, readSigned, word } from './numbers.ts';
import { recorded, recordNumber } from './recorded-numbers.ts';

type ValueColumn = keyof typeof COLUMN_CODES;

export interface KeyRule {
  /** Column of the value behind the word; none: the word alone tells something. */
  readonly column?: ValueColumn;
  /** x: hexadecimal, 0x optional; d: decimal, minus allowed. */
  readonly base?: 'x' | 'd';
  /** The word itself sets this column to this value (unless it is set). */
  readonly sets?: readonly [ValueColumn, number];
  /** The word sets these bits of `code`. */
  readonly bits?: number;
}

interface KeyOp {
  readonly name: Uint8Array;
  readonly hash: number;
  readonly column: number;
  /** Column of the value in `name=value`. */
  readonly rawColumn: number;
  readonly hex: boolean;
  readonly constColumn: number;
  readonly constValue: number;
  readonly bits: number;
  /** Only valid as `name=value`: a field name of the record. */
  readonly rawOnly: boolean;
  /** As `name=value` the number is hexadecimal even without 0x. */
  readonly rawHex: boolean;
}

/**
 * Fields whose print format is `%x` without `0x`. `trace-cmd report -R` prints a field by the conversion that the
 * event's print format has for it (since libtraceevent 1.4; older ones printed all of them in decimal).
 */
const BARE_HEX: Readonly<Record<string, readonly string[]>> = {
  kvm_exit: ['info1', 'info2'],
  kvm_cpuid: ['function', 'index', 'rax', 'rbx'],
  kvm_msr: ['ecx'],
  kvm_cr: ['cr'],
  kvm_page_fault: ['fault_address', 'error_code'],
  kvm_eoi: ['apicid'],
  kvm_pv_eoi: ['apicid'],
  kvm_apic_accept_irq: ['apicid'],
  kvm_apic_ipi: ['dest_id'],
};

export interface KeyTable {
  readonly slots: Int8Array;
  readonly ops: readonly KeyOp[];
  /** F_* bits without which the text was not understood. */
  readonly required: number;
}

const SLOTS = 128;

/** Table of an event's words. `required`: F_* bits that every layout of the text gives. */
export function keyTable(rules: Readonly<Record<string, KeyRule>>, required: number, event = ''): KeyTable {
  const bare = BARE_HEX[event] ?? [];
  const fieldColumns = new Map<string, ValueColumn>();
  for (const [column, fields] of Object.entries(RECORDED_FIELDS[event] ?? {}))
    if (column in COLUMN_CODES)
      for (const field of typeof fields === 'string' ? [fields] : fields)
        fieldColumns.set(field, column as ValueColumn);
  const ops: KeyOp[] = Object.entries(rules).map(([key, rule]) =>
    keyOp(key, rule, fieldColumns.get(key) ?? rule.column, false, bare),
  );
  for (const [field, column] of fieldColumns)
    if (!rules[field]) ops.push(keyOp(field, {}, column, true, bare));
  const slots = new Int8Array(SLOTS).fill(-1);
  ops.forEach((op, index) => {
    let slot = slotOf(op.hash);
    while (slots[slot] >= 0) slot = (slot + 1) & (SLOTS - 1);
    slots[slot] = index;
  });
  return { slots, ops, required };
}

function keyOp(
  key: string,
  rule: KeyRule,
  rawColumn: ValueColumn | undefined,
  rawOnly: boolean,
  bare: readonly string[],
): KeyOp {
  const name = ascii(key);
  return {
    name,
    hash: hashBytes(name, 0, name.length),
    column: rule.column === undefined ? -1 : COLUMN_CODES[rule.column],
    rawColumn: rawColumn === undefined ? -1 : COLUMN_CODES[rawColumn],
    hex: rule.base === 'x',
    constColumn: rule.sets ? COLUMN_CODES[rule.sets[0]] : -1,
    constValue: rule.sets ? rule.sets[1] : 0,
    bits: rule.bits ?? 0,
    rawOnly,
    rawHex: bare.includes(key),
  };
}

function slotOf(hash: number): number {
  return (hash ^ (hash >>> 9) ^ (hash >>> 18)) & (SLOTS - 1);
}

/** Bytes of words: letters, digits, `_`, and `-` and `/` inside ("unsatisfied-read", "Soft/INTn"). */
const WORD = new Uint8Array(256);
for (const char of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_') WORD[char.charCodeAt(0)] = 2;
for (const char of '0123456789-/') WORD[char.charCodeAt(0)] = 1;

/**
 * Reads the text in [pos, end) into the row's columns. The first value of a column counts. Returns whether all
 * required columns were found.
 */
export function readKeyed(
  table: KeyTable,
  buf: Uint8Array,
  pos: number,
  end: number,
  batch: EventBatch,
  row: number,
): boolean {
  let p = pos;
  while (p < end) {
    const kind = WORD[buf[p]];
    if (kind !== 2) {
      // A value without a word of its own, or punctuation.
      if (kind === 1) while (p < end && WORD[buf[p]] !== 0) p++;
      else p++;
      continue;
    }
    let hash = 0;
    const start = p;
    while (WORD[buf[p]] !== 0) hash = (Math.imul(hash, 31) + buf[p++]) | 0;
    const op = lookUp(table, buf, start, p, hash);
    if (op !== null) p = apply(op, buf, p, end, batch, row);
  }
  return (batch.fields[row] & table.required) === table.required;
}

function lookUp(table: KeyTable, buf: Uint8Array, start: number, end: number, hash: number): KeyOp | null {
  let slot = slotOf(hash);
  for (;;) {
    const index = table.slots[slot];
    if (index < 0) return null;
    const op = table.ops[index];
    if (op.hash === hash && op.name.length === end - start) {
      let i = 0;
      while (i < op.name.length && buf[start + i] === op.name[i]) i++;
      if (i === op.name.length) return op;
    }
    slot = (slot + 1) & (SLOTS - 1);
  }
}

function apply(op: KeyOp, buf: Uint8Array, pos: number, end: number, batch: EventBatch, row: number): number {
  let p = pos;
  if (buf[p] === EQUALS) {
    if (op.rawColumn < 0 || ++p >= end) return p;
    const next = op.rawHex ? readHexPrefixed(buf, p) : readAny(buf, p);
    if (next < 0 || next > end) return p;
    storeNumber(op.rawColumn, buf, p, next, op.rawHex, batch, row);
    return next;
  }
  if (op.rawOnly) return p;
  if (op.constColumn >= 0 && !hasColumn(batch, row, op.constColumn))
    setColumn(batch, row, op.constColumn, op.constValue, op.constValue < 0 ? -1 : 0);
  if (op.bits !== 0) {
    setColumn(batch, row, C_CODE, batch.code[row] | op.bits, 0);
    recorded.bits |= op.bits;
  }
  if (op.column < 0) return p;
  if (buf[p] === COLON) p++;
  while (buf[p] === BLANK) p++;
  if (p >= end) return p;
  const next = op.hex ? readHexPrefixed(buf, p) : readSigned(buf, p);
  if (next < 0 || next > end) return p;
  storeNumber(op.column, buf, p, next, op.hex, batch, row);
  return next;
}

/** Stores the number read from [start, end) unless the column has a value. */
function storeNumber(
  column: number,
  buf: Uint8Array,
  start: number,
  end: number,
  hex: boolean,
  batch: EventBatch,
  row: number,
): void {
  const first = !hasColumn(batch, row, column);
  if (first) setColumn(batch, row, column, word[0], word[1]);
  recordNumber(buf, start, end, hex, first ? column : -1);
}
