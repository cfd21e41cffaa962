/**
 * Words of the event texts that are plain "word value" pairs, by event: kernel print formats of all versions known
 * (include/trace/events/kvm.h, arch/ARCH/kvm/trace*.h). Which field goes to which column: core/event-fields.ts.
 */
import { F_ADDRESS, F_ARG0, F_ARG1, F_CODE, F_INFO1 } from '../../core/event-batch.ts';
import { type KeyRule, type KeyTable, keyTable } from './keyed-text.ts';

const REGISTERS = {
  a0: { column: 'arg0', base: 'x' },
  a1: { column: 'arg1', base: 'x' },
} as const;

/** `dst X vec N (Fixed|physical|assert|edge|dst)`: the words are bits of the ICR's low half. */
const ICR_WORDS = {
  Fixed: {},
  LowPrio: { bits: 1 << 8 },
  SMI: { bits: 2 << 8 },
  Res3: { bits: 3 << 8 },
  NMI: { bits: 4 << 8 },
  INIT: { bits: 5 << 8 },
  SIPI: { bits: 6 << 8 },
  ExtINT: { bits: 7 << 8 },
  logical: { bits: 1 << 11 },
  assert: { bits: 1 << 14 },
  level: { bits: 1 << 15 },
  self: { bits: 1 << 18 },
  all: { bits: 2 << 18 },
  'all-but-self': { bits: 3 << 18 },
} as const;

/** `vcpu 0, exit_reason 80000010, exit_info1 0, exit_info2 0`: hexadecimal without 0x. */
const VMGEXIT_WORDS = {
  vcpu: { column: 'vcpu', base: 'd' },
  exit_reason: { column: 'address', base: 'x' },
  exit_info1: { column: 'info1', base: 'x' },
  exit_info2: { column: 'info2', base: 'x' },
} as const;

/** `comm=NAME pid=1 prio=120 target_cpu=000`; NAME is cut off before (sched-text.ts). */
const WAKEUP_WORDS = {
  pid: { column: 'address', base: 'd' },
  target_cpu: { column: 'arg0', base: 'd' },
} as const;

