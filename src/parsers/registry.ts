/** The formats that kvmtrace reads. A new one is one new folder and one line here (docs/adding-a-parser.md). */
import type { TraceFormat, Verdict } from './trace-format.ts';

interface FormatEntry {
  /**
   * Bytes that its inputs start with, as latin1 text, and no other format's: then only this one is loaded. Without
   * them its sniff() says 1 at most. Absent: it is known by more than its first bytes.
   */
  readonly magics?: readonly string[];
  readonly load: () => Promise<TraceFormat>;
}

const ALL_ONES = '\xff'.repeat(8);

const ENTRIES: readonly FormatEntry[] = [
  { magics: ['ARROW1'], load: async () => (await import('./capture-arrow/index.ts')).captureArrow },
  {
    magics: ['PERFILE2', '2ELIFREP', 'PERFFILE'],
    load: async () => (await import('./perf-data/index.ts')).perfData,
  },
  { magics: ['\x17\x08Dtracing'], load: async () => (await import('./trace-dat/index.ts')).traceDat },
  { load: async () => (await import('./ftrace-text/index.ts')).ftraceText },
  { load: async () => (await import('./trace-cmd-text/index.ts')).traceCmdText },
  { load: async () => (await import('./perf-script/index.ts')).perfScript },
  {
    magics: [`${ALL_ONES}\xb4\x29\xa4\x0a\xcb\x77\xb1\xf2`, `${ALL_ONES}\xf2\xb1\x77\xcb\x0a\xa4\x29\xb4`],
    load: async () => (await import('./simpletrace/index.ts')).simpletrace,
  },
  { load: async () => (await import('./qemu-log/index.ts')).qemuLog },
  { load: async () => (await import('./kernel-log/index.ts')).kernelLog },
  { load: async () => (await import('./printed-table/index.ts')).printedTable },
];

export interface Detection {
  /** The format with the highest confidence (the earlier one of equals), null if none matched. */
  readonly format: TraceFormat | null;
  /** What the formats said that were asked, for the error text: all of them if none matched. */
  readonly verdicts: readonly { readonly format: TraceFormat; readonly verdict: Verdict }[];
}

/** All formats, in the order in which they come first. */
export function loadFormats(): Promise<readonly TraceFormat[]> {
  return loadAll(ENTRIES);
}

function loadAll(entries: readonly FormatEntry[]): Promise<TraceFormat[]> {
  return Promise.all(entries.map(({ load }) => load()));
}

/** Asks the given formats. */
export function detectFormat(head: Uint8Array, name: string, formats: readonly TraceFormat[]): Detection {
  const verdicts = formats.map((format) => ({ format, verdict: format.sniff(head, name) }));
  let best: (typeof verdicts)[number] | null = null;
  for (const candidate of verdicts)
    if (candidate.verdict.confidence > (best?.verdict.confidence ?? 0)) best = candidate;
  return { format: best?.format ?? null, verdicts };
}

/** What detectFormat() finds among all formats, of which no more are loaded than it takes to be certain. */
export async function findFormat(head: Uint8Array, name: string): Promise<Detection> {
  const start = Buffer.from(head.subarray(0, 16)).toString('latin1');
  const byMagic = ENTRIES.filter(({ magics }) => magics?.some((magic) => start.startsWith(magic)));
  const byContent = ENTRIES.filter(({ magics }) => !magics);
  for (const [entries, enough] of [
    [byMagic, 3],
    [byContent, 2],
  ] as const) {
    const found = detectFormat(head, name, await loadAll(entries));
    const verdict = found.verdicts.find(({ format }) => format === found.format)?.verdict;
    if (verdict && verdict.confidence >= enough) return found;
  }
  return detectFormat(head, name, await loadFormats());
}
