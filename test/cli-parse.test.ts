import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseDuration, parseTimeBound } from '../src/commands/parse-duration.ts';
import { parseCount, parseNumberList, parseWordList } from '../src/commands/parse-lists.ts';
import { noSuchReason, parseReasonList, rowMatcher } from '../src/commands/parse-reasons.ts';
import { parseReportOptions } from '../src/commands/report-options.ts';
import { UsageError } from '../src/core/errors.ts';
import { ISA_SVM, ISA_VMX } from '../src/core/isa-codes.ts';
import { ranges } from '../src/report/info-text.ts';
import { reason } from './fixtures/report-models.ts';
import { defaultReportOptions } from './support/options.ts';

const UNITS = { ns: 0, us: 3, ms: 6, s: 9 } as const;

/** The shortest text of ns in a unit, by moving the decimal point: independent of how the parser reads it. */
function inUnit(ns: bigint, unit: keyof typeof UNITS): string {
  const digits = UNITS[unit];
  const text = String(ns).padStart(digits + 1, '0');
  const whole = text.slice(0, text.length - digits);
  const fraction = text.slice(text.length - digits).replace(/0+$/, '');
  return fraction ? `${whole}.${fraction}${unit}` : `${whole}${unit}`;
}

const anyUnit = fc.constantFrom(...(Object.keys(UNITS) as (keyof typeof UNITS)[]));

describe('durations', () => {
  test('every ns comes back from every unit', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), anyUnit, (ns, unit) => parseDuration(inUnit(BigInt(ns), unit)) === ns),
    );
  });
  test.each([
    ['200us', 200_000],
    ['200 us', 200_000],
    ['1.5ms', 1_500_000],
    ['1.50ms', 1_500_000],
    ['3µs', 3000],
    ['0', 0],
  ])('%s is %i ns', (text, ns) => expect(parseDuration(text)).toBe(ns));
  test.each([
    '',
    '5',
    '1.5',
    'us',
    '-1ms',
    '1e3us',
    '0.5ns',
    '1.0005us',
    '1,5ms',
    '5 min',
    '99999999999s',
    '1ms2',
    'NaN',
    '１us',
  ])('%j is refused', (text) => expect(() => parseDuration(text)).toThrow(UsageError));
  test('no text breaks the parser', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          return Number.isSafeInteger(parseDuration(text));
        } catch (error) {
          return error instanceof UsageError;
        }
      }),
    );
  });
});

describe('moments', () => {
  test.each([
    ['1.5', { ns: 1_500_000_000n, origin: 'start' }],
    ['0', { ns: 0n, origin: 'start' }],
    ['-1s', { ns: 1_000_000_000n, origin: 'end' }],
    ['-0.25', { ns: 250_000_000n, origin: 'end' }],
    ['200ms', { ns: 200_000_000n, origin: 'start' }],
    ['+2', { ns: 2_000_000_000n, origin: 'start' }],
    ['@8123.25', { ns: 8_123_250_000_000n, origin: 'clock' }],
    ['@200ms', { ns: 200_000_000n, origin: 'clock' }],
    ['123456.123456789', { ns: 123_456_123_456_789n, origin: 'start' }],
  ])('%s', (text, bound) => expect(parseTimeBound(text)).toEqual(bound));
  test.each(['', '-', '--1', '@', '@-1', '-@1', 'start', '1.0000000001', '1:30'])('%j is refused', (text) =>
    expect(() => parseTimeBound(text)).toThrow(UsageError),
  );
});

describe('number lists', () => {
  test('what ranges() writes, parseNumberList() reads', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(65534), { maxLength: 200 }), (numbers) => {
        fc.pre(numbers.length > 0);
        const sorted = numbers.toSorted((a, b) => a - b);
        expect(parseNumberList([ranges(sorted)], 'CPU', 65534)).toEqual(sorted);
      }),
    );
  });
  test('order, overlap and repetition do not matter', () => {
    expect(parseNumberList(['8,0-3', '2-4'], 'CPU', 100)).toEqual([0, 1, 2, 3, 4, 8]);
  });
  test.each([
    ['', 'expected a number'],
    ['1,', 'expected a number'],
    ['a', 'expected a number'],
    ['-1', 'expected a number'],
    ['1-', 'expected a number'],
    ['3-1', 'backwards'],
    ['65535', 'highest possible'],
    ['0-9999999999', 'highest possible'],
    ['99999999999', 'expected a number'],
  ])('%j is refused: %s', (text, why) => expect(() => parseNumberList([text], 'CPU', 65534)).toThrow(why));
  test('a list cannot fill the memory', () => {
    expect(() => parseNumberList(['0-65535', '65536-131071'], 'thread id', 4_194_304)).toThrow(
      'more than 65536',
    );
    expect(() => parseNumberList(['0-4194304'], 'thread id', 4_194_304)).toThrow('more than 65536');
  });
});

test('words', () => {
  expect(parseWordList(['VCPU,reason', 'tid'], 'grouping', ['vcpu', 'tid', 'reason'])).toEqual([
    'vcpu',
    'reason',
    'tid',
  ]);
  expect(() => parseWordList(['vcpus'], 'grouping', ['vcpu'])).toThrow("'vcpus' is not a grouping");
  const hint = (text: string) => {
    try {
      parseWordList([text], 'section', ['detail', 'devices', 'storms']);
    } catch (error) {
      return (error as UsageError).hint;
    }
  };
  expect(hint('devises')).toBe('Did you mean devices?\nKnown: detail, devices, storms.');
  expect(hint('stroms')).toMatch(/^Did you mean storms/);
  expect(hint('xyz')).toBe('Known: detail, devices, storms.');
  expect(parseCount('0')).toBe(0);
  for (const text of ['', '-1', '1.5', 'x', '1000001']) expect(() => parseCount(text)).toThrow(UsageError);
});

