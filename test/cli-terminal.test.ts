import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createPause, createProgress, terminalWidth } from '../src/commands/terminal.ts';

/** Time by hand: progress is drawn ten times a second. */
beforeEach(() => vi.useFakeTimers({ toFake: ['Date'] }));
afterEach(() => vi.useRealTimers());

function terminal(isTTY: boolean, columns = 80) {
  const written: string[] = [];
  const stream = { isTTY, columns, write: (text: string) => written.push(text) };
  return { stream: stream as unknown as NodeJS.WriteStream, written };
}

describe('progress', () => {
  test('is drawn over on a terminal, and leaves nothing behind', () => {
    const { stream, written } = terminal(true);
    const progress = createProgress(stream, 'reading', false, {});
    progress.update(1, 100);
    expect(written).toEqual([]);
    vi.advanceTimersByTime(100);
    progress.update(50 * 2 ** 20, 100 * 2 ** 20);
    progress.update(51 * 2 ** 20, 100 * 2 ** 20);
    vi.advanceTimersByTime(100);
    progress.update(60 * 2 ** 20, null);
    progress.clear();
    progress.clear();
    expect(written).toEqual([
      '\rreading [############------------] 50% of 100 MiB\x1b[K',
      '\rreading 60 MiB\x1b[K',
      '\r\x1b[K',
    ]);
  });
  test.each([
    ['no terminal', false, false, {}],
    ['--quiet', true, true, {}],
    ['a dumb terminal', true, false, { TERM: 'dumb' }],
  ])('%s: not a byte', (_, isTTY, quiet, env) => {
    const { stream, written } = terminal(isTTY);
    const progress = createProgress(stream, 'reading', quiet, env);
    vi.advanceTimersByTime(1000);
    progress.update(1, 2);
    progress.clear();
    expect(written).toEqual([]);
  });
});

test('the width of a pipe is not known', () => {
  expect(terminalWidth({ isTTY: true, columns: 132 })).toBe(132);
  expect(terminalWidth({ isTTY: false, columns: 132 })).toBeNull();
  expect(terminalWidth({ isTTY: true })).toBeNull();
});

test('pause lets other tasks run now and then, not for every batch', async () => {
  const pause = createPause();
  expect(pause()).toBeUndefined();
  vi.advanceTimersByTime(100);
  let others = 0;
  setImmediate(() => others++);
  await pause();
  expect(others).toBe(1);
  expect(pause()).toBeUndefined();
});
