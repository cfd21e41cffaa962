import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { mergeStreams } from '../src/capture/merge.ts';
import { createPauses } from '../src/capture/pauses.ts';
import type { EventBatch } from '../src/core/event-batch.ts';
import { EV_LOST } from '../src/core/events.ts';
import { fromBatch, type Row, sampleRows, toBatch } from './support/capture.ts';

/** One reused batch per stream, as parsers do: a batch that is read after the next was asked for shows. */
function* streamOf(groups: readonly (readonly Row[])[]): Generator<EventBatch, void, void> {
  const shared = toBatch(sampleRows(Math.max(1, ...groups.map((group) => group.length))));
  for (const group of groups) {
    const batch = toBatch(group);
    for (const [name, values] of Object.entries(batch))
      if (ArrayBuffer.isView(values))
        (shared as unknown as Record<string, Uint32Array>)[name].set(values as Uint32Array);
    shared.length = group.length;
    yield shared;
    shared.time.fill(0xdeadbeef);
  }
}

function collect(batches: Iterable<EventBatch>): Row[] {
  const rows: Row[] = [];
  for (const batch of batches) rows.push(...fromBatch(batch));
  return rows;
}

const [template] = sampleRows(1);
/** Few distinct times around the places where words carry and signs change. */
const time = fc.constantFrom(
  -(2n ** 63n),
  -(2n ** 32n) - 1n,
  -1n,
  0n,
  1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 63n - 1n,
);
const streamArbitrary = fc.array(fc.array(time, { maxLength: 8 }), { maxLength: 4 });

/** Rows that say where they come from: tid = stream, pid = number in the stream. */
function rowsOf(streams: bigint[][][]): Row[][][] {
  return streams.map((groups, tid) => {
    let pid = 0;
    return groups.map((group) => group.map((at) => ({ ...template, time: at, tid, pid: pid++ })));
  });
}

describe('mergeStreams', () => {
  test('sorts by time, stable by stream and by place in the stream', () => {
    fc.assert(
      fc.property(fc.array(streamArbitrary, { maxLength: 6 }), (unsorted) => {
        const streams = unsorted.map((groups) => {
          const times = groups.flat().sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
          return groups.map((group) => times.splice(0, group.length));
        });
        const rows = rowsOf(streams);
        const oracle = rows.flat(2).sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0));
        expect(collect(mergeStreams(rows.map(streamOf)))).toEqual(oracle);
      }),
      { numRuns: 500 },
    );
  });

  test('keeps every row, in its order within the stream, where times go backwards', () => {
    fc.assert(
      fc.property(fc.array(streamArbitrary, { maxLength: 5 }), (streams) => {
        const rows = rowsOf(streams);
        const merged = collect(mergeStreams(rows.map(streamOf)));
        rows.forEach((groups, tid) => {
          expect(merged.filter((row) => row.tid === tid)).toEqual(groups.flat());
        });
        expect(merged.length).toBe(rows.flat(2).length);
      }),
    );
  });

  test('more rows than one batch holds', () => {
    const all = sampleRows(150_000).map((row, i) => ({ ...row, pid: i }));
    const parts = [0, 1, 2].map((part) => all.filter((_, i) => (i * 7919) % 3 === part));
    const batches = mergeStreams(parts.map((part) => streamOf([part.slice(0, 40_000), part.slice(40_000)])));
    let next = 0;
    for (const batch of batches)
      for (const row of fromBatch(batch))
        if (row.pid !== next++) throw new Error(`row ${next - 1} is out of place`);
    expect(next).toBe(all.length);
  });

  test('one stream passes through untouched', () => {
    const batches = [toBatch(sampleRows(10)), toBatch(sampleRows(5))];
    expect([...mergeStreams([batches.values()])]).toEqual(batches);
    expect([...mergeStreams([batches.values()])][0]).toBe(batches[0]);
    expect([...mergeStreams([[].values(), batches.values(), [].values()])][1]).toBe(batches[1]);
    expect([...mergeStreams([])]).toEqual([]);
  });

  test('ends the streams when the consumer stops', () => {
    const ended: number[] = [];
    function* stream(index: number): Generator<EventBatch, void, void> {
      try {
        while (true) yield toBatch(sampleRows(40_000));
      } finally {
        ended.push(index);
      }
    }
    for (const batch of mergeStreams([stream(0), stream(1)])) {
      expect(batch.length).toBe(65536);
      break;
    }
    expect(ended.sort()).toEqual([0, 1]);
  });
});

