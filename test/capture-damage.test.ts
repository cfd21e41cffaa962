import { closeSync, openSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import {
  type Data,
  Field,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  Table,
  tableFromArrays,
  tableFromIPC,
  tableToIPC,
  type Vector,
} from 'apache-arrow';
import { Footer } from 'apache-arrow/ipc/metadata/file';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createCaptureWriter } from '../src/capture/writer.ts';
import { runReport } from '../src/commands/pipeline.ts';
import { TraceFormatError } from '../src/core/errors.ts';
import { eventCode } from '../src/core/events.ts';
import { internString } from '../src/core/string-table.ts';
import { threadOf } from '../src/core/thread-table.ts';
import { createTraceContext } from '../src/core/trace-context.ts';
import { captureArrow } from '../src/parsers/capture-arrow/index.ts';
import type { Versioning } from '../src/parsers/capture-arrow/upgrade.ts';
import {
  captureBytes,
  inTemporaryFolder,
  type Row,
  readRowsOf,
  sampleRows,
  toBatch,
} from './support/capture.ts';
import { defaultReportOptions } from './support/options.ts';

const BATCHES = 3;
const BATCH = 50;

/** A small capture of three batches in which names, texts and threads become known late. */
function makeCapture() {
  const context = createTraceContext();
  context.kernel = '6.1.0';
  const rows = Array.from({ length: BATCHES }, (_, n) => {
    const group = sampleRows(BATCH, n * BATCH);
    group[0] = { ...group[0], event: 256 + n, text: n };
    return group;
  });
  const learn = (n: number) => {
    eventCode(context.events, `late_${n}`);
    internString(context.strings, `text ${n}`);
    threadOf(context.threads, 500 + n).comm = `CPU ${n}/KVM`;
  };
  return { context, rows, learn };
}

function finished() {
  const { context, rows, learn } = makeCapture();
  const bytes = captureBytes(
    context,
    rows.map((group) => toBatch(group)),
    { flush: true, before: learn },
  );
  return { bytes, context, rows };
}

const whole = finished();
const footerLength = whole.bytes.readInt32LE(whole.bytes.length - 10);
const footer = Footer.decode(whole.bytes.subarray(whole.bytes.length - 10 - footerLength, -10));
const batchEnds = [...footer.recordBatches()].map(
  (block) => block.offset + block.metaDataLength + block.bodyLength,
);

/** Rows of the whole batches of a file cut at `length`, or the error; never anything else. */
function readCut(
  bytes: Uint8Array,
): { rows: Row[]; context: ReturnType<typeof createTraceContext> } | TraceFormatError {
  const context = createTraceContext();
  try {
    return { rows: readRowsOf(bytes, context), context };
  } catch (error) {
    if (error instanceof TraceFormatError) return error;
    throw error;
  }
}

describe('a file whose writer died', () => {
  test('has all rows, names and threads up to the last whole batch', () => {
    const { context, rows, learn } = makeCapture();
    const bytes = inTemporaryFolder((folder) => {
      const file = path.join(folder, 'capture.arrow');
      const writer = createCaptureWriter(file, context, '1');
      rows.forEach((group, n) => {
        learn(n);
        writer.write(toBatch(group));
        writer.flush();
      });
      // No finish(): the process is gone.
      const left = readFileSync(file);
      writer.abort();
      return left;
    });
    const back = createTraceContext();
    expect(readRowsOf(bytes, back)).toEqual(rows.flat());
    expect(back.diagnostics.entries.get('capture-unfinished')).toMatchObject({
      severity: 'data-loss',
      count: 1,
    });
    back.diagnostics.entries.clear();
    expect(back).toEqual(context);
  });

  test('cut anywhere: rows of whole batches and a data-loss diagnostic, or a clear error', () => {
    const { bytes, rows } = whole;
    const cuts = new Set([0, 1, 5, 6, 7, 8, 9, 15, 16, 100]);
    for (const end of batchEnds) for (const near of [-65, -1, 0, 1, 7, 8, 9]) cuts.add(end + near);
    for (let cut = 0; cut < bytes.length; cut += 1999) cuts.add(cut);
    for (let cut = bytes.length - 40; cut < bytes.length; cut++) cuts.add(cut);
    for (const cut of cuts) {
      const result = readCut(bytes.subarray(0, cut));
      if (result instanceof TraceFormatError) {
        expect(cut, result.message).toBeLessThan(batchEnds[0]);
        expect(result.details.offset).toBeLessThanOrEqual(Math.max(cut, 8));
        continue;
      }
      const complete = batchEnds.filter((end) => end <= cut).length;
      expect(result.rows, `cut at ${cut}`).toEqual(rows.slice(0, complete).flat());
      const codes = [...result.context.diagnostics.entries.keys()];
      expect(codes).toHaveLength(1);
      expect(['capture-unfinished', 'capture-footer-damaged']).toContain(codes[0]);
    }
  });
});

