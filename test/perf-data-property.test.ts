/** Made-up recordings in every container: the rows are those of a simple sort, the names those of a simple replay. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { folderOf, readPerf } from './support/perf-data.ts';
import { perfEncoder, type Stream } from './support/perf-data-encoder.ts';
import { type PerfOptions, type PerfRecord, PLAIN } from './support/perf-data-records.ts';

const RUNS = 60;
/** Shrinking a failure must end. */
const LIMIT = { interruptAfterTimeLimit: 60_000, markInterruptAsFailure: true };

/** Times of a round lie within two rounds' span: what perf's marker promises. */
const ROUND_NS = 1000n;

const kinds = fc.constantFrom<PerfRecord['kind'][]>(
  'exit',
  'exit',
  'entry',
  'entry',
  'foreign',
  'lost',
  'comm',
  'fork',
  'mmap',
);

const recordIn = (round: number): fc.Arbitrary<PerfRecord> =>
  fc.record({
    kind: kinds,
    time: fc
      .bigInt(1n, 2n * ROUND_NS - 1n)
      .map((t) => 0x1_0000_0000n * 3n - 2000n + BigInt(round) * ROUND_NS + t),
    cpu: fc.integer({ min: 0, max: 3 }),
    pid: fc.integer({ min: 1, max: 3 }),
    tid: fc.integer({ min: 1, max: 6 }),
    value: fc.integer({ min: 1, max: 6 }),
    rip: fc.bigInt(0n, (1n << 64n) - 1n),
    name: fc.constantFrom('CPU 0/KVM', 'a', '', 'é'),
  });

/** Rings of a round are in order; some are not, as after a step back of the clock. */
const ring = (round: number) =>
  fc
    .tuple(fc.array(recordIn(round), { maxLength: 12 }), fc.integer({ min: 0, max: 4 }))
    .map(([records, disorder]) =>
      disorder === 0 ? records : [...records].sort((a, b) => Number(a.time - b.time)),
    );

const roundsOf = fc
  .integer({ min: 0, max: 5 })
  .chain((count) =>
    fc.tuple(
      ...Array.from({ length: count }, (_, round) => fc.array(ring(round), { minLength: 1, maxLength: 4 })),
    ),
  );

const recording: fc.Arbitrary<Stream> = roundsOf.map((rounds) =>
  (rounds as PerfRecord[][][]).flatMap((rings) => [...rings.flat(), null]),
);

const options: fc.Arbitrary<PerfOptions> = fc.record({
  little: fc.boolean(),
  identifier: fc.boolean(),
  ip: fc.boolean(),
  cpu: fc.boolean(),
  period: fc.boolean(),
  callchain: fc.option(fc.integer({ min: 0, max: 3 })),
});

/** perf sets IDENTIFIER when attrs differ: without it there are no samples of other events. */
function possible(stream: Stream, { identifier }: PerfOptions): Stream {
  return identifier ? stream : stream.filter((r) => r?.kind !== 'foreign');
}

function byTime(stream: Stream): PerfRecord[] {
  return stream.filter((r) => r !== null).sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0));
}

function expectedRows(stream: Stream, { cpu }: PerfOptions): string[] {
  return byTime(stream).flatMap((r) => {
    const at = cpu ? r.cpu : '';
    switch (r.kind) {
      case 'exit':
        return [`${r.time} ${at} ${r.tid} ${r.pid} kvm_exit -1 1 ${r.value} ${r.rip}    `];
      case 'entry':
        return [`${r.time} ${at} ${r.tid} ${r.pid} kvm_entry 3   ${r.rip}    `];
      case 'lost':
        return [`${r.time} ${at} -1 -1 (lost) -1    ${r.value}   `];
      default:
        return [];
    }
  });
}

function expectedThreads(stream: Stream): Record<string, string | null> {
  const threads = new Map<number, { pid: number; comm: string | null }>([[77, { pid: -1, comm: 'stale' }]]);
  for (const r of byTime(stream)) {
    if (r.kind === 'comm') threads.set(r.tid, { pid: r.pid, comm: r.name });
    if (r.kind === 'fork') {
      const creator = threads.get(r.value) ?? threads.get(r.pid);
      const own = threads.get(r.tid) ?? { pid: -1, comm: null };
      threads.set(r.tid, { pid: r.pid, comm: creator ? creator.comm : own.comm });
    }
  }
  return Object.fromEntries([...threads].map(([tid, { pid, comm }]) => [`${pid}/${tid}`, comm]));
}

function check(input: Parameters<typeof readPerf>[0], stream: Stream, opts: PerfOptions, how = {}): void {
  const read = readPerf(input, how);
  const rows = expectedRows(stream, opts);
  expect(read.rows).toEqual(rows);
  // Without the columns info1, info2 and arg1, of which nothing is recorded.
  expect(readPerf(input, { ...how, coreOnly: true }).rows).toEqual(rows.map((row) => row.slice(0, -3)));
  const threads = Object.fromEntries(
    [...read.context.threads.byTid.values()].map(({ pid, tid, comm }) => [`${pid}/${tid}`, comm]),
  );
  expect(threads).toEqual(expectedThreads(stream));
  const { 'losses-without-cpu': _, 'other-samples': __, ...rest } = read.diagnostics;
  expect(rest).toEqual({});
}

