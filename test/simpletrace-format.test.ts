/** Simpletrace files that no capture has: other versions and byte orders, damage, disorder, hostile content. */

import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TraceFormatError } from '../src/core/errors.ts';
import { createEventBatch, type EventBatch } from '../src/core/event-batch.ts';
import { MAX_EVENTS } from '../src/core/events.ts';
import { createTraceContext } from '../src/core/trace-context.ts';
import { memorySource } from '../src/parsers/byte-source.ts';
import { simpletrace } from '../src/parsers/simpletrace/index.ts';
import { HOLD } from '../src/parsers/simpletrace/time-window.ts';
import { SAMPLES } from './support/corpus.ts';
import { load, readTrace, rowsOf } from './support/qemu-traces.ts';
import {
  DROPPED_ID,
  type EncodedEvent,
  type EncodedRecord,
  encode,
  number,
  string,
} from './support/simpletrace-encoder.ts';

/** Events of the generated files: by position, as versions before 4 number them, with a disabled one in between. */
const TRACE_EVENTS = `
# a comment
kvm_run_exit(int cpu_index, uint32_t reason) "cpu_index %d, reason %d"
disable never_there(int x) "%d"
plain_event(void) ""
two_numbers(uint64_t first, void *second) "first %" PRIu64 " second %p"
text_between(int cpu_index, const char *name, uint64_t after, char * other, int last) "%d %s %" PRIu64 " %s %d"
vcpu guest_cpu_reset(void)
pointers(unsigned char *a, char **b, uint8_t *c) "%p %p %p"
`;
const NAMES = ['kvm_run_exit', 'plain_event', 'two_numbers', 'text_between', 'guest_cpu_reset', 'pointers'];
const PID = 4711;

const mappings: EncodedRecord[] = NAMES.map((name, index) => ({ id: BigInt(index), name }));

interface Wanted {
  event: string;
  time: bigint;
  vcpu: number | null;
  code: number | null;
  arg0: bigint | null;
  arg1: bigint | null;
  text: string | null;
}

const anyNumber = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const anyText = fc
  .string({ unit: 'grapheme', maxLength: 20 })
  .filter((text) => Buffer.byteLength(text) <= 512);
const index = fc.integer({ min: -1, max: 4000 });

/** An event with what its row must hold. Times are given later. */
const anyEvent: fc.Arbitrary<{ event: Omit<EncodedEvent, 'time'>; wanted: Omit<Wanted, 'time'> }> = fc.oneof(
  fc.tuple(index, fc.nat(0xffffffff)).map(([cpu, reason]) => ({
    event: { id: 0n, pid: PID, args: [number(BigInt(cpu)), number(BigInt(reason))] },
    wanted: { event: NAMES[0], vcpu: cpu < 0 ? null : cpu, code: reason, arg0: null, arg1: null, text: null },
  })),
  fc.constant({
    event: { id: 1n, pid: PID, args: [] },
    wanted: { event: NAMES[1], vcpu: null, code: null, arg0: null, arg1: null, text: null },
  }),
  fc.tuple(anyNumber, anyNumber).map(([first, second]) => ({
    event: { id: 2n, pid: PID, args: [number(first), number(second)] },
    wanted: { event: NAMES[2], vcpu: null, code: null, arg0: first, arg1: second, text: null },
  })),
  fc.tuple(index, anyText, anyNumber, anyText, anyNumber).map(([cpu, name, after, other, last]) => ({
    event: {
      id: 3n,
      pid: PID,
      args: [number(BigInt(cpu)), string(name), number(after), string(other), number(last)],
    },
    wanted: {
      event: NAMES[3],
      vcpu: cpu < 0 ? null : cpu,
      code: null,
      arg0: after,
      arg1: last,
      text: name === '' ? null : Buffer.from(name).toString(),
    },
  })),
  anyNumber.map((cpu) => ({
    event: { id: 4n, pid: PID, args: [number(cpu)] },
    wanted: { event: NAMES[4], vcpu: null, code: null, arg0: cpu, arg1: null, text: null },
  })),
  fc.tuple(anyNumber, anyNumber, anyNumber).map(([a, b, c]) => ({
    event: { id: 5n, pid: PID, args: [number(a), number(b), number(c)] },
    wanted: { event: NAMES[5], vcpu: null, code: null, arg0: a, arg1: b, text: null },
  })),
);