describe('bits flipped', () => {
  test('anywhere in metadata or rows: an error, diagnostics, or other values, never a crash', () => {
    const interesting = fc.oneof(
      fc.nat(4000),
      fc.integer({ min: batchEnds[0] - 12000, max: batchEnds[2] }),
      fc.integer({ min: whole.bytes.length - footerLength - 20, max: whole.bytes.length - 1 }),
      fc.nat(whole.bytes.length - 1),
    );
    const change = fc.tuple(interesting, fc.oneof(fc.constantFrom(0, 0xff, 0x7f, 0x80), fc.nat(255)));
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 6 }), (changes) => {
        const bytes = Buffer.from(whole.bytes);
        for (const [at, value] of changes) bytes[at] = value;
        const start = Date.now();
        const result = readCut(bytes);
        // Milliseconds, but a busy machine may hold it up.
        expect(Date.now() - start).toBeLessThan(10_000);
        if (result instanceof TraceFormatError) return;
        for (const row of result.rows) {
          expect(result.context.events.names[row.event]).toBeDefined();
          if (row.text !== null) expect(result.context.strings.values[row.text]).toBeDefined();
        }
      }),
      { numRuns: 1500 },
    );
  });

  test('in one batch: the others are read, and the diagnostic says which is missing', () => {
    const bytes = Buffer.from(whole.bytes);
    const block = [...footer.recordBatches()][1];
    bytes.fill(0xff, block.offset + 8, block.offset + 200);
    const context = createTraceContext();
    expect(readRowsOf(bytes, context)).toEqual([...whole.rows[0], ...whole.rows[2]]);
    const diagnostic = context.diagnostics.entries.get('damaged-batch')!;
    expect(diagnostic).toMatchObject({ severity: 'data-loss', count: 1 });
    expect(diagnostic.message).toContain('batch 1');
  });

  test('an event code that no dictionary has becomes "no event" and is counted', () => {
    const bytes = Buffer.from(whole.bytes);
    const block = [...footer.recordBatches()][0];
    const event = bytes.subarray(block.offset + block.metaDataLength);
    // The event indices are 0, 1, 2, 1, 2 … of the 16-bit column; find them after the 32-bit ones.
    const indices = Buffer.from(Uint16Array.from([0, 1, 2, 1, 2, 1]).buffer);
    const at = event.indexOf(indices);
    expect(at).toBeGreaterThan(0);
    event.writeUInt16LE(60000, at + 2);
    const context = createTraceContext();
    const rows = readRowsOf(bytes, context);
    expect(rows[1].event).toBe(0);
    expect(context.diagnostics.entries.get('bad-event-index')).toMatchObject({
      severity: 'data-loss',
      count: 1,
    });
  });
});

