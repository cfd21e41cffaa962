/**
 * Reasons that a recording has by their printed name only (ISA_NAMED): which of the names that the user typed they
 * are is known when they come, so the selection's keys are filled in while events pass.
 */
import { reasonKey } from '../analysis/selection.ts';
import type { UsageError } from '../core/errors.ts';
import type { EventBatch } from '../core/event-batch.ts';
import { ISA_NAMED } from '../core/isa-codes.ts';
import type { TraceContext } from '../core/trace-context.ts';
import type { OpenedInput } from '../parsers/open-input.ts';
import type { UnknownReason } from './options.ts';

/** What is asked of a recording, with the keys of --reason and --exclude that the names belong to. */
export interface WantedName extends UnknownReason {
  readonly keys: Set<number> | null;
}

export interface NamedReasons {
  /** Looks at the rows before they are analysed. */
  readonly take: (batch: EventBatch) => void;
  /** Names that no exit had. */
  readonly missing: () => UnknownReason[];
  /** All reasons of the recording that have no number, as printed. */
  readonly names: () => string[];
}

export function watchNames(
  wanted: readonly WantedName[],
  context: TraceContext,
  keyOf: (name: string) => string,
): NamedReasons {
  const byKey = wanted.map((want) => ({ want, key: keyOf(want.name), found: false }));
  const seen = new Set<number>();
  const learn = (code: number) => {
    seen.add(code);
    const name = context.strings.values[code];
    if (name === undefined) return;
    const key = keyOf(name);
    for (const entry of byKey) {
      if (entry.key !== key) continue;
      entry.found = true;
      entry.want.keys?.add(reasonKey(ISA_NAMED, code));
    }
  };
  return {
    take: ({ isa, code, length }) => {
      for (let row = 0; row < length; row++)
        if (isa[row] === ISA_NAMED && !seen.has(code[row])) learn(code[row]);
    },
    missing: () => byKey.filter(({ found }) => !found).map(({ want }) => want),
    names: () => [...seen].map((code) => context.strings.values[code]).filter((name) => name !== undefined),
  };
}

/** Whether an input can have reasons without a number. */
export function canNameReasons(inputs: readonly OpenedInput[]): boolean {
  return inputs.some(({ format }) => format.namesReasons === true);
}

/** For names that no table has and no exit either. */
export async function unknownReasonError(
  missing: UnknownReason,
  names: readonly string[],
): Promise<UsageError> {
  const { noSuchReason } = await import('./parse-reasons.ts');
  return noSuchReason(missing, names);
}
