/** Event batches from short descriptions, for tests of analyses; and the events of a real capture. */
import { readFileSync, statSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { createDiagnostics } from '../../src/core/diagnostics.ts';
import {
  clearRow,
  copyRow,
  createEventBatch,
  type EventBatch,
  F_ADDRESS,
  F_ARG0,
  F_ARG1,
  F_CODE,
  F_INFO1,
  F_INTR_INFO,
  F_ISA,
} from '../../src/core/event-batch.ts';
import { createTraceContext, type TraceContext } from '../../src/core/trace-context.ts';
import { storeBigInt, wordsToBigInt } from '../../src/core/words.ts';
import { openInput } from '../../src/parsers/open-input.ts';
import { detectFormat, loadFormats } from '../../src/parsers/registry.ts';
import { SNIFF_BYTES } from '../../src/parsers/trace-format.ts';

const FORMATS = await loadFormats();

export interface TestEvent {
  time: number | bigint;
  event: number;
  tid?: number;
  pid?: number;
  cpu?: number;
  vcpu?: number;
  isa?: number;
  code?: number;
  address?: number | bigint;
  info1?: number;
  intrInfo?: number;
  arg0?: number | bigint;
  arg1?: number | bigint;
}

export function eventBatch(events: readonly TestEvent[]): EventBatch {
  const batch = createEventBatch(Math.max(1, events.length));
  batch.length = events.length;
  events.forEach((event, row) => {
    clearRow(batch, row);
    storeBigInt(batch.time, 2 * row, BigInt(event.time));
    batch.event[row] = event.event;
    batch.tid[row] = event.tid ?? -1;
    batch.pid[row] = event.pid ?? -1;
    batch.cpu[row] = event.cpu ?? 0;
    batch.vcpu[row] = event.vcpu ?? -1;
    let fields = 0;
    if (event.isa !== undefined) {
      batch.isa[row] = event.isa;
      fields |= F_ISA;
    }
    if (event.code !== undefined) {
      batch.code[row] = event.code;
      fields |= F_CODE;
    }
    if (event.intrInfo !== undefined) {
      batch.intrInfo[row] = event.intrInfo;
      fields |= F_INTR_INFO;
    }
    for (const [name, bit] of [
      ['address', F_ADDRESS],
      ['info1', F_INFO1],
      ['arg0', F_ARG0],
      ['arg1', F_ARG1],
    ] as const) {
      const value = event[name];
      storeBigInt(batch[name], 2 * row, BigInt(value ?? 0xdeadbeef));
      if (value !== undefined) fields |= bit;
    }
    batch.fields[row] = fields;
  });
  return batch;
}

/** Rows [from, to) of a batch as a batch of their own. */
export function sliceBatch(batch: EventBatch, from: number, to: number): EventBatch {
  const slice = createEventBatch(Math.max(1, to - from));
  for (let row = from; row < to; row++) copyRow(batch, row, slice, slice.length++);
  return slice;
}

/** Whether some parser knows the format. */
export function isReadable(path: string): boolean {
  if (statSync(path).isDirectory()) return true;
  const bytes = readFileSync(path);
  const head = path.endsWith('.gz') ? gunzipSync(bytes) : bytes;
  return detectFormat(head.subarray(0, SNIFF_BYTES), path, FORMATS).format !== null;
}

/** All events of a capture in one batch. */
export async function readEvents(path: string): Promise<{ batch: EventBatch; context: TraceContext }> {
  const input = await openInput(path, createDiagnostics());
  const context = createTraceContext();
  const parts: EventBatch[] = [];
  try {
    for (const batch of input.format.parse(input.source, context, {}))
      parts.push(sliceBatch(batch, 0, batch.length));
  } finally {
    input.source.close();
  }
  const all = createEventBatch(
    Math.max(
      1,
      parts.reduce((sum, part) => sum + part.length, 0),
    ),
  );
  for (const part of parts) for (let row = 0; row < part.length; row++) copyRow(part, row, all, all.length++);
  return { batch: all, context };
}

export const timeOf = (batch: EventBatch, row: number): bigint =>
  wordsToBigInt(batch.time[2 * row], batch.time[2 * row + 1]);

export const ALL = { selection: null, threads: null };