/** Events with times that mostly rise; the rows wanted are in time order, equal times in file order. */
const anyTrace = fc
  .array(fc.tuple(anyEvent, fc.integer({ min: -3, max: 1000 })), { maxLength: 60 })
  .map((list) => {
    let time = 10n ** 15n;
    const all = list.map(([{ event, wanted }, step]) => {
      time += BigInt(step);
      return { event: { ...event, time }, wanted: { ...wanted, time } };
    });
    const rows = all.map(({ wanted }, i) => ({ wanted, i }));
    rows.sort((a, b) => Number(a.wanted.time - b.wanted.time) || a.i - b.i);
    return { events: all.map(({ event }) => event), rows: rows.map(({ wanted }) => wanted) };
  });

function brief(
  bytes: Uint8Array,
  options: { maxRead?: number; traceEvents?: string } = { traceEvents: TRACE_EVENTS },
) {
  const { rows, diagnostics, context } = readTrace(simpletrace, bytes, options);
  const wanted = rows.map(
    ({ event, time, vcpu, code, arg0, arg1, text }): Wanted => ({
      event,
      time,
      vcpu,
      code,
      arg0,
      arg1,
      text,
    }),
  );
  return { rows: wanted, pids: new Set(rows.map(({ pid }) => pid)), diagnostics, context };
}

describe('what was written is read', () => {
  test.each([
    [2, true],
    [2, false],
    [3, true],
    [3, false],
    [4, true],
    [4, false],
  ])('version %i, little endian: %s', (version, little) => {
    fc.assert(
      fc.property(anyTrace, ({ events, rows }) => {
        const records = version === 4 ? [...mappings, ...events] : events;
        const { bytes } = encode(records, { version, little });
        expect(simpletrace.sniff(bytes, 'x').confidence).toBe(3);
        const got = brief(bytes);
        expect(got.rows).toEqual(rows);
        expect(got.diagnostics).toEqual({});
        if (rows.length > 0) expect([...got.pids]).toEqual([version === 2 ? null : PID]);
        expect(brief(bytes, { traceEvents: TRACE_EVENTS, maxRead: 1 }).rows).toEqual(rows);
      }),
      { numRuns: 60 },
    );
  });

  test('version 0: six numbers, of which the event has fewer', () => {
    const time = 5n;
    const events: EncodedEvent[] = [
      { id: 0n, time, pid: 0, args: [number(3n), number(2n), number(9n)] },
      { id: 1n, time, pid: 0, args: [] },
      { id: 2n, time, pid: 0, args: [number(2n ** 64n - 1n), number(7n)] },
      { id: DROPPED_ID, time, pid: 0, args: [number(12n)] },
    ];
    for (const little of [true, false]) {
      const { bytes } = encode(events, { version: 0, little });
      const { rows, diagnostics } = brief(bytes);
      expect(rows.map((row) => [row.event, row.vcpu, row.code, row.arg0, row.arg1])).toEqual([
        ['kvm_run_exit', 3, 2, null, null],
        ['plain_event', null, null, null, null],
        ['two_numbers', null, null, 2n ** 64n - 1n, 7n],
        ['Dropped_Event', null, null, 12n, null],
      ]);
      expect(diagnostics).toEqual({ 'qemu-dropped-events': 12 });
    }
  });

  test('before version 4, numbers without an events file have no names, and that is said', () => {
    const { bytes } = encode([{ id: 0n, time: 1n, pid: PID, args: [number(0n), number(2n)] }], {
      version: 3,
    });
    const { rows, diagnostics } = brief(bytes, {});
    expect(rows).toMatchObject([{ event: 'qemu_event_0', code: null }]);
    expect(diagnostics).toEqual({ 'events-without-name': 1 });
  });

  test('a mapping may come late, and a second recording behind the first has its own', () => {
    const late: EncodedRecord[] = [
      { id: 0n, name: 'kvm_run_exit' },
      { id: 0n, time: 1n, pid: PID, args: [number(1n), number(6n)] },
      { id: 77n, name: 'two_numbers' },
      { id: 77n, time: 2n, pid: PID, args: [number(8n), number(9n)] },
    ];
    const first = encode(late).bytes;
    const second = encode([
      { id: 0n, name: 'plain_event' },
      { id: 0n, time: 3n, pid: 12, args: [] },
    ]).bytes;
    const { rows, diagnostics } = brief(Buffer.concat([first, second]));
    expect(rows.map(({ event }) => event)).toEqual(['kvm_run_exit', 'two_numbers', 'plain_event']);
    expect(diagnostics).toEqual({ 'joined-recordings': 1 });
  });

  test('an events file of another build is noticed, and kvm_run_exit is read all the same', () => {
    const { bytes } = encode([...mappings, { id: 0n, time: 1n, pid: PID, args: [number(1n), number(6n)] }]);
    const other = 'kvm_run_exit(int cpu_index, uint32_t reason, uint64_t flags) "%d %d %d"\n';
    const { rows, diagnostics } = brief(bytes, { traceEvents: other });
    expect(rows).toMatchObject([{ vcpu: 1, code: 6 }]);
    expect(diagnostics).toEqual({ 'arguments-mismatch': 1 });
  });

  test('times since 1970 are the wall clock of a host without CLOCK_MONOTONIC', () => {
    const { bytes } = encode([...mappings, { id: 1n, time: 1_795_226_321_363_285_000n, pid: PID, args: [] }]);
    expect(brief(bytes).context.clock).toBe('realtime');
  });

  test("names of the kernel's events cannot be taken", () => {
    const { bytes } = encode([
      { id: 0n, name: 'kvm_exit' },
      { id: 1n, name: 'Dropped_Event' },
      { id: 0n, time: 1n, pid: PID, args: [] },
      { id: 1n, time: 2n, pid: PID, args: [] },
    ]);
    expect(brief(bytes).rows.map(({ event }) => event)).toEqual(['qemu:kvm_exit', 'qemu:Dropped_Event']);
  });
});

