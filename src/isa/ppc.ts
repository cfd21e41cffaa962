/**
 * Traps of PowerPC Book3S guests: `trap` of kvm_hv:kvm_guest_exit, `exit_nr` of kvm_pr:kvm_exit.
 * Source: Linux arch/powerpc/kvm/trace_book3s.h as of 7.2 (kvm_trace_symbol_exit); 0x0 is in perf's
 * book3s_hv_exits.h only, 0x501 in 4.19 and older kernels. BookE (kvm_booke) counts from 0 with names of its own,
 * many equal to these: it stays numeric, so that ISA and name still identify a reason.
 */
import type { ReasonRow } from './reason-row.ts';

export const PPC_ROWS: readonly ReasonRow[] = [
  { code: 0x0, name: 'RETURN_TO_HOST' },
  { code: 0x100, name: 'SYSTEM_RESET' },
  { code: 0x200, name: 'MACHINE_CHECK' },
  { code: 0x300, name: 'DATA_STORAGE' },
  { code: 0x380, name: 'DATA_SEGMENT' },
  { code: 0x400, name: 'INST_STORAGE' },
  { code: 0x480, name: 'INST_SEGMENT' },
  { code: 0x500, name: 'EXTERNAL' },
  { code: 0x501, name: 'EXTERNAL_LEVEL' },
  { code: 0x502, name: 'EXTERNAL_HV' },
  { code: 0x600, name: 'ALIGNMENT' },
  { code: 0x700, name: 'PROGRAM' },
  { code: 0x800, name: 'FP_UNAVAIL' },
  { code: 0x900, name: 'DECREMENTER' },
  { code: 0x980, name: 'HV_DECREMENTER' },
  { code: 0xc00, name: 'SYSCALL' },
  { code: 0xd00, name: 'TRACE' },
  { code: 0xe00, name: 'H_DATA_STORAGE' },
  { code: 0xe20, name: 'H_INST_STORAGE' },
  { code: 0xe40, name: 'H_EMUL_ASSIST' },
  { code: 0xea0, name: 'H_VIRT' },
  { code: 0xf00, name: 'PERFMON' },
  { code: 0xf20, name: 'ALTIVEC' },
  { code: 0xf40, name: 'VSX' },
];
