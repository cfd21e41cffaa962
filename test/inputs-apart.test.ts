/** Two recordings of one host, made one after the other: no exit of the first ends in the second. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { runReport } from '../src/commands/pipeline.ts';
import { defaultReportOptions } from './support/options.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'kvmtrace-apart-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const line = (second: string, event: string) =>
  `       CPU 0/KVM-140     [001] d..1.    ${second}: ${event}\n`;
const EXIT = 'kvm_exit: reason HLT rip 0xffffffff81000000 info 0 0';
const ENTRY = 'kvm_entry: vcpu 0';

async function quality(second: string) {
  const [a, b] = ['a.txt', 'b.txt'].map((name) => path.join(folder, name));
  writeFileSync(a, line('17.000000', EXIT) + line('17.000010', ENTRY) + line('17.000020', EXIT));
  writeFileSync(b, line(second, ENTRY) + line('317.500010', EXIT) + line('317.500020', ENTRY));
  const report = await runReport([a, b], defaultReportOptions());
  const { exits, paired, invalidatedByLoss, entryWithoutExit, warnings } = report.quality;
  return {
    counts: { exits, paired, invalidatedByLoss, entryWithoutExit },
    codes: warnings.map(({ code }) => code),
    maxNs: report.reasons[0].maxNs,
    regions: report.capture.lost.regions,
  };
}

test('an exit before the pause has no latency', async () => {
  expect(await quality('317.500000')).toEqual({
    counts: { exits: 3, paired: 2, invalidatedByLoss: 1, entryWithoutExit: 0 },
    codes: ['inputs-apart'],
    maxNs: 10_000,
    regions: 1,
  });
});

test('without a pause it has', async () => {
  expect(await quality('17.000050')).toMatchObject({
    counts: { exits: 3, paired: 3, invalidatedByLoss: 0 },
    codes: [],
    maxNs: 30_000,
    regions: 0,
  });
});