describe('dropped events', () => {
  test('are counted, and lie in time where they were written although older records follow', () => {
    const exit = (time: bigint): EncodedEvent => ({ id: 0n, time, pid: PID, args: [number(0n), number(2n)] });
    const dropped: EncodedEvent = { id: DROPPED_ID, time: 500n, pid: PID, args: [number(1234n)] };
    const { bytes } = encode([...mappings, exit(100n), dropped, exit(200n), exit(300n), exit(600n)]);
    const { rows, diagnostics } = brief(bytes);
    expect(rows.map(({ event, time, arg0 }) => [event, time, arg0])).toEqual([
      ['kvm_run_exit', 100n, null],
      ['kvm_run_exit', 200n, null],
      ['kvm_run_exit', 300n, null],
      ['Dropped_Event', 500n, 1234n],
      ['kvm_run_exit', 600n, null],
    ]);
    expect(diagnostics).toEqual({ 'qemu-dropped-events': 1234 });
  });

  test('order holds across batches, and what comes too late is counted', () => {
    const count = 150_000;
    const random = (i: number) => ((i * 2654435761) >>> 0) / 2 ** 32;
    const times = Array.from({ length: count }, (_, i) =>
      BigInt(Math.floor(i * 10 + random(i) * 10 * (HOLD - 2))),
    );
    const exit = (time: bigint): EncodedEvent => ({ id: 1n, time, pid: PID, args: [] });
    const { bytes } = encode([...mappings, ...times.map(exit)]);
    const { rows, diagnostics } = brief(bytes);
    expect(rows.map(({ time }) => time)).toEqual([...times].sort((a, b) => Number(a - b)));
    expect(diagnostics).toEqual({});
    const late = [...times.map((time) => time + 100n), 7n];
    const second = brief(encode([...mappings, ...late.map(exit)]).bytes);
    expect(second.rows.length).toBe(count + 1);
    expect(second.diagnostics).toEqual({ 'late-events': 1 });
  });
});

