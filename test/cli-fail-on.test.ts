import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkThreshold, parseThreshold } from '../src/commands/fail-on.ts';
import { rowMatcher } from '../src/commands/parse-reasons.ts';
import { UsageError } from '../src/core/errors.ts';
import type { ReportModel } from '../src/report/model.ts';
import { emptyModel, oneRowModel, plausibleModel } from './fixtures/report-models.ts';

function check(model: ReportModel, text: string) {
  const threshold = parseThreshold(text);
  const { reason } = threshold;
  return checkThreshold(
    model,
    threshold,
    reason === null || reason === '*' ? () => true : rowMatcher(reason),
  );
}

describe('grammar', () => {
  test.each([
    ['p99>200us', { reason: null, metric: 'p99', operator: '>', value: 200_000 }],
    ['HLT:count>=1000', { reason: 'HLT', metric: 'count', operator: '>=', value: 1000 }],
    [' npf : max <= 1.5ms ', { reason: 'npf', metric: 'max', operator: '<=', value: 1_500_000 }],
    ['*:P50 < 10 us', { reason: '*', metric: 'p50', operator: '<', value: 10_000 }],
    ['p99.9>5ms', { reason: null, metric: 'p99.9', operator: '>', value: 5_000_000 }],
    ['HLT:p999<5ms', { reason: 'HLT', metric: 'p99.9', operator: '<', value: 5_000_000 }],
    ['escalation>5%', { reason: null, metric: 'escalation', operator: '>', value: 0.05 }],
    ['escalation>0.05', { reason: null, metric: 'escalation', operator: '>', value: 0.05 }],
    ['lost>0', { reason: null, metric: 'lost', operator: '>', value: 0 }],
    ['0x400:total>1s', { reason: '0x400', metric: 'total', operator: '>', value: 1e9 }],
  ])('%s', (text, parsed) => expect(parseThreshold(text)).toMatchObject(parsed));

  test.each([
    '',
    'p99',
    'p99>',
    '>200us',
    'p99>200',
    'p99=200us',
    'p98>200us',
    'count>5us',
    'count>1.5',
    'count>-1',
    'escalation>101%',
    'escalation>1.5',
    'lost>x',
    'HLT:lost>0',
    ':count>1',
    'p99>>1us',
  ])('%j is refused', (text) => expect(() => parseThreshold(text)).toThrow(UsageError));

  test('whatever is put together by the grammar is taken apart into the same', () => {
    const names = fc.stringMatching(/^[A-Za-z0-9_ -]*[A-Za-z0-9_]$/);
    fc.assert(
      fc.property(
        fc.option(names.filter((name) => name.trim() !== '')),
        fc.constantFrom('total', 'avg', 'p50', 'p90', 'p99', 'p99.9', 'max'),
        fc.constantFrom('>', '>=', '<', '<='),
        fc.maxSafeNat(),
        (reason, metric, operator, value) => {
          const text = `${reason === null ? '' : `${reason}:`}${metric}${operator}${value}ns`;
          expect(parseThreshold(text)).toEqual({
            text: text.trim(),
            reason: reason?.trim() ?? null,
            metric,
            operator,
            value,
          });
        },
      ),
    );
  });
  test('no text breaks the parser', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          parseThreshold(text);
        } catch (error) {
          return error instanceof UsageError;
        }
      }),
    );
  });
});

