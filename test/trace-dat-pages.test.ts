/** Ring-buffer pages and files made by an encoder of our own come out as the rows that were put in. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { storeBigInt, wordsToBigInt } from '../src/core/words.ts';
import { traceDat } from '../src/parsers/trace-dat/index.ts';
import type { RecordingOptions, TimeShift } from '../src/parsers/trace-dat/recording.ts';
import { convertTime, createTimeConversion } from '../src/parsers/trace-dat/time-conversion.ts';
import {
  type BuiltFile,
  buildV6,
  buildV7,
  dataOffset,
  encodeItem,
  entryRecord,
  exitRecord,
  type Machine,
  num,
  type Page,
  type PageItem,
  printRecord,
  readDat,
  switchRecord,
  unknownRecord,
  X86,
} from './support/trace-dat.ts';

/** A step of one CPU's history; what it adds to the pages and to the rows that must come out. */
interface Step {
  gap: bigint;
  what: 'exit' | 'entry' | 'long' | 'discarded' | 'stamped' | 'unknown';
  newPage: boolean;
  lost: number | 'unknown' | null;
  tid: number;
  value: bigint;
}

interface WantedRow {
  time: bigint;
  cpu: number;
  tid: number;
  event: string;
  code: number | null;
  address: bigint | null;
  lost: number | null;
}

const gapArbitrary = fc.oneof(
  fc.bigInt(0n, 1n),
  fc.bigInt(0n, 5000n),
  fc.bigInt(0n, 1n << 27n),
  fc.bigInt(0n, 1n << 34n),
);

const stepArbitrary: fc.Arbitrary<Step> = fc.record({
  gap: gapArbitrary,
  what: fc.constantFrom('exit', 'exit', 'entry', 'entry', 'long', 'discarded', 'stamped', 'unknown'),
  newPage: fc.boolean(),
  lost: fc.oneof(
    { weight: 5, arbitrary: fc.constant(null) },
    fc.constant('unknown' as const),
    fc.integer({ min: 1, max: 0x7fffffff }),
  ),
  tid: fc.integer({ min: 1, max: 4194304 }),
  value: fc.bigInt(0n, (1n << 64n) - 1n),
});

const machineArbitrary: fc.Arbitrary<Machine> = fc.record({
  little: fc.boolean(),
  long: fc.constantFrom(4 as const, 8 as const),
  pageSize: fc.constantFrom(1024, 4096, 16384, 65536),
});

function record(m: Machine, step: Step): Buffer {
  if (step.what === 'unknown') return unknownRecord(m, step.tid);
  const reason = Number(step.value & 0xffffffffn);
  return step.what === 'entry'
    ? entryRecord(m, step.tid, step.value)
    : exitRecord(m, step.tid, reason, step.value);
}

interface EncodedCpu {
  pages: Page[];
  rows: WantedRow[];
  /** Records of a kind that the file has no format for. */
  unknown: number;
  /** Loss of a CPU without any record. */
  emptyLoss: WantedRow | null;
  firstTime: bigint | null;
}

