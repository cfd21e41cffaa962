/** Tables that are full: kernel and TypeScript take turns, and throw out the keys that TypeScript alone would. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createExitBatch, type ExitBatch, PAIRED } from '../src/analysis/exit-batch.ts';
import { detailPass } from '../src/analysis/exit-detail.ts';
import { hotspotPass } from '../src/analysis/hotspots.ts';
import type { AnyPass } from '../src/analysis/pass.ts';
import { loadPasses, PASS_NAMES } from '../src/analysis/passes.ts';
import { EV_MSR, EV_PAGE_FAULT } from '../src/core/events.ts';
import { ALL } from './support/events.ts';
import { withKernels } from './support/feed.ts';
import { PASS_OPTIONS } from './support/parts.ts';

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

const passOf = await loadPasses(PASS_NAMES.map((name) => ({ name, options: null })));
const ON_EXITS = PASS_NAMES.filter((name) => passOf(name).exits);

/** Each comes twice: when it comes again, the kernel would find it if it had room for it. */
const crowd = [0, 1].flatMap((round) => Array.from({ length: 2500 }, (_, i) => ({ round, i })));

test.each(ON_EXITS)('%s: more reasons and threads than there is room for', (name) => {
  const pass = passOf(name);
  const exits = exitsAt(crowd.map(({ i }) => i % 1500));
  crowd.forEach(({ round, i }, row) => {
    exits.code[row] = i % 900;
    exits.tid[row] = 1 + i;
    exits.exitTime[2 * row] = 1000 * row + 300 * round;
  });
  const options = PASS_OPTIONS[name];
  const alone = pass.create(options, ALL);
  pass.exits!(alone, exits, null);
  const { state, exits: feed } = withKernels(pass, (arena) => pass.create(options, ALL, arena));
  feed(exits);
  expect(pass.result(state)).toEqual(pass.result(alone));
});

test.each([hotspotPass, detailPass] as AnyPass[])('$name: keys that come and go', (pass) => {
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
    { numRuns: 40 },
  );
});
