/** vCPU filters where only some events tell a thread's number: every section has the threads that the exits have. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import type { PassScope } from '../src/analysis/pass.ts';
import {
  addSimultaneous,
  createSimultaneous,
  mergeSimultaneous,
  plainSimultaneous,
  simultaneousResult,
} from '../src/analysis/simultaneous.ts';
import type { ReportOptions } from '../src/commands/options.ts';
import { runReport } from '../src/commands/pipeline.ts';
import { EV_ENTRY, EV_EXIT } from '../src/core/events.ts';
import { eventBatch, sliceBatch } from './support/events.ts';
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

const modelOf = async (lines: readonly string[], section: 'storms' | 'nested', vcpus: number[] | null) => {
  const path = join(folder, 'trace.txt');
  writeFileSync(path, `# tracer: nop\n#\n${lines.join('')}`);
  const options = defaultReportOptions();
  return runReport([path], {
    ...options,
    sections: [section],
    passes: [{ name: section, options: section === 'storms' ? {} : null }],
    filters: { ...options.filters, vcpus, words: vcpus === null ? [] : [{ kind: 'vcpu', words: 'vCPU' }] },
  } as ReportOptions);
};

test('exits of several vCPUs at once: those before the first entry count as well', async () => {
  // vCPU 2's only entry comes after all windows; vCPU 3's thread tells no number at all.
  const lines = [0, 1, 2, 3].flatMap((i) => [
    ...[0, 1, 2, 3].map((vcpu) => line(vcpu, 1000 * i + 1, 'kvm_exit: reason HLT rip 0x1000 info 0 0')),
    ...[0, 1].map((vcpu) => line(vcpu, 1000 * i + 7, `kvm_entry: vcpu ${vcpu}`)),
  ]);
  lines.push(line(2, 9000, 'kvm_entry: vcpu 2'));
  const rows = async (vcpus: number[] | null) =>
    (await modelOf(lines, 'storms', vcpus)).storms!.simultaneous?.rows.map(({ observed }) => observed);
  expect(await rows(null)).toEqual([4, 4, 4]);
  expect(await rows([0, 1, 2])).toEqual([4, 4]);
  expect(await rows([1, 2])).toEqual([4]);
  expect(await rows([1, 3])).toBeUndefined();
});

test('nested cycles of one vCPU', async () => {
  const lines = [0, 1].flatMap((vcpu) => [
    line(vcpu, 10 * vcpu, 'kvm_exit: reason MSR_READ rip 0x1000 info 0 0'),
    line(
      vcpu,
      10 * vcpu + 1,
      'kvm_nested_vmexit: rip: 0x1000 reason: MSR_READ ext_inf1: 0x0 ext_inf2: 0x0 ext_int: 0x0 ext_int_err: 0x0',
    ),
    line(
      vcpu,
      10 * vcpu + 1,
      'kvm_nested_vmexit_inject: reason: MSR_READ ext_inf1: 0x0 ext_inf2: 0x0 ext_int: 0x0 ext_int_err: 0x0',
    ),
    line(vcpu, 10 * vcpu + 2, `kvm_entry: vcpu ${vcpu}`),
    line(vcpu, 10 * vcpu + 5, 'kvm_exit: reason VMRESUME rip 0x1000 info 0 0'),
    line(
      vcpu,
      10 * vcpu + 6,
      'kvm_nested_vmrun: rip: 0x1000 vmcb: 0x2000 nrip: 0x3000 int_ctl: 0x0 event_inj: 0x0 npt: on',
    ),
    line(vcpu, 10 * vcpu + 7, `kvm_entry: vcpu ${vcpu}`),
  ]);
  const cycles = async (vcpus: number[] | null) =>
    (await modelOf(lines, 'nested', vcpus)).nested?.cycles?.map(({ cycles }) => cycles);
  expect(await cycles(null)).toEqual([2]);
  expect(await cycles([1])).toEqual([1]);
  expect(await cycles([2])).toEqual([]);
});

const none = { pids: null, tids: null, cpus: null, reasons: null, excludes: null, levels: null };
const scope: PassScope = {
  selection: { ...none, vcpus: new Set([0, 2]), from: null, to: null },
  threads: null,
};

test('exits of several vCPUs at once: windows hold those whose number any event tells, also in parts', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.record({ isEntry: fc.boolean(), vcpu: fc.nat(3), after: fc.constantFrom(0, 10, 700, 5000) }),
        { minLength: 1, maxLength: 80 },
      ),
      fc.nat(80),
      (steps, place) => {
        let time = 1_000_000_000;
        // vCPU 3 is never told.
        const events = steps.map(({ isEntry, vcpu, after }) => {
          time += after;
          const event = isEntry ? EV_ENTRY : EV_EXIT;
          return { time, event, tid: 100 + vcpu, ...(isEntry && vcpu < 3 ? { vcpu } : {}) };
        });
        const batch = eventBatch(events);
        const told = new Set(events.flatMap(({ vcpu, tid }) => (vcpu === undefined ? [] : [tid])));
        const windows = new Map<number, Set<number>>();
        for (const { time: at, event, tid } of events) {
          const index = Math.floor((at - events[0].time) / 1000);
          if (event === EV_EXIT && told.has(tid) && [100, 102].includes(tid))
            windows.set(index, (windows.get(index) ?? new Set()).add(tid));
        }
        const both = [...windows.values()].filter(({ size }) => size === 2).length;
        const state = createSimultaneous({ windowNs: 1000 }, scope, null);
        const cut = Math.min(place, events.length);
        addSimultaneous(state, sliceBatch(batch, 0, cut));
        const origin: [number, number] = [events[0].time, 0];
        const later = createSimultaneous(
          { windowNs: 1000, origin },
          { ...scope, recordingStart: origin },
          null,
        );
        addSimultaneous(later, sliceBatch(batch, cut, events.length));
        mergeSimultaneous(state, plainSimultaneous(later));
        const result = simultaneousResult(state);
        expect(result.vcpus).toBe(new Set([...windows.values()].flatMap((set) => [...set])).size);
        expect(result.rows.map(({ observed }) => observed)).toEqual(both > 0 ? [both] : []);
      },
    ),
    { numRuns: Number(process.env.RUNS ?? 200) },
  );
});
