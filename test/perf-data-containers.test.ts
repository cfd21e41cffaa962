/** The same recording in every container and read in any pieces gives the same rows; parts of it a clear word. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, describe, expect, test } from 'vitest';
import { createDiagnostics } from '../src/core/diagnostics.ts';
import { openInput } from '../src/parsers/open-input.ts';
import { HAS_SHARED, listCaptures, SAMPLES, SHARED } from './support/corpus.ts';
import { folderOf, readPerf } from './support/perf-data.ts';

const SAMPLE = join(SAMPLES, 'intel-perf/perf.data');
const folder = mkdtempSync(join(tmpdir(), 'kvmtrace-perf-'));
afterAll(() => rmSync(folder, { recursive: true }));

const captures = (HAS_SHARED ? listCaptures(join(SHARED, 'corpus')) : []).filter(
  ({ path }) =>
    /perf\.(data|pipe)(\.guest|\.gz|\.\d+)?$|(pid|pipe|zstd)\.data$/.test(path) &&
    !path.includes('pf-threads'),
);

function bytesOf(path: string): Buffer {
  const stored = readFileSync(path);
  return stored[0] === 0x1f ? gunzipSync(stored) : stored;
}

describe.each([['samples/intel-perf', SAMPLE], ...captures.map(({ id, path }) => [id, path])])(
  '%s',
  (_, path) => {
    test('the size of reads changes nothing', () => {
      const bytes = bytesOf(path);
      const whole = readPerf(bytes);
      expect(whole.rows.length).toBeGreaterThan(100);
      // Single bytes are slow: a megabyte takes a second.
      const maxRead = bytes.length < 300_000 ? 1 : 1021;
      const pieces = readPerf(bytes, { maxRead });
      expect(pieces.rows).toEqual(whole.rows);
      expect(pieces.diagnostics).toEqual(whole.diagnostics);
    });

    test('a window of 20 kB that spills changes nothing', () => {
      const bytes = bytesOf(path);
      const spilled = readPerf(bytes, { maxRead: 5000, limits: { cap: 20_000, blockBytes: 65536 } });
      expect(spilled.rows).toEqual(readPerf(bytes).rows);
    });
  },
);

/** The parts of a little-endian file. */
function partsOf(file: Buffer) {
  const u64 = (at: number) => Number(file.readBigUInt64LE(at));
  const [entry, attrsAt, attrsSize, dataAt, dataSize] = [16, 24, 32, 40, 48].map(u64);
  const bits = Array.from({ length: 256 }, (_, bit) => bit).filter(
    (bit) => file[72 + (bit >> 3)] & (1 << (bit & 7)),
  );
  return {
    dataAt,
    dataEnd: dataAt + dataSize,
    records: file.subarray(dataAt, dataAt + dataSize),
    attrs: Array.from({ length: attrsSize / entry }, (_, i) => {
      const at = attrsAt + i * entry;
      const ids = u64(at + entry - 16);
      return { attr: file.subarray(at, at + entry - 16), ids: file.subarray(ids, ids + u64(at + entry - 8)) };
    }),
    features: new Map(
      bits.map((bit, i) => {
        const at = dataAt + dataSize + 16 * i;
        return [bit, file.subarray(u64(at), u64(at) + u64(at + 8))];
      }),
    ),
  };
}

function record(type: number, ...body: Uint8Array[]): Buffer {
  const content = Buffer.concat(body);
  const head = Buffer.alloc(8);
  head.writeUInt32LE(type);
  head.writeUInt16LE(8 + content.length, 6);
  return Buffer.concat([head, content]);
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

/** The file as `perf record -o -` would have written it. */
function asPipe(file: Buffer): Buffer {
  const { attrs, features, records } = partsOf(file);
  const blob = features.get(1)!;
  const size = Math.ceil(blob.length / 8) * 8;
  return Buffer.concat([
    Buffer.from('PERFILE2'),
    u64(16),
    ...attrs.map(({ attr, ids }) => record(64, attr, ids)),
    ...[...features].filter(([bit]) => bit !== 1).map(([bit, body]) => record(80, u64(bit), body)),
    record(66, u64(size)),
    blob,
    Buffer.alloc(size - blob.length),
    records,
  ]);
}

function recordsOf(bytes: Buffer): Buffer[] {
  const list: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += bytes.readUInt16LE(at + 6))
    list.push(bytes.subarray(at, at + bytes.readUInt16LE(at + 6)));
  return list;
}

/** The file with other records. */
function withRecords(file: Buffer, records: Buffer): Buffer {
  const { dataAt, dataEnd } = partsOf(file);
  const shift = records.length - (dataEnd - dataAt);
  const head = Buffer.from(file.subarray(0, dataAt));
  head.writeBigUInt64LE(BigInt(records.length), 48);
  const tail = Buffer.from(file.subarray(dataEnd));
  const count = partsOf(file).features.size;
  for (let i = 0; i < count; i++) tail.writeBigUInt64LE(tail.readBigUInt64LE(16 * i) + BigInt(shift), 16 * i);
  return Buffer.concat([head, records, tail]);
}

