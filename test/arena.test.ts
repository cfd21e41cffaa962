/** Working memory: what is handed out does not overlap, and there is an end that says so. */
import { expect, test } from 'vitest';
import { allocate, allocateU8, allocateU32, createArena, joinArena, shareArena } from '../src/core/arena.ts';
import { UsageError } from '../src/core/errors.ts';

test('what is handed out is zero, aligned and apart, whoever asks', () => {
  const arena = createArena();
  const other = joinArena(shareArena(arena));
  let end = 0;
  for (const [i, length] of [1, 63, 64, 65, 100_000, 0, 7].entries()) {
    const bytes = allocateU8(i % 2 === 0 ? arena : other, length);
    expect(bytes.byteOffset % 64).toBe(0);
    expect(bytes.byteOffset).toBeGreaterThanOrEqual(end);
    expect(bytes.every((byte) => byte === 0)).toBe(true);
    bytes.fill(0xff);
    end = bytes.byteOffset + length;
  }
});

test('grows when it is full, while what was handed out stays', () => {
  const arena = createArena();
  const before = allocateU32(arena, 4).fill(7);
  const { byteLength } = arena.memory.buffer;
  const after = allocateU8(arena, byteLength);
  after[byteLength - 1] = 1;
  expect(arena.memory.buffer.byteLength).toBeGreaterThan(byteLength);
  expect([...before]).toEqual([7, 7, 7, 7]);
  before[0] = 8;
  expect(new Uint32Array(arena.memory.buffer, before.byteOffset, 1)[0]).toBe(8);
});

test('ends at 1 GiB with an error that says what to make of it', () => {
  const arena = createArena();
  allocate(arena, 2 ** 29);
  expect(() => allocate(arena, 2 ** 29)).toThrow(UsageError);
  expect(() => allocate(arena, 2 ** 29)).toThrow('more than 1 GiB');
});
