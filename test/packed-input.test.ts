/** Inputs that are packed as a whole. zstd's frames are made here by RFC 8878, and by zstd itself where there is one. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import xxhash from 'xxhash-wasm';
import { runReport } from '../src/commands/pipeline.ts';
import { createZstdStream, endZstd, pushZstd } from '../src/parsers/zstd-stream.ts';
import { renderJson } from '../src/report/json.ts';
import { SAMPLES } from './support/corpus.ts';
import { defaultReportOptions } from './support/options.ts';

const { create64, h64Raw } = await xxhash();
const folder = mkdtempSync(path.join(tmpdir(), 'kvmtrace-packed-'));
afterAll(() => rmSync(folder, { recursive: true }));

interface Frame {
  readonly blocks: readonly { readonly bytes: Uint8Array; readonly repeat: number }[];
  readonly checksum: boolean;
  readonly single: boolean;
  /** Content of a skippable frame before it. */
  readonly skipped: Uint8Array | null;
}

const word = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};

/** What a block stands for: its first byte again and again, if that is asked for. */
const plainBlock = ({ bytes, repeat }: Frame['blocks'][number]) =>
  repeat > 0 && bytes.length > 0 ? Buffer.alloc(repeat, bytes[0]) : Buffer.from(bytes);
const plainFrame = ({ blocks }: Frame) => Buffer.concat(blocks.map(plainBlock));

/** A frame of raw and of repeating blocks (RFC 8878, 3.1.1). */
function encodeFrame(frame: Frame): Buffer {
  const { blocks, checksum, single, skipped } = frame;
  const plain = plainFrame(frame);
  const descriptor = (2 << 6) | (single ? 0x20 : 0) | (checksum ? 4 : 0);
  // A window of 1 MiB, which no block here is longer than.
  const head = [
    word(0xfd2fb528),
    Buffer.from(single ? [descriptor] : [descriptor, 10 << 3]),
    word(plain.length),
  ];
  const body = blocks.flatMap((block, i) => {
    const last = i === blocks.length - 1 ? 1 : 0;
    const repeats = block.repeat > 0 && block.bytes.length > 0;
    const length = repeats ? block.repeat : block.bytes.length;
    const header = word((length << 3) | (repeats ? 2 : 0) | last).subarray(0, 3);
    return [header, repeats ? block.bytes.subarray(0, 1) : block.bytes];
  });
  const sum = checksum ? [word(Number(h64Raw(plain) & 0xffffffffn))] : [];
  const before = skipped === null ? [] : [word(0x184d2a5c), word(skipped.length), skipped];
  return Buffer.concat([...before, ...head, ...body, ...sum]);
}

const bytes = fc.uint8Array({ maxLength: 40 });
const frame: fc.Arbitrary<Frame> = fc.record({
  blocks: fc.array(fc.record({ bytes, repeat: fc.constantFrom(0, 0, 1, 300) }), {
    minLength: 1,
    maxLength: 4,
  }),
  checksum: fc.boolean(),
  single: fc.boolean(),
  skipped: fc.option(bytes, { nil: null }),
});
const frames = fc.array(frame, { minLength: 1, maxLength: 4 });

/** Decodes the input given in pieces of the sizes, in turns; what came out, and why it ended if not at its end. */
function decode(input: Uint8Array, sizes: readonly number[]): { plain: Buffer; error: string | null } {
  const stream = createZstdStream(create64);
  const pieces: Buffer[] = [];
  const take = (plain: Uint8Array) => void pieces.push(Buffer.from(plain));
  try {
    for (let from = 0, turn = 0; from < input.length; from += sizes[turn++ % sizes.length])
      pushZstd(stream, input.slice(from, from + sizes[turn % sizes.length]), take);
    endZstd(stream, take);
    return { plain: Buffer.concat(pieces), error: null };
  } catch (error) {
    return { plain: Buffer.concat(pieces), error: (error as Error).message };
  }
}

