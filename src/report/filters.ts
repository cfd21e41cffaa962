/** Which kinds of filters a report was made with, and what people are told of those that a section cannot apply. */
import type { FilterKind, SelectionModel } from './model.ts';

/** A filter as the command line gives it. */
export interface Filter {
  readonly kind: FilterKind;
  /** `tid 139`, `reason not hlt`. */
  readonly words: string;
}

export function selectionOf(filters: readonly Filter[]): SelectionModel | null {
  return filters.length === 0
    ? null
    : { filters: filters.map(({ words }) => words), kinds: filters.map(({ kind }) => kind) };
}

/** Whether a report has a filter of one of these kinds. */
export function selectsBy(selection: SelectionModel | null, ...kinds: readonly FilterKind[]): boolean {
  return selection?.kinds.some((kind) => kinds.includes(kind)) ?? false;
}

/** The filters of other kinds, in words. */
export function otherFilters(selection: SelectionModel | null, kinds: readonly FilterKind[]): string[] {
  return selection?.filters.filter((_, i) => !kinds.includes(selection.kinds[i])) ?? [];
}

/** What is said of figures over all of a thread's time, from which filters of exits take nothing away. */
export function exitFiltersUnused(selection: SelectionModel | null): string[] {
  return selectsBy(selection, 'cpu', 'reason', 'level')
    ? ['Filters by reason, level and CPU do not apply here.']
    : [];
}

/** The same of events that need no exit around them: threads, CPUs and times choose them. */
export function reasonFiltersUnused(selection: SelectionModel | null): string[] {
  return selectsBy(selection, 'reason', 'level') ? ['Filters by reason and level do not apply here.'] : [];
}