describe('one recording in other containers', () => {
  const file = readFileSync(SAMPLE);
  const { records, dataEnd } = partsOf(file);
  const whole = readPerf(file);

  test('a pipe', () => {
    const pipe = readPerf(asPipe(file));
    expect(pipe.rows).toEqual(whole.rows);
    expect(pipe.diagnostics).toEqual(whole.diagnostics);
    for (const key of ['kernel', 'host', 'arch', 'cpuModel', 'clock', 'defaultIsa', 'enabledEvents'] as const)
      expect(pipe.context[key]).toEqual(whole.context[key]);
    expect([...pipe.context.threads.byTid.values()]).toEqual([...whole.context.threads.byTid.values()]);
  });

  test('without round markers', () => {
    const plain = Buffer.concat(recordsOf(records).filter((r) => r.readUInt32LE(0) !== 68));
    expect(plain.length).toBeLessThan(records.length);
    expect(readPerf(withRecords(file, plain)).rows).toEqual(whole.rows);
  });

  test('a folder of several streams, opened by its name', async () => {
    const list = recordsOf(records);
    // Any split will do: no parser may rely on which stream a record lies in.
    const streams = [0, 1, 2].map((n) =>
      Buffer.concat(list.filter((r, i) => r.readUInt32LE(0) < 64 && i > 400 && i % 3 === n)),
    );
    const path = join(folder, 'perf.folder');
    mkdirSync(path);
    const base = withRecords(file, Buffer.concat(list.slice(0, 401)));
    writeFileSync(join(path, 'data'), base);
    for (const [n, stream] of streams.entries()) writeFileSync(join(path, `data.${n + 9}`), stream);
    const input = await openInput(path, createDiagnostics());
    expect(input.format.id).toBe('perf.data');
    const read = readPerf(input.source);
    input.source.close();
    // Ties between streams may come in another order than in the file.
    expect(read.rows.map(timeOf)).toEqual(whole.rows.map(timeOf));
    expect([...read.rows].sort()).toEqual([...whole.rows].sort());
    expect(read.diagnostics).toEqual(whole.diagnostics);
  });

  test('unfinished: exits and entries are told by their content, and that is said', () => {
    const killed = Buffer.from(file.subarray(0, dataEnd));
    killed.writeBigUInt64LE(0n, 48);
    const read = readPerf(killed);
    expect(read.rows).toEqual(whole.rows);
    expect(read.diagnostics['recognised-events']).toBe(1);
    const doubt = read.context.diagnostics.entries.get('recognised-events')!;
    expect(doubt.severity).toBe('suspect');
    expect(doubt.message).toMatch(/perf was killed.*kvm_exit = tracepoint 1473, kvm_entry = tracepoint 1482/);
  });

  test('cut off inside of the records: the rows before it, and what is missing', () => {
    const { dataAt } = partsOf(file);
    const read = readPerf(file.subarray(0, dataAt + Math.floor((dataEnd - dataAt) / 2) + 3));
    expect(read.rows.length).toBeGreaterThan(whole.rows.length / 4);
    const all = new Set(whole.rows);
    expect(read.rows.every((row) => all.has(row))).toBe(true);
    expect(read.diagnostics).toMatchObject({ 'truncated-file': expect.any(Number), 'recognised-events': 1 });
  });
});

function timeOf(row: string): string {
  return row.split(' ')[0];
}

describe('what cannot be read is refused with what to do', () => {
  const shared = join(SHARED, 'corpus/x86/pf-threads/perf.data');

  test.runIf(HAS_SHARED)('a stream of a folder alone', async () => {
    const input = await openInput(join(shared, 'data.0'), createDiagnostics());
    expect(input.format.id).toBe('perf.data');
    expect(() => readPerf(input.source)).toThrow(
      /one stream \(data\.N\) of a `perf record --threads` folder/,
    );
    input.source.close();
  });

  test.runIf(HAS_SHARED)('`data` of a folder alone', () => {
    expect(() => readPerf(readFileSync(join(shared, 'data')))).toThrow(/its events lie in data\.0, data\.1/);
  });

  test.runIf(HAS_SHARED)('a folder that lost its streams', () => {
    const read = readPerf(folderOf(new Map([['data', readFileSync(join(shared, 'data'))]])));
    expect(read.rows).toEqual([]);
    expect(read.diagnostics).toMatchObject({ 'missing-streams': 1 });
  });

  test('a folder of something else', async () => {
    await expect(openInput(SAMPLES, createDiagnostics())).rejects.toThrow(
      /this is a folder, and not one that `perf record --threads` writes/,
    );
  });

  test.runIf(HAS_SHARED)('killed, and without exits', () => {
    const file = bytesOf(join(SHARED, 'corpus/qemu/kvm-up/perf.data'));
    const killed = Buffer.from(file.subarray(0, partsOf(file).dataEnd));
    killed.writeBigUInt64LE(0n, 48);
    expect(() => readPerf(killed)).toThrow(/perf was killed.*cannot be told by their content/);
  });

  test('version 1', () => {
    expect(() => readPerf(Buffer.from(`PERFFILE${'\0'.repeat(200)}`))).toThrow(/version 1/);
  });
});

describe.runIf(HAS_SHARED)('every file without its event formats', () => {
  const files = captures.filter(({ path }) => bytesOf(path).readBigUInt64LE(8) === 104n);

  test.each(files.map(({ id, path }) => [id, path]))('%s: the same three events, or refused', (_, path) => {
    const file = bytesOf(path);
    const killed = Buffer.from(file.subarray(0, partsOf(file).dataEnd));
    killed.writeBigUInt64LE(0n, 48);
    const three = (rows: readonly string[]) =>
      rows.filter((row) => /^kvm_(exit|entry|userspace_exit)$/.test(row.split(' ')[4]));
    try {
      const read = readPerf(killed);
      expect(read.diagnostics).toMatchObject({ 'recognised-events': 1 });
      expect(three(read.rows)).toEqual(three(readPerf(file).rows));
    } catch (error) {
      expect((error as Error).message).toMatch(/cannot be told by their content/);
      // Sampled groups have no samples of entries; the others no exits.
      expect(path).toMatch(/pf-group|corpus\/qemu/);
    }
  });
});
