/** Reads ftrace text in tests: every row as a plain object with null where nothing was recorded. */

import { type Diagnostic, listDiagnostics } from '../../src/core/diagnostics.ts';
import {
  F_ADDRESS,
  F_ARG0,
  F_ARG1,
  F_CODE,
  F_ERROR_CODE,
  F_INFO1,
  F_INFO2,
  F_INTR_INFO,
  F_ISA,
  NO_CPU,
} from '../../src/core/event-batch.ts';
import { createTraceContext, type TraceContext } from '../../src/core/trace-context.ts';
import { wordsToBigInt, wordsToBigUint } from '../../src/core/words.ts';
import { memorySource } from '../../src/parsers/byte-source.ts';
import { ftraceText } from '../../src/parsers/ftrace-text/index.ts';
import type { TraceFormat } from '../../src/parsers/trace-format.ts';

export interface TextRow {
  time: bigint;
  cpu: number | null;
  tid: number;
  pid: number | null;
  vcpu: number | null;
  event: string;
  isa: number | null;
  code: number | null;
  address: bigint | null;
  info1: bigint | null;
  info2: bigint | null;
  intrInfo: number | null;
  errorCode: number | null;
  /** Signed. */
  arg0: bigint | null;
  arg1: bigint | null;
  text: string | null;
}

export interface ReadText {
  rows: TextRow[];
  context: TraceContext;
  diagnostics: Record<string, number>;
  list: Diagnostic[];
}

/** Reads with `format`, tracefs text unless another is given. */
export function readText(
  input: string | Uint8Array,
  maxRead = Infinity,
  format: TraceFormat = ftraceText,
): ReadText {
  const bytes = typeof input === 'string' ? Buffer.from(input, 'utf8') : input;
  const context = createTraceContext();
  const rows: TextRow[] = [];
  for (const b of format.parse(memorySource(bytes, 'test', maxRead), context, {})) {
    const wide = (column: Uint32Array, row: number, bit: number, signed = false) =>
      b.fields[row] & bit
        ? (signed ? wordsToBigInt : wordsToBigUint)(column[2 * row], column[2 * row + 1])
        : null;
    for (let i = 0; i < b.length; i++) {
      const f = b.fields[i];
      rows.push({
        time: wordsToBigInt(b.time[2 * i], b.time[2 * i + 1]),
        cpu: b.cpu[i] === NO_CPU ? null : b.cpu[i],
        tid: b.tid[i],
        pid: b.pid[i] < 0 ? null : b.pid[i],
        vcpu: b.vcpu[i] < 0 ? null : b.vcpu[i],
        event: context.events.names[b.event[i]],
        isa: f & F_ISA ? b.isa[i] : null,
        code: f & F_CODE ? b.code[i] : null,
        address: wide(b.address, i, F_ADDRESS),
        info1: wide(b.info1, i, F_INFO1),
        info2: wide(b.info2, i, F_INFO2),
        intrInfo: f & F_INTR_INFO ? b.intrInfo[i] : null,
        errorCode: f & F_ERROR_CODE ? b.errorCode[i] : null,
        arg0: wide(b.arg0, i, F_ARG0, true),
        arg1: wide(b.arg1, i, F_ARG1),
        text: b.text[i] < 0 ? null : context.strings.values[b.text[i]],
      });
    }
  }
  const list = listDiagnostics(context.diagnostics);
  return { rows, context, list, diagnostics: Object.fromEntries(list.map((d) => [d.code, d.count])) };
}

/** Columns of the one event of `NAME: TEXT`, without the nulls. */
export function readEvent(text: string): Partial<TextRow> {
  const { rows } = readText(`       CPU 0/KVM-140     [001] d..1.    17.000001: ${text}\n`);
  if (rows.length !== 1) throw new Error(`${rows.length} rows`);
  const { time: _time, cpu: _cpu, tid: _tid, pid: _pid, event: _event, ...columns } = rows[0];
  return Object.fromEntries(Object.entries(columns).filter(([, value]) => value !== null));
}