describe('frames of zstd', () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 64 }), { minLength: 1, maxLength: 3 });

  test('give their bytes, in whatever pieces they come', () => {
    fc.assert(
      fc.property(frames, sizes, (list, pieces) => {
        const { plain, error } = decode(Buffer.concat(list.map(encodeFrame)), pieces);
        expect(error).toBeNull();
        expect(plain.equals(Buffer.concat(list.map(plainFrame)))).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  test('cut off anywhere give the beginning of them, and say so unless a frame ends there', () => {
    fc.assert(
      fc.property(frames, sizes, fc.nat(), (list, pieces, place) => {
        const coded = list.map(encodeFrame);
        const input = Buffer.concat(coded);
        const cut = place % input.length;
        const { plain, error } = decode(input.subarray(0, cut), pieces);
        expect(Buffer.concat(list.map(plainFrame)).subarray(0, plain.length).equals(plain)).toBe(true);
        const ends = coded.map((_, i) => coded.slice(0, i).reduce((sum, { length }) => sum + length, 0));
        // A skippable frame ends before what follows it.
        const between = ends.flatMap((end, i) => {
          const { skipped } = list[i];
          return skipped === null ? [end] : [end, end + 8 + skipped.length];
        });
        expect(error === null).toBe(between.includes(cut));
      }),
      { numRuns: 300 },
    );
  });

  test('with a checksum never give other bytes without a word', () => {
    fc.assert(
      fc.property(frames, fc.nat(), fc.integer({ min: 0, max: 7 }), (list, place, bit) => {
        const checked = list.map((one) => ({ ...one, checksum: true, skipped: null }));
        const input = Buffer.concat(checked.map(encodeFrame));
        input[place % input.length] ^= 1 << bit;
        const { plain, error } = decode(input, [64]);
        const same = plain.equals(Buffer.concat(checked.map(plainFrame)));
        expect(same || error !== null || wasChecksumFlag(checked, place % input.length, bit)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  test('with a window that nobody could hold are refused', () => {
    const huge = Buffer.concat([word(0xfd2fb528), Buffer.from([0, 0xff]), Buffer.alloc(30)]);
    expect(decode(huge, [64]).error).toMatch(/^window of \d+ bytes$/);
  });

  // A window costs time and memory: with one of 128 MiB for each of these, minutes.
  test('of a few bytes each, however large their windows, are read at once', () => {
    const tiny = encodeFrame({
      blocks: [{ bytes: Buffer.from('x'), repeat: 9 }],
      checksum: true,
      single: false,
      skipped: null,
    });
    tiny[5] = 17 << 3;
    const { plain, error } = decode(Buffer.concat(Array(5000).fill(tiny)), [1000]);
    expect(error).toBeNull();
    expect(plain.toString()).toBe('x'.repeat(45_000));
  });

  test('that have less than they say are refused, and give no bytes that are not there', () => {
    const header = [word(0xfd2fb528), Buffer.from([0x80 | 0x20]), word(1 << 20)];
    for (const size of [0, 2, 30]) {
      const block = Buffer.concat([word((size << 3) | 1).subarray(0, 3), Buffer.alloc(size, 'x')]);
      const { plain, error } = decode(Buffer.concat([...header, block]), [64]);
      expect(plain.toString()).toBe('x'.repeat(size));
      expect(error).toBe(`a frame of ${size} bytes that says it has 1048576`);
    }
  });

  test('that need a dictionary are refused: without it they would give other bytes', () => {
    const header = (id: number) => Buffer.concat([word(0xfd2fb528), Buffer.from([3, 0]), word(id)]);
    const block = Buffer.concat([word((20 << 3) | 1).subarray(0, 3), Buffer.alloc(20, 'x')]);
    expect(decode(Buffer.concat([header(7), block]), [64]).error).toBe('it needs a dictionary (zstd -D)');
    expect(decode(Buffer.concat([header(0), block]), [64])).toEqual({
      plain: Buffer.alloc(20, 'x'),
      error: null,
    });
  });

  test('with a block longer than any may be are refused', () => {
    const repeat = Buffer.concat([word((200_000 << 3) | 3).subarray(0, 3), Buffer.from('x')]);
    const long = Buffer.concat([word(0xfd2fb528), Buffer.from([0, 17 << 3]), repeat]);
    expect(decode(long, [64])).toEqual({ plain: Buffer.alloc(0), error: 'block of 200000 bytes' });
  });
});

/** Whether the bit is the one of a frame's descriptor that says that there is a checksum. */
function wasChecksumFlag(list: readonly Frame[], place: number, bit: number): boolean {
  let at = 0;
  for (const one of list) {
    if (place === at + 4) return bit === 2;
    at += encodeFrame(one).length;
  }
  return false;
}

describe('a recording that is packed', () => {
  const recording = readFileSync(path.join(SAMPLES, 'intel-trace-dat/trace.dat'));
  const text = gunzipSync(readFileSync(path.join(SAMPLES, 'intel-trace-pipe/trace_pipe.txt.gz')));
  const raw = (plain: Buffer): Buffer => {
    const blocks = Array.from({ length: Math.ceil(plain.length / 100_000) }, (_, i) => ({
      bytes: plain.subarray(100_000 * i, 100_000 * (i + 1)),
      repeat: 0,
    }));
    return encodeFrame({ blocks, checksum: true, single: false, skipped: null });
  };
  const zstd = (plain: Buffer, ...options: string[]) =>
    spawnSync('zstd', ['-c', ...options], { input: plain }).stdout;
  const hasZstd = spawnSync('zstd', ['--version']).status === 0;

  const report = async (name: string, content: Buffer) => {
    const file = path.join(folder, name);
    writeFileSync(file, content);
    return await runReport([file], defaultReportOptions());
  };
  const numbers = async (name: string, content: Buffer) => {
    const { capture, ...rest } = JSON.parse([...renderJson(await report(name, content))].join(''));
    return { ...rest, capture: { ...capture, sources: null } };
  };

  const packers: [string, (plain: Buffer) => Buffer][] = [
    ['gzip', (plain) => gzipSync(plain)],
    ['zstd without compression', raw],
  ];
  if (hasZstd)
    packers.push(
      ['zstd', (plain) => zstd(plain)],
      ['zstd -19 --long', (plain) => zstd(plain, '-19', '--long=27')],
      [
        'zstd in two frames',
        (plain) => Buffer.concat([zstd(plain.subarray(0, 777)), zstd(plain.subarray(777))]),
      ],
    );

  test.each(packers)('by %s: the same numbers', async (_, pack) => {
    expect(await numbers('packed.dat', pack(recording))).toEqual(await numbers('plain.dat', recording));
    expect(await numbers('packed.txt', pack(text))).toEqual(await numbers('plain.txt', text));
  });

  test('and cut off is read up to there, with a warning', async () => {
    const { quality, totals } = await report('cut.zst', raw(text).subarray(0, 150_000));
    expect(quality.warnings.map(({ code }) => code)).toContain('truncated-zstd');
    expect(totals.exits).toBeGreaterThan(0);
  });

  test('and cut off before anything can be read is an error that says so', async () => {
    await expect(report('cut.zst', raw(text).subarray(0, 15))).rejects.toThrow(
      'zstd: cannot be decompressed: it ends within a frame',
    );
  });
});
