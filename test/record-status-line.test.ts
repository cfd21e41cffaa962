/** Status lines of the capture helper, however the pipe cuts them and whatever they hold. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createLineSplitter } from '../src/record/line-splitter.ts';
import { createLiveLine, liveText } from '../src/record/live-line.ts';
import { parseStatusLine } from '../src/record/status-line.ts';

/** Cuts a text at the given places. */
function pieces(text: string, cuts: readonly number[]): string[] {
  const at = [...new Set(cuts.map((cut) => cut % (text.length + 1)))].sort((a, b) => a - b);
  return [0, ...at].map((from, i) => text.slice(from, at[i] ?? text.length));
}

describe('lines', () => {
  test('are the same however they are cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ maxLength: 30 }).map((line) => line.replaceAll('\n', ' '))),
        fc.array(fc.nat()),
        (lines, cuts) => {
          const got: string[] = [];
          const splitter = createLineSplitter((line) => got.push(line), 30);
          for (const piece of pieces(lines.map((line) => `${line}\n`).join(''), cuts)) splitter.push(piece);
          expect(got).toEqual(lines);
        },
      ),
    );
  });
  test('a longer one is dropped, those around it are not; the last may lack its line feed', () => {
    fc.assert(
      fc.property(fc.integer({ min: 11, max: 100 }), fc.array(fc.nat()), (length, cuts) => {
        const got: string[] = [];
        const splitter = createLineSplitter((line) => got.push(line), 10);
        for (const piece of pieces(`before\n${'x'.repeat(length)}\nafter\nlast`, cuts)) splitter.push(piece);
        splitter.end();
        expect(got).toEqual(['before', 'after', 'last']);
      }),
    );
  });
});

const natural = fc.nat({ max: 2 ** 31 });
/** Lines as native/README.md documents them. */
const documented = fc.oneof(
  fc.record({
    type: fc.constant('start'),
    pid: natural,
    instance: fc.string(),
    watchdog: natural,
    bufferKb: natural,
    events: natural,
  }),
  fc.record({ type: fc.constant('watchdog'), pid: natural }),
  fc.record({
    type: fc.constant('status'),
    seconds: fc.double({ min: 0, max: 1e6, noNaN: true }).map(Math.abs),
    events: natural,
    eventsPerSecond: natural,
    bytes: natural,
    lost: natural,
  }),
  fc.record({
    type: fc.constant('end'),
    reason: fc.constantFrom('signal', 'duration', 'size', 'disk-full'),
    seconds: natural,
    events: natural,
    bytes: natural,
    lost: natural,
    left: natural,
    droppedBytes: natural,
  }),
  fc.record({
    type: fc.constantFrom('info', 'warning', 'error'),
    code: fc.string(),
    message: fc.string(),
    hint: fc.option(fc.string({ minLength: 1 })),
  }),
);

describe('status lines', () => {
  test('come out as they went in, with keys of later versions left out', () => {
    fc.assert(
      fc.property(documented, (line) => {
        expect(parseStatusLine(JSON.stringify({ ...line, laterKey: { deep: [1] } }))).toEqual(line);
      }),
    );
  });
  test('of other types, and what is no JSON, are nothing', () => {
    for (const text of ['', '{', '[]', 'null', '1', '"start"', '{"type":"later","x":1}', '{"type":1}'])
      expect(parseStatusLine(text), text).toBeNull();
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(parseStatusLine(`${text}\u0001`)).toBeNull();
      }),
    );
  });
  test('never give anything but numbers and texts, whatever the values are', () => {
    const types = fc.constantFrom('start', 'status', 'end', 'info', 'warning', 'error');
    const keys = [
      'pid',
      'instance',
      'events',
      'seconds',
      'bytes',
      'lost',
      'reason',
      'code',
      'message',
      'hint',
    ];
    fc.assert(
      fc.property(types, fc.dictionary(fc.constantFrom(...keys), fc.jsonValue()), (type, values) => {
        const line = parseStatusLine(JSON.stringify({ ...values, type }));
        for (const [key, value] of Object.entries(line!)) {
          const good =
            typeof value === 'string' ||
            (typeof value === 'number' && Number.isFinite(value) && value >= 0) ||
            (key === 'hint' && value === null);
          expect(good, `${key}: ${value}`).toBe(true);
        }
      }),
    );
  });
});

test('the live line says rate, bytes and losses, and leaves out what a backend does not tell', () => {
  expect(liveText({ seconds: 12.3, bytes: 3 << 20, events: 1234567, eventsPerSecond: 98765, lost: 0 })).toBe(
    'recording  12 s  1,234,567 events  98,765/s  3.0 MiB  0 lost  (Ctrl-C stops)',
  );
  expect(liveText({ seconds: 1, bytes: 10, events: null, eventsPerSecond: null, lost: null })).toBe(
    'recording  1 s  10 bytes  (Ctrl-C stops)',
  );
});

test('without a live line a recording that nothing ends says how to end it', () => {
  const said = (isTTY: boolean, quiet: boolean) => {
    let text = '';
    const write = (part: string) => {
      text += part;
    };
    createLiveLine({ write, isTTY }, quiet, {}).sayElsewhere('until a signal');
    return text;
  };
  expect([said(false, false), said(true, false), said(false, true)]).toEqual(['until a signal\n', '', '']);
});
