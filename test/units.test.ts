import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  formatBytes,
  formatCount,
  formatNs,
  formatNsCell,
  formatNsShort,
  formatOffset,
  formatPct,
  formatRatio,
  formatStamp,
} from '../src/core/units.ts';

const SIZE = { ns: 1, us: 1e3, ms: 1e6, s: 1e9 } as const;

describe('durations', () => {
  test.each([
    [0, '0 ns'],
    [1, '1 ns'],
    [999, '999 ns'],
    [1000, '1.000 us'],
    [1234, '1.234 us'],
    [12_345, '12.35 us'],
    [123_449, '123.4 us'],
    [999_949, '999.9 us'],
    [999_960, '1.000 ms'],
    [7_977_842, '7.978 ms'],
    [999_999_999, '1.000 s'],
    [59_123_456_789, '59.12 s'],
    [123_456_789_012_345n, '123457 s'],
    [12.25, '12.25 ns'],
    [0.25, '0.250 ns'],
    [-1500, '-1.500 us'],
    [null, '-'],
  ])('%s ns is %s', (ns, text) => expect(formatNs(ns)).toBe(text));

  test('never differs from the value by more than its last digit, and never needs more than 8 columns below 1000 s', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 999_999_999_999 }), (ns) => {
        const text = formatNs(ns);
        const [number, unit] = text.split(' ');
        expect(text.length).toBeLessThanOrEqual(8);
        const digit = 10 ** -(number.split('.')[1]?.length ?? 0) * SIZE[unit as keyof typeof SIZE];
        expect(Math.abs(Number(number) * SIZE[unit as keyof typeof SIZE] - ns)).toBeLessThanOrEqual(
          digit * 0.5001,
        );
        expect(formatNsCell(ns).replace(/ +/, ' ')).toBe(text);
      }),
    );
  });

  test('thresholds lose their trailing zeros, and nothing else', () => {
    expect(formatNsShort(200_000)).toBe('200 us');
    expect(formatNsShort(1_000_000)).toBe('1 ms');
    expect(formatNsShort(1_500_000)).toBe('1.5 ms');
    expect(formatNsShort(100)).toBe('100 ns');
    expect(formatNsShort(1000n)).toBe('1 us');
    expect(formatNsShort(2000_000_000_000)).toBe('2000 s');
  });
});

test('counts have thousands separators however large they are', () => {
  expect(formatCount(0)).toBe('0');
  expect(formatCount(999)).toBe('999');
  expect(formatCount(1000)).toBe('1,000');
  expect(formatCount(12_345_678_901_234_567_890n)).toBe('12,345,678,901,234,567,890');
  expect(formatCount(null)).toBe('-');
  fc.assert(fc.property(fc.bigInt({ min: 0n }), (n) => BigInt(formatCount(n).replaceAll(',', '')) === n));
});

test('a share that is not nothing does not show as 0, one that is not all does not show as 100', () => {
  expect(formatPct(0)).toBe('0.0%');
  expect(formatPct(0.01)).toBe('<0.1%');
  expect(formatPct(0.05)).toBe('0.1%');
  expect(formatPct(54.04)).toBe('54.0%');
  expect(formatPct(99.99)).toBe('>99.9%');
  expect(formatPct(100)).toBe('100.0%');
  expect(formatPct(null)).toBe('-');
  expect(formatRatio(0.128)).toBe('12.8%');
});

test('sizes', () => {
  expect(formatBytes(1023)).toBe('1,023 bytes');
  expect(formatBytes(2_193_408)).toBe('2.1 MiB');
  expect(formatBytes(17 * 2 ** 30)).toBe('17 GiB');
  expect(formatBytes(3 * 2 ** 40)).toBe('3.0 TiB');
  expect(formatBytes(5000 * 2 ** 40)).toBe('5000 TiB');
  expect(formatBytes(null)).toBe('size unknown');
});

test('time stamps keep every digit', () => {
  expect(formatStamp(1_234_567_890_123_456_789n)).toBe('1234567890.123456789');
  expect(formatStamp(5n)).toBe('0.000000005');
  expect(formatStamp(-5n)).toBe('-0.000000005');
  expect(formatOffset(1_500_000_999n, 500_000_000n)).toBe('1.000000');
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 63n }), (n) => BigInt(formatStamp(n).replace('.', '')) === n),
  );
});