describe('what consumers may ask for', () => {
  const real = load(path.join(SAMPLES, 'qemu-simpletrace/trace.bin'));

  test('batches that they lend: filled to the last row, none twice', () => {
    const whole = readTrace(simpletrace, real).rows;
    const context = createTraceContext();
    const lent: EventBatch[] = [];
    const nextBatch = () => {
      const batch = createEventBatch(100);
      batch.text.fill(-1);
      lent.push(batch);
      return batch;
    };
    const yielded = [...simpletrace.parse(memorySource(real), context, { nextBatch })];
    expect(yielded).toEqual(lent);
    expect(yielded.flatMap((batch) => rowsOf(batch, context))).toEqual(whole);
  });

  test('core columns only: those are the same', () => {
    // The text is one of them: the name that QEMU has for a device.
    const args = [0n, 0x55550000n, 0x71n, 0x26n, 1n].map(number);
    const access: EncodedEvent = { id: 9n, time: 100n, pid: PID, args: [...args, string('rtc')] };
    const { bytes } = encode([{ id: 9n, name: 'memory_region_ops_read' }, access]);
    for (const trace of [real, bytes]) {
      const whole = readTrace(simpletrace, trace).rows;
      const context = createTraceContext();
      const rows = [...simpletrace.parse(memorySource(trace), context, { coreOnly: true })].flatMap((batch) =>
        rowsOf(batch, context),
      );
      expect(rows).toEqual(whole.map((row) => ({ ...row, info1: null, info2: null, arg1: null })));
      if (trace === bytes) expect(rows[0]).toMatchObject({ address: 0x71n, text: 'rtc' });
    }
  });
});

