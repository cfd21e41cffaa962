/** Recordings joined by cat: the first is read as if it were alone, and the report says where the next begins. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TraceFormatError } from '../src/core/errors.ts';
import { createTraceContext } from '../src/core/trace-context.ts';
import { memorySource } from '../src/parsers/byte-source.ts';
import { captureArrow } from '../src/parsers/capture-arrow/index.ts';
import { findRecording } from '../src/parsers/following-recording.ts';
import { perfData } from '../src/parsers/perf-data/index.ts';
import { traceDat } from '../src/parsers/trace-dat/index.ts';
import { captureBytes, sampleRows, toBatch } from './support/capture.ts';
import { HAS_SHARED, SAMPLES, SHARED } from './support/corpus.ts';
import { buildV6, buildV7, X86 } from './support/trace-dat.ts';

const FORMATS = [perfData, traceDat, captureArrow];

/** All events as text, and what the report says of the file. */
function read(bytes: Uint8Array, maxRead = Infinity) {
  const format = FORMATS.find(({ sniff }) => sniff(bytes.subarray(0, 16384), 'x').confidence === 3)!;
  const context = createTraceContext();
  const rows: string[] = [];
  for (const batch of format.parse(memorySource(bytes, 'x', maxRead), context, {}))
    for (let i = 0; i < batch.length; i++)
      rows.push(
        `${batch.time[2 * i + 1]} ${batch.time[2 * i]} ${batch.cpu[i]} ${batch.tid[i]} ${batch.event[i]} ${batch.code[i]}`,
      );
  const { entries } = context.diagnostics;
  const following = entries.get('following-recording') ?? null;
  entries.delete('following-recording');
  const others = [...entries.values()].map(({ code, count }) => `${code} ${count}`);
  return { rows, following, others };
}

/** Nothing at all said about a following recording; damaged files may be refused. */
function expectQuiet(bytes: Uint8Array, what: string): void {
  try {
    expect(read(bytes).following, what).toBeNull();
  } catch (error) {
    if (!(error instanceof TraceFormatError)) throw error;
  }
}

function expectFirst(first: Uint8Array, second: Uint8Array, padding = 0, maxRead = Infinity): void {
  const alone = read(first);
  const both = read(Buffer.concat([first, Buffer.alloc(padding), second]), maxRead);
  expect(both.following).toMatchObject({ severity: 'data-loss', count: 1 });
  expect(both.following!.message).toContain(`begins at byte ${first.length + padding} of the file`);
  expect(both.following!.message).toContain('name the files separately');
  expect(both.rows).toEqual(alone.rows);
  expect(both.others).toEqual(alone.others);
}

const capture = (first: number) =>
  captureBytes(createTraceContext(), [toBatch(sampleRows(100, first)), toBatch(sampleRows(50, first + 100))]);

const sample = (name: string) => {
  const bytes = readFileSync(join(SAMPLES, name));
  return bytes[0] === 0x1f ? gunzipSync(bytes) : bytes;
};

/** One small recording of each kind. */
const kinds: readonly (readonly [string, Buffer])[] = [
  ['perf.data', sample('intel-perf/perf.data')],
  ['a pipe of perf -z', sample('amd-perf-pipe-zstd/perf.pipe')],
  ['trace.dat 6', buildV6({ machine: X86, buffers: [{ name: '', cpus: new Map() }] })],
  ['trace.dat 7', buildV7({ machine: X86, buffers: [{ name: '', cpus: new Map() }] })],
  ['trace.dat', sample('intel-trace-dat/trace.dat')],
  ['capture.arrow', capture(0)],
];

