/** arm64: no event of the guest's way in and out tells the vCPU, but one of its timer does; all parts say the same. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { runInfo, runReport } from '../src/commands/pipeline.ts';
import { sectionRequests } from '../src/report/sections.ts';
import { defaultReportOptions } from './support/options.ts';

const folder = mkdtempSync(join(tmpdir(), 'kvmtrace-vcpus-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const path = join(folder, 'trace.txt');
writeFileSync(
  path,
  `# tracer: nop
#
 qemu-system-aar-2367     [001] d....   473.000000: kvm_entry: PC: 0xffff800008cda268
 qemu-system-aar-2367     [001] .N...   473.001000: kvm_exit: TRAP: HSR_EC: 0x0001 (WFx), PC: 0xffff800008cda268
 qemu-system-aar-2367     [001] .N...   473.001100: kvm_get_timer_map: VCPU: 3, dv: 0, dp: 2, ep: 1
 qemu-system-aar-2367     [001] .N...   473.001900: kvm_vcpu_wakeup: wait time 700000 ns, polling valid
 qemu-system-aar-2367     [001] d....   473.002000: kvm_entry: PC: 0xffff800008cda268
 qemu-system-aar-2367     [001] .N...   473.003000: kvm_exit: TRAP: HSR_EC: 0x0001 (WFx), PC: 0xffff800008cda268
`,
);

test('threads, ledger, halt polling and info name the same vCPU', async () => {
  const sections = ['ledger', 'halt-polling'];
  const passes = sectionRequests(sections, { slowLimit: 10, thanNs: 0, includeIdle: false });
  const model = await runReport([path], { ...defaultReportOptions(), sections, passes });
  const numbers = (rows: readonly { vcpu: number | null }[] | undefined) => rows?.map(({ vcpu }) => vcpu);
  expect(numbers(model.vcpus)).toEqual([3]);
  expect(numbers(model.ledger?.rows)).toEqual([3]);
  expect(numbers(model.haltPolling?.rows)).toEqual([3]);
  expect(numbers((await runInfo(path, defaultReportOptions())).threads)).toEqual([3]);
});
