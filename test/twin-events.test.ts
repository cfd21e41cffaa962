/** Inputs that hold the same events of QEMU, written by several of its trace back ends: each counts once. */
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { addToSample, compareTwins, createQemuSample, sampleSequence } from '../src/capture/compare-twins.ts';
import { dropTwins, markSource } from '../src/capture/drop-twins.ts';
import { mergeStreams } from '../src/capture/merge.ts';
import { repeatsUntimed } from '../src/capture/untimed-twins.ts';
import { openEvents } from '../src/commands/event-stream.ts';
import { runReport } from '../src/commands/pipeline.ts';
import { F_MARKER } from '../src/core/event-batch.ts';
import {
  EV_ENTRY,
  EV_EXIT,
  EV_MEMORY_REGION_OPS_READ,
  EV_RUN_EXIT,
  EV_VIRTIO_NOTIFY,
} from '../src/core/events.ts';
import type { ReportModel } from '../src/report/model.ts';
import { HAS_SHARED, SHARED } from './support/corpus.ts';
import { eventBatch, type TestEvent } from './support/events.ts';
import { defaultReportOptions } from './support/options.ts';
import { type QemuRow, rowsOf } from './support/qemu-traces.ts';

const corpus = (file: string) => path.join(SHARED, 'corpus', file);

interface Read {
  rows: QemuRow[];
  twice: { count: number; message: string } | undefined;
  codes: string[];
}

async function readAll(paths: readonly string[]): Promise<Read> {
  const stream = await openEvents(paths, { traceEvents: null });
  const rows: QemuRow[] = [];
  for (let next = stream.batches.next(); !next.done; next = stream.batches.next())
    rows.push(...rowsOf(next.value, stream.context));
  stream.close();
  const { entries } = stream.context.diagnostics;
  return { rows, twice: entries.get('qemu-events-twice'), codes: [...entries.keys()] };
}

const runExits = (rows: readonly QemuRow[]) => rows.filter(({ event }) => event === 'kvm_run_exit').length;

interface Folder {
  id: string;
  kernel: string | null;
  log: string | null;
  simple: string;
}

const folders = ['qemu', 'x86'].flatMap((group) => {
  const root = corpus(group);
  return (existsSync(root) ? readdirSync(root) : []).flatMap((name): Folder[] => {
    const find = (...files: string[]) =>
      files.map((file) => path.join(root, name, file)).find((file) => existsSync(file)) ?? null;
    const simple = find('trace.bin');
    return simple
      ? [
          {
            id: `${group}/${name}`,
            kernel: find('trace_pipe.txt', 'trace_pipe.txt.gz', 'trace.dat'),
            log: find('qemu.log', 'qemu.log.gz'),
            simple,
          },
        ]
      : [];
  });
});

/** QEMU's side of a report: count by vCPU and reason. */
function qemuCounts(model: ReportModel): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { vcpu, name, count } of model.qemu?.rows ?? []) {
    expect(counts[`${vcpu} ${name}`]).toBeUndefined();
    counts[`${vcpu} ${name}`] = count;
  }
  return counts;
}

