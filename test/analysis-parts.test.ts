/** Analysing the parts of a recording and merging them gives what one pass gives, wherever it is cut. */
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PASS_NAMES } from '../src/analysis/passes.ts';
import { HAS_SHARED, listCaptures, SAMPLES, SHARED } from './support/corpus.ts';
import { isReadable, readEvents } from './support/events.ts';
import { eventsOf, threadlessStep } from './support/made-up-events.ts';
import { analyzeAtOnce, analyzeInParts, PASS_OPTIONS, withoutLate } from './support/parts.ts';

test('every pass takes part', () => {
  expect([...PASS_NAMES].sort()).toEqual(Object.keys(PASS_OPTIONS).sort());
});

test('made-up recordings with losses, cut anywhere', () => {
  fc.assert(
    fc.property(
      fc.array(threadlessStep, { minLength: 2, maxLength: 120 }),
      fc.array(fc.nat(120), { minLength: 1, maxLength: 4 }),
      fc.integer({ min: 1, max: 40 }),
      fc.boolean(),
      (steps, places, batchRows, ids) => {
        const events = eventsOf(steps, ids);
        const cuts = places.map((place) => Math.min(place, events.length)).sort((a, b) => a - b);
        const whole = analyzeAtOnce(events, null, batchRows);
        const [one, parts] = withoutLate(whole, analyzeInParts(events, null, cuts, batchRows));
        expect(parts).toEqual(one);
      },
    ),
    { numRuns: Number(process.env.RUNS ?? 60) },
  );
}, 600_000);

const captures = [
  ...listCaptures(SAMPLES),
  ...(HAS_SHARED ? listCaptures(join(SHARED, 'corpus')) : []),
].filter(({ path }) => isReadable(path));
/** Reproducible, and other places in each capture. */
const seedOf = (id: string) => [...id].reduce((sum, letter) => (31 * sum + letter.charCodeAt(0)) | 0, 7);

describe.each(captures.map(({ id, path }) => [id, path] as const))('%s', (id, path) => {
  test('parts merge to one pass', async () => {
    const { batch, context } = await readEvents(path);
    const step = 5000;
    const whole = analyzeAtOnce(batch, context.threads, step);
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: batch.length }), { minLength: 1, maxLength: 4 }),
        (places) => {
          const cuts = places.sort((a, b) => a - b);
          const [one, parts] = withoutLate(whole, analyzeInParts(batch, context.threads, cuts, step));
          expect(parts).toEqual(one);
        },
      ),
      { numRuns: 1, seed: seedOf(id), endOnFailure: true },
    );
  }, 120_000);
});
