/** Damaged trace.dat files give a TraceFormatError or diagnostics, in bounded time and memory; never anything else. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { TraceFormatError } from '../src/core/errors.ts';
import { HAS_SHARED, SAMPLES, SHARED } from './support/corpus.ts';
import {
  buildV6,
  buildV7,
  entryRecord,
  exitRecord,
  num,
  type Page,
  type ReadDat,
  readDat,
  X86,
} from './support/trace-dat.ts';

/** Rows, or null where the file was refused. */
function tryRead(bytes: Uint8Array): ReadDat | null {
  try {
    return readDat(bytes);
  } catch (error) {
    if (!(error instanceof TraceFormatError)) throw error;
    expect(error.details.format).toMatch(/^(trace\.dat|ftrace-text)$/);
    expect(error.message).toMatch(/^[^\n]{10,400}$/);
    return null;
  }
}

function built(build: typeof buildV7, compression: 'none' | 'zlib' = 'none'): Buffer {
  const pages = (cpu: number): Page[] =>
    Array.from({ length: 3 }, (_, page) => ({
      time: BigInt(10_000 * page + cpu),
      ...(page === 1 ? { lost: 5 } : {}),
      items: [
        ...Array.from({ length: 8 }, (_, i) => ({
          kind: 'event' as const,
          delta: i ? 7 : 0,
          record: i % 2 ? entryRecord(X86, 5, 1n) : exitRecord(X86, 5, 12, 2n),
        })),
        { kind: 'extend' as const, delta: 1n << 28n },
        { kind: 'discarded' as const, delta: 3, length: 12 },
      ],
    }));
  const cpus = new Map([0, 1, 2].map((cpu) => [cpu, pages(cpu)]));
  const options: [number, Buffer][] = [
    [4, Buffer.from('[local] mono\0')],
    [5, Buffer.from('Linux host 6.1 x86_64\0')],
    [2, Buffer.from('CPU: 0\nentries: 24\noverrun: 5\nread events: 0\n\0')],
    [
      13,
      Buffer.concat([Buffer.from('vm\0'), num(X86, 8, 1), num(X86, 4, 1), num(X86, 4, 0), num(X86, 4, 5)]),
    ],
  ];
  return build({
    machine: { ...X86, pageSize: 512 },
    buffers: [
      { name: '', cpus },
      { name: 'inst', cpus: new Map([[1, pages(1)]]) },
    ],
    options,
    compression,
    cmdlines: '5 CPU 0/KVM\n',
  });
}

const FILES: [string, () => Buffer][] = [
  ['version 6', () => built(buildV6)],
  ['version 7', () => built(buildV7)],
  ['version 7 with zlib', () => built(buildV7, 'zlib')],
];
const REAL = HAS_SHARED
  ? ['intel/tc-default', 'x86/tc-inst', 'x86/tc-v7-zstd', 'x86/tc-v6', 'arm64/61v3-dat-gdb']
  : [];
for (const name of REAL) FILES.push([name, () => readFileSync(join(SHARED, 'corpus', name, 'trace.dat'))]);
if (!HAS_SHARED) FILES.push(['sample', () => readFileSync(join(SAMPLES, 'intel-trace-dat/trace.dat'))]);