/** Pages of one CPU that begin at `origin`, and the rows that they hold. */
function encodeCpu(m: Machine, cpu: number, origin: bigint, steps: readonly Step[]): EncodedCpu {
  const pages: Page[] = [];
  const rows: WantedRow[] = [];
  const space = m.pageSize - dataOffset(m);
  let now = origin;
  let page: Page | null = null;
  let used = 0;
  let pendingLoss: number | 'unknown' | null = null;
  let unknown = 0;
  let lastTime: bigint | null = null;
  let firstTime: bigint | null = null;
  for (const step of steps) {
    const time = now + step.gap;
    const items: PageItem[] = [];
    let delta = Number(step.gap);
    const fresh = page === null || step.newPage || used + 200 > space;
    if (fresh) {
      page = { time, items: [] };
      pages.push(page);
      used = 0;
      delta = 0;
      if (step.lost !== null) {
        page.lost = step.lost;
        pendingLoss =
          pendingLoss === null
            ? step.lost
            : pendingLoss === 'unknown' || step.lost === 'unknown'
              ? 'unknown'
              : pendingLoss + step.lost;
      }
    }
    if (step.what === 'stamped') {
      items.push({ kind: 'stamp', time });
      delta = 0;
    } else if (delta >= 1 << 27) {
      items.push({ kind: 'extend', delta: BigInt(delta) });
      delta = 0;
    }
    if (step.what === 'discarded') {
      // The kernel gives a discarded event a delta of at least 1.
      const used1 = Math.max(1, delta);
      items.push({ kind: 'discarded', delta: used1, length: 20 });
      now = time + BigInt(used1 - delta);
    } else {
      items.push({ kind: 'event', delta, record: record(m, step), long: step.what === 'long' });
      now = time;
      lastTime = time;
      firstTime ??= time;
      const loss: number | 'unknown' | null = pendingLoss;
      // A record without a format is left out, but a loss before it stays where it is.
      if (loss !== null)
        rows.push({
          time,
          cpu,
          tid: -1,
          event: '(lost)',
          code: null,
          address: null,
          lost: loss === 'unknown' ? null : loss,
        });
      pendingLoss = null;
      if (step.what === 'unknown') unknown++;
      else
        rows.push({
          time,
          cpu,
          tid: step.tid,
          event: step.what === 'entry' ? 'kvm_entry' : 'kvm_exit',
          code: step.what === 'entry' ? null : Number(step.value & 0xffffffffn),
          address: step.value,
          lost: null,
        });
    }
    for (const item of items) used += encodeItem(m, item).length;
    page!.items.push(...items);
  }
  let emptyLoss: WantedRow | null = null;
  if (pendingLoss !== null) {
    // Nothing is behind it: it stands right behind the CPU's last record, in front of everything if there is none.
    const row = {
      time: lastTime ?? 0n,
      cpu,
      tid: -1,
      event: '(lost)',
      code: null,
      address: null,
      lost: pendingLoss === 'unknown' ? null : pendingLoss,
    };
    if (lastTime === null) emptyLoss = row;
    else rows.push(row);
  }
  return { pages, rows, unknown, emptyLoss, firstTime };
}

const cpusArbitrary = fc.uniqueArray(
  fc.record({ cpu: fc.integer({ min: 0, max: 40 }), steps: fc.array(stepArbitrary, { maxLength: 60 }) }),
  {
    selector: ({ cpu }) => cpu,
    minLength: 1,
    maxLength: 6,
  },
);

