/** Reports of made-up events, with the sections that are asked for. */
import { analyzeBatch, createAnalysis, finishAnalysis } from '../../src/analysis/analyze.ts';
import { loadPasses } from '../../src/analysis/passes.ts';
import type { EventBatch } from '../../src/core/event-batch.ts';
import { createTraceContext, type TraceContext } from '../../src/core/trace-context.ts';
import { buildModel } from '../../src/report/build-model.ts';
import type { ReportModel } from '../../src/report/model.ts';
import { type Section, type SectionOptions, sectionRequests } from '../../src/report/sections.ts';
import { eventBatch, type TestEvent } from './events.ts';

const SLOW = { slowLimit: 10, thanNs: 0, includeIdle: false };

/** Makes reports of events, of thread 7 unless they say otherwise, as a recording that says so of what it enabled. */
export async function madeUp(sections: readonly string[], options: Partial<SectionOptions> = {}) {
  const passes = sectionRequests(sections, { ...SLOW, ...options });
  const passOf = await loadPasses(passes);
  return (
    events: readonly TestEvent[] | EventBatch,
    enabled: readonly string[] | null,
    guestSymbols: string | null = null,
    prepare: (context: TraceContext) => void = () => {},
  ): ReportModel => {
    const context = createTraceContext();
    if (enabled !== null) context.enabledEvents = new Set(enabled);
    prepare(context);
    const grouping = { pid: false, tid: false, vcpu: false, cpu: false, level: false };
    const analysisOptions = {
      selection: null,
      grouping,
      slowLimit: 1,
      slowThanNs: 0,
      slowIncludeIdle: false,
      passes,
    };
    const analysis = createAnalysis(null, analysisOptions, passOf);
    const batch = 'capacity' in events ? events : eventBatch(events.map((event) => ({ tid: 7, ...event })));
    analyzeBatch(analysis, batch);
    const input = { toolVersion: '0', by: [], filters: [], guestSymbols };
    return buildModel(context, finishAnalysis(analysis), input);
  };
}

/** What a section shows to people: titles, sentences, and the texts of its tables' cells below their columns' titles. */
export const blocksOf = (section: Section, model: ReportModel, rows: number, asked: boolean) =>
  section.blocks(model, rows, asked).map(({ title, sentences, table }) => ({
    title,
    sentences,
    cells: table && [
      table.columns.map((column) => column.title),
      ...table.rows.map((row) => row.map(({ text }) => text)),
    ],
  }));
