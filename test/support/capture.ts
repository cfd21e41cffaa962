/** Makes contexts, batches and files for the tests of capture.arrow. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createCaptureWriter } from '../../src/capture/writer.ts';
import {
  createEventBatch,
  type EventBatch,
  F_ADDRESS,
  F_ARG0,
  F_ARG1,
  F_CODE,
  F_ERROR_CODE,
  F_INFO1,
  F_INFO2,
  F_INTR_INFO,
  F_ISA,
} from '../../src/core/event-batch.ts';
import type { TraceContext } from '../../src/core/trace-context.ts';
import { storeBigInt, wordsToBigInt, wordsToBigUint } from '../../src/core/words.ts';
import { memorySource } from '../../src/parsers/byte-source.ts';
import { readCapture } from '../../src/parsers/capture-arrow/index.ts';
import type { Versioning } from '../../src/parsers/capture-arrow/upgrade.ts';

/** One event as the batch means it: null where nothing was recorded. */
export interface Row {
  time: bigint;
  cpu: number | null;
  tid: number | null;
  pid: number | null;
  vcpu: number | null;
  event: number;
  isa: number | null;
  code: number | null;
  address: bigint | null;
  info1: bigint | null;
  info2: bigint | null;
  intrInfo: number | null;
  errorCode: number | null;
  arg0: bigint | null;
  arg1: bigint | null;
  text: number | null;
}

const NARROW = [
  ['isa', F_ISA],
  ['code', F_CODE],
  ['intrInfo', F_INTR_INFO],
  ['errorCode', F_ERROR_CODE],
] as const;
const WIDE = [
  ['address', F_ADDRESS],
  ['info1', F_INFO1],
  ['info2', F_INFO2],
  ['arg0', F_ARG0],
  ['arg1', F_ARG1],
] as const;

export function toBatch(rows: readonly Row[]): EventBatch {
  const batch = createEventBatch(Math.max(1, rows.length));
  batch.length = rows.length;
  rows.forEach((row, i) => {
    storeBigInt(batch.time, 2 * i, row.time);
    batch.cpu[i] = row.cpu ?? 0xffff;
    batch.tid[i] = row.tid ?? -1;
    batch.pid[i] = row.pid ?? -1;
    batch.vcpu[i] = row.vcpu ?? -1;
    batch.event[i] = row.event;
    batch.text[i] = row.text ?? -1;
    for (const [name, bit] of NARROW) {
      batch[name][i] = row[name] ?? 0;
      if (row[name] !== null) batch.fields[i] |= bit;
    }
    for (const [name, bit] of WIDE) {
      // Where nothing was recorded the words are garbage, as in batches that parsers reuse.
      storeBigInt(batch[name], 2 * i, row[name] ?? 0xdeadbeefdeadbeefn);
      if (row[name] !== null) batch.fields[i] |= bit;
    }
  });
  return batch;
}

export function fromBatch(batch: EventBatch): Row[] {
  return Array.from({ length: batch.length }, (_, i) => {
    const narrow = (values: Uint8Array | Uint32Array, bit: number) =>
      batch.fields[i] & bit ? values[i] : null;
    const wide = (words: Uint32Array, bit: number) =>
      batch.fields[i] & bit ? wordsToBigUint(words[2 * i], words[2 * i + 1]) : null;
    const known = (value: number, nothing: number) => (value === nothing ? null : value);
    return {
      time: wordsToBigInt(batch.time[2 * i], batch.time[2 * i + 1]),
      cpu: known(batch.cpu[i], 0xffff),
      tid: known(batch.tid[i], -1),
      pid: known(batch.pid[i], -1),
      vcpu: known(batch.vcpu[i], -1),
      event: batch.event[i],
      isa: narrow(batch.isa, F_ISA),
      code: narrow(batch.code, F_CODE),
      address: wide(batch.address, F_ADDRESS),
      info1: wide(batch.info1, F_INFO1),
      info2: wide(batch.info2, F_INFO2),
      intrInfo: narrow(batch.intrInfo, F_INTR_INFO),
      errorCode: narrow(batch.errorCode, F_ERROR_CODE),
      arg0: wide(batch.arg0, F_ARG0),
      arg1: wide(batch.arg1, F_ARG1),
      text: known(batch.text[i], -1),
    };
  });
}

/** `count` plausible rows: exits, entries, userspace exits, with gaps in every nullable column. */
export function sampleRows(count: number, first = 0): Row[] {
  return Array.from({ length: count }, (_, n): Row => {
    const i = n + first;
    const isExit = i % 2 === 0;
    return {
      time: 1_700_000_000_000_000_000n + BigInt(i) * 1500n,
      cpu: i % 11 === 0 ? null : i % 4,
      tid: i % 13 === 0 ? null : 100 + (i % 3),
      pid: i % 3 === 0 ? 99 : null,
      vcpu: i % 5 === 0 ? i % 2 : null,
      event: i % 101 === 7 ? 3 : isExit ? 1 : 2,
      isa: isExit ? 1 : null,
      code: i % 101 === 7 ? 2 : isExit ? [12, 48, 30, 0x4d, 0x80000021, 500][i % 6] : null,
      address: 0xffffffff81000000n + BigInt(i),
      info1: i % 7 === 0 ? BigInt(i) << 40n : null,
      info2: isExit ? 0n : null,
      intrInfo: isExit ? 0x800000ec : null,
      errorCode: i % 17 === 0 ? 0xffffffff : null,
      arg0: i % 101 === 7 ? (i % 2 ? 0n : 0xfffffffffffffffcn) : null,
      arg1: null,
      text: null,
    };
  });
}

export function inTemporaryFolder<T>(run: (folder: string) => T): T {
  const folder = mkdtempSync(path.join(tmpdir(), 'kvmtrace-capture-'));
  try {
    return run(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Bytes of a capture of these batches; `before` runs before each batch and may change the context. */
export function captureBytes(
  context: TraceContext,
  batches: readonly EventBatch[],
  { flush = false, before }: { flush?: boolean; before?: (index: number) => void } = {},
): Buffer {
  return inTemporaryFolder((folder) => {
    const file = path.join(folder, 'capture.arrow');
    const writer = createCaptureWriter(file, context, '1.2.3');
    batches.forEach((batch, index) => {
      before?.(index);
      writer.write(batch);
      if (flush) writer.flush();
    });
    writer.finish();
    return readFileSync(file);
  });
}

export function readRowsOf(
  bytes: Uint8Array,
  context: TraceContext,
  { maxRead = Infinity, versioning }: { maxRead?: number; versioning?: Versioning } = {},
): Row[] {
  const rows: Row[] = [];
  for (const batch of readCapture(memorySource(bytes, 'x', maxRead), context, {}, versioning))
    for (const row of fromBatch(batch)) rows.push(row);
  return rows;
}
