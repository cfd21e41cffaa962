/** The bounded table: exact while keys fit, within its stated error beyond, and merging keeps both. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  createTopTable,
  findSlot,
  floorOf,
  mergeTopTables,
  slotFor,
  type TopTable,
} from '../src/analysis/top-table.ts';

const key = new Int32Array(2);

function fill(capacity: number, stream: readonly number[]): TopTable {
  const top = createTopTable(2, capacity);
  for (const value of stream) {
    key[0] = value;
    key[1] = -value;
    slotFor(top, key);
  }
  return top;
}

function countsOf(stream: readonly number[]): Map<number, number> {
  const counts = new Map<number, number>();
  for (const value of stream) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}

/** Every promise of the table against plain counting. */
function check(top: TopTable, stream: readonly number[]): void {
  const counts = countsOf(stream);
  const seen = new Set<number>();
  for (let slot = 0; slot < top.count; slot++) {
    const value = top.keys[2 * slot];
    expect(seen.has(value)).toBe(false);
    seen.add(value);
    const real = counts.get(value) ?? 0;
    expect(top.observed[slot]).toBeLessThanOrEqual(real);
    expect(top.observed[slot] + top.missed[slot]).toBeGreaterThanOrEqual(real);
    key[0] = value;
    key[1] = -value;
    expect(findSlot(top, key)).toBe(slot);
  }
  for (const [value, real] of counts) if (!seen.has(value)) expect(real).toBeLessThanOrEqual(floorOf(top));
  // Metwally et al.: the lightest of K counters is at most N/K.
  expect(floorOf(top)).toBeLessThanOrEqual((2 * stream.length) / top.capacity);
  if (counts.size <= top.capacity && !top.overflowed)
    for (let slot = 0; slot < top.count; slot++) expect(top.missed[slot]).toBe(0);
}

const streams = fc.array(fc.oneof(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: 200 })), {
  maxLength: 600,
});

describe('space saving', () => {
  test('keeps its bounds', () => {
    fc.assert(
      fc.property(streams, fc.integer({ min: 1, max: 70 }), (stream, capacity) =>
        check(fill(capacity, stream), stream),
      ),
    );
  });
  test('merges to what one pass gives while keys fit', () => {
    fc.assert(
      fc.property(streams, streams, (first, second) => {
        const merged = fill(256, first);
        mergeTopTables(merged, fill(256, second));
        const one = fill(256, [...first, ...second]);
        const plain = (top: TopTable) =>
          Array.from({ length: top.count }, (_, slot) => [
            top.keys[2 * slot],
            top.observed[slot],
            top.missed[slot],
          ]).sort((a, b) => a[0] - b[0]);
        expect(plain(merged)).toEqual(plain(one));
      }),
    );
  });
  test('keeps its bounds after merging, and goes on', () => {
    fc.assert(
      fc.property(streams, streams, streams, fc.integer({ min: 1, max: 40 }), (a, b, c, capacity) => {
        const merged = fill(capacity, a);
        mergeTopTables(merged, fill(capacity, b));
        for (const value of c) {
          key[0] = value;
          key[1] = -value;
          slotFor(merged, key);
        }
        check(merged, [...a, ...b, ...c]);
      }),
    );
  });
});
