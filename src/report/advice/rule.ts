/** One piece of advice: when it applies, what it says, what is known to help, and where that is documented. */
import type { Exact } from '../model.ts';
import type { AdviceFacts } from './facts.ts';

export interface Evidence {
  /** Sentences with the numbers behind the finding; only what the capture shows. */
  readonly words: readonly string[];
  /** Time that it is about, which may overlap with other findings; null: not known or no time. */
  readonly ns: Exact | null;
}

export interface Rule {
  readonly id: string;
  /** What was found, in a few words: no cause that the data does not show. */
  readonly title: string;
  /** What is known to help, and under which conditions. */
  readonly fix: string;
  readonly reference: string;
  readonly applies: (facts: AdviceFacts) => Evidence | null;
}

/** A finding in the model. */
export interface AdviceModel {
  id: string;
  title: string;
  evidence: string[];
  fix: string;
  reference: string;
  /** See Evidence.ns. */
  ns: Exact | null;
}