/** xorshift32: the same flips on every machine. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

describe.each(FILES)('%s', (name, load) => {
  const bytes = load();
  const whole = readDat(bytes);
  const wholeEvents = whole.rows.filter(({ event }) => event !== '(lost)').length;
  const small = bytes.length < 40_000;

  test('cut off anywhere: an error, or fewer rows and a word about it', () => {
    const cuts = small
      ? Array.from({ length: bytes.length }, (_, i) => i).filter((at) => at < 2500 || at % 7 === 0)
      : Array.from({ length: 150 }, (_, i) => Math.floor((i * bytes.length) / 150));
    let read = 0;
    for (const cut of cuts) {
      const result = tryRead(bytes.subarray(0, cut));
      if (!result) continue;
      read++;
      const events = result.rows.filter(({ event }) => event !== '(lost)').length;
      expect(events).toBeLessThanOrEqual(wholeEvents);
      // The unused rest of the last page holds nothing that could be missing.
      if (events < wholeEvents) expect(result.list.map(({ severity }) => severity)).toContain('data-loss');
    }
    // Version 6 says at its start where everything is.
    if (/6/.test(name) && small) expect(read).toBeGreaterThan(500);
  });

  test('flipped bits: an error or a report, soon', () => {
    const next = random(bytes.length);
    const runs = small ? 1500 : 120;
    const started = performance.now();
    for (let run = 0; run < runs; run++) {
      const copy = Buffer.from(bytes);
      // In the first part, where sizes and offsets are, as often as in the pages.
      const range = run % 2 ? copy.length : Math.min(copy.length, 3000);
      for (let flips = 1 + (next() % 4); flips > 0; flips--) copy[next() % range] ^= 1 << (next() % 8);
      tryRead(copy);
    }
    expect(performance.now() - started).toBeLessThan(60_000);
  });

  test('a burst of ones or zeros in the middle of the events', () => {
    const next = random(77);
    for (let run = 0; run < (small ? 300 : 40); run++) {
      const copy = Buffer.from(bytes);
      const at = next() % copy.length;
      copy.fill(run % 2 ? 0xff : 0, at, Math.min(copy.length, at + 1 + (next() % 400)));
      tryRead(copy);
    }
  });
});

test('a CPU whose events are cut off has lost them: pairs behind that do not count', () => {
  const pages = (times: bigint[]): Page[] =>
    times.map((time) => ({
      time,
      items: [{ kind: 'event', delta: 0, record: exitRecord(X86, 5, 12, time) }],
    }));
  const cpus = new Map([
    [0, pages([100n, 900n])],
    [1, pages([200n, 300n])],
    [2, pages([400n])],
  ]);
  const file = buildV6({ machine: X86, buffers: [{ name: '', cpus }] });
  // Without CPU 1's second page and all of CPU 2's.
  const { rows, diagnostics } = readDat(file.subarray(0, file.length - 2 * 4096));
  expect(rows.map(({ event, cpu, time }) => [event, cpu, time])).toEqual([
    ['(lost)', 2, 100n],
    ['kvm_exit', 0, 100n],
    ['kvm_exit', 1, 200n],
    ['(lost)', 1, 200n],
    ['kvm_exit', 0, 900n],
  ]);
  expect(diagnostics['truncated-file']).toBe(2);
  expect(diagnostics['damaged-pages']).toBeUndefined();
});

describe('absurd sizes', () => {
  const refuse = (bytes: Buffer) => expect(() => readDat(bytes)).toThrow(TraceFormatError);

  test('an empty head, another version, a foreign magic number', () => {
    const file = built(buildV6);
    refuse(Buffer.alloc(0));
    refuse(file.subarray(0, 10));
    refuse(Buffer.concat([file.subarray(0, 10), Buffer.from('8\0'), file.subarray(12)]));
    refuse(Buffer.concat([Buffer.from([1]), file.subarray(1)]));
  });

  test('a count of CPUs beyond the file', () => {
    const file = built(buildV6);
    const at = file.indexOf('options  \0') - 4;
    file.writeUInt32LE(0xffffffff, at);
    refuse(file);
  });

  test('options in a circle', () => {
    const file = built(buildV7);
    const first = Number(file.readBigUInt64LE(24));
    // The first link leads back to itself: its own offset in place of the next one's.
    const size = Number(file.readBigUInt64LE(first + 8));
    file.writeBigUInt64LE(BigInt(first), first + 16 + size - 8);
    refuse(file);
  });

  test('an unknown compression names it', () => {
    const file = built(buildV7, 'zlib');
    const at = file.indexOf('zlib\0');
    file.write('lz77', at);
    expect(() => readDat(file)).toThrow(/lz77/);
  });

  test('more CPUs than there are: the first are read, in memory that does not grow with the table', () => {
    const cpus = new Map([
      [0, [{ time: 1n, items: [{ kind: 'event', delta: 0, record: entryRecord(X86, 5, 1n) }] }]],
    ]);
    const file = buildV6({ machine: X86, buffers: [{ name: '', cpus: cpus as Map<number, Page[]> }] });
    const count = 300_000;
    const tableAt = file.indexOf('flyrecord\0') + 10;
    const countAt = file.indexOf('options  \0') - 4;
    const head = Buffer.from(file.subarray(0, tableAt));
    head.writeUInt32LE(count, countAt);
    const table = Buffer.alloc(16 * count);
    // One page in front, the others behind the end of the file.
    const end = tableAt + table.length + 15;
    const pageAt = Math.ceil(end / 4096) * 4096;
    for (let cpu = 0; cpu < count; cpu++) {
      table.writeBigUInt64LE(BigInt(cpu === 0 ? pageAt : pageAt + 4096), 16 * cpu);
      table.writeBigUInt64LE(4096n, 16 * cpu + 8);
    }
    const clock = Buffer.concat([num(X86, 8, 7), Buffer.from('[local]')]);
    const page = file.subarray(file.length - 4096);
    const damaged = readDat(Buffer.concat([head, table, clock, Buffer.alloc(pageAt - end), page]));
    expect(damaged.diagnostics['too-many-cpus']).toBe(count - (1 << 18));
    expect(damaged.rows.filter(({ event }) => event === 'kvm_entry')).toHaveLength(1);
  });

  const one = new Map<number, Page[]>([
    [0, [{ time: 1n, items: [{ kind: 'event', delta: 0, record: entryRecord(X86, 5, 1n) }] }]],
  ]);
  const withOptions = (build: typeof buildV7, options: [number, Buffer][]) =>
    readDat(build({ machine: X86, buffers: [{ name: '', cpus: one }], options }));

  test('texts of millions of blanks, line feeds and zeros', { timeout: 20_000 }, () => {
    const { rows, context } = withOptions(buildV6, [
      [2, Buffer.from(`${'\n'.repeat(1 << 20)}x`)],
      [2, Buffer.from(`Buffer: \tx \nCPU: 0\n${' '.repeat(1 << 20)}`)],
      [5, Buffer.from(`Linux host 6.1 x86_64 ${'x '.repeat(1 << 20)}`)],
      [9, Buffer.from('9'.repeat(1 << 20))],
    ]);
    expect(rows).toHaveLength(1);
    expect(context.host).toBe('host');
    expect(context.facts.get('recorder')?.length).toBeLessThan(5000);
    const cmdlines = `5 name\n${'\0'.repeat(1 << 20)}\n6 other${'\0'.repeat(100)}`;
    const named = readDat(buildV6({ machine: X86, buffers: [{ name: '', cpus: one }], cmdlines }));
    expect(named.context.threads.byTid.get(6)?.comm).toBe('other');
  });

  test('instances and CPUs beyond those that are kept, in a table that is shared', {
    timeout: 20_000,
  }, () => {
    const instance = (place: number): [number, Buffer] => [
      3,
      Buffer.concat([num(X86, 8, place), Buffer.from('i\0')]),
    ];
    const built = (place: number) =>
      buildV6({
        machine: X86,
        buffers: [{ name: '', cpus: one }],
        options: [[8, num(X86, 4, 20_000)], ...Array.from({ length: 5000 }, () => instance(place))],
      });
    const place = built(0).indexOf('flyrecord\0');
    // All of them have the top buffer's table, which the file is made long enough for.
    const file = Buffer.concat([built(place), Buffer.alloc(320_000)]);
    const { diagnostics } = readDat(file);
    expect(diagnostics['too-many-buffers']).toBe(5000 - 512);
    expect(diagnostics['damaged-buffer']).toBeGreaterThan(250);
  });

  test('a section that is named a thousand times is not read as often', { timeout: 20_000 }, () => {
    const cmdlines = Buffer.concat([num(X86, 8, 8 << 20), Buffer.alloc(8 << 20, 'x')]);
    const stored = deflateSync(cmdlines);
    const section = Buffer.concat([
      num(X86, 2, 21),
      num(X86, 2, 1),
      num(X86, 4, 0),
      num(X86, 8, stored.length + 8),
      num(X86, 4, stored.length),
      num(X86, 4, cmdlines.length),
      stored,
    ]);
    const built = (place: number) =>
      buildV7({
        machine: X86,
        compression: 'zlib',
        buffers: [{ name: '', cpus: one }],
        options: Array.from({ length: 3000 }, () => [21, num(X86, 8, place)] as [number, Buffer]),
      });
    const { rows, diagnostics } = readDat(Buffer.concat([built(built(0).length), section]));
    expect(rows).toHaveLength(1);
    expect(diagnostics['damaged-section']).toBeGreaterThan(2900);
  });

  test('counts of formats and of vCPUs that a file of zeros is long enough for', { timeout: 20_000 }, () => {
    const shift = Buffer.concat([
      Buffer.alloc(8),
      num(X86, 4, 0),
      num(X86, 4, 1 << 21),
      Buffer.alloc(8 << 20),
    ]);
    expect(withOptions(buildV6, [[12, shift]]).diagnostics).toMatchObject({ 'damaged-option': 1 });
    const file = buildV6({ machine: X86, buffers: [{ name: '', cpus: one }] });
    const countAt = file.indexOf('name: print') - 12;
    const head = Buffer.from(file.subarray(0, countAt + 4));
    head.writeUInt32LE(0xffffffff, countAt);
    expect(() => readDat(Buffer.concat([head, Buffer.alloc(8 << 20)]))).toThrow('4294967295 formats');
  });

  test('CPUs that share bytes are read once', () => {
    const file = built(buildV7);
    const result = readDat(file);
    // The BUFFER option's entries: point CPU 2 at CPU 1's pages.
    const entry = (cpu: number) => {
      for (let at = file.length - 4; at > 0; at--)
        if (
          file.readUInt32LE(at) === cpu &&
          at + 20 <= file.length &&
          Number(file.readBigUInt64LE(at + 12)) === 1536 &&
          Number(file.readBigUInt64LE(at + 4)) % 512 === 0
        )
          return at;
      throw new Error('no entry');
    };
    file.copy(file, entry(2) + 4, entry(0) + 4, entry(0) + 12);
    const damaged = readDat(file);
    expect(damaged.diagnostics['overlapping-data']).toBe(1);
    expect(damaged.rows.length).toBeLessThan(result.rows.length);
  });

  test('an event that leaves its page, and one whose length is zero', () => {
    const page: Page = {
      time: 1n,
      items: [
        { kind: 'event', delta: 0, record: entryRecord(X86, 5, 1n), long: true },
        { kind: 'event', delta: 1, record: entryRecord(X86, 5, 2n) },
      ],
    };
    for (const size of [0, 3, 0xffffffff, 5000]) {
      const file = buildV6({
        machine: X86,
        buffers: [{ name: '', cpus: new Map([[0, [page, { ...page, time: 50n }]]]) }],
      });
      const first = file.length - 2 * 4096 + 16;
      file.writeUInt32LE(size, first + 4);
      const { rows, diagnostics } = readDat(file);
      expect(diagnostics['damaged-pages']).toBe(1);
      // What is missing counts as lost, and the next page is read.
      expect(rows.map(({ event, time }) => [event, time])).toEqual([
        ['(lost)', 50n],
        ['kvm_entry', 50n],
        ['kvm_entry', 51n],
      ]);
    }
  });

  test('a chunk that is damaged leaves the others', () => {
    const pages: Page[] = [0n, 100n, 200n].map((time) => ({
      time,
      items: [{ kind: 'event', delta: 0, record: entryRecord(X86, 5, time) }],
    }));
    const file = buildV7({
      machine: X86,
      buffers: [{ name: '', cpus: new Map([[0, pages]]) }],
      compression: 'zlib',
      chunkPages: 1,
    });
    const plain = Buffer.alloc(4);
    plain.writeUInt32LE(4096);
    // The second chunk's header: {stored, 4096}.
    const first = file.indexOf(plain, Math.ceil((file.length - 4096) / 4096) * 4096);
    const stored = file.readUInt32LE(first - 4);
    file.fill(0xff, first + 4 + stored + 8, first + 4 + stored + 20);
    const { rows, diagnostics } = readDat(file);
    expect(diagnostics['damaged-chunks']).toBe(1);
    expect(rows.map(({ event, time }) => [event, time])).toEqual([
      ['kvm_entry', 0n],
      ['(lost)', 200n],
      ['kvm_entry', 200n],
    ]);
  });
});
