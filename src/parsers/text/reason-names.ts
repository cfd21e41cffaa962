/**
 * Exit reasons by their printed name, remembered by the name's bytes: a name is turned into a string once.
 */

import { note } from '../../core/diagnostics.ts';
import { type EventBatch, F_CODE, F_ISA } from '../../core/event-batch.ts';
import { ISA_NAMED, ISA_SVM, ISA_UNKNOWN, ISA_VMX } from '../../core/isa-codes.ts';
import { internString } from '../../core/string-table.ts';
import type { TraceContext } from '../../core/trace-context.ts';
import { parseOldVmxName, parseReasonName } from '../../isa/reasons.ts';
import { addName, type ByteNames, clearNames, createByteNames, findName, hashBytes } from './byte-names.ts';
import { createKnownBytes, forgetKnown, type KnownBytes } from './known-bytes.ts';
import { ascii, decodeText } from './numbers.ts';

export interface ReasonNames {
  readonly context: TraceContext;
  readonly names: ByteNames;
  readonly isa: number[];
  readonly code: number[];
  /** String code of a name that no table knows, else −1. */
  readonly text: number[];
  /** `NAME rip 0x` of names in the table, with their ids. */
  readonly known: KnownBytes;
  /** Times that names got another meaning. */
  changes: number;
  /** ISA that bare numbers belong to: that of the names seen, until then that of the host. */
  hint: number;
  /** Names were in the lower case of 2.6.32 on Intel, where "cpuid" is VMX's. */
  oldNames: boolean;
}

export function createReasonNames(context: TraceContext): ReasonNames {
  return {
    context,
    names: createByteNames(),
    isa: [],
    code: [],
    text: [],
    known: createKnownBytes(256),
    changes: 0,
    hint: context.defaultIsa,
    oldNames: false,
  };
}

/** Writes isa and code of the reason named in [start, end); `hash` is the name's hashBytes(). */
export function setReason(
  reasons: ReasonNames,
  buf: Uint8Array,
  start: number,
  end: number,
  hash: number,
  batch: EventBatch,
  row: number,
): void {
  const id = findName(reasons.names, buf, start, end, hash);
  setReasonId(reasons, id < 0 ? learn(reasons, buf, start, end) : id, batch, row);
}

/** Id of the reason named in [start, end) for setReasonId(), −1 if the table has no room for it. */
export function knownReason(
  reasons: ReasonNames,
  buf: Uint8Array,
  start: number,
  end: number,
  hash: number,
): number {
  const id = findName(reasons.names, buf, start, end, hash);
  if (id >= 0) return id;
  const learnt = learn(reasons, buf, start, end);
  return learnt < reasons.names.count ? learnt : -1;
}

export function setReasonId(reasons: ReasonNames, id: number, batch: EventBatch, row: number): void {
  const isa = reasons.isa[id];
  batch.isa[row] = isa;
  batch.code[row] = reasons.code[id];
  batch.text[row] = reasons.text[id];
  batch.fields[row] |= isa === ISA_UNKNOWN ? F_CODE : F_CODE | F_ISA;
}

/** Keeps an exit of another machine under a name that its tables do not have. */
export function nameUnknown(
  reasons: ReasonNames,
  buf: Uint8Array,
  start: number,
  end: number,
  hash: number,
  batch: EventBatch,
  row: number,
): void {
  let id = findName(reasons.names, buf, start, end, hash);
  if (id < 0) {
    id = addName(reasons.names, buf, start, end, hash);
    if (id < 0) id = reasons.names.count;
    const text = internString(reasons.context.strings, decodeText(buf, start, end));
    reasons.isa[id] = ISA_NAMED;
    reasons.code[id] = text >>> 0;
    reasons.text[id] = text;
  }
  batch.isa[row] = ISA_NAMED;
  batch.code[row] = reasons.code[id];
  batch.text[row] = reasons.text[id];
  batch.fields[row] |= F_CODE | F_ISA;
}

/** Name of exits whose text holds no reason (32-bit arm in 3.19, `perf script` without `-F trace`, cut lines). */
export const NO_REASON = '(no reason printed)';
const NO_REASON_BYTES = ascii(NO_REASON);
const NO_REASON_HASH = hashBytes(NO_REASON_BYTES, 0, NO_REASON_BYTES.length);

/** Keeps an exit without a reason apart: no number may stand for it, as all are somebody's. */
export function setNoReason(reasons: ReasonNames, batch: EventBatch, row: number): void {
  nameUnknown(reasons, NO_REASON_BYTES, 0, NO_REASON_BYTES.length, NO_REASON_HASH, batch, row);
}

/** Counts a row that was taken: a text can be read more than once before it is whole. `text`: its string code. */
export function countNamedReason(context: TraceContext, text: number): void {
  if (context.strings.values[text] === NO_REASON) {
    note(
      context.diagnostics,
      'exits-without-reason',
      'suspect',
      'exits printed without a reason (perf script without -F trace, options/hash-ptr off, cut lines): they are kept apart from all others',
    );
    return;
  }
  note(
    context.diagnostics,
    'unknown-reason-names',
    'suspect',
    'exit reasons printed under names that no table knows: they are kept apart by name, without a number',
  );
}

/** Id of a name that is not in the table yet. */
function learn(reasons: ReasonNames, buf: Uint8Array, start: number, end: number): number {
  const name = decodeText(buf, start, end);
  let reason = parseReasonName(name, reasons.hint);
  if (reason && reasons.oldNames && reason.isa === ISA_SVM) reason = parseOldVmxName(name) ?? reason;
  if (reason && reasons.hint === ISA_UNKNOWN && (reason.isa === ISA_VMX || reason.isa === ISA_SVM))
    settleIsa(reasons, reason.isa);
  if (reason?.isa === ISA_VMX && !reasons.oldNames && /^[a-z_]+$/.test(name)) {
    // Names that SVM has too were taken for SVM's so far.
    reasons.oldNames = true;
    settleIsa(reasons, ISA_VMX);
  }
  const text = reason ? -1 : internString(reasons.context.strings, name);
  const id = addName(reasons.names, buf, start, end, hashBytes(buf, start, end));
  // A name that the table has no room for goes to the place behind the last one, for this call only.
  const at = id < 0 ? reasons.names.count : id;
  reasons.isa[at] = reason ? reason.isa : ISA_NAMED;
  reasons.code[at] = reason ? reason.code : text >>> 0;
  reasons.text[at] = text;
  return at;
}

/** The first name tells the host's ISA; numbers read before it may have been taken for another's. */
function settleIsa(reasons: ReasonNames, isa: number): void {
  reasons.hint = isa;
  if (reasons.context.defaultIsa === ISA_UNKNOWN) reasons.context.defaultIsa = isa;
  clearNames(reasons.names);
  forgetKnown(reasons.known);
  reasons.changes++;
}
