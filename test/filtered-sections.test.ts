/** What sections say where filters leave out the exits that they are about: nothing that only recordings without exits lack. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { runReport } from '../src/commands/pipeline.ts';
import { parseReportOptions, type RawReportOptions } from '../src/commands/report-options.ts';
import { SECTIONS, shownBlocks } from '../src/report/sections.ts';
import { assessTrust } from '../src/report/trust.ts';
import { SAMPLES } from './support/corpus.ts';
import { blocksOf } from './support/made-up-report.ts';

const NESTED = join(SAMPLES, 'amd-perf-nested/perf.data.gz');

async function blocks(id: string, asked: boolean, raw: RawReportOptions) {
  const model = await runReport([NESTED], await parseReportOptions({ section: [id], ...raw }));
  return blocksOf(SECTIONS.find((section) => section.id === id)!, model, 0, asked);
}

describe('device accesses without an exit that filters choose', () => {
  test('are none of the reasons that were asked for', async () =>
    expect(await blocks('devices', true, { reason: ['hlt'] })).toMatchObject([
      { sentences: ['No exit of the selection accessed a device.'] },
    ]));
  test('and where no exit is chosen at all, that is what is said', async () =>
    expect(await blocks('devices', true, { from: '100' })).toMatchObject([
      { sentences: ['None match the selection.'] },
    ]));
  test('are left out where nobody asked', async () =>
    expect(await blocks('devices', false, { level: ['L2'] })).toEqual([]));
});

describe('what exits were about', () => {
  const sentencesOf = async (raw: RawReportOptions) =>
    (await blocks('detail', true, raw)).flatMap(({ sentences }) => sentences).join(' ');
  test('no exit is chosen, though there are some', async () => {
    const found = await sentencesOf({ from: '100' });
    expect(found).toBe('None match the selection.');
  });
  test('acknowledged interrupts have no reason to be chosen by', async () => {
    const words = 'Filters by reason and level do not apply here. End-of-interrupt signals';
    expect(await sentencesOf({ reason: ['hlt'] })).toContain(words);
    expect(await sentencesOf({ vcpu: ['0'] })).not.toContain('do not apply');
  });
});

test('where filters leave no exit, the recording still says of which instruction set they are', async () => {
  const { capture, totals, escalation } = await runReport(
    [NESTED],
    await parseReportOptions({ from: '100' }),
  );
  expect([totals.exits, capture.isa]).toEqual([0, ['svm']]);
  // No exits, so no share of them.
  expect(escalation).toMatchObject({ known: true, escalated: 0, ratio: null });
});

test('entries of other threads are no doubt about the exits that a reason or a level chooses', async () => {
  const trust = async (raw: RawReportOptions) =>
    assessTrust(await runReport([NESTED], await parseReportOptions(raw)));
  expect(await trust({})).toEqual({ ok: true, reasons: ['no losses', '7,327 of 7,330 exits paired'] });
  // One thread of three has such exits, each began with an entry.
  expect(await trust({ reason: ['vmload'] })).toEqual({
    ok: true,
    reasons: ['no losses', '1,364 of 1,364 exits paired'],
  });
  expect((await trust({ level: ['L2'] })).ok).toBe(true);
});

test('where no exit is chosen, none is said to lack its guest RIP', async () => {
  const said = async (raw: RawReportOptions) => (await blocks('hotspots', true, raw))[0].sentences;
  expect(await said({ from: '100' })).toEqual(['None match the selection.']);
});

test('a table without rows is a word', async () => {
  const model = await runReport([NESTED], await parseReportOptions({ section: ['detail'], reason: ['hlt'] }));
  const detail = SECTIONS.find(({ id }) => id === 'detail')!;
  const [main, ...others] = shownBlocks(detail, model, 0, true);
  expect(main.sentences.join(' ')).toMatch(/^Recorded for 0 of 204 exits, .* None\.$/);
  expect(main.table).toBeNull();
  expect(others.length).toBeGreaterThan(0);
  for (const { table } of others) expect(table!.rows.length).toBeGreaterThan(0);
});
