/** The output formats of `kvmtrace report`. A new one is one new file and one entry here. */
import type { ReportModel } from './model.ts';
import { SECTION_IDS, type SectionId } from './section-ids.ts';

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
  /** Sections (section-ids.ts) whose data it shows beyond the default ones. */
  readonly sections?: readonly SectionId[];
  /** Slow exits that it has use for where --slow says nothing. */
  readonly slowLimit?: number;
  /** It tells how the report was made: command, versions, checksums of the inputs. */
  readonly reproduces?: boolean;
  /** Loaded when used, so that no run pays for the others. */
  readonly load: () => Promise<RendererModule>;
}

export const RENDERERS: readonly Renderer[] = [
  { id: 'text', extensions: ['.txt', '.text', '.log'], load: () => import('./text.ts') },
  {
    id: 'html',
    extensions: ['.html', '.htm'],
    sections: SECTION_IDS,
    reproduces: true,
    load: () => import('./html/index.ts'),
  },
  { id: 'md', extensions: ['.md', '.markdown'], load: () => import('./markdown.ts') },
  { id: 'json', extensions: ['.json'], load: () => import('./json.ts') },
  { id: 'csv', extensions: ['.csv'], load: () => import('./csv.ts') },
  {
    id: 'perfetto',
    extensions: ['.perfetto', '.trace.json'],
    sections: ['context', 'intervals'],
    slowLimit: 1000,
    load: () => import('./perfetto.ts'),
  },
  { id: 'folded', extensions: ['.folded'], sections: ['hotspots'], load: () => import('./folded.ts') },
  {
    id: 'folded-counts',
    extensions: [],
    sections: ['hotspots'],
    load: async () => ({ render: (await import('./folded.ts')).renderCounts }),
  },
];
