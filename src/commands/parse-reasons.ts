/** Exit reasons as users type them. Loaded only when a reason is given: the tables are large. */
import { UsageError } from '../core/errors.ts';
import { isaFromName } from '../core/isa-codes.ts';
import {
  basicReason,
  findReasons,
  isIdle,
  reasonInputKey,
  reasonName,
  suggestReasons,
} from '../isa/reasons.ts';
import type { RowMatcher } from './fail-on.ts';
import type { ReasonSelector, UnknownReason } from './options.ts';

/** Most names of a recording in a hint. */
const MAX_NAMES = 4;

/**
 * What to say of a name that means no reason. `names`: those that the recording has without a number.
 */
export function noSuchReason(
  { name, option }: Pick<UnknownReason, 'name'> & Partial<UnknownReason>,
  names: readonly string[] = [],
): UsageError {
  // AMD's names are Intel's in lower case: one of them is enough, any case is taken.
  const near = [
    ...new Map(suggestReasons(name, 8).map((found) => [found.toLowerCase(), found])).values(),
  ].slice(0, MAX_NAMES);
  const hints = [
    near.length
      ? `Did you mean ${near.join(', ')}?`
      : 'A name as kernel or tools print it, in any case (HLT, npf, EXIT_REASON_CPUID), or a number (48, 0x400).',
    ...(names.length ? [`Reasons of this recording without a number: ${listed(names)}.`] : []),
  ];
  return new UsageError(`${option ? `${option}: ` : ''}'${name}' is not an exit reason`, hints.join(' '));
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, MAX_NAMES).map((name) => JSON.stringify(name.slice(0, 40)));
  return [...shown, ...(names.length > MAX_NAMES ? ['…'] : [])].join(', ');
}

export interface ReasonList {
  readonly selectors: ReasonSelector[];
  /** Names that no table has: the recording may. */
  readonly unknown: string[];
}

/** Comma-separated, repeated options. Throws UsageError for what cannot be a name. */
export function parseReasonList(values: readonly string[]): ReasonList {
  const list: ReasonList = { selectors: [], unknown: [] };
  for (const text of values.flatMap((value) => value.split(',')).map((part) => part.trim())) {
    const found = findReasons(text);
    list.selectors.push(...found);
    if (found.length > 0) continue;
    if (!canBeName(text)) throw noSuchReason({ name: text });
    list.unknown.push(text);
  }
  return list;
}

/** Whether one of them is the guest's own idling: who names it asks for it. */
export function namesIdle(selectors: readonly ReasonSelector[]): boolean {
  return selectors.some(({ isa, code }) => isIdle(isa, code));
}

/** Numbers without any ISA are none, and neither is nothing. */
function canBeName(text: string): boolean {
  return /[^\s\d-]/.test(text) && !/^0x[0-9a-f]+$/i.test(text);
}

/** Picks the rows of a report that one name, alias or number can mean; flags of VMX do not matter. */
export function rowMatcher(text: string): RowMatcher {
  const { selectors, unknown } = parseReasonList([text]);
  if (unknown.length > 0) {
    const key = reasonInputKey(text);
    return (row) => row.code === null && reasonInputKey(row.name) === key;
  }
  return (row) => {
    const isa = isaFromName(row.isa);
    return selectors.some(
      (selector) =>
        selector.isa === isa &&
        (row.code === null
          ? row.name === reasonName(isa, selector.code)
          : row.code === selector.code || basicReason(isa, row.code) === selector.code),
    );
  };
}

/** [name] if no table has it. */
export function unknownNames(text: string): string[] {
  return parseReasonList([text]).unknown;
}
