/** The formats that kvmtrace reads. A new one is one new folder and one line here (docs/adding-a-parser.md). */
import { captureArrow } from './capture-arrow/index.ts';
import { ftraceText } from './ftrace-text/index.ts';
import { perfData } from './perf-data/index.ts';
import { perfScript } from './perf-script/index.ts';
import { printedTable } from './printed-table/index.ts';
import { qemuLog } from './qemu-log/index.ts';
import { simpletrace } from './simpletrace/index.ts';
import { traceCmdText } from './trace-cmd-text/index.ts';
import { traceDat } from './trace-dat/index.ts';
import type { TraceFormat, Verdict } from './trace-format.ts';

export const FORMATS: readonly TraceFormat[] = [
  captureArrow,
  perfData,
  traceDat,
  ftraceText,
  traceCmdText,
  perfScript,
  simpletrace,
  qemuLog,
  printedTable,
];

export interface Detection {
  /** The format with the highest confidence (the earlier one of equals), null if none matched. */
  readonly format: TraceFormat | null;
  /** What every format said, for the error text. */
  readonly verdicts: readonly { readonly format: TraceFormat; readonly verdict: Verdict }[];
}

export function detectFormat(head: Uint8Array, name: string, formats = FORMATS): Detection {
  const verdicts = formats.map((format) => ({ format, verdict: format.sniff(head, name) }));
  let best: (typeof verdicts)[number] | null = null;
  for (const candidate of verdicts)
    if (candidate.verdict.confidence > (best?.verdict.confidence ?? 0)) best = candidate;
  return { format: best?.format ?? null, verdicts };
}
