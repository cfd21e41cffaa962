/**
 * Words of the event texts that are plain "word value" pairs, by event: kernel print formats of all versions known
 * (include/trace/events/kvm.h, arch/ARCH/kvm/trace*.h). Which field goes to which column: core/event-fields.ts.
 */
import { F_ADDRESS, F_ARG0, F_ARG1, F_CODE, F_INFO1 } from '../../core/event-batch.ts';
import { type KeyTable, keyTable } from './keyed-text.ts';

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

export const EVENT_TABLES: Readonly<Record<string, KeyTable>> = {
  kvm_nested_vmenter: keyTable(
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
    'kvm_nested_vmenter',
  ),
  kvm_nested_vmrun: keyTable(
    {
      rip: { column: 'address', base: 'x' },
      vmcb: { column: 'info1', base: 'x' },
      nrip: { column: 'info2', base: 'x' },
    },
    F_ADDRESS,
    'kvm_nested_vmrun',
  ),
  kvm_nested_intr_vmexit: keyTable(
    { rip: { column: 'address', base: 'x' } },
    F_ADDRESS,
    'kvm_nested_intr_vmexit',
  ),
  kvm_pio: keyTable(
    {
      pio_read: { sets: ['code', 0] },
      pio_write: { sets: ['code', 1] },
      at: { column: 'address', base: 'x' },
      size: { column: 'info1', base: 'd' },
      count: { column: 'info2', base: 'd' },
      val: { column: 'arg0', base: 'x' },
    },
    F_CODE | F_ADDRESS,
    'kvm_pio',
  ),
  kvm_mmio: keyTable(
    {
      'unsatisfied-read': { sets: ['code', 0] },
      read: { sets: ['code', 1] },
      write: { sets: ['code', 2] },
      len: { column: 'info1', base: 'd' },
      gpa: { column: 'address', base: 'x' },
      val: { column: 'arg0', base: 'x' },
    },
    F_CODE | F_ADDRESS,
    'kvm_mmio',
  ),
  kvm_fast_mmio: keyTable({ gpa: { column: 'address', base: 'x' } }, F_ADDRESS, 'kvm_fast_mmio'),
  kvm_cpuid: keyTable(
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
    'kvm_cpuid',
  ),
  kvm_hypercall: keyTable(
    {
      nr: { column: 'address', base: 'x' },
      ...REGISTERS,
      a2: { column: 'info1', base: 'x' },
      a3: { column: 'info2', base: 'x' },
    },
    F_ADDRESS,
    'kvm_hypercall',
  ),
  kvm_xen_hypercall: keyTable(
    { nr: { column: 'address', base: 'x' }, ...REGISTERS },
    F_ADDRESS,
    'kvm_xen_hypercall',
  ),
  kvm_hv_hypercall: keyTable(
    {
      code: { column: 'address', base: 'x' },
      fast: { sets: ['code', 1] },
      slow: { sets: ['code', 0] },
      in: { column: 'info1', base: 'x' },
      out: { column: 'info2', base: 'x' },
    },
    F_ADDRESS,
    'kvm_hv_hypercall',
  ),
  kvm_page_fault: keyTable(
    {
      vcpu: { column: 'vcpu', base: 'd' },
      rip: { column: 'info1', base: 'x' },
      address: { column: 'address', base: 'x' },
      error_code: { column: 'info2', base: 'x' },
    },
    F_ADDRESS,
    'kvm_page_fault',
  ),
  kvm_eoi: keyTable(
    { apicid: { column: 'address', base: 'x' }, vector: { column: 'arg0', base: 'd' } },
    F_ADDRESS | F_ARG0,
    'kvm_eoi',
  ),
  kvm_pv_eoi: keyTable(
    { apicid: { column: 'address', base: 'x' }, vector: { column: 'arg0', base: 'd' } },
    F_ADDRESS | F_ARG0,
    'kvm_pv_eoi',
  ),
  kvm_inj_virq: keyTable(
    {
      // Up to 5.15 `irq N`, decimal; from 6.1 `IRQ 0xV` or `Soft/INTn 0xV`, then maybe ` [reinjected]`.
      irq: { column: 'address', base: 'd' },
      IRQ: { column: 'address', base: 'x', sets: ['code', 0] },
      'Soft/INTn': { column: 'address', base: 'x', sets: ['code', 1] },
      reinjected: { sets: ['arg0', 1] },
    },
    F_ADDRESS,
    'kvm_inj_virq',
  ),
  kvm_halt_poll_ns: keyTable(
    {
      vcpu: { column: 'vcpu', base: 'd' },
      halt_poll_ns: { column: 'arg0', base: 'd' },
      grow: { column: 'arg1', base: 'd', sets: ['code', 1] },
      shrink: { column: 'arg1', base: 'd', sets: ['code', 0] },
    },
    F_CODE | F_ARG0 | F_ARG1,
    'kvm_halt_poll_ns',
  ),
  kvm_vcpu_wakeup: keyTable(
    {
      wait: { sets: ['code', 1] },
      poll: { sets: ['code', 0] },
      time: { column: 'arg0', base: 'd' },
      valid: { sets: ['arg1', 1] },
      invalid: { sets: ['arg1', 0] },
    },
    F_CODE | F_ARG0,
    'kvm_vcpu_wakeup',
  ),
  kvm_ple_window_update: keyTable(
    {
      vcpu: { column: 'vcpu', base: 'd' },
      old: { column: 'arg1', base: 'd' },
      new: { column: 'arg0', base: 'd' },
    },
    F_ARG0 | F_ARG1,
    'kvm_ple_window_update',
  ),
  kvm_apic_accept_irq: keyTable(
    { apicid: { column: 'address', base: 'x' }, vec: { column: 'code', base: 'd' } },
    F_ADDRESS | F_CODE,
    'kvm_apic_accept_irq',
  ),
  kvm_apic_ipi: keyTable(
    { dst: { column: 'address', base: 'x' }, vec: { column: 'code', base: 'd' }, ...ICR_WORDS },
    F_ADDRESS | F_CODE,
    'kvm_apic_ipi',
  ),
  kvm_avic_incomplete_ipi: keyTable(
    {
      // `vcpu=0, icrh:icrl=0x00000002:000000fb, id=2, index=0`: the pair is read by readAvicIpi().
      vcpu: { column: 'vcpu', base: 'd' },
      id: { column: 'code', base: 'd' },
    },
    F_CODE,
    'kvm_avic_incomplete_ipi',
  ),
  kvm_avic_unaccelerated_access: keyTable(
    {
      vcpu: { column: 'vcpu', base: 'd' },
      offset: { column: 'address', base: 'x' },
      write: { sets: ['code', 1] },
      read: { sets: ['code', 0] },
      vec: { column: 'arg0', base: 'x' },
    },
    F_ADDRESS | F_CODE,
    'kvm_avic_unaccelerated_access',
  ),
  kvm_vmgexit_enter: keyTable(VMGEXIT_WORDS, F_ADDRESS, 'kvm_vmgexit_enter'),
  kvm_vmgexit_exit: keyTable(VMGEXIT_WORDS, F_ADDRESS, 'kvm_vmgexit_exit'),
  kvm_vmgexit_msr_protocol_enter: keyTable(
    { vcpu: { column: 'vcpu', base: 'd' }, ghcb_gpa: { column: 'address', base: 'x' } },
    F_ADDRESS,
    'kvm_vmgexit_msr_protocol_enter',
  ),
  kvm_vmgexit_msr_protocol_exit: keyTable(
    {
      vcpu: { column: 'vcpu', base: 'd' },
      ghcb_gpa: { column: 'address', base: 'x' },
      result: { column: 'arg0', base: 'd' },
    },
    F_ADDRESS,
    'kvm_vmgexit_msr_protocol_exit',
  ),
  kvm_rmp_fault: keyTable(
    {
      vcpu: { column: 'vcpu', base: 'd' },
      gpa: { column: 'address', base: 'x' },
      pfn: { column: 'info1', base: 'x' },
      error_code: { column: 'info2', base: 'x' },
      rmp_level: { column: 'arg0', base: 'd' },
      psmash_ret: { column: 'arg1', base: 'd' },
    },
    F_ADDRESS,
    'kvm_rmp_fault',
  ),
  kvm_guest_fault: keyTable(
    {
      ipa: { column: 'address', base: 'x' },
      hsr: { column: 'info1', base: 'x' },
      hxfar: { column: 'info2', base: 'x' },
      pc: { column: 'arg0', base: 'x' },
    },
    F_ADDRESS | F_INFO1,
    'kvm_guest_fault',
  ),
  kvm_hvc_arm64: keyTable(
    {
      // `HVC at 0x… (r0: 0x…, imm: 0x…)`
      at: { column: 'arg0', base: 'x' },
      r0: { column: 'address', base: 'x' },
      imm: { column: 'info1', base: 'x' },
    },
    F_ADDRESS | F_INFO1,
    'kvm_hvc_arm64',
  ),
  kvm_wfx_arm64: keyTable(
    {
      wfi: { sets: ['code', 0] },
      wfe: { sets: ['code', 1] },
      at: { column: 'address', base: 'x' },
    },
    F_CODE | F_ADDRESS,
    'kvm_wfx_arm64',
  ),
  kvm_timer_update_irq: keyTable(
    {
      VCPU: { column: 'vcpu', base: 'd' },
      IRQ: { column: 'address', base: 'd' },
      level: { column: 'code', base: 'd' },
    },
    F_ADDRESS,
    'kvm_timer_update_irq',
  ),
  kvmppc_run_vcpu_enter: keyTable(
    { VCPU: { column: 'vcpu', base: 'd' }, tgid: { column: 'arg0', base: 'd' } },
    F_ARG0,
    'kvmppc_run_vcpu_enter',
  ),
  kvm_get_timer_map: keyTable({ VCPU: { column: 'vcpu', base: 'd' } }, 0, 'kvm_get_timer_map'),
  kvm_run_exit: keyTable(
    { cpu_index: { column: 'vcpu', base: 'd' }, reason: { column: 'code', base: 'd' } },
    F_CODE,
    'kvm_run_exit',
  ),
  sched_wakeup: wakeupTable('sched_wakeup'),
  sched_waking: wakeupTable('sched_waking'),
};

function wakeupTable(event: string): KeyTable {
  // `comm=NAME pid=1 prio=120 target_cpu=000`; NAME is cut off before (sched-text.ts).
  return keyTable(
    { pid: { column: 'address', base: 'd' }, target_cpu: { column: 'arg0', base: 'd' } },
    F_ADDRESS,
    event,
  );
}
