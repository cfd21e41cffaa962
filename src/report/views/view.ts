/** A view: the report in another tool's layout, for people who come from it. One file each, one line in views.ts. */
import type { PassRequest } from '../../analysis/pass.ts';
import { plainText } from '../../core/plain-text.ts';
import { otherFilters } from '../filters.ts';
import type { FilterKind, GroupKey } from '../model.ts';
import { exitsRecorded, latencyGap } from '../recorded.ts';
import type { SectionInput } from '../sections.ts';

/** What of the command line a view looks at. */
export interface ViewOptions {
  /** --by as given; [] without. */
  readonly by: readonly GroupKey[];
  /** -p, -t, -v as given; null: not given. */
  readonly pids: readonly number[] | null;
  readonly tids: readonly number[] | null;
  readonly vcpus: readonly number[] | null;
  /** Slow list: threshold, ns. */
  readonly thanNs: number;
  /** --interval in ns; 0: the whole recording at once. */
  readonly intervalNs: number;
}

/** Plain data: it goes with the options of the report. */
export interface ViewRequest {
  readonly name: string;
  readonly options: ViewOptions;
}

export interface View {
  readonly name: string;
  /** The tool whose layout it is. */
  readonly tool: string;
  /** Grouping that the view's rows need. */
  readonly by: (options: ViewOptions) => readonly GroupKey[];
  readonly passes: (options: ViewOptions) => readonly PassRequest[];
  /** What of --by and --interval changes the layout; absent: nothing. */
  readonly follows?: readonly (GroupKey | 'interval')[];
  /** The view's text; `input.model` is grouped by `by`. */
  readonly render: (input: SectionInput, options: ViewOptions) => string;
}

/** What a view says instead of figures. */
export function notRecorded(what: string): string {
  return `Not recorded: ${what}.\n`;
}

/** Text columns as printf gives them: a negative width is left-justified (`%-8d`); trailing blanks are cut. */
export function columns(widths: readonly number[], cells: readonly (string | number | bigint)[]): string {
  return cells
    .map((value, i) => (widths[i] < 0 ? String(value).padEnd(-widths[i]) : String(value).padStart(widths[i])))
    .join(' ')
    .trimEnd();
}

export function lines(list: readonly string[]): string {
  return `${list.join('\n')}\n`;
}

/** What a view says instead of figures for want of exits; null: they were recorded. */
export function withoutExits(input: SectionInput): string | null {
  return exitsRecorded(input) ? null : notRecorded('kvm_exit');
}

/** The same of how long exits took. */
export function withoutTimes(input: SectionInput): string | null {
  const gap = latencyGap(input);
  return gap === null ? null : `${gap}\n`;
}

/** The same of --by and --interval. */
export function unfollowed({ follows = [] }: View, { by, intervalNs }: ViewOptions): string[] {
  const words = [
    ...by.filter((key) => key !== 'reason' && !follows.includes(key)).map((key) => `--by ${key}`),
    ...(intervalNs > 0 && !follows.includes('interval') ? ['--interval'] : []),
  ];
  return words.length === 0 ? [] : [`(without effect here: ${words.join(', ')})`];
}

/** What filters are there that the view does not follow, in a line; `applied`: those that it follows. */
export function unapplied({ model }: SectionInput, applied: readonly FilterKind[], words = ''): string[] {
  const filters = otherFilters(model.selection, applied);
  return filters.length === 0 ? [] : [`(without effect here: ${plainText(filters.join('; '))}${words})`];
}
