/** The output formats of `kvmtrace report`. A new one is one new file and one entry here. */
import type { ReportModel } from './model.ts';

export interface RenderOptions {
  /** ANSI colours (text only). */
  readonly color: boolean;
  /** Columns of the terminal; null where there is none (a file, a pipe). */
  readonly width: number | null;
  /** Most rows of a table for people; 0: no limit. */
  readonly rows: number;
  /** Show a histogram of each row (text and Markdown). */
  readonly histogram: boolean;
  /** Which table a CSV file holds. */
  readonly table: string;
  /** Sections asked for by --section: shown in full. */
  readonly sections?: readonly string[];
}

/** The whole output at once, or in pieces. */
export type Rendered = string | Iterable<string> | AsyncIterable<string>;

export interface RendererModule {
  render(model: ReportModel, options: RenderOptions): Rendered;
}

export interface Renderer {
  /** Name for --format. */
  readonly id: string;
  /** File endings that choose it, with the dot. */
  readonly extensions: readonly string[];
  /** Loaded when used, so that no run pays for the others. */
  readonly load: () => Promise<RendererModule>;
}

export const RENDERERS: readonly Renderer[] = [
  { id: 'text', extensions: ['.txt', '.text', '.log'], load: () => import('./text.ts') },
  { id: 'html', extensions: ['.html', '.htm'], load: () => import('./html/index.ts') },
  { id: 'md', extensions: ['.md', '.markdown'], load: () => import('./markdown.ts') },
  { id: 'json', extensions: ['.json'], load: () => import('./json.ts') },
  { id: 'csv', extensions: ['.csv'], load: () => import('./csv.ts') },
];

/** The renderer that a file's ending chooses, or null. */
export function rendererForPath(path: string): Renderer | null {
  const lower = path.toLowerCase();
  return RENDERERS.find((renderer) => renderer.extensions.some((end) => lower.endsWith(end))) ?? null;
}