describe('recordings made one after the other', () => {
  const MS = 1_000_000n;
  /** Rows of a stream by ms and CPU. */
  const stream = (...rows: [number, number | null][]) =>
    streamOf([rows.map(([ms, cpu], pid) => ({ ...template, time: BigInt(ms) * MS, cpu, tid: 1, pid }))]);
  /** `ms cpu`, of losses in brackets. */
  const told = (streams: Iterator<EventBatch>[], watched = streams.map(() => true)) => {
    const pauses = createPauses(watched);
    const rows = collect(mergeStreams(streams, pauses));
    const text = rows.map(({ event, time: at, cpu }) =>
      event === EV_LOST ? `(${at / MS} ${cpu})` : `${at / MS} ${cpu}`,
    );
    return { text: text.join(', '), gaps: pauses.gaps, rows };
  };

  test('what lies between is a loss of unknown size on every CPU so far', () => {
    const { text, gaps, rows } = told([
      stream([5000, 1], [5010, 1]),
      stream([0, 0], [40, 1], [50, 0]),
      stream([2000, 2], [2001, 3]),
    ]);
    expect(text).toBe(
      '0 0, 40 1, 50 0, (50 0), (50 1), 2000 2, 2001 3, (2001 0), (2001 1), (2001 2), (2001 3), 5000 1, 5010 1',
    );
    expect(gaps).toBe(2);
    expect(rows[3]).toMatchObject({ tid: null, pid: null, vcpu: null, arg0: null });
  });

  test('times before 0 and recordings without CPUs', () => {
    expect(told([stream([-9000, null], [-8990, null]), stream([-20, null], [-10, null])]).text).toBe(
      '-9000 null, -8990 null, (-8990 null), -20 null, -10 null',
    );
  });

  test.each<[string, [number, number][][], boolean[]?]>([
    [
      'files of one recording',
      [
        [
          [0, 0],
          [50, 0],
        ],
        [
          [51, 0],
          [90, 0],
        ],
      ],
    ],
    [
      'no longer than 100 ms apart',
      [
        [
          [0, 0],
          [1, 0],
        ],
        [[101, 0]],
      ],
    ],
    [
      'no longer apart than events are within one',
      [
        [
          [0, 0],
          [300, 0],
        ],
        [
          [600, 0],
          [601, 0],
        ],
      ],
    ],
    [
      'overlapping',
      [
        [
          [0, 0],
          [1000, 0],
        ],
        [
          [300, 0],
          [301, 0],
        ],
        [
          [999, 1],
          [2000, 0],
        ],
      ],
    ],
    [
      'one that spans both',
      [
        [
          [0, 0],
          [1, 0],
        ],
        [
          [900, 0],
          [901, 0],
        ],
        [
          [0, 1],
          [950, 1],
        ],
      ],
    ],
    [
      'a trace that is no recording of the kernel',
      [
        [
          [0, 0],
          [1, 0],
        ],
        [
          [900, 0],
          [901, 0],
        ],
      ],
      [true, false],
    ],
  ])('%s: no loss', (_, streams, watched) => {
    const { text, gaps } = told(
      streams.map((rows) => stream(...rows)),
      watched,
    );
    expect(text).not.toContain('(');
    expect(gaps).toBe(0);
  });

  test('are not bridged by a trace that is no recording of the kernel', () => {
    const streams = [stream([0, 0], [1, 0]), stream([0, 5], [450, 5], [950, 5]), stream([900, 0], [901, 0])];
    expect(told(streams, [true, false, true]).text).toBe('0 0, 0 5, 1 0, 450 5, (1 0), 900 0, 901 0, 950 5');
  });
});
