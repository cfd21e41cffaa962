/** What people are told of filters that a section cannot apply. */
import type { ReportModel } from './model.ts';

/** What is said of figures over all of a thread's time, from which filters of exits take nothing away. */
export function exitFiltersUnused(filters: readonly string[] | undefined): string[] {
  return filters?.some((filter) => /^(CPU|reason|level) /.test(filter))
    ? ['Filters by reason, level and CPU do not apply here.']
    : [];
}

/** Shares of a few chosen reasons say nothing about the whole. */
export function choosesReasons({ selection }: Pick<ReportModel, 'selection'>): boolean {
  return selection?.filters.some((filter) => /^reason /.test(filter)) ?? false;
}
