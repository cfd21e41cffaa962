/** The output formats of `kvmtrace diff`. */
import type { Rendered } from '../renderers.ts';
import type { DiffModel } from './model.ts';

export interface DiffRenderOptions {
  readonly color: boolean;
  /** Columns of the terminal; null where there is none. */
  readonly width: number | null;
  /** Most rows of a table for people; 0: no limit. */
  readonly rows: number;
}

export interface DiffRenderer {
  readonly id: string;
  readonly extensions: readonly string[];
  /** It tells how the comparison was made: command, versions, checksums of the inputs. */
  readonly reproduces?: boolean;
  readonly load: () => Promise<{ render(model: DiffModel, options: DiffRenderOptions): Rendered }>;
}

export const DIFF_RENDERERS: readonly DiffRenderer[] = [
  { id: 'text', extensions: ['.txt', '.text', '.log'], load: () => import('./text.ts') },
  { id: 'html', extensions: ['.html', '.htm'], reproduces: true, load: () => import('./html.ts') },
  { id: 'md', extensions: ['.md', '.markdown'], load: () => import('./markdown.ts') },
  { id: 'json', extensions: ['.json'], load: () => import('./json.ts') },
  { id: 'csv', extensions: ['.csv'], load: () => import('./csv.ts') },
];
