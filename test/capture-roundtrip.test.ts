import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { note } from '../src/core/diagnostics.ts';
import { BATCH_ROWS, createEventBatch } from '../src/core/event-batch.ts';
import { eventCode, FIRST_DYNAMIC_EVENT } from '../src/core/events.ts';
import { internString } from '../src/core/string-table.ts';
import { threadOf } from '../src/core/thread-table.ts';
import { createTraceContext, type TraceContext } from '../src/core/trace-context.ts';
import { captureBytes, type Row, readRowsOf, sampleRows, toBatch } from './support/capture.ts';

/** Text as parsers make it: decoded from UTF-8, so without lone surrogates. */
const text = fc.string({ unit: 'binary', maxLength: 12 });
const anyText = fc.oneof(text, fc.string({ unit: 'binary-ascii', maxLength: 5 }), fc.constant('\ud800'));
const orNull = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: null });
const uint32 = fc.integer({ min: 0, max: 0xffffffff });
const uint64 = fc.bigInt({ min: 0n, max: 0xffffffffffffffffn });
const id = fc.integer({ min: 0, max: 0x7fffffff });

const contextArbitrary = fc
  .record({
    sources: fc.array(
      fc.record(
        { path: anyText, format: text, bytes: orNull(fc.nat()), sha256: fc.constant('ab'.repeat(32)) },
        { requiredKeys: ['path', 'format', 'bytes'] },
      ),
      { maxLength: 3 },
    ),
    names: fc.array(text, { maxLength: 6 }),
    strings: fc.array(text, { maxLength: 6 }),
    threads: fc.array(
      fc.record({
        tid: id,
        pid: fc.integer({ min: -1, max: 99999 }),
        comm: orNull(anyText),
        vcpu: fc.integer({ min: -1, max: 300 }),
        vm: orNull(anyText),
      }),
      { maxLength: 5 },
    ),
    diagnostics: fc.array(
      fc.record({
        code: anyText,
        severity: fc.constantFrom('info' as const, 'suspect' as const, 'data-loss' as const),
        message: anyText,
        count: fc.nat(),
      }),
      { maxLength: 4 },
    ),
    arch: orNull(anyText),
    kernel: orNull(anyText),
    host: orNull(anyText),
    cpuModel: orNull(anyText),
    clock: orNull(anyText),
    timeIsNs: fc.boolean(),
    timeResolutionNs: fc.constantFrom(1, 1000, 0.5, 4000000),
    defaultIsa: fc.integer({ min: 0, max: 255 }),
    enabled: orNull(fc.array(anyText, { maxLength: 4 })),
    facts: fc.array(fc.tuple(anyText, anyText), { maxLength: 4 }),
  })
  .map((given): TraceContext => {
    const context = createTraceContext();
    context.sources.push(...given.sources);
    for (const name of given.names) eventCode(context.events, name);
    for (const value of given.strings) internString(context.strings, value);
    for (const { tid, ...rest } of given.threads) Object.assign(threadOf(context.threads, tid), rest);
    for (const entry of given.diagnostics) context.diagnostics.entries.set(entry.code, entry);
    const { arch, kernel, host, cpuModel, clock, timeIsNs, timeResolutionNs, defaultIsa } = given;
    Object.assign(context, { arch, kernel, host, cpuModel, clock, timeIsNs, timeResolutionNs, defaultIsa });
    context.enabledEvents = given.enabled && new Set(given.enabled);
    for (const [key, value] of given.facts) context.facts.set(key, value);
    return context;
  });

const rowArbitrary = (context: TraceContext): fc.Arbitrary<Row> =>
  fc.record({
    time: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    cpu: orNull(fc.integer({ min: 0, max: 0xfffe })),
    tid: orNull(id),
    pid: orNull(id),
    vcpu: orNull(id),
    event: fc.oneof(
      fc.integer({ min: 0, max: 56 }),
      fc.constantFrom(
        ...context.events.names.map((_, code) => code).filter((c) => c === 0 || c >= FIRST_DYNAMIC_EVENT),
      ),
    ),
    isa: orNull(fc.integer({ min: 0, max: 255 })),
    code: orNull(fc.oneof(uint32, fc.integer({ min: 0, max: 80 }))),
    address: orNull(uint64),
    info1: orNull(uint64),
    info2: orNull(uint64),
    intrInfo: orNull(uint32),
    errorCode: orNull(uint32),
    arg0: orNull(uint64),
    arg1: orNull(uint64),
    text:
      context.strings.values.length === 0
        ? fc.constant(null)
        : orNull(fc.nat(context.strings.values.length - 1)),
  });

