/** What text and Markdown say first, as the HTML page does: where the time goes, and what costs most. */
import type { ReportModel } from './model.ts';

export const VERDICT_TITLE = 'Where the time goes';

/** Not escaped: names may stand in them. null: there is nothing to say. */
export function verdictWords({
  verdict,
  totals,
  qemu,
}: ReportModel): { readonly summary: string; readonly costliest: readonly string[] } | null {
  if (!verdict || (totals.exits === 0 && !(qemu && qemu.exits > 0))) return null;
  return { summary: verdict.summary.join(' '), costliest: verdict.findings.map(({ title }) => title) };
}