describe('pages of our own', () => {
  test('come out as rows in time order, from either version', () => {
    fc.assert(
      fc.property(
        machineArbitrary,
        fc.bigInt(0n, 1n << 62n),
        cpusArbitrary,
        fc.constantFrom('6', '7', 'zlib'),
        fc.integer({ min: 1, max: 4 }),
        fc.option(fc.bigInt(-(1n << 40n), 1n << 40n)),
        (machine, origin, cpus, version, chunkPages, anyOffset) => {
          const offset = anyOffset !== null && anyOffset < -origin ? -origin : anyOffset;
          const encoded = cpus.map(({ cpu, steps }) => ({ cpu, ...encodeCpu(machine, cpu, origin, steps) }));
          const file: BuiltFile = {
            machine,
            buffers: [{ name: '', cpus: new Map(encoded.map(({ cpu, pages }) => [cpu, pages])) }],
            compression: version === 'zlib' ? 'zlib' : 'none',
            chunkPages,
            ...(offset === null ? {} : { options: [[7, text(String(offset))]] as const }),
          };
          const { rows, diagnostics } = readDat(version === '6' ? buildV6(file) : buildV7(file));
          // Each CPU's rows in their order; between CPUs by time, equal times by CPU number.
          const wanted = encoded.sort((a, b) => a.cpu - b.cpu).flatMap((cpu) => cpu.rows);
          const sorted = wanted
            .map((row, i) => ({ row, i }))
            .sort((a, b) =>
              a.row.time < b.row.time ? -1 : a.row.time > b.row.time ? 1 : a.row.cpu - b.row.cpu || a.i - b.i,
            )
            .map(({ row }) => row);
          const found = rows.map(({ time, cpu, tid, event, code, address, arg0 }) => ({
            time: BigInt.asUintN(64, time - (offset ?? 0n)),
            cpu,
            tid,
            event,
            code,
            address,
            lost: arg0 === null ? null : Number(arg0),
          }));
          // With records of an unknown kind only, the first time is one that no row shows.
          const first = encoded
            .map(({ firstTime }) => firstTime ?? 1n << 64n)
            .sort((a, b) => (a < b ? -1 : 1))[0];
          const empty = encoded.flatMap(({ emptyLoss }) =>
            emptyLoss ? [{ ...emptyLoss, time: first === 1n << 64n ? null : first }] : [],
          );
          expect(
            found
              .slice(0, empty.length)
              .map((row) => ({ ...row, time: first === 1n << 64n ? null : row.time })),
          ).toEqual(empty);
          expect(found.slice(empty.length)).toEqual(sorted);
          expect(diagnostics['unknown-events'] ?? 0).toBe(
            encoded.reduce((sum, { unknown }) => sum + unknown, 0),
          );
          expect(diagnostics['damaged-pages']).toBeUndefined();
        },
      ),
      { numRuns: 150 },
    );
  });

  test('equal times come in the order of CPUs, each CPU’s events in its own', () => {
    const gaps = fc.array(fc.bigInt(0n, 2n), { minLength: 1, maxLength: 80 });
    fc.assert(
      fc.property(fc.array(gaps, { minLength: 2, maxLength: 9 }), (cpus) => {
        const wanted: { time: bigint; cpu: number; at: bigint }[] = [];
        const pages = cpus.map((cpuGaps, cpu): [number, Page[]] => {
          let time = 1000n;
          const items = cpuGaps.map((gap, i): PageItem => {
            time += i === 0 ? 0n : gap;
            wanted.push({ time, cpu, at: BigInt(i) });
            return {
              kind: 'event',
              delta: i === 0 ? 0 : Number(gap),
              record: entryRecord(X86, 7, BigInt(i)),
            };
          });
          return [cpu, [{ time: 1000n, items }]];
        });
        wanted.sort((a, b) => Number(a.time - b.time) || a.cpu - b.cpu || Number(a.at - b.at));
        const file: BuiltFile = {
          machine: { ...X86, pageSize: 16384 },
          buffers: [{ name: '', cpus: new Map(pages) }],
        };
        const { rows } = readDat(buildV6(file));
        expect(rows.map(({ time, cpu, address }) => ({ time, cpu, at: address }))).toEqual(wanted);
      }),
      { numRuns: 200 },
    );
  });

  test('times go on from converted events across 2^32 ns', () => {
    const delta = (1 << 27) - 1;
    const event = (gap: number): PageItem => ({ kind: 'event', delta: gap, record: entryRecord(X86, 9, 1n) });
    const items = [...Array.from({ length: 40 }, () => event(delta)), { kind: 'extend', delta: 5n } as const];
    const file: BuiltFile = {
      machine: X86,
      buffers: [{ name: '', cpus: new Map([[0, [{ time: 0n, items: [...items, event(0)] }]]]) }],
      options: [[7, text('1000')]],
    };
    const { rows } = readDat(buildV6(file));
    expect(rows[39].time).toBe(40n * BigInt(delta) + 1000n);
    expect(rows[40].time).toBe(40n * BigInt(delta) + 1005n);
  });

  test('absolute stamps take their top five bits from the page, and wrap', () => {
    const event = (delta: number): PageItem => ({ kind: 'event', delta, record: entryRecord(X86, 9, 1n) });
    const top = 5n << 59n;
    const pages: Page[] = [
      { time: top + 100n, items: [event(0), { kind: 'stamp', time: top + 5000n }, event(0)] },
      { time: top + (1n << 59n) - 10n, items: [event(0), { kind: 'stamp', time: 7n }, event(3)] },
    ];
    const { rows } = readDat(buildV6({ machine: X86, buffers: [{ name: '', cpus: new Map([[0, pages]]) }] }));
    expect(rows.map(({ time }) => BigInt.asUintN(64, time))).toEqual([
      top + 100n,
      top + 5000n,
      top + (1n << 59n) - 10n,
      (6n << 59n) + 10n,
    ]);
  });

  test('a loss behind the last event of a CPU is a row behind it', () => {
    const pages: Page[] = [
      { time: 100n, items: [{ kind: 'event', delta: 0, record: entryRecord(X86, 9, 1n) }] },
      { time: 200n, items: [], lost: 12 },
    ];
    const { rows } = readDat(buildV7({ machine: X86, buffers: [{ name: '', cpus: new Map([[3, pages]]) }] }));
    expect(rows.map(({ event, cpu, arg0, time }) => [event, cpu, arg0, time])).toEqual([
      ['kvm_entry', 3, null, 100n],
      ['(lost)', 3, 12n, 100n],
    ]);
  });
});

