/** Some blocks of a file, parsed and analysed: one thread's share of it (analyze-blocks.ts). */

import type { AnalysisOptions } from '../analysis/analyze.ts';
import { analyzePart, createAnalysisPart, endPart } from '../analysis/analyze-parts.ts';
import { type PackedPart, packPart } from '../analysis/part-transfer.ts';
import { loadPasses } from '../analysis/passes.ts';
import type { Arena } from '../core/arena.ts';
import { type Diagnostic, listDiagnostics } from '../core/diagnostics.ts';
import { createArenaBatch, type EventBatch, UNKNOWN } from '../core/event-batch.ts';
import { createTraceContext } from '../core/trace-context.ts';
import { fileSource, readFully } from '../parsers/byte-source.ts';
import { findFormat } from '../parsers/registry.ts';
import { type BlockRange, SNIFF_BYTES } from '../parsers/trace-format.ts';

export interface BlockJob {
  /** The file, open in this process. */
  readonly fd: number;
  readonly size: number;
  readonly name: string;
  readonly coreOnly: boolean;
  /** Not the first ones of the file. */
  readonly blocks: BlockRange;
  /** Time of the recording's first event (word pair). */
  readonly start: readonly [number, number];
  readonly options: AnalysisOptions;
}

export interface BlockResult {
  readonly part: PackedPart;
  /** What the parser noted about these blocks. */
  readonly diagnostics: readonly Diagnostic[];
}

/** Rows that are parsed and analysed at a time: they stay in the processor's cache. */
const ROWS = 8192;

/** Batches for a parser to fill, one after the other in the same place. */
export function lendOne(arena: Arena, rows = ROWS): () => EventBatch {
  const batch = createArenaBatch(arena, rows);
  batch.text.fill(UNKNOWN);
  return () => {
    batch.length = 0;
    return batch;
  };
}

export async function analyzeBlocks(job: BlockJob, arena: Arena): Promise<BlockResult> {
  const source = fileSource(job.fd, job.size, job.name);
  const head = new Uint8Array(SNIFF_BYTES);
  const { format } = await findFormat(head.subarray(0, readFully(source, 0, head, 0, head.length)), job.name);
  if (format === null) throw new Error(`${job.name} has changed while it was read`);
  const { coreOnly, blocks, start } = job;
  const context = createTraceContext();
  const passOf = await loadPasses(job.options.passes);
  const part = createAnalysisPart(null, job.options, passOf, start, arena);
  for (const batch of format.parse(source, context, { coreOnly, arena, nextBatch: lendOne(arena), blocks }))
    analyzePart(part, batch);
  endPart(part);
  return { part: packPart(part, start), diagnostics: listDiagnostics(context.diagnostics) };
}