describe.runIf(HAS_SHARED)('recordings of one run', () => {
  test.each(folders.filter(({ kernel }) => kernel).map((f) => [f.id, f] as const))(
    '%s: markers and simpletrace',
    async (_, { kernel, simple }) => {
      const [ours, theirs, both] = [
        await readAll([kernel!]),
        await readAll([simple]),
        await readAll([simple, kernel!]),
      ];
      const marked = ours.rows.length + theirs.rows.length - both.rows.length;
      expect(both.twice?.count).toBe(marked);
      expect(both.twice?.message).toContain(`${marked} that ${simple} repeats of ${kernel}`);
      // What QEMU's file holds is what both hold: the kernel's buffer was open for a part of that time.
      expect(runExits(both.rows)).toBe(runExits(theirs.rows));
    },
  );

  test.each(folders.filter(({ log }) => log).map((f) => [f.id, f] as const))(
    '%s: log and simpletrace',
    async (_, { log, simple }) => {
      const [theirs, both] = [await readAll([simple]), await readAll([log!, simple])];
      expect(both.rows.length).toBe(theirs.rows.length);
      expect(both.rows.map(({ time }) => time)).toEqual(theirs.rows.map(({ time }) => time));
      expect(both.twice?.message).toContain(`${theirs.rows.length} that ${log} repeats of ${simple}`);
    },
  );

  test.each(['x86/st-pipe-mono', 'x86/st-pipe-local', 'x86/st-many', 'x86/st-tc-mono', 'qemu/kvm-smp2-blk'])(
    '%s: the report has the numbers of each side',
    async (id) => {
      const { kernel, simple, log } = folders.find((folder) => folder.id === id)!;
      const options = defaultReportOptions();
      const ours = await runReport([kernel!], options);
      const theirs = await runReport([simple], options);
      for (const inputs of [
        [kernel!, simple],
        [kernel!, simple, log!],
      ]) {
        const both = await runReport(inputs, options);
        expect(both.reasons).toEqual(ours.reasons);
        expect(both.quality).toEqual({ ...ours.quality, warnings: both.quality.warnings });
        expect(both.escalation).toEqual(ours.escalation);
        expect(qemuCounts(both)).toEqual(qemuCounts(theirs));
      }
    },
  );

  test('of two runs nothing is left out, however alike they are', async () => {
    const kernel = corpus('qemu/kvm-up/trace_pipe.txt.gz');
    const simple = corpus('qemu/kvm-up-tracecmd/trace.bin');
    const both = await readAll([kernel, simple]);
    expect(both.twice).toBeUndefined();
    expect(both.rows.length).toBe(
      (await readAll([kernel])).rows.length + (await readAll([simple])).rows.length,
    );
  });
});

/** Events of QEMU, as its back ends write them: with a delay, and times as coarse as the back end's. */
const written = (
  events: readonly TestEvent[],
  delay: (i: number) => number,
  change: (event: TestEvent) => TestEvent,
): TestEvent[] => events.map((event, i) => change({ ...event, time: Number(event.time) + delay(i) }));

const asMarker = ({ pid: _, ...event }: TestEvent): TestEvent => event;
const asSimple = ({ tid: _, ...event }: TestEvent): TestEvent => event;

function sampleOf(events: readonly TestEvent[], ofQemu: boolean) {
  const sample = createQemuSample(ofQemu);
  const batch = eventBatch(events);
  if (!ofQemu) for (let row = 0; row < batch.length; row++) batch.fields[row] |= F_MARKER;
  addToSample(sample, batch);
  return sample;
}

const run = fc
  .array(
    fc.tuple(fc.integer({ min: 5_000, max: 5_000_000 }), fc.constantFrom(2, 5, 6), fc.constantFrom(0, 1)),
    {
      minLength: 30,
      maxLength: 200,
    },
  )
  .map((steps) => {
    let time = 1e12;
    return steps.map(([gap, code, vcpu]): TestEvent => {
      time += gap;
      return { time, event: EV_RUN_EXIT, code, vcpu, tid: 100 + vcpu, pid: 99 };
    });
  });

