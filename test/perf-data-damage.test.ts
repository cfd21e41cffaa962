/** Damaged perf.data files give a TraceFormatError or diagnostics, in bounded time and memory; never anything else. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { TraceFormatError } from '../src/core/errors.ts';
import { HAS_SHARED, SAMPLES, SHARED } from './support/corpus.ts';
import { folderOf, type ReadPerf, type ReadPerfOptions, readPerf } from './support/perf-data.ts';
import { perfEncoder } from './support/perf-data-encoder.ts';
import { type PerfRecord, PLAIN } from './support/perf-data-records.ts';

/** Damage must not make reading endless; it takes milliseconds, but a busy machine may hold it up. */
const MAX_MS = 10_000;
const MAX_GROWTH = 400 << 20;

/** Rows, or null where the file was refused. */
function tryRead(...input: Parameters<typeof readPerf>): ReadPerf | null {
  const start = performance.now();
  try {
    return readPerf(...input);
  } catch (error) {
    if (!(error instanceof TraceFormatError)) throw error;
    expect(error.message).toMatch(/^perf\.data: [^\n]{10,400}$/);
    return null;
  } finally {
    expect(performance.now() - start).toBeLessThan(MAX_MS);
  }
}

/** … of the core columns, which must be the same whether a kernel merges and decodes them or TypeScript does. */
function tryReadTwice(bytes: Uint8Array, options: ReadPerfOptions = {}): void {
  const read = tryRead(bytes, { ...options, coreOnly: true });
  const plain = tryRead(bytes, { ...options, coreOnly: true, withoutKernel: true });
  expect(read?.rows).toEqual(plain?.rows);
  expect(read?.diagnostics).toEqual(plain?.diagnostics);
}

/** A small deterministic generator (mulberry32). */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

function stream(count: number): (PerfRecord | null)[] {
  const list: (PerfRecord | null)[] = [];
  for (let i = 0; i < count; i++) {
    const kind = (['exit', 'entry', 'comm', 'exit', 'entry', 'lost', 'foreign', 'fork'] as const)[i % 8];
    list.push({
      kind,
      time: BigInt(5_000_000_000 + 100 * (i % 2 ? i : i + 5)),
      cpu: i % 2,
      pid: 1,
      tid: 2 + (i % 3),
      value: 2 + (i % 5),
      rip: BigInt(i),
      name: `thread ${i}`,
    });
    if (i % 10 === 9) list.push(null);
  }
  return list;
}

const encoder = perfEncoder(PLAIN);
const small = stream(24);
const data = encoder.records(small);
const packed = encoder.compressed(small, 300, false);
const directory = new Map([[24, encoder.num(8, 1)]]);
const forms: [string, Buffer][] = [
  ['file', encoder.file(data)],
  [
    'big-endian file',
    perfEncoder({ ...PLAIN, little: false }).file(perfEncoder({ ...PLAIN, little: false }).records(small)),
  ],
  ['pipe', encoder.pipe(data)],
  ['compressed file', encoder.file(packed)],
  ['compressed pipe', encoder.pipe(packed)],
];

