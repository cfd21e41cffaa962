/**
 * The kernels that walk pages and merge CPUs against the rules in TypeScript, which read all events where batches are no
 * memory of an arena: the same rows and diagnostics for sound and for damaged recordings.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createEventBatch } from '../src/core/event-batch.ts';
import type { ParseOptions } from '../src/parsers/trace-format.ts';
import { HAS_SHARED, SHARED } from './support/corpus.ts';
import {
  buildV6,
  buildV7,
  entryRecord,
  exitRecord,
  num,
  type Page,
  type PageItem,
  printRecord,
  type ReadDat,
  readDat,
  switchRecord,
  unknownRecord,
  X86,
} from './support/trace-dat.ts';

function read(bytes: Uint8Array, options: ParseOptions): ReadDat | string {
  try {
    return readDat(bytes, Infinity, options);
  } catch (error) {
    return (error as Error).message;
  }
}

/** Reads by kernels and by rules. */
function compare(bytes: Uint8Array): void {
  const byRules = createEventBatch(1000);
  byRules.text.fill(-1);
  const nextBatch = () => byRules;
  const rules = read(bytes, { nextBatch });
  const kernels = read(bytes, {});
  const core = read(bytes, { coreOnly: true });
  if (typeof rules === 'string' || typeof kernels === 'string' || typeof core === 'string') {
    expect(kernels).toEqual(rules);
    expect(core).toEqual(rules);
    return;
  }
  expect(kernels.rows).toEqual(rules.rows);
  expect(kernels.list).toEqual(rules.list);
  expect(kernels.context.threads).toEqual(rules.context.threads);
  const withoutInfo = (read: ReadDat) => read.rows.map((row) => ({ ...row, info1: null }));
  expect(withoutInfo(core)).toEqual(withoutInfo(rules));
  expect(core.list).toEqual(rules.list);
}

const M = { ...X86, pageSize: 1024 };
const TSC2NSEC = 14;

const recordArbitrary = fc.oneof(
  { weight: 6, arbitrary: fc.bigInt(0n, (1n << 64n) - 1n).map((rip) => entryRecord(M, 7, rip)) },
  { weight: 6, arbitrary: fc.integer({ min: 0, max: 80 }).map((reason) => exitRecord(M, 8, reason, 5n)) },
  { weight: 1, arbitrary: fc.constant(unknownRecord(M, 9)) },
  { weight: 1, arbitrary: fc.constant(switchRecord(M, [7, 'CPU 0/KVM'], [9, 'swapper'])) },
  { weight: 1, arbitrary: fc.string({ maxLength: 60 }).map((text) => printRecord(M, 9, text)) },
);

const itemArbitrary: fc.Arbitrary<PageItem> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('event' as const),
      delta: fc.oneof(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: (1 << 27) - 1 })),
      record: recordArbitrary,
      long: fc.boolean(),
    }) as fc.Arbitrary<PageItem>,
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('extend' as const), delta: fc.bigInt(0n, (1n << 59n) - 1n) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('stamp' as const), time: fc.bigInt(0n, (1n << 59n) - 1n) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('discarded' as const),
      delta: fc.integer({ min: 1, max: 99 }),
      length: fc.integer({ min: 4, max: 30 }),
    }),
  },
);

const pagesArbitrary: fc.Arbitrary<Page[]> = fc.array(
  fc.record({
    time: fc.oneof(fc.bigInt(0n, 2000n), fc.bigInt(0n, (1n << 64n) - 1n)),
    items: fc.array(itemArbitrary, { maxLength: 6 }),
    lost: fc.oneof({ weight: 4, arbitrary: fc.constant(undefined) }, fc.integer({ min: 1, max: 9 })),
  }) as fc.Arbitrary<Page>,
  { maxLength: 4 },
);

const damageArbitrary = fc.array(
  fc.tuple(fc.double({ min: 0, max: 0.999, noNaN: true }), fc.integer({ min: 0, max: 31 })),
  { maxLength: 12 },
);

/** TSC2NSEC: times are ticks, which are multiplied and shifted. */
const ticksArbitrary = fc.option(
  fc.record({ mult: fc.integer({ min: 1, max: 0xffffffff }), shift: fc.integer({ min: 0, max: 63 }) }),
  { nil: null, freq: 2 },
);

/** Bits turned over in the last part of a file, where the pages are. */
function damage(bytes: Buffer, pageBytes: number, bits: [number, number][]): Buffer {
  const damaged = Buffer.from(bytes);
  const words = Math.floor(Math.min(pageBytes, bytes.length) / 4);
  for (const [place, bit] of bits) {
    const at = bytes.length - 4 * (1 + Math.floor(place * words));
    damaged.writeUInt32LE((damaged.readUInt32LE(at) ^ (1 << bit)) >>> 0, at);
  }
  return damaged;
}

describe('built recordings', () => {
  for (const [name, build] of [
    ['version 6', buildV6],
    ['version 7', buildV7],
  ] as const)
    test(`${name}: whole, and with bits turned over`, () => {
      fc.assert(
        fc.property(
          fc.array(pagesArbitrary, { minLength: 1, maxLength: 5 }),
          damageArbitrary,
          ticksArbitrary,
          (cpus, bits, ticks) => {
            const body = ticks && [num(M, 4, ticks.mult), num(M, 4, ticks.shift), num(M, 8, 0)];
            const bytes = build({
              machine: M,
              options: body ? [[TSC2NSEC, Buffer.concat(body)]] : [],
              buffers: [{ name: '', cpus: new Map(cpus.map((pages, cpu) => [cpu, pages])) }],
            });
            const pageBytes = M.pageSize * cpus.reduce((sum, pages) => sum + pages.length, 0);
            compare(bytes);
            compare(damage(bytes, pageBytes, bits));
          },
        ),
        { numRuns: 250 },
      );
    });
});

const REAL = HAS_SHARED
  ? ['x86/tc-v6', 'x86/tc-lost', 'x86/tc-sched', 'x86/tc-x86tsc', 'x86/tc-date', 'arm64/61v3-dat-gdb']
  : [];

describe.skipIf(!HAS_SHARED)('real recordings', () => {
  for (const name of REAL)
    test(`${name}: whole, and with bits turned over`, { timeout: 120_000 }, () => {
      const bytes = readFileSync(join(SHARED, 'corpus', name, 'trace.dat'));
      compare(bytes);
      const bitsArbitrary = fc.array(
        fc.tuple(fc.double({ min: 0, max: 0.999, noNaN: true }), fc.integer({ min: 0, max: 31 })),
        { minLength: 1, maxLength: 40 },
      );
      fc.assert(
        fc.property(bitsArbitrary, (bits) => compare(damage(bytes, bytes.length / 2, bits))),
        { numRuns: 4 },
      );
    });
});
