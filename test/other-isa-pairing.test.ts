/** Exits of other machines from text to report: which event ends an exit, which only says more about it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { runReport } from '../src/commands/pipeline.ts';
import { defaultReportOptions } from './support/options.ts';

const scratch = mkdtempSync(join(tmpdir(), 'kvmtrace-test-'));
afterAll(() => rmSync(scratch, { recursive: true }));

/** Report on events of one thread, a microsecond apart. */
async function reportOn(events: readonly string[]) {
  const path = join(scratch, 'unknown');
  const lines = events.map(
    (event, i) => `       CPU 0/KVM-140     [001] d..1.    17.${String(i + 1).padStart(6, '0')}: ${event}\n`,
  );
  writeFileSync(path, lines.join(''));
  return runReport([path], { ...defaultReportOptions(), includeIdle: true });
}

test('loongarch: kvm_exit_idle names the exit before it, kvm_reenter ends it', async () => {
  const model = await reportOn([
    'kvm_enter: vcpu 0 PC: 0x9000',
    'kvm_exit: vcpu 0 [0x16] PC: 0x9000',
    'kvm_exit_gspr: vcpu 0 Inst word: 0x06488000',
    'kvm_exit_idle: vcpu 0 [IDLE] PC: 0x9000',
    'kvm_reenter: vcpu 0 PC: 0x9004',
    'kvm_exit: vcpu 0 [0x16] PC: 0x9004',
    'kvm_exit_csr: vcpu 0 [CSR] PC: 0x9004',
    'kvm_exit: vcpu 0 [0x0] PC: 0x9008',
    'kvm_reenter: vcpu 0 PC: 0x9008',
  ]);
  expect(model.quality).toMatchObject({ exits: 3, entries: 3, paired: 2, exitWithoutEntry: 1 });
  expect(
    model.reasons.map(({ isa, code, name, idle, exits, totalNs }) => [isa, code, name, idle, exits, totalNs]),
  ).toEqual([
    ['loongarch', 0, 'Interrupt', false, 1, 1000],
    ['loongarch', 64, 'IDLE', true, 1, 3000],
    ['loongarch', 67, 'CSR', false, 1, 0],
  ]);
});

test('riscv: the kernel’s slip in kvm_entry does not hide it', async () => {
  const model = await reportOn([
    'kvm_exit: SEPC:0xffffffff80003b0c, SCAUSE:0x16, STVAL:0x1, HTVAL:0x0, HTINST:0x0',
    'kvm_entry: PC: 0x016ffffffff80003b10',
    'kvm_exit: SEPC:0xffffffff80003b10, SCAUSE:0x8000000000000005, STVAL:0x1, HTVAL:0x0, HTINST:0x0',
    'kvm_entry: PC: 0x016ffffffff80003b10',
  ]);
  expect(model.capture.isa).toEqual(['riscv']);
  expect(model.reasons.map(({ code, paired, totalNs }) => [code, paired, totalNs])).toEqual([
    [0x16, 1, 1000],
    [0x80000005, 1, 1000],
  ]);
});

test('s390: SIE exits and enters', async () => {
  const model = await reportOn([
    'kvm_s390_sie_enter: 02[0705c00180000000-00000000001125e6]: entering sie flags 10000',
    'kvm_s390_sie_exit: 02[0705c00180000000-00000000001125e6]: exit sie icptcode 28 (Wait state)',
    'kvm_s390_sie_enter: 02[0705c00180000000-00000000001125e6]: entering sie flags 10000',
  ]);
  expect(model.reasons).toMatchObject([
    { isa: 's390', code: 28, name: 'Wait state', idle: true, exits: 1, paired: 1, totalNs: 1000 },
  ]);
  expect(model.vcpus).toMatchObject([{ tid: 140, vcpu: 2 }]);
});

test('ppc and mips', async () => {
  const ppc = await reportOn([
    'kvm_guest_exit: VCPU 1: trap=HV_DECREMENTER pc=0xc000000000010000 msr=0x8000000000009033, ceded=0',
    'kvm_guest_enter: VCPU 1: pc=0xc000000000010000 pexcp=0x0 ceded=0',
  ]);
  expect(ppc.reasons).toMatchObject([{ isa: 'ppc', code: 0x980, name: 'HV_DECREMENTER', paired: 1 }]);
  const mips = await reportOn(['kvm_exit: [WAIT]PC: 0x80100000', 'kvm_reenter: PC: 0x80100004']);
  expect(mips.reasons).toMatchObject([{ isa: 'mips', code: 32, idle: true, paired: 1 }]);
});

