/** What happened during a slow exit, in words: the values of each kind of event, and who ran meanwhile. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { runReport } from '../src/commands/pipeline.ts';
import { contextSection } from '../src/report/build-context.ts';
import { hasArmGuests } from '../src/report/detail-names.ts';
import { sectionRequests } from '../src/report/sections.ts';
import { defaultReportOptions } from './support/options.ts';

const scratch = mkdtempSync(join(tmpdir(), 'kvmtrace-test-'));
afterAll(() => rmSync(scratch, { recursive: true }));

/** Report on events a microsecond apart; `other` ones are of another thread on the same CPU. */
async function reportOn(events: readonly string[]) {
  const path = join(scratch, 'trace');
  const lines = events.map((event, i) => {
    const thread = event.startsWith('other: ') ? '         other-77   ' : '       CPU 0/KVM-140';
    return `${thread}     [001] d..1.    17.${String(i + 1).padStart(6, '0')}: ${event.replace('other: ', '')}\n`;
  });
  writeFileSync(path, lines.join(''));
  const slow = { slowLimit: 1, thanNs: 0, includeIdle: true };
  return runReport([path], {
    ...defaultReportOptions(),
    ...slow,
    passes: sectionRequests(['context'], slow),
  });
}

const EXIT = 'kvm_exit: vcpu 0 reason IO_INSTRUCTION rip 0x1000 info1 0x3f80000 info2 0x0';
const ENTRY = 'kvm_entry: vcpu 0, rip 0x1002';
const switching = (from: string, to: string) => {
  const [prev, next] = [from, to].map((text) => text.split('-'));
  return `sched_switch: prev_comm=${prev[0]} prev_pid=${prev[1]} prev_prio=120 prev_state=S ==> next_comm=${next[0]} next_pid=${next[1]} next_prio=120`;
};

test('each event with the values that matter, all of their digits included', async () => {
  const model = await reportOn([
    EXIT,
    'kvm_pio: pio_write at 0x3f8 size 1 count 1 val 0x41',
    'kvm_msr: msr_write 830 = 0x100000000fd',
    'kvm_userspace_exit: reason KVM_EXIT_IO (2)',
    'kvm_userspace_exit: reason restart (4)',
    'kvm_vcpu_wakeup: wait time 20000 ns, polling valid',
    'kvm_vcpu_wakeup: poll time 300 ns, polling valid',
    ENTRY,
  ]);
  expect(model.context!.exits).toHaveLength(1);
  const [exit] = model.context!.exits;
  expect(exit).toMatchObject({ exitNs: 17_000_001_000n, tid: 140, slow: 0, omitted: 0, ran: null });
  expect(exit.events.map(({ offsetNs, name, values }) => [offsetNs, name, values])).toEqual([
    [1000, 'kvm_pio', 'write 0x3f8 serial 1 = 0x41'],
    [2000, 'kvm_msr', 'write 0x830 X2APIC_ICR = 0x100000000fd'],
    [3000, 'kvm_userspace_exit', 'KVM_EXIT_IO'],
    [4000, 'kvm_userspace_exit', 'restart'],
    [5000, 'kvm_vcpu_wakeup', 'blocked 20.00 us'],
    [6000, 'kvm_vcpu_wakeup', 'polled 300 ns'],
  ]);
});

test('who ran on its CPU while it was switched out; shown to people who ask for it only', async () => {
  const model = await reportOn([
    EXIT,
    switching('CPU 0/KVM-140', 'other-77'),
    `other: ${switching('other-77', 'CPU 0/KVM-140')}`,
    ENTRY,
  ]);
  const [exit] = model.context!.exits;
  expect(exit).toMatchObject({
    ran: [{ tid: 77, comm: 'other', ns: 1000 }],
    ranOtherNs: 0,
    offCpuNs: 1000,
    switches: 1,
  });
  expect(exit.events.map(({ tid, values }) => [tid, values])).toEqual([
    [140, 'to other (77)'],
    [77, 'to CPU 0/KVM (140)'],
  ]);
  const sentences = contextSection.blocks(model, 30, true).flatMap((block) => block.sentences);
  expect(sentences).toEqual([
    'IO_INSTRUCTION, 3.000 us at 0.000000 s, vCPU 0, tid 140:',
    'Switched out 1 time for 1.000 us; meanwhile on its CPU: other (77) 1.000 us.',
  ]);
  expect(contextSection.blocks(model, 30, false)).toEqual([]);
  const { context: _, ...without } = model;
  expect(contextSection.blocks(without, 30, true)).toEqual([]);
});

test('what was not recorded is not told', async () => {
  const bare = await reportOn([EXIT, ENTRY]);
  const sentences = contextSection.blocks(bare, 30, true).flatMap((block) => block.sentences);
  expect(sentences).toEqual([
    'sched_switch was not recorded: who else ran on the CPU is unknown.',
    expect.stringMatching(/^IO_INSTRUCTION, 1\.000 us/),
    'No event in between.',
  ]);
});

test("addresses are an arm64 guest's also where only its exits tell: perf that was killed writes no machine", () => {
  const capture = (arch: string | null, isa: string[]) => ({ arch, isa }) as never;
  expect(hasArmGuests(capture('aarch64', []))).toBe(true);
  expect(hasArmGuests(capture(null, ['arm64']))).toBe(true);
  expect(hasArmGuests(capture(null, ['vmx']))).toBe(false);
  expect(hasArmGuests(capture('x86_64', []))).toBe(false);
});