/** By event: its words, and the F_* bits that every layout of its text gives. */
const GRAMMAR: Readonly<Record<string, readonly [Readonly<Record<string, KeyRule>>, number]>> = {
  kvm_nested_vmenter: [
    {
      // 6.1: `rip: 0x… vmcb: 0x… nested_rip: 0x… int_ctl: … event_inj: … nested_npt=y nested_cr3: 0x…`
      rip: { column: 'address', base: 'x' },
      vmcb: { column: 'info1', base: 'x', sets: ['isa', 2] },
      vmcs: { column: 'info1', base: 'x', sets: ['isa', 1] },
      nested_rip: { column: 'info2', base: 'x' },
      guest_cr3: { column: 'arg0', base: 'x' },
      nested_eptp: { column: 'arg0', base: 'x' },
      nested_cr3: { column: 'arg0', base: 'x' },
    },
    F_ADDRESS,
  ],
  kvm_nested_vmrun: [
    {
      rip: { column: 'address', base: 'x' },
      vmcb: { column: 'info1', base: 'x' },
      nrip: { column: 'info2', base: 'x' },
    },
    F_ADDRESS,
  ],
  kvm_nested_intr_vmexit: [{ rip: { column: 'address', base: 'x' } }, F_ADDRESS],
  kvm_pio: [
    {
      pio_read: { sets: ['code', 0] },
      pio_write: { sets: ['code', 1] },
      at: { column: 'address', base: 'x' },
      size: { column: 'info1', base: 'd' },
      count: { column: 'info2', base: 'd' },
      val: { column: 'arg0', base: 'x' },
    },
    F_CODE | F_ADDRESS,
  ],
  kvm_mmio: [
    {
      'unsatisfied-read': { sets: ['code', 0] },
      read: { sets: ['code', 1] },
      write: { sets: ['code', 2] },
      len: { column: 'info1', base: 'd' },
      gpa: { column: 'address', base: 'x' },
      val: { column: 'arg0', base: 'x' },
    },
    F_CODE | F_ADDRESS,
  ],
  kvm_fast_mmio: [{ gpa: { column: 'address', base: 'x' } }, F_ADDRESS],
  kvm_cpuid: [
    {
      func: { column: 'address', base: 'x' },
      idx: { column: 'info1', base: 'x' },
      rax: { column: 'arg0', base: 'x' },
      rbx: { column: 'arg1', base: 'x' },
      // "cpuid entry not found": the first word that sets the column counts.
      not: { sets: ['code', 0] },
      found: { sets: ['code', 1] },
    },
    F_ADDRESS | F_ARG0,
  ],
  kvm_hypercall: [
    {
      nr: { column: 'address', base: 'x' },
      ...REGISTERS,
      a2: { column: 'info1', base: 'x' },
      a3: { column: 'info2', base: 'x' },
    },
    F_ADDRESS,
  ],
  kvm_xen_hypercall: [{ nr: { column: 'address', base: 'x' }, ...REGISTERS }, F_ADDRESS],
  kvm_hv_hypercall: [
    {
      code: { column: 'address', base: 'x' },
      fast: { sets: ['code', 1] },
      slow: { sets: ['code', 0] },
      in: { column: 'info1', base: 'x' },
      out: { column: 'info2', base: 'x' },
    },
    F_ADDRESS,
  ],
  kvm_page_fault: [
    {
      vcpu: { column: 'vcpu', base: 'd' },
      rip: { column: 'info1', base: 'x' },
      address: { column: 'address', base: 'x' },
      error_code: { column: 'info2', base: 'x' },
    },
    F_ADDRESS,
  ],
  kvm_eoi: [
    { apicid: { column: 'address', base: 'x' }, vector: { column: 'arg0', base: 'd' } },
    F_ADDRESS | F_ARG0,
  ],
  kvm_pv_eoi: [
    { apicid: { column: 'address', base: 'x' }, vector: { column: 'arg0', base: 'd' } },
    F_ADDRESS | F_ARG0,
  ],
  kvm_inj_virq: [
    {
      // 5.10: `irq N`, decimal; 6.1: `IRQ 0xV` or `Soft/INTn 0xV`, then maybe ` [reinjected]`.
      irq: { column: 'address', base: 'd' },
      IRQ: { column: 'address', base: 'x', sets: ['code', 0] },
      'Soft/INTn': { column: 'address', base: 'x', sets: ['code', 1] },
      reinjected: { sets: ['arg0', 1] },
    },
    F_ADDRESS,
  ],
  kvm_halt_poll_ns: [
    {
      vcpu: { column: 'vcpu', base: 'd' },
      halt_poll_ns: { column: 'arg0', base: 'd' },
      grow: { column: 'arg1', base: 'd', sets: ['code', 1] },
      shrink: { column: 'arg1', base: 'd', sets: ['code', 0] },
    },
    F_CODE | F_ARG0 | F_ARG1,
  ],
  kvm_vcpu_wakeup: [
    {
      wait: { sets: ['code', 1] },
      poll: { sets: ['code', 0] },
      time: { column: 'arg0', base: 'd' },
      valid: { sets: ['arg1', 1] },
      invalid: { sets: ['arg1', 0] },
    },
    F_CODE | F_ARG0,
  ],
  kvm_ple_window_update: [
    {
      vcpu: { column: 'vcpu', base: 'd' },
      old: { column: 'arg1', base: 'd' },
      new: { column: 'arg0', base: 'd' },
    },
    F_ARG0 | F_ARG1,
  ],
  kvm_apic_accept_irq: [
    { apicid: { column: 'address', base: 'x' }, vec: { column: 'code', base: 'd' } },
    F_ADDRESS | F_CODE,
  ],
  kvm_apic_ipi: [
    { dst: { column: 'address', base: 'x' }, vec: { column: 'code', base: 'd' }, ...ICR_WORDS },
    F_ADDRESS | F_CODE,
  ],
  kvm_avic_incomplete_ipi: [
    {
      // `vcpu=0, icrh:icrl=0x00000002:000000fb, id=2, index=0`: the pair is read by readAvicIpi().
      vcpu: { column: 'vcpu', base: 'd' },
      id: { column: 'code', base: 'd' },
    },
    F_CODE,
  ],
  kvm_avic_unaccelerated_access: [
    {
      vcpu: { column: 'vcpu', base: 'd' },
      offset: { column: 'address', base: 'x' },
      write: { sets: ['code', 1] },
      read: { sets: ['code', 0] },
      vec: { column: 'arg0', base: 'x' },
    },
    F_ADDRESS | F_CODE,
  ],
  kvm_vmgexit_enter: [VMGEXIT_WORDS, F_ADDRESS],
  kvm_vmgexit_exit: [VMGEXIT_WORDS, F_ADDRESS],
  kvm_vmgexit_msr_protocol_enter: [
    { vcpu: { column: 'vcpu', base: 'd' }, ghcb_gpa: { column: 'address', base: 'x' } },
    F_ADDRESS,
  ],
  kvm_vmgexit_msr_protocol_exit: [
    {
      vcpu: { column: 'vcpu', base: 'd' },
      ghcb_gpa: { column: 'address', base: 'x' },
      result: { column: 'arg0', base: 'd' },
    },
    F_ADDRESS,
  ],
  kvm_rmp_fault: [
    {
      vcpu: { column: 'vcpu', base: 'd' },
      gpa: { column: 'address', base: 'x' },
      pfn: { column: 'info1', base: 'x' },
      error_code: { column: 'info2', base: 'x' },
      rmp_level: { column: 'arg0', base: 'd' },
      psmash_ret: { column: 'arg1', base: 'd' },
    },
    F_ADDRESS,
  ],
  kvm_guest_fault: [
    {
      ipa: { column: 'address', base: 'x' },
      hsr: { column: 'info1', base: 'x' },
      hxfar: { column: 'info2', base: 'x' },
      pc: { column: 'arg0', base: 'x' },
    },
    F_ADDRESS | F_INFO1,
  ],
  kvm_hvc_arm64: [
    {
      // `HVC at 0x… (r0: 0x…, imm: 0x…)`
      at: { column: 'arg0', base: 'x' },
      r0: { column: 'address', base: 'x' },
      imm: { column: 'info1', base: 'x' },
    },
    F_ADDRESS | F_INFO1,
  ],
  kvm_wfx_arm64: [
    {
      wfi: { sets: ['code', 0] },
      wfe: { sets: ['code', 1] },
      at: { column: 'address', base: 'x' },
    },
    F_CODE | F_ADDRESS,
  ],
  kvm_timer_update_irq: [
    {
      VCPU: { column: 'vcpu', base: 'd' },
      IRQ: { column: 'address', base: 'd' },
      level: { column: 'code', base: 'd' },
    },
    F_ADDRESS,
  ],
  kvmppc_run_vcpu_enter: [
    { VCPU: { column: 'vcpu', base: 'd' }, tgid: { column: 'arg0', base: 'd' } },
    F_ARG0,
  ],
  kvm_get_timer_map: [{ VCPU: { column: 'vcpu', base: 'd' } }, 0],
  kvm_run_exit: [{ cpu_index: { column: 'vcpu', base: 'd' }, reason: { column: 'code', base: 'd' } }, F_CODE],
  sched_wakeup: [WAKEUP_WORDS, F_ADDRESS],
  sched_waking: [WAKEUP_WORDS, F_ADDRESS],
};

/** A map, since names come from the recording: an object would have tables for `constructor` and its like. */
export const EVENT_TABLES: ReadonlyMap<string, KeyTable> = new Map(
  Object.entries(GRAMMAR).map(([event, [words, required]]) => [event, keyTable(words, required, event)]),
);
