/** perf.data whose counts and sizes no recorder states: read in bounded time and memory, and what is left out is said. */
import { expect, test } from 'vitest';
import { createTraceContext } from '../src/core/trace-context.ts';
import { memorySource } from '../src/parsers/byte-source.ts';
import { readHeader } from '../src/parsers/perf-data/header.ts';
import { readPerf } from './support/perf-data.ts';
import { perfEncoder } from './support/perf-data-encoder.ts';
import { ENTRY_ID, EXIT_ID, type PerfRecord, PLAIN, SAMPLE_IDS } from './support/perf-data-records.ts';

/** Each takes milliseconds, but a busy machine may hold it up; without limits it takes minutes. */
const timeout = 20_000;

const encoder = perfEncoder(PLAIN);
const { num, record } = encoder;
const event = (kind: 'exit' | 'entry', time: number): PerfRecord => ({
  kind,
  time: BigInt(time),
  cpu: 0,
  pid: 1,
  tid: 2,
  value: 30,
  rip: 0n,
  name: '',
});
const data = encoder.records([event('exit', 1000), event('entry', 1300)]);

/** The file with other attrs, each with a list of ids of its own: [offset, bytes]. */
function withAttrs(
  file: Buffer,
  lists: readonly (readonly [type: number, config: number, at: number, size: number])[],
) {
  const first = file.subarray(Number(file.readBigUInt64LE(24)));
  const table = lists.map(([type, config, at, size]) => {
    const entry = Buffer.from(first.subarray(0, 144));
    entry.writeUInt32LE(type, 0);
    entry.writeBigUInt64LE(BigInt(config), 8);
    entry.writeBigUInt64LE(BigInt(at), 128);
    entry.writeBigUInt64LE(BigInt(size), 136);
    return entry;
  });
  const changed = Buffer.concat([file, ...table]);
  changed.writeBigUInt64LE(BigInt(file.length), 24);
  changed.writeBigUInt64LE(BigInt(144 * lists.length), 32);
  return changed;
}

test('lists of ids that overlap are not more than ids can be', { timeout }, () => {
  const words = new Uint32Array(1 << 20);
  for (let i = 0; i < words.length; i++) words[i] = Math.imul(i, 0x9e3779b1);
  const file = Buffer.concat([encoder.file(data), Buffer.from(words.buffer)]);
  const size = words.byteLength - 64;
  // Shifted by a byte each, so that all of their ids differ.
  const lists = Array.from(
    { length: 40 },
    (_, i) => [2, EXIT_ID, file.length - size - 64 + i, size] as const,
  );
  const context = createTraceContext();
  const bytes = withAttrs(file, [[2, EXIT_ID, 104, 8], [2, ENTRY_ID, 112, 8], ...lists]);
  const { attrs, attrOfId } = readHeader(memorySource(bytes), context);
  expect(attrs.length).toBe(42);
  expect(attrOfId.size).toBeLessThanOrEqual(1 << 22);
  expect(attrOfId.get(SAMPLE_IDS.exit)).toBe(0);
  expect(context.diagnostics.entries.get('damaged-ids')).toMatchObject({ severity: 'suspect', count: 32 });
});

test('a pipe may describe thousands of events after thousands of ids', { timeout }, () => {
  const attr = (type: number, ids: readonly number[]) =>
    record(64, 0, num(4, type), num(4, 64), Buffer.alloc(56), ...ids.map((id) => num(8, id)));
  const ids = (from: number) => Array.from({ length: 8000 }, (_, i) => from + i);
  const attrs = Array.from({ length: 5000 }, (_, i) => attr(1, i < 50 ? ids(1000 + 8000 * i) : []));
  const read = readPerf(encoder.pipe(Buffer.concat([...attrs, data])));
  expect(read.rows.length).toBe(2);
  expect(read.diagnostics['too-many-attrs']).toBeGreaterThan(900);
});

test('a command line of a million words is left out', () => {
  const words = Buffer.concat([num(4, 0xffffffff), Buffer.alloc(4 << 20)]);
  const { context, diagnostics } = readPerf(encoder.file(data, new Map([[11, words]])));
  expect(context.facts.get('command')).toBeUndefined();
  expect(diagnostics).toMatchObject({ 'damaged-feature': 1 });
});

test('without formats, hundreds of tracepoints that fit exits and entries tell nothing', { timeout }, () => {
  const count = 1000;
  // As kvm_exit and kvm_entry of Linux 6.1 on x86, so that every second tracepoint fits.
  const bodies = [
    [num(4, 30), num(4, 0), num(8, 0x1000), num(4, 1), Buffer.alloc(36)],
    [num(4, 0), num(4, 0), num(8, 0x1000), num(8, 0)],
  ];
  const sample = (i: number) => {
    const raw = Buffer.concat([num(2, 2000 + (i % count)), num(2, 0), num(4, 2), ...bodies[i % 2]]);
    const padded = Buffer.concat([raw, Buffer.alloc((12 - (raw.length % 8)) % 8)]);
    return record(
      9,
      0,
      num(8, 11),
      num(8, 0),
      num(4, 1),
      num(4, 2),
      num(8, 1000 + i),
      num(8, 0),
      num(8, 1),
      num(4, padded.length),
      padded,
    );
  };
  const file = encoder.file(Buffer.concat(Array.from({ length: 50 * count }, (_, i) => sample(i))));
  const bytes = withAttrs(
    file,
    Array.from({ length: count }, (_, i) => [2, 2000 + i, 104, 8] as const),
  );
  // The bits of the header's features.
  bytes.fill(0, 72, 104);
  expect(() => readPerf(bytes)).toThrow('its exits and entries cannot be told by their content');
});