const one = (machine: Machine, ...records: Buffer[]): BuiltFile => ({
  machine,
  buffers: [
    {
      name: '',
      cpus: new Map([
        [
          0,
          [
            {
              time: 1000n,
              items: records.map((record, i) => ({ kind: 'event', delta: i ? 10 : 0, record })),
            },
          ],
        ],
      ]),
    },
  ],
});
const text = (value: string) => Buffer.from(`${value}\0`);

describe.each([
  ['version 6', buildV6],
  ['version 7', buildV7],
] as const)('%s', (_, build) => {
  test('DATE and OFFSET are added to every time, as trace-cmd report does', () => {
    const file = one(X86, entryRecord(X86, 5, 1n), entryRecord(X86, 5, 2n));
    const { rows, context } = readDat(
      build({
        ...file,
        options: [
          [4, text('[mono] local')],
          [1, text('0x10')],
          [7, text('-7')],
        ],
      }),
    );
    expect(rows.map(({ time }) => time)).toEqual([1000n + 16000n - 7n, 1010n + 16000n - 7n]);
    expect(context.clock).toBe('mono+date');
  });

  test('TSC2NSEC turns cycles into ns with a product of 96 bits', () => {
    fc.assert(
      fc.property(
        fc.bigInt(0n, (1n << 64n) - 1n),
        fc.integer({ min: 1, max: 0xffffffff }),
        fc.integer({ min: 0, max: 63 }),
        (time, mult, shift) => {
          const file = one(X86, entryRecord(X86, 5, 1n));
          file.buffers[0].cpus.get(0)![0].time = time;
          const body = Buffer.concat([num(X86, 4, mult), num(X86, 4, shift), num(X86, 8, 0)]);
          const { rows, context } = readDat(
            build({
              ...file,
              options: [
                [4, text('[x86-tsc]')],
                [14, body],
              ],
            }),
          );
          expect(BigInt.asUintN(64, rows[0].time)).toBe(
            BigInt.asUintN(64, (time * BigInt(mult)) >> BigInt(shift)),
          );
          expect(context.timeIsNs).toBe(true);
        },
      ),
      { numRuns: 60 },
    );
  });

  test.each(['counter', 'x86-tsc'])('clock %s has no unit', (clock) => {
    const { context, diagnostics } = readDat(
      build({ ...one(X86, entryRecord(X86, 5, 1n)), options: [[4, text(`local [${clock}] perf`)]] }),
    );
    expect(context.timeIsNs).toBe(false);
    expect(context.clock).toBe(clock);
    expect(diagnostics['time-without-unit']).toBe(1);
  });

  test('clock uptime ticks 100 times per second', () => {
    const { rows, context } = readDat(
      build({ ...one(X86, entryRecord(X86, 5, 1n)), options: [[4, text('[uptime]')]] }),
    );
    expect(rows[0].time).toBe(10_000_000_000n);
    expect(context.timeIsNs).toBe(true);
    expect(context.timeResolutionNs).toBe(10_000_000);
  });

  test('without exits it says whether they were switched on', () => {
    const { context } = readDat(build(one(X86, entryRecord(X86, 5, 1n))));
    const { message } = context.diagnostics.entries.get('no-exits-recorded')!;
    // The file holds the format of kvm_exit, as trace-cmd stores those of events that it switched on.
    expect(context.enabledEvents).toContain('kvm_exit');
    expect(message).toMatch(/^kvm_exit was switched on, but/);
  });

  test('TIME_SHIFT moves a guest’s times to its host’s, between samples in proportion', () => {
    const list = (...values: bigint[]) => Buffer.concat(values.map((value) => num(X86, 8, value)));
    const body = Buffer.concat([
      num(X86, 8, 77),
      num(X86, 4, 1),
      num(X86, 4, 1),
      num(X86, 4, 2),
      list(1000n, 3000n),
      list(500n, -100n),
      list(1n, 1n),
      list(0n, 0n),
    ]);
    const { rows, diagnostics, context } = readDat(
      build({ ...one(X86, entryRecord(X86, 5, 1n), entryRecord(X86, 5, 2n)), options: [[12, body]] }),
    );
    // At 1010: 500 − 600 · 10 / 2000 = 497, halves rounded as trace-cmd does.
    expect(rows.map(({ time }) => time)).toEqual([1500n, 1507n + 1n]);
    expect(diagnostics['guest-file']).toBe(1);
    expect(diagnostics['no-exits-recorded']).toBe(1);
    expect(context.diagnostics.entries.get('no-exits-recorded')?.message).toMatch(
      /^kvm_exit was switched on, but/,
    );
  });

  test('GUEST tells which thread is which vCPU of which VM', () => {
    const body = Buffer.concat([
      text('web 1'),
      num(X86, 8, 1),
      num(X86, 4, 2),
      num(X86, 4, 0),
      num(X86, 4, 301),
      num(X86, 4, 1),
      num(X86, 4, 302),
    ]);
    const { context } = readDat(build({ ...one(X86, entryRecord(X86, 301, 1n)), options: [[13, body]] }));
    expect(context.threads.byTid.get(302)).toMatchObject({ vcpu: 1, vm: 'web 1' });
  });

  test('CPUSTAT that counts more than the file holds is reported', () => {
    const stats =
      'CPU: 0\nentries: 5\noverrun: 7\ncommit overrun: 0\nbytes: 1\ndropped events: 1\nread events: 90\n';
    const { diagnostics } = readDat(
      build({ ...one(X86, entryRecord(X86, 5, 1n), exitRecord(X86, 5, 1, 2n)), options: [[2, text(stats)]] }),
    );
    expect(diagnostics['fewer-events-than-counted']).toBe(93);
    expect(diagnostics['losses-without-place']).toBe(8);
  });

  test('what our recorder left in the buffer is missing, but no loss', () => {
    const stats =
      'CPU: 0\nentries: 5\noverrun: 0\ncommit overrun: 0\nbytes: 1\ndropped events: 0\nread events: 2\n';
    const notes = (left: unknown) =>
      Buffer.from(JSON.stringify({ kvmtrace: { format: 1, phase: 'end', stats: { left } } }));
    const two = one(X86, entryRecord(X86, 5, 1n), exitRecord(X86, 5, 1, 2n));
    const said = (left: unknown) => {
      const options = [
        [2, text(stats)],
        [10, notes(left)],
      ] as [number, Buffer][];
      const { diagnostics } = readDat(build({ ...two, options }));
      return [diagnostics['fewer-events-than-counted'], diagnostics['left-in-buffer']];
    };
    expect(said(5)).toEqual([undefined, 5]);
    expect(said(3)).toEqual([2, 3]);
    expect(said(500)).toEqual([undefined, 5]); // what a damaged file says
    for (const odd of [0, -1, 1.5, '5', null]) expect(said(odd)).toEqual([5, undefined]);
  });

  test('what our recorder could not read at the end, and what others switched off, is data loss', () => {
    const two = one(X86, entryRecord(X86, 5, 1n), exitRecord(X86, 5, 1, 2n));
    const said = (notes: object) => {
      const body = Buffer.from(JSON.stringify({ kvmtrace: { format: 1, phase: 'end', ...notes } }));
      const { diagnostics } = readDat(build({ ...two, options: [[10, body]] }));
      return [diagnostics['unread-at-end'], diagnostics['switched-off']];
    };
    expect(said({ stats: { left: 0, unreadCpus: 2, unreadError: 'Input/output error' } })).toEqual([
      1,
      undefined,
    ]);
    expect(said({ stats: { unreadCpus: 1 }, switchedOff: 'tracing_on' })).toEqual([1, 1]);
    for (const odd of [0, -1, 'x', null, {}])
      expect(said({ stats: { unreadCpus: odd }, switchedOff: odd === 'x' ? '' : odd })).toEqual([
        undefined,
        undefined,
      ]);
  });

  test('names of threads come from saved_cmdlines, else from sched_switch', () => {
    const file = one(
      X86,
      switchRecord(X86, [10, 'old name'], [11, 'CPU 3/KVM']),
      exitRecord(X86, 11, 12, 1n),
    );
    const { context } = readDat(build({ ...file, cmdlines: '10 worker 7\n12 two\nlines\n13 <...>\n' }));
    const name = (tid: number) => context.threads.byTid.get(tid)?.comm;
    expect([name(10), name(11), name(12), name(13)]).toEqual([
      'worker 7',
      'CPU 3/KVM',
      'two\nlines',
      undefined,
    ]);
  });

  test('markers of QEMU’s ftrace backend become its events, others keep their text', () => {
    const file = one(
      X86,
      printRecord(X86, 8, 'kvm_run_exit cpu_index 3, reason 2\n'),
      printRecord(X86, 8, 'hello: world\n'),
    );
    const { rows } = readDat(build(file));
    expect(rows.map(({ event, vcpu, code, text: marker }) => [event, vcpu, code, marker])).toEqual([
      ['kvm_run_exit', 3, 2, null],
      ['tracing_mark_write', -1, null, 'hello: world'],
    ]);
  });

  test('events in two buffers are all read, and said to be double', () => {
    const file = one(X86, exitRecord(X86, 5, 1, 2n));
    file.buffers.push({
      name: 'inst',
      cpus: new Map([
        [0, [{ time: 1000n, items: [{ kind: 'event', delta: 0, record: exitRecord(X86, 5, 1, 3n) }] }]],
      ]),
    });
    const { rows, diagnostics } = readDat(build(file));
    // Equal times: the top buffer comes first, as in trace-cmd report.
    expect(rows.map(({ address }) => address)).toEqual([2n, 3n]);
    expect(diagnostics['events-in-several-buffers']).toBe(1);
  });

  test('a latency tracer’s text is read as tracefs text', () => {
    const latency =
      '# tracer: nop\n#\n          <...>-77    [002] .....    12.000003: kvm_entry: vcpu 0, rip 0x10\n';
    const { rows } = readDat(build({ machine: X86, buffers: [], latency }));
    expect(rows.map(({ event, cpu, tid, time }) => [event, cpu, tid, time])).toEqual([
      ['kvm_entry', 2, 77, 12_000_003_000n],
    ]);
  });

  test('an option of an unknown kind is skipped', () => {
    const { rows, diagnostics } = readDat(
      build({ ...one(X86, entryRecord(X86, 5, 1n)), options: [[200, Buffer.from('what')]] }),
    );
    expect(rows.length).toBe(1);
    expect(diagnostics['unknown-options']).toBe(1);
  });
});

