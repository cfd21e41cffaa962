/** The parser's wait for the analysis thread: it never goes on while a batch is still to be read. */
import { expect, test } from 'vitest';
import { DONE, FAILED, LENGTHS } from '../src/analysis/analysis-thread.ts';
import { waitForRoom } from '../src/analysis/offload.ts';

function control(done: number, failed = 0): Int32Array {
  const words = new Int32Array(new SharedArrayBuffer(4 * (LENGTHS + 4)));
  words[DONE] = done;
  words[FAILED] = failed;
  return words;
}

test('goes on when enough batches were read, and when the thread has failed', () => {
  expect(() => waitForRoom(control(8), 8, 1)).not.toThrow();
  expect(() => waitForRoom(control(0, 1), 8, 1)).not.toThrow();
});

test('gives up instead of filling a batch that nobody has read', () => {
  expect(() => waitForRoom(control(7), 8, 1)).toThrow('does not get on');
});