describe('rows equal a stable sort by time', () => {
  test('file', () => {
    fc.assert(
      fc.property(recording, options, fc.integer({ min: 1, max: 400 }), (stream, opts, maxRead) => {
        const made = possible(stream, opts);
        const encoder = perfEncoder(opts);
        const file = encoder.file(encoder.records(made));
        check(file, made, opts);
        check(file, made, opts, { maxRead });
      }),
      { numRuns: RUNS, ...LIMIT },
    );
  });

  test('pipe', () => {
    fc.assert(
      fc.property(recording, options, (stream, opts) => {
        const made = possible(stream, opts);
        const encoder = perfEncoder(opts);
        check(encoder.pipe(encoder.records(made)), made, opts, { maxRead: 61 });
      }),
      { numRuns: RUNS, ...LIMIT },
    );
  });

  test('compressed file and pipe, cut anywhere', () => {
    fc.assert(
      fc.property(
        recording,
        options,
        fc.integer({ min: 20, max: 3000 }),
        fc.boolean(),
        (stream, opts, cut, newType) => {
          const made = possible(stream, opts);
          const encoder = perfEncoder(opts);
          const data = encoder.compressed(made, cut, newType);
          check(encoder.file(data), made, opts, { maxRead: 333 });
          check(encoder.pipe(data), made, opts);
        },
      ),
      { numRuns: RUNS, ...LIMIT },
    );
  });

  test('folder: streams without rounds, in any order of time', () => {
    fc.assert(
      fc.property(
        fc.array(recording, { minLength: 1, maxLength: 4 }),
        options,
        fc.boolean(),
        (streams, opts, packed) => {
          const encoder = perfEncoder(opts);
          const made = streams.map((stream) => possible(stream, opts).filter((r) => r !== null));
          const directory = new Map([[24, encoder.num(8, 1)]]);
          const files = new Map([
            ['data', encoder.file(Buffer.alloc(0), directory)],
            ...made.map((stream, i): [string, Buffer] => [
              `data.${i}`,
              packed ? encoder.compressed(stream, 200, false) : encoder.records(stream),
            ]),
          ]);
          // data is finished, but holds no records: any, so that its size is not 0.
          files.set('data', encoder.file(encoder.record(82, 0), directory));
          check(folderOf(files), made.flat(), opts);
          check(folderOf(files, 97), made.flat(), opts, { limits: { cap: 900, blockBytes: 65536 } });
        },
      ),
      { numRuns: RUNS, ...LIMIT },
    );
  });

  test('spilled to temporary files: tiny windows, one round, many rounds', () => {
    fc.assert(
      fc.property(
        recording,
        options,
        fc.integer({ min: 200, max: 3000 }),
        fc.boolean(),
        (stream, opts, cap, rounds) => {
          const made = possible(stream, opts).filter((r) => rounds || r !== null);
          const encoder = perfEncoder(opts);
          const limits = { cap, blockBytes: 65536 };
          check(encoder.file(encoder.records(made)), made, opts, { maxRead: 128, limits });
        },
      ),
      { numRuns: 2 * RUNS, ...LIMIT },
    );
  });
});

test('spilled runs longer than the blocks in which they are read back, with and without a round at the end', () => {
  const encoder = perfEncoder(PLAIN);
  // Four rings, each in order, written one after the other: nothing can be handed out before the end.
  const stream: (PerfRecord | null)[] = [];
  for (let cpu = 0; cpu < 4; cpu++)
    for (let i = 0; i < 6000; i++)
      stream.push({
        kind: i % 2 ? 'entry' : 'exit',
        time: BigInt(10_000_000_000 + 1000 * Math.floor(i / 3) + (cpu === 2 ? 500 : 0)),
        cpu,
        pid: 1,
        tid: 10 + cpu,
        value: i % 60,
        rip: BigInt(i),
        name: '',
      });
  const limits = { cap: 300_000, blockBytes: 65536 };
  for (const coreOnly of [false, true]) {
    const whole = readPerf(encoder.file(encoder.records(stream)), { coreOnly });
    for (const made of [stream, [...stream, null, null]]) {
      const spilled = readPerf(encoder.file(encoder.records(made)), { maxRead: 70_001, limits, coreOnly });
      expect(spilled.rows).toEqual(whole.rows);
      expect(spilled.diagnostics).toEqual({});
    }
    if (!coreOnly) expect(whole.rows).toEqual(expectedRows(stream, PLAIN));
  }
});

test('records older than their round allows are counted, not lost', () => {
  const encoder = perfEncoder(PLAIN);
  const at = (time: bigint): PerfRecord => ({
    kind: 'exit',
    time,
    cpu: 0,
    pid: 1,
    tid: 1,
    value: 1,
    rip: 0n,
    name: '',
  });
  const stream = [at(100n), at(200n), null, at(300n), null, at(400n), null, at(50n), at(60n), at(500n), null];
  const { rows, diagnostics } = readPerf(encoder.file(encoder.records(stream)));
  expect(rows.length).toBe(7);
  expect(diagnostics).toEqual({ 'late-records': 2 });
});