const captureArbitrary = contextArbitrary.chain((context) =>
  fc.tuple(
    fc.constant(context),
    fc.array(fc.array(rowArbitrary(context), { maxLength: 40 }), { maxLength: 4 }),
    fc.boolean(),
  ),
);

const byTime = (rows: Row[]) => rows.sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0));

describe('capture.arrow gives back what was written', () => {
  test('any rows and any context', () => {
    fc.assert(
      fc.property(
        captureArbitrary,
        fc.constantFrom(Infinity, 1, 7, 4096),
        ([context, groups, flush], maxRead) => {
          const rows = byTime(groups.flat());
          let taken = 0;
          const batches = groups.map((group) => {
            taken += group.length;
            return toBatch(rows.slice(taken - group.length, taken));
          });
          const bytes = captureBytes(context, batches, { flush });
          const back = createTraceContext();
          expect(readRowsOf(bytes, back, { maxRead })).toEqual(rows);
          expect(back).toEqual(context);
        },
      ),
      { numRuns: 150 },
    );
  });

  test('batches larger than 64 Ki rows, and small ones joined', () => {
    const rows = sampleRows(2 * BATCH_ROWS + 777);
    const context = createTraceContext();
    const cuts = [0, 1, 100, 70000, 70001, rows.length];
    const batches = cuts.slice(1).map((end, i) => toBatch(rows.slice(cuts[i], end)));
    const back = createTraceContext();
    expect(readRowsOf(captureBytes(context, batches), back)).toEqual(rows);
    expect(back).toEqual(context);
  });

  test('no event at all', () => {
    const context = createTraceContext();
    context.kernel = '6.1.0';
    const back = createTraceContext();
    expect(readRowsOf(captureBytes(context, []), back)).toEqual([]);
    expect(back).toEqual(context);
  });

  test('into a context that already has names, texts and diagnostics', () => {
    const context = createTraceContext();
    const code = eventCode(context.events, 'my_event');
    const textCode = internString(context.strings, 'my text');
    context.diagnostics.entries.set('lost-events', {
      code: 'lost-events',
      severity: 'data-loss',
      message: 'm',
      count: 2,
    });
    const row: Row = { ...sampleRows(1)[0], event: code, text: textCode };
    const bytes = captureBytes(context, [toBatch([row])]);
    const back = createTraceContext();
    eventCode(back.events, 'other_event');
    internString(back.strings, 'other text');
    readRowsOf(bytes, back);
    const [got] = readRowsOf(bytes, back);
    expect(back.events.names[got.event]).toBe('my_event');
    expect(back.strings.values[got.text!]).toBe('my text');
    expect(back.diagnostics.entries.get('lost-events')?.count).toBe(4);
  });

  test('events of the writer’s batch are not changed', () => {
    const batch = toBatch(sampleRows(500));
    const before = structuredClone(batch);
    captureBytes(createTraceContext(), [batch]);
    expect(batch).toEqual(before);
  });

  test('an event without a name is counted and becomes "no event"', () => {
    const context = createTraceContext();
    const batch = createEventBatch(4);
    batch.length = 2;
    batch.event[0] = 200;
    batch.event[1] = 1;
    const bytes = captureBytes(context, [batch]);
    const back = createTraceContext();
    expect(readRowsOf(bytes, back).map(({ event }) => event)).toEqual([0, 1]);
    expect(back.diagnostics.entries.get('unnamed-event')?.count).toBe(1);
  });

  test('steps back in time are counted once: by who reads the recording, or by who reads the capture', () => {
    const rows = sampleRows(20).reverse();
    const steps = (context: TraceContext) => context.diagnostics.entries.get('time-backwards')?.count;
    const noted = createTraceContext();
    note(noted.diagnostics, 'time-backwards', 'suspect', 'times of one CPU step back', 3);
    const told = captureBytes(noted, [toBatch(rows)]);
    const untold = captureBytes(createTraceContext(), [toBatch(rows)]);
    for (const [bytes, count] of [
      [told, 3],
      [untold, 19],
    ] as const) {
      const back = createTraceContext();
      readRowsOf(bytes, back);
      expect(steps(back)).toBe(count);
      const again = createTraceContext();
      readRowsOf(captureBytes(back, [toBatch(rows)]), again);
      expect(steps(again)).toBe(count);
    }
    // What one capture says is nothing about the next one.
    const both = createTraceContext();
    readRowsOf(told, both);
    readRowsOf(untold, both);
    expect(steps(both)).toBe(22);
  });

  test('a count below nothing is nothing', () => {
    const context = createTraceContext();
    note(context.diagnostics, 'odd', 'suspect', 'odd', -5);
    const back = createTraceContext();
    readRowsOf(captureBytes(context, [toBatch(sampleRows(1))]), back);
    expect(back.diagnostics.entries.get('odd')?.count).toBe(0);
  });
});
