/** Exit reasons as users type them. Loaded only when a reason is given: the tables are large. */
import { UsageError } from '../core/errors.ts';
import { isaFromName } from '../core/isa-codes.ts';
import { basicReason, findReasons, reasonName, suggestReasons } from '../isa/reasons.ts';
import type { RowMatcher } from './fail-on.ts';
import type { ReasonSelector } from './options.ts';

/** Every reason that one name, alias or number can mean. Throws UsageError with suggestions if there is none. */
export function parseReason(text: string): ReasonSelector[] {
  const found = findReasons(text);
  if (found.length > 0) return found;
  // AMD's names are Intel's in lower case: one of them is enough, any case is taken.
  const near = [...new Map(suggestReasons(text, 8).map((name) => [name.toLowerCase(), name])).values()].slice(
    0,
    4,
  );
  throw new UsageError(
    `'${text}' is not an exit reason`,
    near.length
      ? `Did you mean ${near.join(', ')}?`
      : 'A name as kernel or tools print it, in any case (HLT, npf, EXIT_REASON_CPUID), or a number (48, 0x400).',
  );
}

/** The same for comma-separated, repeated options. */
export function parseReasonList(values: readonly string[]): ReasonSelector[] {
  const items = values.flatMap((value) => value.split(',')).map((part) => part.trim());
  return items.flatMap(parseReason);
}

/** Picks the rows of a report that one name, alias or number can mean; flags of VMX do not matter. */
export function rowMatcher(text: string): RowMatcher {
  const selectors = parseReason(text);
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