describe('check', () => {
  const model = plausibleModel();
  test.each([
    // Without a reason: all exits but idle ones, whose p99 is 812 us.
    ['p99>811us', true, 'p99 of all exits but idle ones is 812.0 us'],
    ['p99>812us', false, 'p99 of all exits but idle ones is 812.0 us'],
    ['p99>=812us', true, 'p99 of all exits but idle ones is 812.0 us'],
    ['count>2118', true, 'count of all exits but idle ones is 2,119'],
    ['hlt:max>90ms', true, 'max of HLT is 93.53 ms'],
    ['hlt:p99.9>1ms', true, 'p99.9 of HLT is 1.980 ms'],
    ['IO_INSTRUCTION:escalation>99%', true, 'escalation of IO_INSTRUCTION is 100.0%'],
    ['EPT_VIOLATION:escalation>60%', false, 'escalation of EPT_VIOLATION is 57.1%'],
    // Each row but idle ones: the worst that exceeds is named, and how many more do.
    ['*:max>1ms', true, 'max of MSR_WRITE is 7.978 ms; the same holds for 3 more rows'],
    ['*:count>900', true, 'count of MSR_WRITE is 936'],
    ['*:count<85', true, 'count of 0x4d is 1; the same holds for 1 more row'],
    ['*:max>8ms', false, 'max of MSR_WRITE is 7.978 ms'],
    ['77:count>0', true, 'count of 0x4d is 1'],
    // A reason that never came: counted 0 times, and no duration of it exceeds anything.
    ['WBINVD:count>0', false, 'count is 0'],
    ['WBINVD:count<1', true, 'count is 0'],
    ['WBINVD:p99>1ns', false, 'no such exits'],
    ['lost>0', false, 'lost is 0'],
  ])('%s: %s', (text, exceeded, found) => expect(check(model, text)).toMatchObject({ exceeded, found }));

  test('a change is no threshold of a report: the message names the command that has changes', () => {
    expect(() => parseThreshold('p99>+20%')).toThrow("'p99>+20%' is about a change");
    expect(() => parseThreshold('cost>5%')).toThrow('about a change');
    expect(parseThreshold('escalation>5%').value).toBe(0.05);
  });

  test('--with-idle brings idle exits in', () => {
    const withIdle = { ...model, slowSelection: { ...model.slowSelection, includesIdle: true } };
    expect(check(withIdle, 'p99>20ms').exceeded).toBe(true);
    expect(check(model, 'p99>20ms').exceeded).toBe(false);
    expect(check(withIdle, '*:max>90ms')).toMatchObject({ exceeded: true, found: 'max of HLT is 93.53 ms' });
    expect(check(model, '*:max>90ms').exceeded).toBe(false);
  });

  test('sums beyond 2^53 are compared exactly enough', () => {
    const busyTotals = { ...model.busyTotals, totalNs: 9_007_199_254_740_993n };
    expect(check({ ...model, busyTotals }, 'total>9007199.254740990s').exceeded).toBe(true);
    expect(check({ ...model, busyTotals }, 'total<9007199.254740991s').exceeded).toBe(false);
  });

  test('what the capture cannot tell does not pass as fine', () => {
    const unknown = { ...model, busyTotals: { ...model.busyTotals, escalated: null } };
    expect(() => check(unknown, 'escalation>5%')).toThrow('cannot be checked');
    const noUnit = { ...oneRowModel(), capture: { ...oneRowModel().capture, timeIsNs: false } };
    expect(() => check(noUnit, 'p99>1us')).toThrow('cannot be checked');
    // Exits without kvm_entry: not one has a time.
    const none = { paired: 0, totalNs: null, avgNs: null, p99Ns: null, maxNs: null };
    const noEntries = {
      ...model,
      totals: { ...model.totals, ...none },
      busyTotals: { ...model.busyTotals, ...none },
      reasons: model.reasons.map((row) => ({ ...row, ...none })),
    };
    for (const text of ['p99>1us', 'total>1us', '*:max<1s', 'hlt:avg>1ns'])
      expect(() => check(noEntries, text)).toThrow('cannot be checked');
    expect(check(noEntries, 'count>1').exceeded).toBe(true);
    const lost = {
      ...model,
      capture: {
        ...model.capture,
        lost: { events: null, regions: 1, uncountedRegions: 1, affectedNs: 0, affectedPct: 0 },
      },
    };
    expect(check(lost, 'lost>0').exceeded).toBe(true);
    expect(() => check(lost, 'lost>100')).toThrow('how many');
    expect(() => check(lost, 'lost<=0')).toThrow('how many');
    // Some counted, some not: 7 is too few by an unknown number.
    const some = { ...lost.capture.lost, events: 7, regions: 3, uncountedRegions: 2 };
    const partly = { ...model, capture: { ...model.capture, lost: some } };
    expect(check(partly, 'lost>8').exceeded).toBe(true);
    expect(() => check(partly, 'lost>9')).toThrow('how many');
    expect(() => check(partly, 'lost<100')).toThrow('how many');
  });

  test('losses that lie nowhere are losses', () => {
    const warnings = [
      { code: 'losses-without-place', severity: 'data-loss' as const, message: '', count: 7 },
      { code: 'lost-samples', severity: 'info' as const, message: '', count: 2584 },
    ];
    const placeless = { ...model, quality: { ...model.quality, warnings } };
    expect(check(placeless, 'lost>0')).toMatchObject({ exceeded: true, found: 'lost is 7' });
    expect(check(placeless, 'lost>7').exceeded).toBe(false);
    const timeless = [{ ...warnings[0], code: 'losses-without-time', count: 1 }];
    const unknown = { ...model, quality: { ...model.quality, warnings: timeless } };
    expect(check(unknown, 'lost>0').exceeded).toBe(true);
    expect(() => check(unknown, 'lost>1')).toThrow('how many');
  });

  test('a share is compared as it is written', () => {
    for (let escalated = 0; escalated <= 10_000; escalated += 7) {
      const busyTotals = { ...model.busyTotals, exits: 10_000, escalated };
      const at = (operator: string) =>
        check({ ...model, busyTotals }, `escalation${operator}${(escalated / 100).toFixed(2)}%`).exceeded;
      expect([escalated, at('>'), at('>='), at('<'), at('<=')]).toEqual([
        escalated,
        false,
        true,
        false,
        true,
      ]);
    }
  });

  test('losses of which some are not counted are as many as are counted, or more', () => {
    const lost = { events: 5, regions: 2, uncountedRegions: 1, affectedNs: 0, affectedPct: 0 };
    const partly = { ...model, capture: { ...model.capture, lost } };
    expect(check(partly, 'lost>5').exceeded).toBe(true);
    expect(() => check(partly, 'lost>10')).toThrow('how many');
    expect(() => check(partly, 'lost<10')).toThrow('how many');
  });

  test('an empty capture exceeds no duration', () => {
    expect(check(emptyModel(), 'p99>1us').exceeded).toBe(false);
    expect(check(emptyModel(), 'count<1').exceeded).toBe(true);
  });
});