describe.each(forms)('%s', (name, bytes) => {
  const whole = readPerf(bytes);
  const known = new Set(whole.rows);

  test('is whole', () => {
    expect(whole.rows.length).toBe(15);
    expect(whole.diagnostics).toEqual({ 'other-samples': 3 });
  });

  test('cut off at every byte: refused, or the rows before the cut and a word about it', () => {
    let read = 0;
    for (let size = 0; size < bytes.length; size++) {
      const cut = tryRead(bytes.subarray(0, size));
      if (cut === null) continue;
      read++;
      expect(cut.rows.every((row) => known.has(row))).toBe(true);
      // A pipe has no end mark: cut between two records it is a shorter recording.
      if (!name.includes('pipe')) expect(cut.diagnostics).not.toEqual(whole.diagnostics);
    }
    expect(read).toBeGreaterThan(name.includes('pipe') ? 500 : 10);
  });

  test('bits flipped: refused, or rows and diagnostics', () => {
    const random = generator(bytes.length);
    for (let i = 0; i < 600; i++) {
      const damaged = Buffer.from(bytes);
      for (let flips = random(3); flips >= 0; flips--) damaged[random(bytes.length)] ^= 1 << random(8);
      tryReadTwice(damaged, i % 4 ? {} : { maxRead: 100, limits: { cap: 500, blockBytes: 65536 } });
    }
  });

  test('bytes overwritten by extremes', () => {
    for (const value of [0, 0xff, 0x7f])
      for (let at = 0; at + 8 <= bytes.length; at += 12) {
        const damaged = Buffer.from(bytes);
        damaged.fill(value, at, at + 8);
        tryReadTwice(damaged);
      }
  });
});

test.each([true, false])(
  'a sample whose raw data leaves its record is left out and counted: little endian %s',
  (little) => {
    const own = perfEncoder({ ...PLAIN, little });
    const [exit, entry] = stream(2).map((record) => own.records([record]));
    const read = (size: number, options: ReadPerfOptions) => {
      const damaged = Buffer.from(exit);
      // 36 bytes of raw data end the record; their size stands in front.
      own.num(4, size).copy(damaged, damaged.length - 40);
      return readPerf(own.file(Buffer.concat([damaged, entry])), options);
    };
    for (const options of [{}, { withoutKernel: true }]) {
      expect(read(36, options)).toMatchObject({ rows: { length: 2 }, diagnostics: {} });
      // Without the eight bytes of common fields nobody knows which event it is.
      for (const size of [37, 40, 0x7fffffff, 0xffffffff, 7, 0]) {
        const { rows, diagnostics } = read(size, options);
        expect([size, rows.length, diagnostics]).toEqual([size, 1, { 'damaged-records': 1 }]);
      }
      // Fields are missing: the exit counts, but for its reason (none of the dictionary's: 255) and its address.
      const short = read(8, options);
      expect(short.diagnostics).toMatchObject({ 'short-records': 1 });
      expect(short.rows.find((row) => row.includes('kvm_exit'))).toMatch(/ kvm_exit -1 255 0 {5}$/);
    }
  },
);

test('a folder with damaged streams', () => {
  const random = generator(7);
  const files = (damage: (bytes: Buffer) => Buffer) =>
    new Map([
      ['data', encoder.file(Buffer.alloc(0), directory)],
      ['data.0', damage(data)],
      ['data.1', data],
      ['data.2', damage(packed)],
    ]);
  expect(readPerf(folderOf(files((bytes) => bytes))).rows.length).toBe(45);
  for (let i = 0; i < 1000; i++) {
    const read = tryRead(
      folderOf(
        files((bytes) => {
          const damaged = Buffer.from(bytes.subarray(0, random(4) ? bytes.length : random(bytes.length)));
          if (damaged.length > 0) damaged[random(damaged.length)] ^= 1 << random(8);
          return damaged;
        }),
      ),
    );
    // The undamaged stream is there in any case.
    expect(read!.rows.length).toBeGreaterThanOrEqual(15);
  }
});

