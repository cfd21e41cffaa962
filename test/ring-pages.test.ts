/** The ring buffer's raw pages are named for what they are; no other binary is taken for them. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { runReport } from '../src/commands/pipeline.ts';
import { isRingPage } from '../src/parsers/ring-pages.ts';
import { defaultReportOptions } from './support/options.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'kvmtrace-pages-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** `events` events as the ring buffer of x86 Linux 6.1 packs them: kvm_entry, one with a length of its own, time extends. */
function page(events: number): Buffer {
  const parts: Buffer[] = [];
  for (let i = 0; i < events; i++) {
    const event = Buffer.alloc(i % 5 === 4 ? 8 : i % 2 === 0 ? 36 : 24);
    if (i % 5 === 4) event.writeUInt32LE(30 | (77 << 5), 0);
    else if (i % 2 === 0) {
      event.writeUInt32LE(8 | (1000 << 5), 0);
      event.writeUInt16LE(0x5ca, 4);
    } else event.writeUInt32LE(20, 4);
    parts.push(event);
  }
  const body = Buffer.concat(parts);
  const whole = Buffer.alloc(4096);
  whole.writeBigUInt64LE(0x3399e2458an, 0);
  whole.writeUInt32LE(body.length, 8);
  body.copy(whole, 16);
  return whole;
}

test('are recognised, with a word on what helps', async () => {
  const file = path.join(folder, 'cpu0.raw');
  writeFileSync(file, Buffer.concat([page(90), page(70)]));
  await expect(runReport([file], defaultReportOptions())).rejects.toThrow(/ring-buffer pages/);
});

test('whole, cut off inside, with the missed-events flag', () => {
  const bytes = page(90);
  expect(isRingPage(bytes)).toBe(true);
  expect(isRingPage(bytes.subarray(0, 500))).toBe(true);
  // As the kernel adds RB_MISSED_EVENTS (1 << 31) and RB_MISSED_STORED (1 << 30), both ints, to a long.
  bytes.writeBigInt64LE(BigInt(bytes.readUInt32LE(8)) + BigInt(1 << 31) + BigInt(1 << 30), 8);
  expect(isRingPage(bytes)).toBe(true);
  bytes.writeUInt32LE(1, 12);
  expect(isRingPage(bytes)).toBe(false);
});

/** A page of events of the given types, the lengths that they have by ring_buffer.c, and words that are no pages. */
function pageOf(words: readonly number[], commit = 4 * words.length): Buffer {
  const bytes = Buffer.alloc(16 + 4 * words.length);
  bytes.writeUInt32LE(commit, 8);
  words.forEach((word, i) => {
    bytes.writeUInt32LE(word, 16 + 4 * i);
  });
  return bytes;
}

test('each type of event is as long as the kernel makes it', () => {
  const zeros = (count: number) => new Array(count).fill(0);
  // Up to 28 words of data; longer ones say their length; padding too; time extends and stamps take eight bytes.
  const [longest, own, padding, extend, stamp] = [
    [28, ...zeros(28)],
    [0, 4 * 40, ...zeros(39)],
    [29, 4 * 5, ...zeros(4)],
    [30, 7],
    [31, 7],
  ];
  for (const event of [longest, own, padding, extend, stamp]) {
    expect(isRingPage(pageOf([...event, ...event, ...event]))).toBe(true);
    // Two may come together by chance.
    expect(isRingPage(pageOf([...event, ...event]))).toBe(false);
    // The last ends where the page does, neither before nor behind.
    const words = [...event, ...event, ...event];
    expect(isRingPage(pageOf(words, 4 * words.length - 4))).toBe(false);
    expect(isRingPage(pageOf([...words, 0, 0, 0], 4 * words.length + 4))).toBe(false);
  }
  // Lengths that are no whole words, or shorter than an event can be.
  for (const length of [6, 3, 0])
    expect(isRingPage(pageOf([30, 7, 30, 7, 30, 7, 0, length, 30, 7]))).toBe(false);
});

test('a page is of 64 KiB at most', () => {
  const events = (count: number) => pageOf(new Array(count).fill([30, 7]).flat());
  expect(isRingPage(events((65536 - 16) / 8))).toBe(true);
  expect(isRingPage(events((65536 - 16) / 8 + 1))).toBe(false);
});

test('not where the lengths of the events miss what the page says, and not other bytes', () => {
  fc.assert(
    fc.property(fc.integer({ min: 3, max: 90 }), fc.integer({ min: 1, max: 7 }), (events, more) => {
      const bytes = page(events);
      bytes.writeUInt32LE(bytes.readUInt32LE(8) - more, 8);
      expect(isRingPage(bytes)).toBe(false);
    }),
  );
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 2000 }), (text) => {
      expect(isRingPage(Buffer.from(text))).toBe(false);
    }),
  );
  expect(isRingPage(Buffer.alloc(8192))).toBe(false);
  expect(isRingPage(Buffer.alloc(0))).toBe(false);
});
