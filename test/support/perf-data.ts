/** Reads perf.data into plain rows. */
import { createArena } from '../../src/core/arena.ts';
import {
  createArenaBatch,
  createEventBatch,
  F_ADDRESS,
  F_ARG0,
  F_ARG1,
  F_CODE,
  F_INFO1,
  F_INFO2,
  F_ISA,
  NO_CPU,
} from '../../src/core/event-batch.ts';
import { createTraceContext, type TraceContext } from '../../src/core/trace-context.ts';
import { wordsToBigUint } from '../../src/core/words.ts';
import { type ByteSource, memorySource } from '../../src/parsers/byte-source.ts';
import { parsePerfData } from '../../src/parsers/perf-data/index.ts';
import type { WindowLimits } from '../../src/parsers/perf-data/record-window.ts';

/** One row as text: time, cpu, tid, pid, event and every recorded column. */
export type PerfRow = string;

/** Few, because making a large batch takes longer than reading a small file. */
const ROWS = 1000;

export interface ReadPerf {
  readonly rows: PerfRow[];
  readonly context: TraceContext;
  readonly diagnostics: Readonly<Record<string, number>>;
}

export interface ReadPerfOptions {
  readonly maxRead?: number;
  readonly limits?: WindowLimits;
  readonly coreOnly?: boolean;
  /** Rows go to batches that no kernel can reach: all of them are merged and decoded in TypeScript. */
  readonly withoutKernel?: boolean;
}

export function readPerf(input: Uint8Array | ByteSource, options: ReadPerfOptions = {}): ReadPerf {
  const source = input instanceof Uint8Array ? memorySource(input, 'test', options.maxRead) : input;
  const context = createTraceContext();
  const rows: PerfRow[] = [];
  const arena = createArena();
  const batch = options.withoutKernel ? createEventBatch(ROWS) : createArenaBatch(arena, ROWS);
  batch.text.fill(-1);
  const nextBatch = () => {
    batch.length = 0;
    return batch;
  };
  for (const b of parsePerfData(
    source,
    context,
    { coreOnly: options.coreOnly ?? false, arena, nextBatch },
    options.limits,
  ))
    for (let i = 0; i < b.length; i++) {
      const f = b.fields[i];
      const wide = (bit: number, column: Uint32Array) =>
        f & bit ? wordsToBigUint(column[2 * i], column[2 * i + 1]) : null;
      rows.push(
        [
          wordsToBigUint(b.time[2 * i], b.time[2 * i + 1]),
          b.cpu[i] === NO_CPU ? null : b.cpu[i],
          b.tid[i],
          b.pid[i],
          context.events.names[b.event[i]],
          b.vcpu[i],
          f & F_ISA ? b.isa[i] : null,
          f & F_CODE ? b.code[i] : null,
          wide(F_ADDRESS, b.address),
          wide(F_ARG0, b.arg0),
          ...(options.coreOnly ? [] : [wide(F_INFO1, b.info1), wide(F_INFO2, b.info2), wide(F_ARG1, b.arg1)]),
        ].join(' '),
      );
    }
  const diagnostics = Object.fromEntries(
    [...context.diagnostics.entries.values()].map(({ code, count }) => [code, count]),
  );
  return { rows, context, diagnostics };
}

/** Several files as the one input that a folder of `perf record --threads` is. */
export function folderOf(files: ReadonlyMap<string, Uint8Array>, maxRead = Infinity): ByteSource {
  const bytes = Buffer.concat([...files.values()]);
  let start = 0;
  const parts = [...files].map(([name, { length: size }]) => {
    start += size;
    return { name, start: start - size, size };
  });
  return { ...memorySource(bytes, 'folder', maxRead), parts };
}
