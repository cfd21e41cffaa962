/** A writer whose rows go into the file while the next ones are made writes the same file as one that waits for each. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { tableFromIPC } from 'apache-arrow';
import { afterAll, describe, expect, test } from 'vitest';
import { createCaptureWriter } from '../src/capture/writer.ts';
import { BATCH_ROWS, createEventBatch, type EventBatch } from '../src/core/event-batch.ts';
import { internString } from '../src/core/string-table.ts';
import { createTraceContext } from '../src/core/trace-context.ts';
import { sampleRows, toBatch } from './support/capture.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'kvmtrace-capture-'));
afterAll(() => rmSync(folder, { recursive: true }));
const file = path.join(folder, 'capture.arrow');

const SAMPLE = toBatch(sampleRows(500));

/** Fills the parser's one batch with rows that no other batch has. */
function refill(batch: EventBatch, number: number, length: number): void {
  const columns = Object.keys(SAMPLE).filter((key) => key !== 'length' && key !== 'capacity');
  for (const column of columns as Exclude<keyof EventBatch, 'length' | 'capacity'>[]) {
    const from = SAMPLE[column].subarray(0, (SAMPLE[column].length / SAMPLE.capacity) * SAMPLE.length);
    for (let at = 0; at + from.length <= batch[column].length; at += from.length) batch[column].set(from, at);
  }
  for (let row = 0; row < length; row++) {
    batch.time[2 * row] = row;
    batch.time[2 * row + 1] = number;
    batch.tid[row] = number * 7919 + row;
  }
  batch.length = length;
}

async function write(lengths: readonly number[], background: boolean, patient: boolean): Promise<Buffer> {
  const context = createTraceContext();
  const batch = createEventBatch();
  const writer = createCaptureWriter(file, context, '1', background);
  for (const [number, length] of lengths.entries()) {
    // Dictionaries grow in the middle of it all.
    internString(context.strings, `text ${number}`);
    refill(batch, number, length);
    writer.write(batch);
    if (patient) await writer.busy();
  }
  await writer.settle();
  writer.finish();
  return readFileSync(file);
}

describe.each([
  ['batches a little short of a whole one', Array.from({ length: 12 }, () => BATCH_ROWS - 3)],
  ['whole batches', Array.from({ length: 9 }, () => BATCH_ROWS)],
  ['batches of all sizes', [1, 70, BATCH_ROWS, 3, BATCH_ROWS - 1, 40000, 40000, BATCH_ROWS, BATCH_ROWS, 9]],
  ['no row', []],
])('%s', (_, lengths) => {
  test.each([
    ['waiting when asked to', true],
    ['never waiting', false],
  ])('%s', async (_, patient) => {
    const plain = await write(lengths, false, false);
    const beside = await write(lengths, true, patient);
    expect(beside.length).toBe(plain.length);
    expect(Buffer.compare(beside, plain)).toBe(0);
  });
});

test('a batch without texts says so, whatever the one before had', async () => {
  const context = createTraceContext();
  const batch = createEventBatch();
  const writer = createCaptureWriter(file, context, '1');
  for (const code of [internString(context.strings, 'a text'), -1]) {
    refill(batch, 0, BATCH_ROWS);
    batch.text.fill(code);
    writer.write(batch);
  }
  writer.finish();
  const column = tableFromIPC(readFileSync(file)).getChild('text')!;
  expect(column.get(5)).toBe('a text');
  expect(column.get(BATCH_ROWS - 1)).toBe('a text');
  expect(column.get(BATCH_ROWS)).toBe(null);
  expect(column.get(2 * BATCH_ROWS - 1)).toBe(null);
});

test('is not closed while rows are under way', async () => {
  const writer = createCaptureWriter(file, createTraceContext(), '1', true);
  const batch = createEventBatch();
  refill(batch, 1, BATCH_ROWS);
  batch.text.fill(-1);
  writer.write(batch);
  expect(() => writer.finish()).toThrow('settle');
  expect(() => writer.abort()).toThrow('settle');
  await writer.settle();
  writer.abort();
  expect(existsSync(file)).toBe(false);
});