describe('compression', () => {
  const frame = (...blocks: Buffer[]) =>
    Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 10 << 3]), ...blocks]);
  const header = (type: number, size: number) => {
    const bytes = Buffer.alloc(3);
    bytes.writeUIntLE((size << 3) | (type << 1), 0, 3);
    return bytes;
  };
  const raw = (bytes: Buffer) => Buffer.concat([header(0, bytes.length), bytes]);
  const bomb = Buffer.concat(
    Array.from({ length: 200 }, () => Buffer.concat([header(1, 0x1fffff), Buffer.from([9])])),
  );

  test('a record that unpacks to more than perf writes is refused, what came before is kept', () => {
    const mmap = Buffer.concat([0, 1, 1, 13, 528384].map((value) => encoder.num(4, value)));
    for (const features of [new Map(), new Map([[27, mmap]])]) {
      const before = process.memoryUsage().rss;
      const records = Buffer.concat([
        encoder.record(81, 0, frame(raw(data))),
        encoder.record(81, 0, bomb),
        encoder.record(81, 0, raw(data)),
        encoder.record(68, 0),
      ]);
      const read = tryRead(encoder.file(records, features))!;
      expect(read.rows.length).toBe(15);
      expect(read.diagnostics['damaged-compression']).toBe(2);
      expect(process.memoryUsage().rss - before).toBeLessThan(MAX_GROWTH);
    }
  });

  test('a window of gigabytes is refused', () => {
    const huge = Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 20 << 3]), raw(data)]);
    const read = tryRead(encoder.file(encoder.record(81, 0, huge)))!;
    expect(read.rows).toEqual([]);
    expect(read.diagnostics['damaged-compression']).toBe(1);
  });

  test('frames that end, with and without checksum, and further ones', () => {
    const half = 600;
    const last = (bytes: Buffer) => {
      const block = raw(bytes);
      block[0] |= 1;
      return block;
    };
    const summed = Buffer.concat([
      Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 4, 10 << 3]),
      last(data.subarray(0, half)),
    ]);
    const all = Buffer.concat([summed, Buffer.from('sum!'), frame(last(data.subarray(half)))]);
    for (const piece of [all.length, 100, 33]) {
      const records: Buffer[] = [];
      for (let at = 0; at < all.length; at += piece)
        records.push(encoder.record(81, 0, all.subarray(at, at + piece)));
      expect(readPerf(encoder.file(Buffer.concat(records))).rows).toEqual(readPerf(encoder.file(data)).rows);
    }
  });
});

describe('real captures', () => {
  const sample = readFileSync(join(SAMPLES, 'intel-perf/perf.data'));

  test('cut off at records throughout', () => {
    const known = new Set(readPerf(sample).rows);
    const start = Number(sample.readBigUInt64LE(40));
    const end = start + Number(sample.readBigUInt64LE(48));
    let at = start;
    for (let i = 0; at < end; i++) {
      if (i % 97 === 0) {
        const cut = tryRead(sample.subarray(0, at));
        if (cut) {
          expect(cut.diagnostics).toMatchObject({ 'truncated-file': expect.any(Number) });
          expect(cut.rows.every((row) => known.has(row))).toBe(true);
        }
      }
      at += sample.readUInt16LE(at + 6);
    }
    expect(at).toBe(end);
  });

  const files = ['x86/pf-zstd/perf.data', 'x86/pf-pipe-zstd/perf.pipe', 'arm64/61v3-perf-forms/pipe.data'];
  test.runIf(HAS_SHARED).each(files)('%s: bits flipped', (file) => {
    const bytes = readFileSync(join(SHARED, 'corpus', file));
    const random = generator(3);
    for (let i = 0; i < 60; i++) {
      const damaged = Buffer.from(bytes);
      for (let flips = random(8); flips >= 0; flips--) damaged[random(bytes.length)] ^= 1 << random(8);
      tryRead(damaged);
    }
  });
});

test('descriptions of events that are cut off in a pipe are counted', () => {
  const bytes = new Uint8Array(readFileSync(join(SAMPLES, 'amd-perf-pipe-zstd/perf.pipe')));
  const view = new DataView(bytes.buffer);
  const HEADER_ATTR = 64;
  let cut = 0;
  for (let at = 16; cut < 1; at += view.getUint16(at + 6, true))
    if (view.getUint32(at, true) === HEADER_ATTR) {
      view.setUint32(at + 12, 8, true);
      cut++;
    }
  expect(readPerf(bytes).diagnostics).toMatchObject({ 'damaged-attr': 1 });
});
