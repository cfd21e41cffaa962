/** vCPU filters where only some events tell a thread's number: every section has the threads that the exits have. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { ReportOptions } from '../src/commands/options.ts';
import { runReport } from '../src/commands/pipeline.ts';
import { defaultReportOptions } from './support/options.ts';

const folder = mkdtempSync(join(tmpdir(), 'kvmtrace-vcpu-filters-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const line = (vcpu: number, us: number, event: string) =>
  `        qemu-kvm-${500 + vcpu}   [00${vcpu}] d... 100.${String(us).padStart(6, '0')}: ${event}\n`;

/** Kernels before 5.11: kvm_entry alone has the number; threads without QEMU's debug-threads have no telling name. */
const OLD_X86 = [0, 1, 2, 3].flatMap((i) =>
  [0, 1].flatMap((vcpu) => {
    const at = 1000 * i + 10 * vcpu;
    return [
      line(vcpu, at, 'kvm_exit: reason HLT rip 0xffffffff81000000 info 0 0'),
      line(vcpu, at + 5 + vcpu, `kvm_vcpu_wakeup: wait time ${4000 + vcpu} ns, polling valid`),
      line(vcpu, at + 7 + vcpu, `kvm_entry: vcpu ${vcpu}`),
    ];
  }),
);

/** arm64: of an exit's events, a timer's may be the only one with a number. */
const ARM64 = [0, 1].flatMap((vcpu) => [
  line(vcpu, 10 * vcpu, 'kvm_exit: TRAP: HSR_EC: 0x0001 (WFx), PC: 0xffff800080011000'),
  line(vcpu, 10 * vcpu + 2, `kvm_get_timer_map: VCPU: ${vcpu}, dv: 1, dp: -1, ep: 0`),
  line(vcpu, 10 * vcpu + 5, 'kvm_vcpu_wakeup: wait time 4000 ns, polling valid'),
  line(vcpu, 10 * vcpu + 7, 'kvm_entry: PC: 0xffff800080011004'),
]);

test.each([
  ['x86 before 5.11', OLD_X86, 4],
  ['arm64', ARM64, 1],
])('%s: halt polling and ledger of one vCPU', async (_, lines, halts) => {
  const path = join(folder, 'trace.txt');
  writeFileSync(path, `# tracer: nop\n#\n${lines.join('')}`);
  const options = defaultReportOptions();
  const sections = ['halt-polling', 'ledger'] as const;
  const passes = [
    { name: 'halt-polling', options: null },
    { name: 'ledger', options: null },
  ];
  const model = await runReport([path], {
    ...options,
    sections,
    passes,
    filters: { ...options.filters, vcpus: [1], words: [{ kind: 'vcpu', words: 'vCPU 1' }] },
  } as ReportOptions);
  expect(model.vcpus.map(({ tid }) => tid)).toEqual([501]);
  expect(model.haltPolling!.rows).toMatchObject([{ tid: 501, vcpu: 1, halts }]);
  expect(model.haltPolling!.total!.halts).toBe(halts);
  expect(model.ledger!.rows).toMatchObject([{ tid: 501, vcpu: 1 }]);
});