/** All batches of a column as one. */
function joined(column: Vector): Data {
  const { type, length } = column;
  const bitmap = new Uint8Array(Math.ceil(length / 8));
  let nullCount = 0;
  for (let row = 0; row < length; row++) {
    if (column.get(row) === null) nullCount++;
    else bitmap[row >> 3] |= 1 << (row & 7);
  }
  const Values = column.data[0].values.constructor;
  const stride = column.data[0].values.length / column.data[0].length;
  const values = new Values(length * stride);
  let at = 0;
  for (const chunk of column.data) {
    values.set(chunk.values.subarray(0, chunk.length * stride), at);
    at += chunk.length * stride;
  }
  const dictionary = column.data[0].dictionary;
  return makeData({ type, length, nullCount, nullBitmap: bitmap, data: values, dictionary } as never);
}

/** The file as another Arrow writer would write it: columns by name in this order, one batch. */
function rewritten(
  bytes: Uint8Array,
  {
    columns = (names) => names,
    rename = {},
    metadata = () => {},
  }: {
    columns?: (names: string[]) => string[];
    rename?: Record<string, string>;
    metadata?: (map: Map<string, string>) => void;
  } = {},
): Uint8Array {
  const table = tableFromIPC(bytes);
  const names = columns(table.schema.names.map(String));
  const data = names.map((name) => joined(table.getChild(name) as Vector));
  const fields = names.map((name, i) => new Field(rename[name] ?? name, data[i].type, true));
  const map = new Map(table.schema.metadata);
  metadata(map);
  const struct = makeData({ type: new Struct(fields), length: table.numRows, nullCount: 0, children: data });
  return tableToIPC(new Table([new RecordBatch(new Schema(fields, map), struct)]), 'file');
}

function failure(bytes: Uint8Array, versioning?: Versioning): TraceFormatError {
  try {
    readRowsOf(bytes, createTraceContext(), versioning ? { versioning } : {});
  } catch (error) {
    if (error instanceof TraceFormatError) return error;
    throw error;
  }
  throw new Error('was read without an error');
}

describe('Arrow files of others', () => {
  test('a capture that was written anew as pyarrow and pandas do it, compressed, is refused with the way out', async () => {
    const file = path.join(import.meta.dirname, 'fixtures/feather-lz4.arrow.gz');
    await expect(runReport([file], defaultReportOptions())).rejects.toMatchObject({
      details: {
        message: 'its columns are compressed',
        hint: expect.stringContaining("compression='uncompressed'"),
      },
    });
  });

  test('columns in another order are read', () => {
    const bytes = rewritten(whole.bytes, { columns: (names) => names.reverse() });
    expect(tableFromIPC(bytes).schema.names[0]).toBe('fields');
    expect(readRowsOf(bytes, createTraceContext())).toEqual(whole.rows.flat());
  });

  test('columns that are not ours are stepped over', () => {
    const bytes = rewritten(whole.bytes, {
      columns: (names) => ['info1', 'text', ...names],
    });
    // Of columns with the same name the first counts; they are equal here, so only their places matter.
    expect(tableFromIPC(bytes).schema.names).toHaveLength(20);
    expect(readRowsOf(bytes, createTraceContext())).toEqual(whole.rows.flat());
  });

  test('a batch of more than 64 Ki rows is read in pieces', () => {
    const rows = sampleRows(140_001);
    const bytes = rewritten(captureBytes(createTraceContext(), [toBatch(rows)]));
    expect(tableFromIPC(bytes).batches.map(({ numRows }) => numRows)).toEqual([140_001]);
    expect(readRowsOf(bytes, createTraceContext())).toEqual(rows);
  });

  test('a file that is no capture is refused, with the columns that it lacks', () => {
    const bytes = tableToIPC(
      tableFromArrays({ time: BigInt64Array.of(1n), value: Float64Array.of(1) }),
      'file',
    );
    const error = failure(bytes);
    expect(error.message).toMatch(/not a capture of kvmtrace: columns cpu, tid, .*fields are missing/);
    expect(error.details.hint).toContain('kvmtrace convert');
  });

  test('a capture without a column, or with one of another type, is refused', () => {
    expect(failure(rewritten(whole.bytes, { rename: { arg1: 'extra' } })).message).toContain(
      'arg1 uint64 (missing)',
    );
    const swapped = rewritten(whole.bytes, { rename: { time: 'tid', tid: 'time' } });
    expect(failure(swapped).message).toMatch(/time int64 \(other type\), tid int32 \(other type\)/);
  });

  test('something else altogether is refused', () => {
    expect(failure(Buffer.from('ARROW1 is how this text begins, no more')).message).toContain(
      'capture.arrow',
    );
    expect(failure(Buffer.from('PAR1')).details).toMatchObject({ section: 'magic', offset: 0 });
    expect(captureArrow.sniff(whole.bytes.subarray(0, 16384), 'x').confidence).toBe(3);
    expect(captureArrow.sniff(Buffer.from('ARR'), 'x').confidence).toBe(1);
    expect(captureArrow.sniff(Buffer.from('PERFILE2'), 'x').confidence).toBe(0);
    expect(captureArrow.sniff(Buffer.alloc(0), 'x').confidence).toBe(0);
  });
});

