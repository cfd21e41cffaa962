/** Asks every rule; what applies is sorted by the time that it is about. */
import { selectsBy } from '../filters.ts';
import type { ReportModel } from '../model.ts';
import { adviceFacts } from './facts.ts';
import type { AdviceModel } from './rule.ts';
import { RULES } from './rules.ts';
import { forAdvice } from './times.ts';

export function buildAdvice(model: ReportModel): AdviceModel[] {
  // Shares of a few chosen reasons say nothing about the whole.
  if (selectsBy(model.selection, 'reason')) return [];
  const facts = adviceFacts(forAdvice(model));
  const found = RULES.flatMap(({ id, title, fix, reference, applies }): AdviceModel[] => {
    const evidence = applies(facts);
    return evidence === null
      ? []
      : [{ id, title, evidence: [...evidence.words], fix, reference, ns: evidence.ns }];
  });
  // Gaps say how far to trust the rest. Stable: without times, in the order of the rules.
  const weight = ({ id, ns }: AdviceModel) => (id === 'losses' ? Number.POSITIVE_INFINITY : Number(ns ?? 0));
  return found.sort((a, b) => (weight(b) > weight(a) ? 1 : weight(b) < weight(a) ? -1 : 0));
}
