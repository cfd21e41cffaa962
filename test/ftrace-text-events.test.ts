/**
 * Event texts of all known layouts → the columns that core/event-fields.ts gives to the same fields of a binary
 * record. Texts are the kernel's print formats (sources named per group) or lines of real captures.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  ARM64_NOT_TRAP,
  ISA_ARM,
  ISA_ARM64,
  ISA_LOONGARCH,
  ISA_MIPS,
  ISA_NAMED,
  ISA_PPC,
  ISA_RISCV,
  ISA_S390,
  ISA_SVM,
  ISA_VMX,
} from '../src/core/isa-codes.ts';
import { allReasons } from '../src/isa/reasons.ts';
import { readEvent, readText, type TextRow } from './support/ftrace-text.ts';

type Case = readonly [string, Partial<TextRow>];

const vmx = { isa: ISA_VMX, code: 48 };
const HEAD = 0xffffffff81000000n;

describe.each([
  [
    'x86 kvm_exit (arch/x86/kvm/trace.h)',
    [
      // 2.6.3x, before info; 2.6.38 to 5.3; 5.4 to 5.9
      ['kvm_exit: reason apic_access rip 0xc011518c', { isa: ISA_VMX, code: 44, address: 0xc011518cn }],
      [
        'kvm_exit: reason EPT_VIOLATION rip 0x5a1b20 info 384 0',
        { ...vmx, address: 0x5a1b20n, info1: 0x384n, info2: 0n },
      ],
      [
        'kvm_exit: vcpu 2 reason EXTERNAL_INTERRUPT rip 0x100 info 0 800000f6',
        { vcpu: 2, isa: ISA_VMX, code: 1, address: 0x100n, info1: 0n, info2: 0x800000f6n },
      ],
      [
        'kvm_exit: vcpu 3 reason EPT_VIOLATION rip 0xffffffff81000000 info1 0x0000000000000184 info2 0x0000000000000001 intr_info 0x80000b0e error_code 0x00000002',
        { vcpu: 3, ...vmx, address: HEAD, info1: 0x184n, info2: 1n, intrInfo: 0x80000b0e, errorCode: 2 },
      ],
      [
        'kvm_exit: vcpu 0 reason PF excp rip 0x1 info1 0xffffffffffffffff info2 0x0000000000000000 intr_info 0x00000000 error_code 0x00000000 requests 0x0000000000000024',
        {
          vcpu: 0,
          isa: ISA_SVM,
          code: 0x4e,
          address: 1n,
          info1: 0xffffffffffffffffn,
          info2: 0n,
          intrInfo: 0,
          errorCode: 0,
          arg0: 0x24n,
        },
      ],
      [
        'kvm_exit: vcpu 0 reason INVALID_STATE FAILED_VMENTRY rip 0x1 info1 0x0000000000000000 info2 0x0000000000000000 intr_info 0x00000000 error_code 0x00000000',
        {
          vcpu: 0,
          isa: ISA_VMX,
          code: 0x80000021,
          address: 1n,
          info1: 0n,
          info2: 0n,
          intrInfo: 0,
          errorCode: 0,
        },
      ],
      // libtraceevent's plugin: no vcpu, EXIT_ names, symbols
      [
        'kvm_exit: reason EXIT_MSR rip 0x4015c2 info 1 0',
        { isa: ISA_SVM, code: 0x7c, address: 0x4015c2n, info1: 1n, info2: 0n },
      ],
      [
        'kvm_exit: reason HLT rip 0xffffffff81000000 native_safe_halt+0xb info 0 0',
        { isa: ISA_VMX, code: 12, address: HEAD, info1: 0n, info2: 0n },
      ],
      // a layout without rip, seen on a mailing list
      [
        'kvm_exit: vcpu 0 reason EXTERNAL_INTERRUPT intr_info 0x800000ec',
        { vcpu: 0, isa: ISA_VMX, code: 1, intrInfo: 0x800000ec },
      ],
      // trace-cmd report -R
      [
        'kvm_exit:              exit_reason=49 guest_rip=0xffffffff81000000 isa=1 info1=0x0000000000000005 info2=0x0000000000000000 intr_info=0x00000000 error_code=0x00000000 vcpu_id=7',
        { vcpu: 7, isa: ISA_VMX, code: 49, address: HEAD, info1: 5n, info2: 0n, intrInfo: 0, errorCode: 0 },
      ],
    ],
  ],
  [
    'nested events',
    [
      [
        'kvm_nested_vmexit: rip: 0x0000000000001000 reason: npf ext_inf1: 0x0000000100000004 ext_inf2: 0x00000000febff000 ext_int: 0x80000b0e ext_int_err: 0x00000002',
        {
          isa: ISA_SVM,
          code: 0x400,
          address: 0x1000n,
          info1: 0x100000004n,
          info2: 0xfebff000n,
          intrInfo: 0x80000b0e,
          errorCode: 2,
        },
      ],
      [
        'kvm_nested_vmexit:    <CANT FIND FIELD rip>vcpu 1 reason msr rip 0xffffffff81000000 info1 0x0000000000000001 info2 0x0000000000000000 intr_info 0x000000ec error_code 0x00000000',
        {
          vcpu: 1,
          isa: ISA_SVM,
          code: 0x7c,
          address: HEAD,
          info1: 1n,
          info2: 0n,
          intrInfo: 0xec,
          errorCode: 0,
        },
      ],
      [
        'kvm_nested_vmexit_inject: reason: msr ext_inf1: 0x0000000000000001 ext_inf2: 0x0000000000000000 ext_int: 0x00000000 ext_int_err: 0x00000004',
        { isa: ISA_SVM, code: 0x7c, info1: 1n, info2: 0n, intrInfo: 0, errorCode: 4 },
      ],
      [
        'kvm_nested_vmexit_inject: reason EXIT_MSR info1 1 info2 0 int_info 0 int_info_err 6',
        { isa: ISA_SVM, code: 0x7c, info1: 1n, info2: 0n, intrInfo: 0, errorCode: 6 },
      ],
      [
        'kvm_nested_vmenter: rip: 0xffffffffc0426dcc vmcb: 0x0000000018d4e000 nested_rip: 0xffffffff96c17a0b int_ctl: 0x01000001 event_inj: 0x800000ec nested_npt=y nested_cr3: 0x0000000018c88000',
        {
          isa: ISA_SVM,
          address: 0xffffffffc0426dccn,
          info1: 0x18d4e000n,
          info2: 0xffffffff96c17a0bn,
          arg0: 0x18c88000n,
        },
      ],
      [
        'kvm_nested_vmenter: rip: 0x1 vmcs: 0x2 nested_rip: 0x3 int_ctl: 0x00000000 event_inj: 0x00000000 nested_ept=y nested_eptp: 0x4',
        { isa: ISA_VMX, address: 1n, info1: 2n, info2: 3n, arg0: 4n },
      ],
      [
        'kvm_nested_vmrun: rip: 0x0000000000000001 vmcb: 0x0000000000000002 nrip: 0x0000000000000003 int_ctl: 0x00000000 event_inj: 0x00000000 npt: on',
        { address: 1n, info1: 2n, info2: 3n },
      ],
      ['kvm_nested_intr_vmexit: rip: 0xffffffff9626a13b', { address: 0xffffffff9626a13bn }],
    ],
  ],
  [
    'x86 kvm_entry',
    [
      ['kvm_entry: vcpu 5', { vcpu: 5 }],
      ['kvm_entry: vcpu 5, rip 0x1040a', { vcpu: 5, address: 0x1040an }],
      ['kvm_entry: vcpu 5, rip 0x1040a[immediate exit]', { vcpu: 5, address: 0x1040an, arg0: 1n }],
      [
        'kvm_entry: vcpu 5, rip 0x1040a intr_info 0x80000030 error_code 0x00000001',
        { vcpu: 5, address: 0x1040an, intrInfo: 0x80000030, errorCode: 1, arg0: 0n },
      ],
      [
        'kvm_entry: vcpu 5, rip 0x1040a intr_info 0x80000030 error_code 0x00000001[immediate exit]',
        { vcpu: 5, address: 0x1040an, intrInfo: 0x80000030, errorCode: 1, arg0: 1n },
      ],
      ['kvm_entry:             vcpu 5 rip 0x1040a', { vcpu: 5, address: 0x1040an }],
      [
        'kvm_entry:             vcpu_id=5 rip=0x1040a immediate_exit=0',
        { vcpu: 5, address: 0x1040an, arg0: 0n },
      ],
    ],
  ],
  [
    'kvm_userspace_exit',
    [
      ['kvm_userspace_exit: reason KVM_EXIT_IO (2)', { code: 2, arg0: 0n }],
      ['kvm_userspace_exit: reason KVM_EXIT_UNKNOWN (0)', { code: 0, arg0: 0n }],
      ['kvm_userspace_exit: reason 0x27 (39)', { code: 39, arg0: 0n }],
      ['kvm_userspace_exit: reason restart (4)', { arg0: -4n }],
      ['kvm_userspace_exit: reason error (11)', { arg0: -11n }],
      ['kvm_userspace_exit:   reason=6 errno=-4', { code: 6, arg0: -4n }],
    ],
  ],
  [
    'x86 details',
    [
      [
        'kvm_pio: pio_write at 0x3f8 size 1 count 1 val 0x41 ',
        { code: 1, address: 0x3f8n, info1: 1n, info2: 1n, arg0: 0x41n },
      ],
      ['kvm_pio: pio_read at 0xc13e size 2 count 3', { code: 0, address: 0xc13en, info1: 2n, info2: 3n }],
      [
        'kvm_pio: pio_write at 0x3f8 size 1 count 9 val 0x41 (...)',
        { code: 1, address: 0x3f8n, info1: 1n, info2: 9n, arg0: 0x41n },
      ],
      [
        'kvm_pio:              rw=1 port=0x3f8 size=1 count=1 val=0x41',
        { code: 1, address: 0x3f8n, info1: 1n, info2: 1n, arg0: 0x41n },
      ],
      [
        'kvm_mmio: mmio unsatisfied-read len 4 gpa 0xe000030 val 0x0',
        { code: 0, address: 0xe000030n, info1: 4n, arg0: 0n },
      ],
      [
        'kvm_mmio: mmio read len 4 gpa 0xe000030 val 0x9',
        { code: 1, address: 0xe000030n, info1: 4n, arg0: 9n },
      ],
      [
        'kvm_mmio: mmio write len 8 gpa 0xfee000b0 val 0xffffffffffffffff',
        { code: 2, address: 0xfee000b0n, info1: 8n, arg0: -1n },
      ],
      ['kvm_fast_mmio: fast mmio at gpa 0xfebfe000', { address: 0xfebfe000n }],
      ['kvm_msr: msr_write 6e0 = 0x9fcc6f763', { code: 1, address: 0x6e0n, arg0: 0x9fcc6f763n, arg1: 0n }],
      ['kvm_msr: msr_read c0000080 = 0x0 (#GP)', { code: 0, address: 0xc0000080n, arg0: 0n, arg1: 1n }],
      [
        'kvm_msr:              write=1 ecx=0x6e0 data=0x5 exception=0',
        { code: 1, address: 0x6e0n, arg0: 5n, arg1: 0n },
      ],
      ['kvm_cr: cr_write 0 = 0x40000011', { code: 1, address: 0n, arg0: 0x40000011n }],
      ['kvm_cr: cr_read 8 = 0x1', { code: 0, address: 8n, arg0: 1n }],
      ['kvm_cpuid: func 7 rax 1 rbx 2 rcx 3 rdx 4', { address: 7n, arg0: 1n, arg1: 2n }],
      [
        'kvm_cpuid: func 7 rax 1 rbx 2 rcx 3 rdx 4, cpuid entry found',
        { address: 7n, arg0: 1n, arg1: 2n, code: 1 },
      ],
      [
        'kvm_cpuid: func 80000008 idx 1 rax d rbx 756e6547 rcx 6c65746e rdx 49656e69, cpuid entry not found, used max basic',
        { address: 0x80000008n, info1: 1n, arg0: 0xdn, arg1: 0x756e6547n, code: 0 },
      ],
      [
        'kvm_hypercall: nr 0x5 a0 0xcafe a1 0x1 a2 0x2 a3 0x3',
        { address: 5n, arg0: 0xcafen, arg1: 1n, info1: 2n, info2: 3n },
      ],
      [
        'kvm_hv_hypercall: code 0x2 fast var_cnt 0x0 rep_cnt 0x0 idx 0x0 in 0x1000 out 0x2000',
        { address: 2n, code: 1, info1: 0x1000n, info2: 0x2000n },
      ],
      ['kvm_page_fault: address fee000b0 error_code 14', { address: 0xfee000b0n, info2: 0x14n }],
      [
        'kvm_page_fault: vcpu 1 rip 0x10000 address 0x0000000000010000 error_code 0x184',
        { vcpu: 1, info1: 0x10000n, address: 0x10000n, info2: 0x184n },
      ],
      ['kvm_apic: apic_write APIC_EOI = 0x0', { code: 1, address: 0xb0n, arg0: 0n }],
      ['kvm_apic: apic_read APIC_TASKPRI = 0x10', { code: 0, address: 0x80n, arg0: 0x10n }],
      ['kvm_apic: apic_write 0x2b0 = 0x1', { code: 1, address: 0x2b0n, arg0: 1n }],
      ['kvm_eoi: apicid 1f vector 64', { address: 0x1fn, arg0: 64n }],
      ['kvm_eoi: apicid 0 vector -1', { address: 0n, arg0: -1n }],
      ['kvm_pv_eoi: apicid 0 vector 236', { address: 0n, arg0: 236n }],
      ['kvm_inj_virq: irq 236', { address: 236n }],
      ['kvm_inj_virq: IRQ 0xec', { address: 0xecn, code: 0, arg0: 0n }],
      ['kvm_inj_virq: IRQ 0x26 [reinjected]', { address: 0x26n, code: 0, arg0: 1n }],
      ['kvm_inj_virq: Soft/INTn 0x80', { address: 0x80n, code: 1, arg0: 0n }],
      ['kvm_inj_exception: #GP (0x18) [reinjected]', { address: 13n, code: 1, errorCode: 0x18, arg0: 1n }],
      ['kvm_inj_exception: #UD', { address: 6n, code: 0 }],
      ['kvm_inj_exception: #CP (0x1)', { address: 21n, code: 1, errorCode: 1 }],
      ['kvm_inj_exception: #XM', { address: 19n, code: 0 }],
      ['kvm_halt_poll_ns: vcpu 0: halt_poll_ns 10000 (grow 0)', { vcpu: 0, code: 1, arg0: 10000n, arg1: 0n }],
      [
        'kvm_halt_poll_ns: vcpu 2: halt_poll_ns 0 (shrink 10000)',
        { vcpu: 2, code: 0, arg0: 0n, arg1: 10000n },
      ],
      ['kvm_vcpu_wakeup: wait time 1090908 ns, polling valid', { code: 1, arg0: 1090908n, arg1: 1n }],
      ['kvm_vcpu_wakeup: poll time 5856 ns, polling invalid', { code: 0, arg0: 5856n, arg1: 0n }],
      ['kvm_vcpu_wakeup: poll time 5856 ns', { code: 0, arg0: 5856n }],
      ['kvm_ple_window_update: vcpu 1 old 4096 new 8192 (growed)', { vcpu: 1, arg0: 8192n, arg1: 4096n }],
      ['kvm_apic_accept_irq: apicid 1 vec 236 (Fixed|edge)', { address: 1n, code: 236 }],
      ['kvm_apic_ipi: dst 1 vec 65 (Fixed|physical|de-assert|edge|dst)', { address: 1n, code: 65 }],
      [
        'kvm_apic_ipi: dst 0 vec 0 (INIT|logical|assert|level|all-but-self)',
        { address: 0n, code: 0x500 | 0x800 | 0x4000 | 0x8000 | 0xc0000 },
      ],
      [
        'kvm_avic_incomplete_ipi: vcpu=1, icrh:icrl=0x02000000:000000fb, id=2, index=0',
        { vcpu: 1, address: 0x2000000n, info1: 0xfbn, code: 2 },
      ],
      [
        'kvm_avic_unaccelerated_access: vcpu=1, offset=0x320(APIC_LVTT), trap, write, vec=0xec',
        { vcpu: 1, address: 0x320n, code: 1, arg0: 0xecn },
      ],
    ],
  ],
  [
    'scheduler',
    [
      [
        'sched_switch: prev_comm=CPU 0/KVM prev_pid=158 prev_prio=120 prev_state=R+ ==> next_comm=a ==> b next_pid=91 next_prio=120',
        { arg0: 158n, address: 91n, info1: 0x100n },
      ],
      [
        'sched_switch: prev_comm=x prev_pid=1 prev_pid=7 prev_prio=120 prev_state=D ==> next_comm=swapper/0 next_pid=0 next_prio=120',
        { arg0: 7n, address: 0n, info1: 2n },
      ],
      [
        'sched_switch:         trace-cmd:522 [120] S ==> CPU 0/KVM:140 [120]',
        { arg0: 522n, address: 140n, info1: 1n },
      ],
      ['sched_waking: comm=CPU 0/KVM pid=140 prio=120 target_cpu=003', { address: 140n, arg0: 3n }],
      ['sched_wakeup:         CPU 0/KVM:140 [120] CPU:003', { address: 140n, arg0: 3n }],
      ['sched_wakeup:         kworker/1:2:91 [120] success=1 CPU:001', { address: 91n, arg0: 1n }],
    ],
  ],
  [
    'arm64 (arch/arm64/kvm/trace_arm.h)',
    [
      [
        'kvm_exit: TRAP: HSR_EC: 0x0024 (DABT_LOW), PC: 0xffff8000088677a8',
        { isa: ISA_ARM64, code: 0x24, address: 0xffff8000088677a8n },
      ],
      // The class of an exit that is no trap is stale.
      [
        'kvm_exit: IRQ: HSR_EC: 0x0000 (UNKNOWN), PC: 0x0000000000001000',
        { isa: ISA_ARM64, code: ARM64_NOT_TRAP, address: 0x1000n },
      ],
      [
        'kvm_exit: IRQ: HSR_EC: 0x0024 (DABT_LOW), PC: 0x0000000000001000',
        { isa: ISA_ARM64, code: ARM64_NOT_TRAP, address: 0x1000n },
      ],
      [
        'kvm_exit: SERROR: HSR_EC: 0x0000 (UNKNOWN), PC: 0x1',
        { isa: ISA_ARM64, code: ARM64_NOT_TRAP | 1, address: 1n },
      ],
      [
        'kvm_exit: HYP_GONE: HSR_EC: 0x0000 (UNKNOWN), PC: 0x1',
        { isa: ISA_ARM64, code: ARM64_NOT_TRAP | 0xbadca11, address: 1n },
      ],
      // TRAP with an SError pending prints as a number.
      ['kvm_exit: 0x80000002: HSR_EC: 0x0001 (WFx), PC: 0x1', { isa: ISA_ARM64, code: 1, address: 1n }],
      [
        'kvm_exit:             <CANT FIND FIELD exit_reason>TRAP: HSR_EC: 0x0001 (WFx), PC: 0x1',
        { isa: ISA_ARM64, code: 1, address: 1n },
      ],
      ['kvm_exit: HSR_EC: 0x0012, PC: 0x80010868', { isa: ISA_ARM, code: 0x12, address: 0x80010868n }],
      ['kvm_entry: PC: 0xffff8000088677a8', { address: 0xffff8000088677a8n }],
      ['kvm_entry: PC: 0x80010868', { address: 0x80010868n }],
      // 16 digits that begin like riscv's
      ['kvm_entry: PC: 0x0160000000000000', { address: 0x0160000000000000n }],
      [
        `kvm_entry:            CAN'T FIND FIELD "vcpu_id"<CANT FIND FIELD rip>PC: 0xffff800008cda268`,
        { address: 0xffff800008cda268n },
      ],
      [
        'kvm_guest_fault: ipa 0x9000000, hsr 0x93404007, hxfar 0xffff80000a05303c, pc 0xffff8000088677a8',
        {
          address: 0x9000000n,
          info1: 0x93404007n,
          info2: 0xffff80000a05303cn,
          arg0: BigInt.asIntN(64, 0xffff8000088677a8n),
        },
      ],
      [
        'kvm_sys_access: PC: ffff8000807707f4 SYS_ICC_SGI1R_EL1 (3,0,12,11,5) write',
        { address: 0x30cb5n, code: 1, info1: 0xffff8000807707f4n },
      ],
      [
        'kvm_hvc_arm64: HVC at 0x0000000000001000 (r0: 0x00000000c4000053, imm: 0x7)',
        { address: 0xc4000053n, info1: 7n, arg0: 0x1000n },
      ],
      ['kvm_wfx_arm64: guest executed wfe at: 0x0000000000001000', { code: 1, address: 0x1000n }],
      ['kvm_timer_update_irq: VCPU: 3, IRQ 27, level 1', { vcpu: 3, address: 27n, code: 1 }],
      ['kvm_get_timer_map: VCPU: 2, dv: 1, dp: -1, ep: 0', { vcpu: 2 }],
    ],
  ],
  [
    'SEV-ES and SNP guests',
    [
      [
        'kvm_vmgexit_enter: vcpu 3, exit_reason 80000010, exit_info1 0, exit_info2 fd',
        { vcpu: 3, address: 0x80000010n, info1: 0n, info2: 0xfdn },
      ],
      [
        'kvm_vmgexit_exit: vcpu 3, exit_reason 7c, exit_info1 1, exit_info2 0',
        { vcpu: 3, address: 0x7cn, info1: 1n, info2: 0n },
      ],
      [
        'kvm_vmgexit_msr_protocol_enter: vcpu 0, ghcb_gpa 4000000040000004',
        { vcpu: 0, address: 0x4000000040000004n },
      ],
      [
        'kvm_vmgexit_msr_protocol_exit: vcpu 0, ghcb_gpa 0000000000000004, result -22',
        { vcpu: 0, address: 4n, arg0: -22n },
      ],
      [
        'kvm_rmp_fault: vcpu 1 gpa 000000000f400000 pfn 0x10f400 error_code 0x80000006 rmp_level 2 psmash_ret 0',
        { vcpu: 1, address: 0xf400000n, info1: 0x10f400n, info2: 0x80000006n, arg0: 2n, arg1: 0n },
      ],
    ],
  ],
  [
    'riscv, s390, LoongArch, PowerPC, MIPS',
    [
      [
        'kvm_exit: SEPC:0xffffffff80003b0c, SCAUSE:0x8000000000000005, STVAL:0x1, HTVAL:0x2, HTINST:0x3',
        { isa: ISA_RISCV, code: 0x80000005, address: 0xffffffff80003b0cn, info1: 1n, info2: 2n, arg0: 3n },
      ],
      // the kernel's "0x016%lx"
      ['kvm_entry: PC: 0x016ffffffff80003b0c', { address: 0xffffffff80003b0cn }],
      ['kvm_entry: PC: 0x0161234', { address: 0x1234n }],
      [
        'kvm_s390_sie_enter: 02[0705c00180000000-00000000001125e6]: entering sie flags 10000',
        { vcpu: 2, info1: 0x0705c00180000000n, address: 0x1125e6n },
      ],
      [
        'kvm_s390_sie_exit: 02[0705c00180000000-00000000001125e6]: exit sie icptcode 40 (I/O instruction)',
        { vcpu: 2, isa: ISA_S390, info1: 0x0705c00180000000n, address: 0x1125e6n, code: 40 },
      ],
      [
        'kvm_exit_idle: vcpu 3 [IDLE] PC: 0x1000',
        { vcpu: 3, isa: ISA_LOONGARCH, code: 64, address: 0x1000n },
      ],
      ['kvm_exit_csr: vcpu 3 [CSR] PC: 0x1004', { vcpu: 3, isa: ISA_LOONGARCH, code: 67, address: 0x1004n }],
      // fields alone, as trace-cmd report -R prints them
      ['kvm_exit: ret=2 esr_ec=36 vcpu_pc=0x1000', { isa: ISA_ARM64, code: 36, address: 0x1000n }],
      ['kvm_exit: ret=0 esr_ec=0 vcpu_pc=0x1000', { isa: ISA_ARM64, code: ARM64_NOT_TRAP, address: 0x1000n }],
      [
        'kvm_exit: sepc=0x10 scause=0x8000000000000005 stval=0x1 htval=0x2 htinst=0x3',
        { isa: ISA_RISCV, code: 0x80000005, address: 0x10n, info1: 1n, info2: 2n, arg0: 3n },
      ],
      ['kvm_exit: vcpu 0 [0x0] PC: 0x00000000', { vcpu: 0, isa: ISA_LOONGARCH, code: 0, address: 0n }],
      ['kvm_reenter: vcpu 1 PC: 0x90000000', { vcpu: 1, address: 0x90000000n }],
      ['kvm_exit: [0x20]PC: 0x80100000', { isa: ISA_MIPS, code: 0x20, address: 0x80100000n }],
      [
        'kvm_guest_exit: VCPU 1: trap=HV_DECREMENTER pc=0xc000000000010000 msr=0x8000000000009033, ceded=0',
        { vcpu: 1, isa: ISA_PPC, code: 0x980, address: 0xc000000000010000n, info1: 0x8000000000009033n },
      ],
      [
        'kvm_guest_enter: VCPU 1: pc=0xc000000000010000 pexcp=0x0 ceded=0',
        { vcpu: 1, address: 0xc000000000010000n },
      ],
      [
        'kvm_exit: exit=SYSCALL | pc=0x10 | msr=0x20 | dar=0x30 | last_inst=0x40',
        { isa: ISA_PPC, code: 0xc00, address: 0x10n },
      ],
    ],
  ],
] as readonly (readonly [string, readonly Case[]])[])('%s', (_, cases) => {
  test.each(cases)('%s', (text, columns) => {
    expect(readEvent(text)).toEqual(columns);
  });

  test.each(cases)('is understood as a whole: %s', (text) => {
    const { diagnostics } = readText(`       CPU 0/KVM-140     [001] d..1.    17.000001: ${text}\n`);
    expect(diagnostics).toEqual({});
  });
});

describe('reasons', () => {
  const exit = (name: string) =>
    `kvm_exit: vcpu 0 reason ${name} rip 0x1 info1 0x0000000000000000 info2 0x0000000000000000 intr_info 0x00000000 error_code 0x00000000`;
  const lineOf = (name: string) => `       CPU 0/KVM-140     [001] d..1.    17.000001: ${exit(name)}\n`;

  test('every x86 reason comes back from its name', () => {
    for (const isa of [ISA_VMX, ISA_SVM]) {
      const reasons = allReasons().filter((reason) => reason.isa === isa && !reason.name.startsWith('0x'));
      expect(reasons.length).toBeGreaterThan(60);
      const { rows } = readText(reasons.map(({ name }) => lineOf(name)).join(''));
      expect(rows.map((row) => [row.isa, row.code])).toEqual(reasons.map(({ code }) => [isa, code >>> 0]));
    }
  });

  test('numbers without a name belong to the ISA of the names before them', () => {
    const { rows } = readText(lineOf('hlt') + lineOf('0x4d') + lineOf('UNKNOWN (77)'));
    expect(rows.map((row) => [row.isa, row.code])).toEqual([
      [ISA_SVM, 0x78],
      [ISA_SVM, 0x4d],
      [ISA_SVM, 77],
    ]);
  });

  test('names of 2.6.32 on Intel hosts: "cpuid" after "ext_irq" is VMX', () => {
    const names = ['cpuid', 'ext_irq', 'cpuid', 'exception', 'rdmsr', 'wrmsr', 'halt', 'hypercall'];
    const { rows, diagnostics } = readText([...names, 'tpr_below_thres', 'apic_access'].map(lineOf).join(''));
    expect(rows.slice(1).map((row) => [row.isa, row.code])).toEqual(
      [1, 10, 0, 31, 32, 12, 18, 43, 44].map((code) => [ISA_VMX, code]),
    );
    expect(diagnostics).toEqual({});
  });

  test('names that no table knows are kept apart by name', () => {
    const { rows, diagnostics } = readText(lineOf('NEW_THING') + lineOf('OTHER THING') + lineOf('NEW_THING'));
    expect(rows.map(({ isa, text }) => [isa, text])).toEqual([
      [ISA_NAMED, 'NEW_THING'],
      [ISA_NAMED, 'OTHER THING'],
      [ISA_NAMED, 'NEW_THING'],
    ]);
    expect(rows[0].code).toBe(rows[2].code);
    expect(rows[0].code).not.toBe(rows[1].code);
    expect(diagnostics).toEqual({ 'unknown-reason-names': 3 });
  });
});

describe('numbers', () => {
  const hex = (bits: number) => fc.bigInt({ min: 0n, max: (1n << BigInt(bits)) - 1n });

  test('all 64 bits of every field of an exit come back', () => {
    fc.assert(
      fc.property(
        fc.record({
          vcpu: fc.nat(4095),
          rip: hex(64),
          info1: hex(64),
          info2: hex(64),
          intr: hex(32),
          error: hex(32),
        }),
        fc.option(hex(64), { nil: undefined }),
        ({ vcpu, rip, info1, info2, intr, error }, requests) => {
          const wide = (value: bigint, digits: number) => `0x${value.toString(16).padStart(digits, '0')}`;
          const text = `kvm_exit: vcpu ${vcpu} reason HLT rip 0x${rip.toString(16)} info1 ${wide(info1, 16)} info2 ${wide(info2, 16)} intr_info ${wide(intr, 8)} error_code ${wide(error, 8)}${requests === undefined ? '' : ` requests ${wide(requests, 16)}`}`;
          const one = `       CPU 0/KVM-140     [001] d..1.    17.000001: ${text}\n`;
          const { rows } = readText(one + one);
          expect(rows[1]).toEqual(rows[0]);
          expect(rows[1]).toMatchObject({
            vcpu,
            address: rip,
            info1,
            info2,
            intrInfo: Number(intr),
            errorCode: Number(error),
            arg0: requests === undefined ? null : BigInt.asIntN(64, requests),
          });
        },
      ),
      { numRuns: 500, seed: 9 },
    );
  });

  test('decimal values beyond 2^53 come back', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: (1n << 63n) - 1n }), (ns) => {
        expect(readEvent(`kvm_vcpu_wakeup: wait time ${ns} ns, polling valid`).arg0).toBe(ns);
        expect(readEvent(`kvm_eoi: apicid 0 vector -${ns}`).arg0).toBe(-ns);
      }),
      { numRuns: 200, seed: 11 },
    );
  });
});

test('events without a grammar are rows of their own name', () => {
  const { rows, diagnostics } = readText(
    '       CPU 0/KVM-140     [001] d..1.    17.000001: kvm_fpu: load\n       CPU 0/KVM-140     [001] d..1.    17.000002: my_driver_event: x=1\n',
  );
  expect(rows.map((row) => row.event)).toEqual(['kvm_fpu', 'my_driver_event']);
  expect(diagnostics).toEqual({});
});

describe('an exit printed without a reason is kept under no other', () => {
  const line = (us: number, event: string) =>
    `       CPU 0/KVM-140     [001] d..1.    17.00000${us}: ${event}\n`;
  const none = { isa: ISA_NAMED, text: '(no reason printed)' };

  test('32-bit arm up to 3.x', () => {
    const { rows, diagnostics } = readText(line(1, 'kvm_exit: PC: 0x80010868'));
    expect(rows[0]).toMatchObject({ ...none, address: 0x80010868n });
    expect(diagnostics).toEqual({ 'exits-without-reason': 1 });
  });

  test('kernels that print no names with options/hash-ptr off: all else is there', () => {
    const { rows, diagnostics } = readText(
      line(
        1,
        'kvm_exit: vcpu 3 reason  rip 0x21 info1 0x0000000003f80010 info2 0x0000000000000022 intr_info 0x00000000 error_code 0x00000000',
      ) + line(2, 'kvm_userspace_exit: reason  (2)'),
    );
    expect(rows[0]).toMatchObject({ ...none, vcpu: 3, address: 0x21n, info1: 0x3f80010n, info2: 0x22n });
    expect(rows[1]).toMatchObject({ event: 'kvm_userspace_exit', code: 2 });
    expect(diagnostics).toEqual({ 'exits-without-reason': 1 });
  });

  // Number 0 is a reason of its own (EXCEPTION_NMI, read_cr0).
  test.each(['', ' ', ' vcpu 0 reason', ' vcpu 0 reason EPT_VIOL'])('nothing behind kvm_exit:%s', (text) => {
    const { rows, diagnostics } = readText(
      line(1, `kvm_exit:${text}`) + line(2, 'kvm_entry: vcpu 0, rip 0x21') + line(3, `kvm_exit:${text}`),
    );
    expect(rows.map(({ event }) => event)).toEqual(['kvm_exit', 'kvm_entry', 'kvm_exit']);
    expect(rows[0]).toMatchObject(none);
    expect(rows[2]).toMatchObject(none);
    expect(diagnostics).toEqual({ 'exits-without-reason': 2, 'unreadable-event-text': 2 });
  });
});
