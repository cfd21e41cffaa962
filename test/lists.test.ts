import { expect, test } from 'vitest';
import { append, largest, smallest } from '../src/core/lists.ts';

test('lists of any length', () => {
  const list = Array.from({ length: 1_000_000 }, (_, i) => i);
  const copy = [-1];
  append(copy, list);
  expect(copy.length).toBe(1_000_001);
  expect([largest(list, 0, (n) => n), smallest(list, 7, (n) => -n)]).toEqual([999_999, -999_999]);
  expect([largest([], 3, Number), smallest([], 7, Number)]).toEqual([3, 7]);
});