describe('compareTwins', () => {
  test('knows a run again with losses on both sides, and what a thread’s process is', () => {
    fc.assert(
      fc.property(
        run,
        fc.integer({ min: 0, max: 20 }),
        fc.integer({ min: 0, max: 30 }),
        (events, cut, at) => {
          const markers = written(events, (i) => 900 + (i % 5) * 100, asMarker).slice(cut);
          const simple = written(events, () => 0, asSimple).filter((_, i) => i !== at);
          const found = compareTwins([sampleOf(markers, false)], [sampleOf(simple, true)], 0n);
          expect(found?.same).toBe(true);
          for (const [tid, pid] of found!.pidOfTid) expect([tid >= 100, pid]).toEqual([true, 99]);
        },
      ),
    );
  });

  test('takes two virtual machines that do the same for two', () => {
    fc.assert(
      fc.property(run, run, (one, other) => {
        const markers = written(one, () => 1000, asMarker);
        const simple = written(other, () => 0, asSimple);
        expect(compareTwins([sampleOf(markers, false)], [sampleOf(simple, true)], 0n)?.same ?? false).toBe(
          false,
        );
      }),
      { numRuns: 300 },
    );
  });

  const kinds = [EV_RUN_EXIT, EV_VIRTIO_NOTIFY, EV_MEMORY_REGION_OPS_READ];
  const few = kinds.map(
    (event, i): TestEvent => ({ time: 1e9 + 5000 * i, event, code: 2, vcpu: 0, address: 9 }),
  );

  test('as few as three twins are told by their steady distance, also where no event comes twice', () => {
    const later = few.map((event) => ({ ...event, time: Number(event.time) + 700 }));
    const compare = (count: number, shift: (i: number) => number) =>
      compareTwins(
        [sampleOf(few.slice(0, count), true)],
        [
          sampleOf(
            later.slice(0, count).map((event, i) => ({ ...event, time: event.time + shift(i) })),
            true,
          ),
        ],
        0n,
      );
    expect(compare(3, () => 0)).toMatchObject({ same: true, twins: 3, kept: 3, repeated: 3 });
    expect(compare(3, (i) => [0, 4000, 9000][i])).toMatchObject({ same: false, twins: 3 });
    expect(compare(2, () => 0)).toMatchObject({ same: false, twins: 2 });
  });

  test('what is kept may be in several inputs, of which some hold nothing of QEMU', () => {
    const samples = [sampleOf([], true), sampleOf(few.slice(0, 1), true), sampleOf(few.slice(1), true)];
    expect(compareTwins(samples, [sampleOf(few, true)], 0n)).toMatchObject({ same: true, kept: 3 });
    expect(compareTwins(samples, [sampleOf([], true)], 0n)).toBeNull();
    expect(compareTwins([sampleOf([], true)], [sampleOf(few, true)], 0n)).toBeNull();
  });

  test('a thread has the process that all of its twins name, and none if they name several', () => {
    const ids = [
      [100, 99],
      [101, 99],
      [101, 98],
    ];
    const kept = few.map((event, i) => ({ ...event, tid: ids[i][0] }));
    const repeated = few.map((event, i) => ({ ...event, pid: ids[i][1] }));
    const found = compareTwins([sampleOf(kept, true)], [sampleOf(repeated, true)], 0n);
    expect([...found!.pidOfTid]).toEqual([
      [100, 99],
      [101, -1],
    ]);
    // What does not name a thread has none.
    expect(compareTwins([sampleOf(few, true)], [sampleOf(repeated, true)], 0n)!.pidOfTid.size).toBe(0);
  });

  test('clocks are aligned by each event of a sample, runs by their reason', () => {
    const events = few.map((event, i) => ({ ...event, code: 256 + 3 + i, vcpu: i }));
    expect(sampleSequence(sampleOf(events, true))).toMatchObject({
      base: 1_000_000_000n,
      times: [0, 5000, 10_000],
      reasons: [256 * kinds[0] + 3, 256 * kinds[1], 256 * kinds[2]],
      keys: [0, 1, 2],
    });
    expect(sampleSequence(sampleOf([], true))).toMatchObject({ base: null, times: [] });
  });

  test('a thread that both name and that is not the same keeps them apart', () => {
    const events = Array.from(
      { length: 20 },
      (_, i): TestEvent => ({
        time: i * 1000,
        event: EV_RUN_EXIT,
        code: 2,
        vcpu: 0,
        tid: 7,
      }),
    );
    const other = events.map((event) => ({ ...event, tid: 8 }));
    expect(compareTwins([sampleOf(events, false)], [sampleOf(other, true)], 0n)?.same).toBe(false);
    expect(compareTwins([sampleOf(events, false)], [sampleOf(events, true)], 0n)?.same).toBe(true);
  });
});

