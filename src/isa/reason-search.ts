/**
 * Reasons as users type them after --reason and --exclude: any spelling of any tool, whatever its case and
 * whichever of space, `-` and `_` separates its words, or a number.
 */
import { editDistance } from '../core/edit-distance.ts';
import { ISA_NAMED, ISA_NAMES, ISA_VMX } from '../core/isa-codes.ts';
import { lazy } from '../core/lazy.ts';
import { codeFromWide } from './reason-code.ts';
import type { Reason } from './reason-row.ts';
import { REASON_TABLES, VMX_ENTRY_FAILURES, VMX_FAILED_VMENTRY } from './reason-tables.ts';

interface Spelling extends Reason {
  /** True for the name that reports show, false for aliases. */
  readonly own: boolean;
  readonly name: string;
}

/** What spellings of one name have in common. */
export function reasonInputKey(text: string): string {
  return text
    .trim()
    .toLowerCase()
    .replace(/[\s_-]+/g, '_');
}

const spellings = lazy(() => {
  const known = new Map<string, Spelling[]>();
  for (const [isa, rows] of REASON_TABLES) {
    for (const { code, name, printed, aliases } of rows) {
      addSpelling(known, name, { isa, code, name, own: true });
      for (const alias of [...(aliases ?? []), ...(printed ? [printed] : [])]) {
        addSpelling(known, alias, { isa, code, name, own: false });
      }
    }
  }
  return known;
});

function addSpelling(known: Map<string, Spelling[]>, text: string, spelling: Spelling): void {
  const key = reasonInputKey(text);
  const list = known.get(key);
  if (list) list.push(spelling);
  else known.set(key, [spelling]);
}

const PREFIX = /^(exit_reason_|svm_exit_|exit_)/;

/**
 * Every reason that the text can mean, [] if none. A number means that code in every ISA, known or not; on VMX a
 * basic reason includes its failed-entry form. Where one ISA uses a word both as a reason's own name and as
 * another tool's alias (TDCALL: 77 in Linux, 76 in bcc), the own name wins. Compare with basicReason() or exactly.
 */
export function findReasons(text: string): Reason[] {
  const number = parseCode(text);
  if (number !== null) return withEntryFailures(reasonsOfNumber(number));
  const key = reasonInputKey(text);
  const found = spellings().get(key) ?? spellings().get(key.replace(PREFIX, '')) ?? [];
  const seen = new Set<string>();
  const reasons: Reason[] = [];
  for (const { isa, code, own } of found) {
    if (!own && found.some((other) => other.own && other.isa === isa)) continue;
    if (seen.has(`${isa}:${code}`)) continue;
    seen.add(`${isa}:${code}`);
    reasons.push({ isa, code });
  }
  return withEntryFailures(reasons);
}

/** Non-negative value of a decimal or 0x number, −1 (SVM's invalid_guest_state) as a bigint of its own. */
function parseCode(text: string): bigint | null {
  const trimmed = text.trim();
  if (trimmed === '-1') return -1n;
  return /^(0x[0-9a-f]{1,16}|\d{1,20})$/i.test(trimmed) ? BigInt(trimmed) : null;
}

function reasonsOfNumber(value: bigint): Reason[] {
  const reasons: Reason[] = [];
  // Reasons known by name only have no numbers.
  for (const isa of Object.keys(ISA_NAMES)
    .map(Number)
    .filter((known) => known !== ISA_NAMED)) {
    const code = codeFromWide(BigInt.asUintN(64, value), isa);
    if (code !== null) reasons.push({ isa, code });
  }
  return reasons;
}

function withEntryFailures(reasons: Reason[]): Reason[] {
  const failed = reasons
    .filter(({ isa, code }) => isa === ISA_VMX && VMX_ENTRY_FAILURES.includes(code))
    .map(({ isa, code }) => ({ isa, code: code + VMX_FAILED_VMENTRY }));
  return [...reasons, ...failed];
}

/** Longest text that is compared: names are shorter, and the cost grows with the length. */
const MAX_COMPARED = 48;

/** Names near the text for "did you mean", nearest first, at most `limit`; [] if nothing is near. */
export function suggestReasons(text: string, limit: number): string[] {
  const key = reasonInputKey(text).replace(PREFIX, '').slice(0, MAX_COMPARED);
  if (!key) return [];
  const best = new Map<string, number>();
  for (const [spelling, reasons] of spellings()) {
    const distance = nearness(key, spelling);
    if (distance === null) continue;
    for (const { name } of reasons) best.set(name, Math.min(distance, best.get(name) ?? distance));
  }
  return [...best]
    .sort(([a, x], [b, y]) => x - y || (a < b ? -1 : 1))
    .slice(0, Math.max(0, limit))
    .map(([name]) => name);
}

/** Distance of two keys, null if they are too far apart to suggest one for the other. */
function nearness(typed: string, known: string): number | null {
  if (typed.length >= 3 && (known.includes(typed) || typed.includes(known))) {
    return known.length >= 3 ? Math.abs(known.length - typed.length) / 8 : null;
  }
  const allowed = Math.max(1, Math.floor(typed.length / 3));
  if (Math.abs(typed.length - known.length) > allowed) return null;
  const distance = editDistance(typed, known);
  return distance <= allowed ? distance : null;
}