describe('reasons', () => {
  test('any spelling, any case, commas and repetition', () => {
    const { selectors, unknown } = parseReasonList(['hlt,EXIT_REASON_CPUID', 'npf']);
    expect(unknown).toEqual([]);
    expect(selectors).toEqual(
      expect.arrayContaining([
        { isa: ISA_VMX, code: 12 },
        { isa: ISA_SVM, code: 120 },
        { isa: ISA_VMX, code: 10 },
        { isa: ISA_SVM, code: 1024 },
      ]),
    );
  });
  test('a slip is answered with what was meant', () => {
    const error = noSuchReason({ name: 'EPT_VIOLATOIN', option: '--exclude' });
    expect(error).toBeInstanceOf(UsageError);
    expect(error.message).toBe("--exclude: 'EPT_VIOLATOIN' is not an exit reason");
    expect(error.hint).toMatch(/^Did you mean EPT_VIOLATION\b[^"]*\?$/);
    expect(noSuchReason({ name: 'TDX' }, ['TDX_A', 'b c']).hint).toContain(
      'without a number: "TDX_A", "b c".',
    );
  });
  test('a name that no table has may be one of the recording; numbers and nothing are not', () => {
    expect(parseReasonList(['hlt, TDX_MAGIC', 'odd name'])).toEqual({
      selectors: parseReasonList(['hlt']).selectors,
      unknown: ['TDX_MAGIC', 'odd name'],
    });
    for (const text of ['', ' ', 'hlt,', '-', '-7', '0x12345678901234567', '123456789012345678901'])
      expect(() => parseReasonList([text]), text).toThrow('is not an exit reason');
  });
  test('rows match by number and ISA, whatever flags they carry', () => {
    const matches = rowMatcher('hlt');
    expect(matches(reason({ isa: 'vmx', code: 12, name: 'HLT', exits: 1 }))).toBe(true);
    expect(matches(reason({ isa: 'vmx', code: 0x8000000 + 12, name: 'HLT 0x8000000', exits: 1 }))).toBe(true);
    expect(matches(reason({ isa: 'svm', code: 12, name: 'x', exits: 1 }))).toBe(false);
    expect(matches(reason({ isa: 'svm', code: 120, name: 'hlt', exits: 1 }))).toBe(true);
    expect(rowMatcher('tdx-MAGIC')(reason({ isa: 'unknown', code: null, name: 'TDX_magic', exits: 1 }))).toBe(
      true,
    );
    expect(rowMatcher('tdx')(reason({ isa: 'unknown', code: null, name: 'TDX_MAGIC', exits: 1 }))).toBe(
      false,
    );
    expect(rowMatcher('IRQ')(reason({ isa: 'arm64', code: null, name: 'IRQ', exits: 1 }))).toBe(true);
  });
});

describe('report options', () => {
  test('nothing said means nothing filtered', async () => {
    const options = await parseReportOptions({});
    expect(options).toMatchObject(defaultReportOptions());
  });
  test('everything said', async () => {
    const { filters, ...options } = await parseReportOptions({
      pid: ['1234'],
      tid: ['139,140'],
      vcpu: ['0-1'],
      cpu: ['0-3,8'],
      reason: ['hlt'],
      exclude: ['cpuid'],
      level: ['l2'],
      from: '0.5',
      to: '-1s',
      by: ['vm,reason'],
      than: '200us',
      slow: '50',
      withIdle: true,
    });
    expect(filters).toMatchObject({
      pids: [1234],
      tids: [139, 140],
      vcpus: [0, 1],
      cpus: [0, 1, 2, 3, 8],
      levels: [1, 2],
    });
    expect(filters.words.map(({ kind, words }) => [kind, words])).toEqual([
      ['pid', 'pid 1234'],
      ['tid', 'tid 139,140'],
      ['vcpu', 'vCPU 0-1'],
      ['cpu', 'CPU 0-3,8'],
      ['reason', 'reason hlt'],
      ['reason', 'reason not cpuid'],
      ['level', 'level l2'],
      ['time', 'from 0.5 s'],
      ['time', 'to 1s before the end'],
    ]);
    expect(options).toMatchObject({
      by: ['vm', 'reason'],
      thanNs: 200_000,
      slowLimit: 50,
      includeIdle: true,
    });
  });
  test.each([
    [{}, false],
    [{ withIdle: true }, true],
    [{ reason: ['npf'] }, false],
    [{ reason: ['cpuid', 'EXIT_HLT'] }, true],
    [{ reason: ['WFx'] }, true],
    [{ exclude: ['hlt'] }, false],
  ])('%j: idle exits in slow lists and thresholds: %j', async (raw, includeIdle) => {
    expect((await parseReportOptions(raw)).includeIdle).toBe(includeIdle);
  });
  test.each([
    [{ than: '5' }, "--than: '5' is not a duration"],
    [{ cpu: ['x'] }, "--cpu: 'x' is not a CPU number"],
    [{ level: ['L3'] }, "--level: 'L3' is not a level"],
    [{ by: ['core'] }, "--by: 'core' is not a grouping"],
    [{ reason: ['hlt,'] }, "--reason: '' is not an exit reason"],
    [{ from: '2', to: '1' }, '--from 2 is not before --to 1'],
    [{ from: '-1', to: '-2' }, '--from -1 is not before --to -2'],
  ])('%j is refused by the name of its option', async (raw, message) => {
    await expect(parseReportOptions(raw)).rejects.toThrow(message);
  });
});