describe('damage', () => {
  test('events from before QEMU knew its process number do not make others look damaged', () => {
    const exit = (pid: number, i: number): EncodedEvent => ({
      ...{ id: 0n, time: BigInt(1000 + i), pid },
      args: [number(1n), number(2n)],
    });
    const early = [exit(0, 0), exit(0, 1)];
    const events = Array.from({ length: 20 }, (_, i) => exit(PID, i + 2));
    const { bytes, ends } = encode([...mappings, ...early, ...events]);
    const pids = readTrace(simpletrace, bytes).rows.map(({ pid }) => pid);
    expect(pids).toEqual([0, 0, ...events.map(() => PID)]);
    const damaged = Buffer.from(bytes);
    const third = ends[mappings.length + 1];
    damaged.fill(0, third + 3, third + 60);
    const { rows, diagnostics } = brief(damaged);
    expect(rows.length).toBeGreaterThanOrEqual(19);
    expect(diagnostics['damaged-records']).toBe(1);
    // Damage before the number is known, or between such events, hides no others either.
    const first = Buffer.from(bytes);
    first.fill(0xee, ends[mappings.length - 1] + 3, ends[mappings.length] + 5);
    expect(brief(first).rows.length).toBeGreaterThanOrEqual(20);
  });

  const events = Array.from(
    { length: 30 },
    (_, i): EncodedEvent =>
      i % 3 === 0
        ? {
            id: 3n,
            time: BigInt(1000 + i),
            pid: PID,
            args: [number(1n), string(`dev${i}`), number(2n), string(''), number(5n)],
          }
        : { id: 0n, time: BigInt(1000 + i), pid: PID, args: [number(BigInt(i % 2)), number(2n)] },
  );
  const small = encode([...mappings, ...events]);

  test.each([2, 3, 4])(
    'version %i cut at every byte: all whole records, and a word if one is not',
    (version) => {
      const { bytes, ends } = encode(version === 4 ? [...mappings, ...events] : events, { version });
      const whole = brief(bytes).rows;
      const first = version === 4 ? mappings.length : 0;
      for (let cut = 0; cut < bytes.length; cut++) {
        const part = bytes.subarray(0, cut);
        if (cut < 24) {
          expect(() => brief(part)).toThrow(TraceFormatError);
          continue;
        }
        const { rows, diagnostics } = brief(part);
        const records = ends.filter((end) => end <= cut).length;
        expect(rows).toEqual(whole.slice(0, Math.max(0, records - first)));
        const clean = cut === 24 || ends.includes(cut);
        expect(diagnostics).toEqual(clean ? {} : { 'truncated-file': 1 });
      }
    },
  );

  test('any single flipped bit: no crash, at most two records lost, and never without a word', () => {
    const { bytes, ends } = small;
    const whole = brief(bytes).rows;
    const eventsStart = ends[mappings.length - 1];
    // Every seventh bit meets every byte and every bit of a byte.
    for (let bit = 24 * 8; bit < bytes.length * 8; bit += 7) {
      const damaged = Buffer.from(bytes);
      damaged[bit >> 3] ^= 1 << (bit & 7);
      const { rows, diagnostics } = brief(damaged);
      expect(rows.length, `bit ${bit}`).toBeGreaterThanOrEqual(whole.length - 2);
      expect(rows.length, `bit ${bit}`).toBeLessThanOrEqual(whole.length + 1);
      if (rows.length !== whole.length) expect(Object.keys(diagnostics), `bit ${bit}`).not.toEqual([]);
      // All but the damaged record and its neighbour are as they were.
      if (bit >> 3 >= eventsStart) {
        const known = new Set(whole.map(show));
        expect(rows.filter((row) => !known.has(show(row))).length, `bit ${bit}`).toBeLessThanOrEqual(2);
      }
    }
  });

  test('damage does not depend on how the file is read', () => {
    for (let seed = 0; seed < 40; seed++) {
      const damaged = Buffer.from(small.bytes);
      for (let i = 0; i < 6; i++)
        damaged[24 + ((seed * 7919 + i * 104729) % (damaged.length - 24))] ^= 1 << (seed % 8);
      const whole = brief(damaged);
      const pieces = brief(damaged, { maxRead: 1, traceEvents: TRACE_EVENTS });
      expect(pieces.rows).toEqual(whole.rows);
      expect(pieces.diagnostics).toEqual(whole.diagnostics);
    }
  });

  test('a real file with many flipped bits keeps almost all of its events', () => {
    const real = load(path.join(SAMPLES, 'qemu-simpletrace/trace.bin'));
    const whole = readTrace(simpletrace, real).rows.length;
    for (let seed = 1; seed <= 20; seed++) {
      const damaged = Buffer.from(real);
      for (let i = 0; i < 20; i++) {
        const bit = Math.imul(seed * 31 + i, 2654435761) >>> 0;
        damaged[24 + (bit % (real.length - 24))] ^= 1 << (bit & 7);
      }
      const { rows } = readTrace(simpletrace, damaged);
      expect(rows.length).toBeGreaterThan(whole - 60);
      expect(rows.length).toBeLessThan(whole + 20);
    }
  });

  test('random bytes behind a header are refused or skipped in bounded time', () => {
    const header = small.bytes.subarray(0, 24);
    const noise = Buffer.from(
      Array.from({ length: 300_000 }, (_, i) => (Math.imul(i + 1, 2654435761) >>> 13) & 255),
    );
    const started = performance.now();
    const { rows, diagnostics } = brief(Buffer.concat([header, noise]));
    expect(performance.now() - started).toBeLessThan(10_000);
    expect(rows.length).toBe(0);
    expect(diagnostics['damaged-bytes']).toBeGreaterThan(299_000);
    const zeros = brief(Buffer.concat([header, Buffer.alloc(300_000)]));
    expect(zeros.rows.length).toBe(0);
    expect(Object.keys(zeros.diagnostics).length).toBeGreaterThan(0);
  });

  test('numbers without end do not fill the dictionary', () => {
    const many = Array.from(
      { length: 20_000 },
      (_, i): EncodedEvent => ({ id: BigInt(i + 100), time: 1n, pid: PID, args: [] }),
    );
    const { rows, context, diagnostics } = brief(encode([...mappings, ...many]).bytes);
    expect(rows.length).toBe(20_000);
    expect(context.events.names.length).toBeLessThan(MAX_EVENTS / 2);
    expect(diagnostics['events-without-name']).toBe(20_000);
  });

  test.each([
    [Buffer.alloc(0), /not a simpletrace file/],
    [small.bytes.subarray(0, 20), /ends inside its header/],
    [encode([], { version: 5 }).bytes, /version 5 is not known/],
    [encode([], { version: 1 }).bytes, /version 1 is not known/],
    [Buffer.from('kvm_run_exit cpu_index 0, reason 2\n'.repeat(5)), /not a simpletrace file/],
  ])('header %#', (bytes, message) => {
    expect(() => brief(bytes)).toThrow(message);
  });

  test('a file without events is no error', () => {
    expect(brief(encode(mappings).bytes)).toMatchObject({ rows: [], diagnostics: {} });
  });
});

function show(row: Wanted): string {
  return Object.values(row).join(' ');
}
