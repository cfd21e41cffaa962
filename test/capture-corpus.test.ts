/** Every analysis gives the same result from a recording and from its capture, on real recordings of every format. */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { runConvert, runInfo, runReport } from '../src/commands/pipeline.ts';
import { TraceFormatError } from '../src/core/errors.ts';
import { HAS_SHARED, listCaptures, SAMPLES, SHARED } from './support/corpus.ts';
import { defaultReportOptions } from './support/options.ts';

const LARGEST = 4 << 20;
const folder = mkdtempSync(path.join(tmpdir(), 'kvmtrace-corpus-'));
afterAll(() => rmSync(folder, { recursive: true }));

const captures = [SAMPLES, ...(HAS_SHARED ? [path.join(SHARED, 'corpus')] : [])]
  .flatMap((root) => listCaptures(root))
  .filter((capture) => statSync(capture.path).size < LARGEST);

describe.skipIf(captures.length === 0)('a recording and its capture', () => {
  let compared = 0;
  afterAll(() => expect(compared).toBeGreaterThan(captures.length / 4));
  test.each(captures.map((capture) => [capture.id, capture.path] as const))('%s', async (_id, input) => {
    const options = defaultReportOptions();
    let raw: Awaited<ReturnType<typeof runReport>>;
    try {
      raw = await runReport([input], options);
    } catch (error) {
      // Whether it should be readable is the parsers' tests' business; here it must be refused as a whole.
      expect(error).toBeInstanceOf(TraceFormatError);
      return;
    }
    compared++;
    const file = path.join(folder, 'capture.arrow');
    await runConvert([input], file, { traceEvents: null });
    const again = await runReport([file], options);
    const [own, ...original] = again.capture.sources;
    expect(own).toMatchObject({ path: file, format: 'capture.arrow', bytes: statSync(file).size });
    expect(original).toMatchObject(raw.capture.sources);
    expect(original.every(({ sha256 }) => /^[0-9a-f]{64}$/.test(sha256 ?? ''))).toBe(true);
    expect({ ...again, capture: { ...again.capture, sources: [] } }).toEqual({
      ...raw,
      capture: { ...raw.capture, sources: [] },
    });
    const info = await runInfo(file, { traceEvents: null });
    expect(info.threads).toEqual((await runInfo(input, { traceEvents: null })).threads);
  });
});
