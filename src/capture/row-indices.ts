/** Dictionary indices of the rows of a batch: event names, reason names, texts. */

import { type Arena, allocateI32, allocateU8 } from '../core/arena.ts';
import { type Diagnostics, note } from '../core/diagnostics.ts';
import { type ArenaBatch, type EventBatch, F_ISA } from '../core/event-batch.ts';
import {
  EV_EXIT,
  EV_NESTED_VMEXIT,
  EV_NESTED_VMEXIT_INJECT,
  EV_PPC_GUEST_EXIT,
  EV_RUN_EXIT,
  EV_S390_SIE_EXIT,
  EV_USERSPACE_EXIT,
} from '../core/events.ts';
import { ISA_NAMED } from '../core/isa-codes.ts';
import { MAX_STRINGS } from '../core/string-table.ts';
import type { TraceContext } from '../core/trace-context.ts';
import { allReasons, reasonIndex, reasonName } from '../isa/reasons.ts';
import { userspaceExitName } from '../isa/userspace-exits.ts';
import { EVENT_DICTIONARY, REASON_DICTIONARY, TEXT_DICTIONARY } from '../parsers/capture-arrow/schema.ts';
import { createGrowingDictionary, type GrowingDictionary, valueIndex } from './growing-dictionary.ts';
import {
  KIND_EXIT,
  KIND_USERSPACE,
  NO_INDEX,
  NOT_ASKED,
  QUICK_CODES,
  QUICK_USERSPACE,
  R_BYTES,
  R_DEFAULT_ISA,
  R_EXIT_REASONS,
  R_KINDS,
  R_USERSPACE_REASONS,
} from './index-tables.ts';
import { countBits } from './validity.ts';

/** Most reason names of a capture: codes that no table knows must not grow the dictionary without bound. */
const MAX_REASONS = 8192;
/** Bytes for names and texts to come (growing-dictionary.ts): small beside the rows of a file that needs them. */
const NAMES_ROOM = 1 << 16;
const TEXTS_ROOM = 1 << 19;

const EXITS = [EV_EXIT, EV_NESTED_VMEXIT, EV_NESTED_VMEXIT_INJECT, EV_S390_SIE_EXIT, EV_PPC_GUEST_EXIT];
const USERSPACE_EXITS = [EV_USERSPACE_EXIT, EV_RUN_EXIT];

export interface IndexColumn {
  readonly dictionary: GrowingDictionary;
  /** Of the batch that is being made; the writer puts others in their place. */
  indices: Uint16Array;
  validity: Uint8Array;
  nulls: number;
}

export interface RowIndices {
  readonly event: IndexColumn;
  readonly reason: IndexColumn;
  readonly text: IndexColumn;
  /** Event or string code → dictionary index. */
  readonly eventIndex: Int32Array;
  readonly textIndex: Int32Array;
  /** Texts of the context that are in the dictionary. */
  textsAdded: number;
  /** ISA · QUICK_CODES + code, index into allReasons(), and KVM_EXIT_* below its length → dictionary index. */
  readonly exitReason: Int32Array;
  readonly knownReason: Int32Array;
  readonly userspaceReason: Int32Array;
  /** What the kernel reads of these (index-tables.ts). */
  readonly kinds: Uint8Array;
  readonly tables: Int32Array;
}

function createIndexColumn(id: number, room: number): IndexColumn {
  return {
    dictionary: createGrowingDictionary(id, room),
    indices: new Uint16Array(0),
    validity: new Uint8Array(0),
    nulls: 0,
  };
}

/** `arena`: that of the batches whose rows get indices. */
export function createRowIndices(arena: Arena): RowIndices {
  const kinds = allocateU8(arena, 65536);
  for (const event of EXITS) kinds[event] = KIND_EXIT;
  for (const event of USERSPACE_EXITS) kinds[event] = KIND_USERSPACE;
  const exitReason = allocateI32(arena, 256 * QUICK_CODES).fill(NOT_ASKED);
  const userspaceReason = allocateI32(arena, QUICK_USERSPACE).fill(NOT_ASKED);
  const tables = allocateI32(arena, R_BYTES / 4);
  tables[R_KINDS >> 2] = kinds.byteOffset;
  tables[R_EXIT_REASONS >> 2] = exitReason.byteOffset;
  tables[R_USERSPACE_REASONS >> 2] = userspaceReason.byteOffset;
  return {
    event: createIndexColumn(EVENT_DICTIONARY, NAMES_ROOM),
    reason: createIndexColumn(REASON_DICTIONARY, NAMES_ROOM),
    text: createIndexColumn(TEXT_DICTIONARY, TEXTS_ROOM),
    eventIndex: allocateI32(arena, 65536).fill(NOT_ASKED),
    textIndex: new Int32Array(MAX_STRINGS).fill(NO_INDEX),
    textsAdded: 0,
    knownReason: new Int32Array(allReasons().length).fill(NOT_ASKED),
    exitReason,
    userspaceReason,
    kinds,
    tables,
  };
}

/** Index of an event code; none for 0 and for codes without a name, which no parser should make. */
function newEventIndex(indices: RowIndices, context: TraceContext, code: number): number {
  const name = context.events.names[code] ?? '';
  const named = code > 0 && context.events.codes.get(name) === code;
  const index = named ? valueIndex(indices.event.dictionary, name) : NO_INDEX;
  indices.eventIndex[code] = index;
  return index;
}

