/** Reads QEMU's traces (or any format) in tests: rows as plain objects with names, null where nothing was recorded. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { listDiagnostics } from '../../src/core/diagnostics.ts';
import {
  type EventBatch,
  F_ADDRESS,
  F_ARG0,
  F_ARG1,
  F_CODE,
  F_INFO1,
  F_INFO2,
} from '../../src/core/event-batch.ts';
import { createTraceContext, type TraceContext } from '../../src/core/trace-context.ts';
import { wordsToBigInt, wordsToBigUint } from '../../src/core/words.ts';
import { memorySource } from '../../src/parsers/byte-source.ts';
import type { TraceFormat } from '../../src/parsers/trace-format.ts';

export interface QemuRow {
  event: string;
  time: bigint;
  tid: number | null;
  pid: number | null;
  vcpu: number | null;
  code: number | null;
  address: bigint | null;
  info1: bigint | null;
  info2: bigint | null;
  arg0: bigint | null;
  arg1: bigint | null;
  text: string | null;
}

export interface ReadTrace {
  rows: QemuRow[];
  context: TraceContext;
  diagnostics: Record<string, number>;
}

export function rowsOf(batch: EventBatch, context: TraceContext): QemuRow[] {
  return Array.from({ length: batch.length }, (_, i): QemuRow => {
    const wide = (words: Uint32Array, bit: number) =>
      batch.fields[i] & bit ? wordsToBigUint(words[2 * i], words[2 * i + 1]) : null;
    const known = (value: number) => (value === -1 ? null : value);
    return {
      event: context.events.names[batch.event[i]],
      time: wordsToBigInt(batch.time[2 * i], batch.time[2 * i + 1]),
      tid: known(batch.tid[i]),
      pid: known(batch.pid[i]),
      vcpu: known(batch.vcpu[i]),
      code: batch.fields[i] & F_CODE ? batch.code[i] : null,
      address: wide(batch.address, F_ADDRESS),
      info1: wide(batch.info1, F_INFO1),
      info2: wide(batch.info2, F_INFO2),
      arg0: wide(batch.arg0, F_ARG0),
      arg1: wide(batch.arg1, F_ARG1),
      text: batch.text[i] < 0 ? null : context.strings.values[batch.text[i]],
    };
  });
}

export function readTrace(
  format: TraceFormat,
  bytes: Uint8Array,
  { maxRead = Infinity, traceEvents }: { maxRead?: number; traceEvents?: string | undefined } = {},
): ReadTrace {
  const context = createTraceContext();
  const rows: QemuRow[] = [];
  const options = traceEvents === undefined ? {} : { traceEvents };
  for (const batch of format.parse(memorySource(bytes, 'unknown', maxRead), context, options))
    rows.push(...rowsOf(batch, context));
  const diagnostics = Object.fromEntries(
    listDiagnostics(context.diagnostics).map(({ code, count }) => [code, count]),
  );
  return { rows, context, diagnostics };
}

export function load(file: string): Buffer {
  const bytes = readFileSync(file);
  return file.endsWith('.gz') ? gunzipSync(bytes) : bytes;
}
