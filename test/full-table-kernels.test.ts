/** Tables that are full: kernel and TypeScript take turns, and throw out the keys that TypeScript alone would. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createExitBatch, type ExitBatch, PAIRED } from '../src/analysis/exit-batch.ts';
import { detailPass } from '../src/analysis/exit-detail.ts';
import { hotspotPass } from '../src/analysis/hotspots.ts';
import type { AnyPass } from '../src/analysis/pass.ts';
import { EV_MSR, EV_PAGE_FAULT } from '../src/core/events.ts';
import { ALL } from './support/events.ts';
import { withKernels } from './support/feed.ts';

/** Keys of which some come again and again, so that the kernel finds them, among ones that are new. */
const keys = fc.array(fc.oneof({ weight: 3, arbitrary: fc.nat(5) }, { weight: 1, arbitrary: fc.nat(30) }), {
  minLength: 50,
  maxLength: 400,
});

function exitsAt(list: readonly number[]): ExitBatch {
  const batch = createExitBatch(list.length);
  list.forEach((key, row) => {
    batch.isa[row] = 1;
    batch.code[row] = 30;
    batch.hasRip[row] = 1;
    batch.rip[2 * row] = 16 * key;
    batch.detailEvent[row] = key % 2 === 0 ? EV_MSR : EV_PAGE_FAULT;
    batch.detailAddress[2 * row] = key << 21;
    batch.vector[row] = key;
    batch.state[row] = PAIRED;
    batch.latency[row] = 100 * key + row;
    batch.length++;
  });
  return batch;
}

test.each([hotspotPass, detailPass] as AnyPass[])('$name', (pass) => {
  fc.assert(
    fc.property(
      keys,
      fc.integer({ min: 3, max: 20 }),
      fc.integer({ min: 1, max: 50 }),
      (list, capacity, rows) => {
        const exits = exitsAt(list);
        const alone = pass.create({ capacity }, ALL);
        pass.exits!(alone, exits, null);
        const { state, exits: feed } = withKernels(
          pass,
          (arena) => pass.create({ capacity }, ALL, arena),
          rows,
        );
        feed(exits);
        expect(pass.result(state)).toEqual(pass.result(alone));
      },
    ),
    { numRuns: 80 },
  );
});