test('a compressed file is known to hold more events than its size tells', () => {
  const file = one(X86, entryRecord(X86, 5, 1n));
  const expansion = (bytes: Uint8Array) => traceDat.expansion!(bytes.subarray(0, 16384));
  expect(expansion(buildV6(file))).toBe(1);
  expect(expansion(buildV7(file))).toBe(1);
  expect(expansion(buildV7({ ...file, compression: 'zlib' }))).toBeGreaterThan(2);
  expect(expansion(new Uint8Array(3))).toBe(1);
});

test('compressed latency text is read too', () => {
  const latency =
    '# tracer: nop\n#\n          <...>-77    [002] .....    12.000003: kvm_entry: vcpu 0, rip 0x10\n';
  expect(readDat(buildV7({ machine: X86, buffers: [], latency, compression: 'zlib' })).rows.length).toBe(1);
});

test('thousands of CPUs are merged', () => {
  const cpus = new Map<number, Page[]>();
  for (let cpu = 0; cpu < 3000; cpu++)
    cpus.set(cpu, [
      {
        time: BigInt(3000 - cpu),
        items: [{ kind: 'event', delta: 0, record: entryRecord(X86, cpu + 1, 1n) }],
      },
    ]);
  const { rows } = readDat(buildV7({ machine: { ...X86, pageSize: 1024 }, buffers: [{ name: '', cpus }] }));
  expect(rows.map(({ tid }) => tid)).toEqual(Array.from({ length: 3000 }, (_, i) => 3000 - i));
});