function noteUnnamed(diagnostics: Diagnostics, count: number): void {
  note(
    diagnostics,
    'unnamed-event',
    'data-loss',
    'events without a name cannot be told apart in a capture',
    count,
  );
}

function fillEvents(indices: RowIndices, context: TraceContext, batch: ArenaBatch, rows: number): void {
  const { event, eventIndex } = indices;
  const { indexEvents } = batch.arena.kernels;
  const at = event.indices.byteOffset;
  event.nulls = 0;
  let unnamed = 0;
  for (let row = 0; ; ) {
    row = indexEvents(batch.table, eventIndex.byteOffset, at, row, rows);
    if (row === rows) break;
    const code = batch.event[row];
    if (eventIndex[code] === NOT_ASKED) newEventIndex(indices, context, code);
    if (eventIndex[code] >= 0) continue;
    event.nulls++;
    if (code !== 0) unnamed++;
    event.indices[row++] = 0;
  }
  if (event.nulls === 0) return;
  if (unnamed > 0) noteUnnamed(context.diagnostics, unnamed);
  event.validity.fill(0);
  for (let i = 0; i < rows; i++) if (eventIndex[batch.event[i]] >= 0) event.validity[i >> 3] |= 1 << (i & 7);
}

/** Puts new texts of the context into the dictionary, in their order, so that a reader gets the same codes. */
export function addTexts(indices: RowIndices, context: TraceContext): void {
  const { values } = context.strings;
  for (; indices.textsAdded < values.length; indices.textsAdded++)
    indices.textIndex[indices.textsAdded] = valueIndex(indices.text.dictionary, values[indices.textsAdded]);
}

function fillTexts(indices: RowIndices, context: TraceContext, batch: EventBatch, rows: number): void {
  const { text, textIndex } = indices;
  text.nulls = rows;
  // Most recordings have no text at all; the column is as it was made: all zeros.
  if (context.strings.values.length === 0) return;
  let used = 0;
  for (let row = 0; row < rows; row++) if (batch.text[row] >= 0) used++;
  text.nulls = rows - used;
  text.indices.fill(0, 0, rows);
  text.validity.fill(0);
  if (used === 0) return;
  addTexts(indices, context);
  text.nulls = 0;
  for (let row = 0; row < rows; row++) {
    const code = batch.text[row];
    const index = code >= 0 && code < textIndex.length ? textIndex[code] : NO_INDEX;
    if (index < 0) text.nulls++;
    else {
      text.indices[row] = index;
      text.validity[row >> 3] |= 1 << (row & 7);
    }
  }
}

function nameIndex(dictionary: GrowingDictionary, name: string): number {
  const known = dictionary.indices.get(name);
  if (known !== undefined) return known;
  return dictionary.values.length < MAX_REASONS ? valueIndex(dictionary, name) : NO_INDEX;
}

function exitReason(indices: RowIndices, context: TraceContext, isa: number, code: number): number {
  const { dictionary } = indices.reason;
  if (isa === ISA_NAMED) return nameIndex(dictionary, context.strings.values[code] ?? '');
  const known = reasonIndex(isa, code);
  // Rare: a number that no table knows, or VMX flags besides a known one.
  if (known < 0) return nameIndex(dictionary, reasonName(isa, code));
  let index = indices.knownReason[known];
  if (index === NOT_ASKED) {
    index = nameIndex(dictionary, allReasons()[known].name);
    indices.knownReason[known] = index;
  }
  if (code < QUICK_CODES) indices.exitReason[isa * QUICK_CODES + code] = index;
  return index;
}

function userspaceReason(indices: RowIndices, code: number): number {
  const { dictionary } = indices.reason;
  if (code >= indices.userspaceReason.length) return nameIndex(dictionary, userspaceExitName(code));
  let index = indices.userspaceReason[code];
  if (index === NOT_ASKED) {
    index = nameIndex(dictionary, userspaceExitName(code));
    indices.userspaceReason[code] = index;
  }
  return index;
}

function fillReasons(indices: RowIndices, context: TraceContext, batch: ArenaBatch, rows: number): void {
  const { reason, tables, kinds } = indices;
  const { indices: target, validity } = reason;
  const { indexReasons } = batch.arena.kernels;
  tables[R_DEFAULT_ISA >> 2] = context.defaultIsa;
  validity.fill(0);
  for (let row = 0; ; row++) {
    row = indexReasons(batch.table, tables.byteOffset, target.byteOffset, validity.byteOffset, row, rows);
    if (row === rows) break;
    // A name that is looked for the first time, or one of a large number.
    const code = batch.code[row];
    const isa = (batch.fields[row] & F_ISA) !== 0 ? batch.isa[row] : context.defaultIsa;
    const index =
      kinds[batch.event[row]] === KIND_EXIT
        ? exitReason(indices, context, isa, code)
        : userspaceReason(indices, code);
    if (index >= 0) {
      target[row] = index;
      validity[row >> 3] |= 1 << (row & 7);
    }
  }
  reason.nulls = rows - countBits(validity, Math.ceil(rows / 8));
}

/** Fills the three columns for rows [0, rows) of `batch`; dictionaries grow by what is new. */
export function fillIndices(
  indices: RowIndices,
  context: TraceContext,
  batch: ArenaBatch,
  rows: number,
): void {
  fillEvents(indices, context, batch, rows);
  fillTexts(indices, context, batch, rows);
  fillReasons(indices, context, batch, rows);
}
