/** All decoders of zstd give the same bytes, and refuse or survive damage in the same way. */
import { createRequire } from 'node:module';
import * as zlib from 'node:zlib';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { type Decompress, ZSTD_DECODERS } from '../src/parsers/trace-dat/decompress.ts';

const compressor = createRequire(import.meta.url)('@foxglove/wasm-zstd') as {
  isLoaded: Promise<void>;
  compress(data: Uint8Array, level?: number): Buffer;
};
beforeAll(() => compressor.isLoaded);

const NODE_HAS_ZSTD = 'zstdDecompressSync' in zlib;

test('the decoders that this runtime has', () => {
  const found = Object.entries(ZSTD_DECODERS).filter(([, create]) => create() !== null);
  expect(found.map(([name]) => name)).toEqual(['wasm', ...(NODE_HAS_ZSTD ? ['node'] : []), 'javascript']);
});

/** Bytes with repetitions, as pages have. */
const plainBytes = fc
  .array(
    fc.record({
      piece: fc.uint8Array({ minLength: 1, maxLength: 40 }),
      times: fc.integer({ min: 1, max: 30 }),
    }),
    { minLength: 1, maxLength: 40 },
  )
  .map((pieces) => Buffer.concat(pieces.flatMap(({ piece, times }) => Array<Uint8Array>(times).fill(piece))));

describe.each(Object.entries(ZSTD_DECODERS).filter(([name]) => name !== 'node' || NODE_HAS_ZSTD))(
  '%s',
  (name, create) => {
    const decompress = create() as Decompress;

    test('gives what was compressed, into the target or beside it', () => {
      let target: Uint8Array | null = null;
      fc.assert(
        fc.property(plainBytes, fc.integer({ min: 1, max: 19 }), fc.boolean(), (plain, level, reuse) => {
          const stored = compressor.compress(plain, level);
          const before: Uint8Array | null = reuse && target?.length === plain.length ? target.fill(7) : null;
          target = decompress(stored, plain.length, before);
          expect(Buffer.compare(target, plain)).toBe(0);
        }),
        { numRuns: 100 },
      );
    });

    test('memory grows with the chunks', () => {
      for (const size of [100, 1 << 20, 5000, 20 << 20, 40960]) {
        const plain = Buffer.alloc(size, 'kvm_exit kvm_entry ');
        expect(Buffer.compare(decompress(compressor.compress(plain), size, null), plain)).toBe(0);
      }
    });

    test('a damaged frame is refused, or gives no more than was asked for; the next one is read all the same', () => {
      const whole = Buffer.alloc(40960, 'kvm_exit kvm_entry kvm_userspace_exit ');
      const good = compressor.compress(whole);
      fc.assert(
        fc.property(plainBytes, fc.nat(), fc.nat(7), fc.nat(), (plain, at, bit, cut) => {
          const stored = compressor.compress(plain);
          stored[at % stored.length] ^= 1 << bit;
          const damaged = cut % 3 === 0 ? stored.subarray(0, cut % stored.length) : stored;
          let result: Uint8Array | null = null;
          try {
            result = decompress(damaged, plain.length, null);
          } catch (error) {
            expect(error).toBeInstanceOf(Error);
          }
          if (result !== null) expect(result.length).toBeLessThanOrEqual(plain.length);
          expect(Buffer.compare(decompress(good, whole.length, null), whole)).toBe(0);
        }),
        { numRuns: 200 },
      );
    });

    // fzstd cannot tell.
    test.skipIf(name === 'javascript')('a frame of more or fewer bytes than stated', () => {
      const plain = Buffer.alloc(5000, 'abc');
      const stored = compressor.compress(plain);
      expect(() => decompress(stored, 4999, null)).toThrow();
      expect(decompress(stored, 6000, null).length).toBe(5000);
    });
  },
);
