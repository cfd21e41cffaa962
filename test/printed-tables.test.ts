/** Printed sums of other tools are refused with what to give instead, and never taken for an empty recording. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { runInfo, runReport } from '../src/commands/pipeline.ts';
import { defaultReportOptions } from './support/options.ts';

const folder = mkdtempSync(join(tmpdir(), 'kvmtrace-test-'));
afterAll(() => rmSync(folder, { recursive: true }));

const STAT = `cpus=1

Kernel buffer statistics:
  Note: "entries" are the entries left in the kernel ring buffer and are not
        recorded in the trace data. They should all be zero.

CPU: 0
entries: 1442
overrun: 0
commit overrun: 0
bytes: 67872
oldest event ts:    28.637932
now ts:    29.077328
dropped events: 0
read events: 438


CPU0 data recorded at offset=0x1000
    90112 bytes in size
`;
const EVENT =
  '       CPU 0/KVM-131   [000]    77.636183: kvm_exit:             reason HLT rip 0xffffffff81000000 info 0 0\n';

test.each([
  ['of one file', STAT],
  ['of several', STAT.replace(/^(cpus|Kernel|CPU0)/gm, 'a.dat: $1')],
  ['its end', STAT.slice(STAT.indexOf('CPU0 data'))],
])('trace-cmd report --stat, %s', async (_, text) => {
  const path = join(folder, 'stat.txt');
  writeFileSync(path, text);
  for (const open of [runReport([path], defaultReportOptions()), runInfo(path, defaultReportOptions())])
    await expect(open).rejects.toThrow(/table printed by trace-cmd report --stat, not a trace/);
});

test('events beside such words are read', async () => {
  const path = join(folder, 'report.txt');
  writeFileSync(path, `cpus=1\n${EVENT}${STAT}`);
  const model = await runReport([path], defaultReportOptions());
  expect(model.capture.sources[0].format).toBe('trace-cmd-text');
  expect(model.quality.exits).toBe(1);
});