test('dropTwins leaves out each repeated event once, in long streams too', () => {
  const total = 150_000;
  const kernel: TestEvent[] = [];
  const simple: TestEvent[] = [];
  for (let i = 0; i < total; i++) {
    const time = i * 100_000;
    kernel.push({ time, event: EV_EXIT, tid: 7 }, { time: time + 9000, event: EV_ENTRY, tid: 7 });
    if (i % 1000 !== 0) kernel.push({ time: time + 5000, event: EV_RUN_EXIT, code: 2, vcpu: 0, tid: 7 });
    if (i % 777 !== 0) simple.push({ time: time + 4000, event: EV_RUN_EXIT, code: 2, vcpu: 0, pid: 6 });
    if (i % 100 === 0) simple.push({ time: time + 4500, event: EV_VIRTIO_NOTIFY, address: i, pid: 6 });
  }
  kernel.sort((a, b) => Number(a.time) - Number(b.time));
  const both = simple.filter(
    ({ event, time }) => event === EV_RUN_EXIT && ((Number(time) - 4000) / 100_000) % 1000 !== 0,
  );
  const stream = (events: TestEvent[], source: number) =>
    markSource(
      (function* () {
        for (let i = 0; i < events.length; i += 5000) yield eventBatch(events.slice(i, i + 5000));
      })(),
      source,
      source === 1,
      new Map([[7, 6]]),
    );
  const merged = mergeStreams([stream(kernel, 0), stream(simple, 1)]);
  let rows = 0;
  let last = -1;
  let wrong = 0;
  const pids = new Set<number>();
  for (const batch of dropTwins(merged, [-1, 0], [0, 20_000], (counts) =>
    expect(counts).toEqual([0, both.length]),
  )) {
    for (let row = 0; row < batch.length; row++) {
      const time = batch.time[2 * row + 1] * 2 ** 32 + batch.time[2 * row];
      wrong += time >= last && batch.fields[row] < 1 << 13 ? 0 : 1;
      last = time;
      if (batch.event[row] === EV_RUN_EXIT) pids.add(batch.pid[row]);
    }
    rows += batch.length;
  }
  expect(wrong).toBe(0);
  expect(rows).toBe(kernel.length + simple.length - both.length);
  expect([...pids]).toEqual([6]);
});

test('a log without times is the same only if each vCPU’s events come in the same order', () => {
  const sample = (codes: readonly number[]) =>
    sampleOf(
      codes.map((code, time) => ({ time, event: EV_RUN_EXIT, code, vcpu: 0 })),
      true,
    );
  const whole = sample([2, 2, 6, 5, 2, 6]);
  expect(repeatsUntimed(sample([2, 6, 5, 2]), whole)).toBe(true);
  expect(repeatsUntimed(sample([2, 5, 6, 2]), whole)).toBe(false);
  expect(repeatsUntimed(sample([6, 2, 2, 6, 5, 2, 6]), whole)).toBe(false);
});

test('more logs than can be told apart: that the others were not compared is said', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'kvmtrace-test-'));
  const logs = (count: number) =>
    Array.from({ length: count }, (_, i) => {
      const file = path.join(folder, `${i}.log`);
      const line = (at: number) =>
        `${100 + i}@1753437600.${100000 + 1000 * i + at}:kvm_run_exit cpu_index 0, reason 2\n`;
      writeFileSync(file, [0, 10, 25].map(line).join(''));
      return file;
    });
  try {
    expect((await readAll(logs(7))).codes).not.toContain('inputs-not-compared');
    const { rows, codes } = await readAll(logs(9));
    expect(codes).toContain('inputs-not-compared');
    expect(runExits(rows)).toBe(27);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
