/** What text and Markdown say first, as the HTML page does: where the time goes, and what costs most. */
import type { ReportModel } from './model.ts';

export const VERDICT_TITLE = 'Where the time goes';

export function holdsQemuOnly({ totals, qemu }: Pick<ReportModel, 'totals' | 'qemu'>): boolean {
  return totals.exits === 0 && (qemu?.exits ?? 0) > 0;
}

/** Not escaped: names may stand in them. null: there is nothing to say. */
export function verdictWords(
  model: ReportModel,
): { readonly summary: string; readonly costliest: readonly string[] } | null {
  const { verdict, totals } = model;
  if (!verdict || (totals.exits === 0 && !holdsQemuOnly(model))) return null;
  return { summary: verdict.summary.join(' '), costliest: verdict.findings.map(({ title }) => title) };
}