describe('a guest’s times on its host’s clock', () => {
  const sample = (time: bigint, offset: bigint, scaling = 1n, fraction = 0n) => ({
    ...{ time, offset, scaling, fraction },
  });
  const three = [sample(1000n, 50n), sample(2000n, 150n), sample(4000n, -50n)];
  const moved = (
    cpus: TimeShift['cpus'],
    interpolate: boolean,
    time: bigint,
    more: Partial<RecordingOptions> = {},
  ) => {
    const options = { timeShift: { interpolate, cpus }, tscToNs: null, offsetNs: null, ...more };
    const conversion = createTimeConversion(options as RecordingOptions, null)!;
    const words = new Uint32Array(2);
    storeBigInt(words, 0, time);
    convertTime(conversion, 0, words, 0);
    return wordsToBigInt(words[0], words[1]);
  };

  test.each([
    // Before the first sample its difference holds, after the last that of the last but one. Where the correction is
    // negative, half a ns more rounds it up, as trace-cmd does.
    [500n, 550n, 501n],
    [1000n, 1050n, 1050n],
    [1500n, 1550n, 1600n],
    [1999n, 2049n, 2149n],
    [2000n, 2150n, 2150n],
    [3000n, 3150n, 3051n],
    [4000n, 4150n, 3951n],
    [5000n, 5150n, 4851n],
  ])('at %s: %s by the sample before, %s in proportion', (time, stepped, between) => {
    expect(moved([three], false, time)).toBe(stepped);
    expect(moved([three], true, time)).toBe(between);
  });

  test('one sample moves all times alike, a CPU without samples none', () => {
    for (const time of [0n, 999n, 1n << 40n]) {
      expect(moved([[sample(1000n, -70n)]], true, time)).toBe(time - 70n);
      expect(moved([[], [sample(1000n, -70n)]], true, time)).toBe(time);
    }
  });

  test('a clock of another rate is scaled by the sample’s fraction; then cycles become ns, then the offset is added', () => {
    const scaled = [sample(0n, 10n, 3n, 1n), sample(1n << 40n, 10n, 3n, 1n)];
    expect(moved([scaled], false, 1000n)).toBe(1510n);
    const more = { tscToNs: { mult: 5, shift: 1 }, offsetNs: -3n };
    expect(moved([scaled], false, 1000n, more)).toBe((1510n * 5n) / 2n - 3n);
  });

  test('without anything to convert there is no conversion', () => {
    const options = { timeShift: { interpolate: true, cpus: [[], []] }, tscToNs: null, offsetNs: null };
    expect(createTimeConversion(options as unknown as RecordingOptions, 'local')).toBeNull();
  });
});