describe('versions', () => {
  const withVersion = (version: string, rename: Record<string, string> = {}) =>
    rewritten(whole.bytes, { rename, metadata: (map) => map.set('kvmtrace.version', version) });

  test('a newer one is refused with a hint', () => {
    const error = failure(withVersion('2'));
    expect(error.message).toContain('this capture has version 2, this kvmtrace reads up to 1');
    expect(error.details.hint).toContain('upgrade kvmtrace');
    expect(failure(withVersion('soon')).message).toContain("'soon'");
    expect(failure(withVersion('0')).message).toContain('version 0 are not supported');
  });

  test('older ones are upgraded step by step: columns renamed and added, metadata rewritten', () => {
    const old = rewritten(whole.bytes, {
      rename: { error_code: 'errcode', arg1: 'unused' },
      metadata(map) {
        map.set('kvmtrace.version', '1');
        map.set('kvmtrace.machine', map.get('kvmtrace.host')!);
        map.delete('kvmtrace.host');
      },
    });
    const versioning: Versioning = {
      current: 3,
      upgraders: {
        1(header) {
          for (const column of header.columns) if (column.name === 'errcode') column.name = 'error_code';
          header.metadata.set('kvmtrace.host', header.metadata.get('kvmtrace.machine')!);
        },
        2: (header) => header.absent.add('arg1'),
      },
    };
    const context = createTraceContext();
    expect(readRowsOf(old, context, { versioning })).toEqual(
      whole.rows.flat().map((row) => ({ ...row, arg1: null })),
    );
    expect(context.kernel).toBe('6.1.0');
    expect(failure(old).message).toContain('error_code uint32 (missing)');
  });
});

describe('the writer', () => {
  test('abort() removes the file that it made, and leaves others alone', () => {
    inTemporaryFolder((folder) => {
      const file = path.join(folder, 'capture.arrow');
      const writer = createCaptureWriter(file, createTraceContext(), '1');
      writer.write(toBatch(sampleRows(10)));
      writer.abort();
      writer.finish();
      expect(() => statSync(file)).toThrow('ENOENT');
    });
    createCaptureWriter('/dev/null', createTraceContext(), '1').abort();
    expect(statSync('/dev/null').isCharacterDevice()).toBe(true);
  });

  test('writes to a descriptor that cannot go back', () => {
    const rows = sampleRows(100);
    const bytes = inTemporaryFolder((folder) => {
      const file = path.join(folder, 'capture.arrow');
      const fd = openSync(file, 'a');
      const context = createTraceContext();
      const writer = createCaptureWriter(fd, context, '1');
      eventCode(context.events, 'late');
      writer.write(toBatch(rows));
      writer.flush();
      writer.write(toBatch([{ ...rows[99], event: 256 }]));
      writer.finish();
      closeSync(fd);
      return readFileSync(file);
    });
    const back = createTraceContext();
    expect(readRowsOf(bytes, back)).toEqual([...rows, { ...rows[99], event: 256 }]);
    expect(back.diagnostics.entries.size).toBe(0);
  });
});