test('a reason that no table knows keeps its name, without a number', async () => {
  const exit = (name: string) =>
    `kvm_exit: vcpu 0 reason ${name} rip 0x10 info1 0x0000000000000000 info2 0x0000000000000000 intr_info 0x00000000 error_code 0x00000000`;
  const model = await reportOn([
    exit('HLT'),
    'kvm_entry: vcpu 0, rip 0x10',
    exit('FRESH_REASON'),
    'kvm_entry: vcpu 0, rip 0x10',
    exit('FRESH_REASON'),
    exit('OTHER_NEW'),
  ]);
  const fresh = model.reasons.filter(({ code }) => code === null);
  expect(fresh.map(({ isa, name, exits, paired }) => [isa, name, exits, paired])).toEqual([
    ['unknown', 'FRESH_REASON', 2, 1],
    ['unknown', 'OTHER_NEW', 1, 0],
  ]);
  expect(model.capture.isa).toEqual(['vmx', 'unknown']);
  expect(model.quality.warnings.map(({ code }) => code)).toContain('unknown-reason-names');
});

/** Report on lines of `[thread, event]`, a microsecond apart. */
async function reportOnThreads(events: readonly (readonly [thread: string, event: string])[]) {
  const path = join(scratch, 'threads');
  const lines = events.map(
    ([thread, event], i) => ` ${thread}     [001] d..1.    17.${String(i + 1).padStart(6, '0')}: ${event}\n`,
  );
  writeFileSync(path, lines.join(''));
  return runReport([path], { ...defaultReportOptions(), includeIdle: true });
}

const leave = (vcpu: number, trap = 'HV_DECREMENTER') =>
  `kvm_guest_exit: VCPU ${vcpu}: trap=${trap} pc=0xc000000000010000 msr=0x8000000000009033, ceded=0`;
const enter = (vcpu: number) => `kvm_guest_enter: VCPU ${vcpu}: pc=0xc000000000010000 pexcp=0x0 ceded=0`;

// arch/powerpc/kvm/book3s_hv.c: post_guest_process() and kvmppc_run_core() trace for all vCPUs of the core.
const core = (thread: string) =>
  [leave(0), leave(1, 'SYSCALL'), enter(0), enter(1)].map((event) => [thread, event] as const);

test('ppc HV: the vCPUs of a core are paired apart, whichever thread runs them', async () => {
  const enters = [
    ['CPU 0/KVM-140', 'kvmppc_run_vcpu_enter: VCPU 0: tgid=130'],
    ['CPU 1/KVM-141', 'kvmppc_run_vcpu_enter: VCPU 1: tgid=130'],
  ] as const;
  const plain = (thread: string) => thread.replace(/^CPU .*-/, 'qemu-system-ppc-');
  for (const told of [true, false]) {
    const name = told ? plain : (thread: string) => thread;
    const model = await reportOnThreads(
      [...(told ? enters : []), ...core('CPU 0/KVM-140'), ...core('CPU 1/KVM-141')].map(
        ([thread, event]) => [name(thread), event] as const,
      ),
    );
    expect(model.quality).toMatchObject({ exits: 4, entries: 4, paired: 4, exitWithoutEntry: 0 });
    expect(model.reasons.map((row) => [row.name, row.paired, row.totalNs])).toEqual([
      ['HV_DECREMENTER', 2, 4000],
      ['SYSCALL', 2, 4000],
    ]);
    expect(model.vcpus.map(({ tid, vcpu, paired }) => [tid, vcpu, paired])).toEqual([
      [140, 0, 2],
      [141, 1, 2],
    ]);
    expect(model.capture.arch).toBe('ppc64');
  }
});

test('ppc HV: an exit to user space in the vCPU’s own thread belongs to the exit that another thread traced', async () => {
  const model = await reportOnThreads([
    ['CPU 0/KVM-140', enter(0)],
    ['CPU 1/KVM-141', enter(1)],
    ['CPU 0/KVM-140', leave(0)],
    ['CPU 0/KVM-140', leave(1, 'H_DATA_STORAGE')],
    ['CPU 1/KVM-141', 'kvm_userspace_exit: reason KVM_EXIT_MMIO (6)'],
    ['CPU 0/KVM-140', enter(0)],
    ['CPU 0/KVM-140', enter(1)],
  ]);
  expect(model.escalation).toMatchObject({ known: true, exits: 2, escalated: 1 });
  expect(model.escalation.byReason.find(({ escalated }) => escalated === 1)?.name).toBe('H_DATA_STORAGE');
});

test('ppc HV: vCPUs that no thread is known of keep apart, and the report says so', async () => {
  const model = await reportOnThreads([...core('qemu-system-ppc-140'), ...core('qemu-system-ppc-140')]);
  expect(model.quality).toMatchObject({ exits: 4, paired: 4 });
  expect(model.vcpus.map(({ vcpu, paired }) => [vcpu, paired])).toEqual([
    [0, 2],
    [1, 2],
  ]);
  expect(model.quality.warnings).toContainEqual(
    expect.objectContaining({ code: 'vcpus-without-thread', count: 1 }),
  );
});
