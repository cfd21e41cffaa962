/** What a part of an HTML report is: one section of the page, in the order of parts.ts. */
import type { ReportModel } from '../model.ts';
import type { Markup } from './markup.ts';

export interface PartOptions {
  /** Most rows of a table; 0: all. */
  readonly rows: number;
}

export interface Part {
  /** Anchor. */
  readonly id: string;
  readonly title: string;
  /** Content below the title; null: the part has nothing to say and is left out. */
  readonly render: (model: ReportModel, options: PartOptions) => Markup | null;
}

export function limited<T>(rows: readonly T[], limit: number): { shown: readonly T[]; hidden: number } {
  return limit > 0 && rows.length > limit
    ? { shown: rows.slice(0, limit), hidden: rows.length - limit }
    : { shown: rows, hidden: 0 };
}