describe('recordings of every kind behind recordings of every kind', () => {
  for (const [a, first] of kinds)
    for (const [b, second] of kinds)
      test(`${a}, ${b}`, () => {
        expectFirst(first, second);
        // A pipe's end, and a capture's, are where they are or not known.
        if (!/pipe|capture/.test(a)) expectFirst(first, second, 512);
        // No more than its head: the smallest that is told for certain.
        expectFirst(first, second.subarray(0, 16));
      });

  test('whatever the size of reads', () => {
    for (const [, first] of kinds) expectFirst(first, kinds[0][1], 0, 4099);
    expectFirst(kinds[5][1], kinds[5][1], 0, 1);
  });

  test('perf that died before it wrote the size of its records', () => {
    const whole = kinds[0][1];
    const end = Number(whole.readBigUInt64LE(40) + whole.readBigUInt64LE(48));
    const died = Buffer.from(whole.subarray(0, end));
    died.writeBigUInt64LE(0n, 48);
    for (const [, second] of kinds) expectFirst(died, second);
  });

  test('blocks are those of the first capture, whatever the last footer says', () => {
    const first = capture(0);
    // A block has 64 Ki rows.
    const longer = captureBytes(createTraceContext(), [toBatch(sampleRows(70_000, 3000))]);
    const blocks = (bytes: Uint8Array) => captureArrow.blocks!(memorySource(bytes, 'x'));
    expect([blocks(first), blocks(longer)]).toEqual([1, 2]);
    expect(blocks(Buffer.concat([first, longer]))).toBe(1);
  });

  test('captures of other lengths, the second longer or cut', () => {
    expectFirst(capture(0), capture(3000));
    const long = captureBytes(
      createTraceContext(),
      [0, 1, 2, 3].map((n) => toBatch(sampleRows(500, n * 500))),
      { flush: true },
    );
    expectFirst(capture(0), long);
    expectFirst(long, capture(0));
    expectFirst(capture(0), long.subarray(0, long.length - 9));
    expectFirst(Buffer.concat([long]), Buffer.concat([capture(0), capture(1)]));
  });
});

/** Every binary recording of samples and corpus. */
function* recordings(folder: string): Generator<string> {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) yield* recordings(path);
    else if (/\.(data|dat|pipe|arrow)(\.guest|\.\d+)?(\.gz)?$|pf-threads.*data$/.test(name)) yield path;
  }
}

const files = [
  ...recordings(SAMPLES),
  ...(HAS_SHARED ? [...recordings(join(SHARED, 'corpus')), ...recordings(join(SHARED, 'public'))] : []),
].flatMap((path) => {
  const stored = readFileSync(path);
  const bytes = stored[0] === 0x1f && stored[1] === 0x8b ? gunzipSync(stored) : stored;
  const known = FORMATS.some(({ sniff }) => sniff(bytes.subarray(0, 16384), path).confidence === 3);
  return known ? [[relative(SHARED, path), bytes] as const] : [];
});

test('there are samples', () => {
  expect(files.length).toBeGreaterThan(HAS_SHARED ? 30 : 3);
});

describe.each(files)('%s', (_, bytes) => {
  test('alone: nothing follows; padded: nothing does; joined: the second is named', () => {
    expectQuiet(bytes, 'alone');
    let rows: number;
    try {
      rows = read(bytes).rows.length;
    } catch (error) {
      // A part of a folder, which cannot be read on its own.
      if (!(error instanceof TraceFormatError)) throw error;
      return;
    }
    expectQuiet(Buffer.concat([bytes, Buffer.alloc(4096)]), 'padded');
    for (let i = 1; i < 6; i++) expectQuiet(bytes.subarray(0, (bytes.length * i) / 6), `cut at ${i}/6`);
    if (rows < 200_000) expectFirst(bytes, kinds[2][1]);
  });
});

test('magic numbers alone are no recording', () => {
  const starts = [
    'PERFILE2',
    '2ELIFREP',
    '\x17\x08\x44tracing',
    '\x17\x08\x44tracingX\0',
    'ARROW1',
    'ARROW1\0\0',
  ];
  for (const [, first] of kinds)
    for (const start of starts) {
      if (first === kinds[1][1]) continue;
      const tail = Buffer.concat([Buffer.from(start, 'latin1'), Buffer.alloc(64)]);
      expectQuiet(Buffer.concat([first, tail]), start);
    }
});

test('a start is found wherever it lies', () => {
  fc.assert(
    fc.property(fc.nat(200_000), fc.nat(100), fc.constantFrom(...kinds), (before, from, [, recording]) => {
      const bytes = Buffer.concat([Buffer.alloc(from + before), recording.subarray(0, 40)]);
      const source = memorySource(bytes, 'x', 5000);
      expect(findRecording(source, from, bytes.length)).toBe(from + before);
      expect(findRecording(source, from + before + 1, bytes.length)).toBe(-1);
    }),
    { numRuns: 60 },
  );
});
