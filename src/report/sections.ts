/**
 * The parts of a report beside the ones that every report has: which passes they need, what they add to the model,
 * and how they look to people. A new one is one new file and one line in SECTIONS and in SECTION_IDS; text, Markdown, JSON and CSV
 * follow from it.
 */
import type { AnalysisResult } from '../analysis/analyze.ts';
import type { PassRequest } from '../analysis/pass.ts';
import type { TraceContext } from '../core/trace-context.ts';
import { adviceSection } from './advice/section.ts';
import { contextSection } from './build-context.ts';
import { detailSection } from './build-detail.ts';
import { devicesSection } from './build-devices.ts';
import { haltPollingSection } from './build-halt-polling.ts';
import { heatmapSection } from './build-heatmap.ts';
import { hotspotsSection } from './build-hotspots.ts';
import { intervalsSection } from './build-intervals.ts';
import { ledgerSection } from './build-ledger.ts';
import { nestedSection } from './build-nested.ts';
import { qemuSection } from './build-qemu.ts';
import { stormsSection } from './build-storms.ts';
import type { TableData } from './cells.ts';
import type { CsvData } from './csv-data.ts';
import type { GroupKey, ReportModel } from './model.ts';
import type { SectionId } from './section-ids.ts';

/** What of the command line sections look at. */
export interface SectionOptions {
  /** Of the slow list. */
  readonly slowLimit: number;
  readonly thanNs: number;
  readonly includeIdle: boolean;
  /** --by. */
  readonly by?: readonly GroupKey[];
  /** --interval; null: follows from the recording's length. */
  readonly intervalNs?: number | null;
}

/** What building a section may use beside the results of the passes. */
export interface SectionInput {
  readonly context: TraceContext;
  readonly analysis: AnalysisResult;
  /** The model without sections. */
  readonly model: ReportModel;
  /** Text of a guest's System.map or kallsyms. */
  readonly guestSymbols: string | null;
}

/** A heading (null: goes on under the one before), sentences of our own words, a table. */
export interface Block {
  readonly title: string | null;
  readonly sentences: readonly string[];
  readonly table: TableData | null;
}

export interface Section {
  /** For --section, and the section's key in the model. */
  readonly id: SectionId;
  /** Part of every report; others on request only. */
  readonly byDefault: boolean;
  /** Passes that it needs; `asked`: by --section. */
  readonly requests: (options: SectionOptions, asked: boolean) => readonly PassRequest[];
  /** The section's data; null if its passes did not run. */
  readonly build: (input: SectionInput) => Partial<ReportModel> | null;
  /**
   * For people. `rows`: most rows of a table (0: all). `asked`: by --section; otherwise it is to be short, and [] if
   * there is nothing to say.
   */
  readonly blocks: (model: ReportModel, rows: number, asked: boolean) => readonly Block[];
  /** CSV tables (--table) by name. */
  readonly csv: Readonly<Record<string, (model: ReportModel) => CsvData>>;
}

export const SECTIONS: readonly Section[] = [
  adviceSection,
  devicesSection,
  detailSection,
  qemuSection,
  hotspotsSection,
  contextSection,
  ledgerSection,
  haltPollingSection,
  nestedSection,
  intervalsSection,
  stormsSection,
  heatmapSection,
];

/** Requests of the sections that run: the default ones and those asked for by id; each pass once. */
export function sectionRequests(asked: readonly string[], options: SectionOptions): PassRequest[] {
  const requests = new Map<string, PassRequest>();
  for (const section of SECTIONS)
    if (section.byDefault || asked.includes(section.id))
      for (const request of section.requests(options, asked.includes(section.id)))
        if (asked.includes(section.id) || !requests.has(request.name))
          requests.set(request.name, { ...request, optional: !asked.includes(section.id) });
  return [...requests.values()];
}

/** The model with what the sections add. */
export function withSections(input: SectionInput): ReportModel {
  const model = { ...input.model };
  for (const section of SECTIONS) Object.assign(model, section.build(input));
  return model;
}

/** A section's blocks as people are shown them: a table without rows is a word. */
export function shownBlocks(
  { blocks }: Section,
  model: ReportModel,
  rows: number,
  asked: boolean,
): readonly Block[] {
  return blocks(model, rows, asked).map((block) =>
    block.table !== null && block.table.rows.length + block.table.totals.length === 0
      ? { ...block, sentences: [...block.sentences, 'None.'], table: null }
      : block,
  );
}

/** The section that has a CSV table; null for the tables that every report has. */
export function sectionOfTable(table: string): SectionId | null {
  return SECTIONS.find(({ csv }) => Object.hasOwn(csv, table))?.id ?? null;
}

/** CSV tables of all sections by name. */
export const SECTION_TABLES: Readonly<Record<string, (model: ReportModel) => CsvData>> = Object.assign(
  {},
  ...SECTIONS.map(({ csv }) => csv),
);
