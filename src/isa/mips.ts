/**
 * Exit reasons of MIPS guests: `reason` of kvm_exit. 0–31 are Cause.ExcCode, from 64 on GuestCtl0.GExcCode (VZ).
 * Source: Linux arch/mips/kvm/trace.h (kvm_trace_symbol_exit_types); aliases are its macros without
 * KVM_TRACE_EXIT_.
 */
import type { ReasonRow } from './reason-row.ts';

export const MIPS_ROWS: readonly ReasonRow[] = [
  { code: 0, name: 'Interrupt', aliases: ['INT'] },
  { code: 1, name: 'TLB Mod', aliases: ['TLBMOD'] },
  { code: 2, name: 'TLB Miss (LD)', aliases: ['TLBMISS_LD'] },
  { code: 3, name: 'TLB Miss (ST)', aliases: ['TLBMISS_ST'] },
  { code: 4, name: 'Address Error (LD)', aliases: ['ADDRERR_LD'] },
  // "Err": the kernel's own inconsistency.
  { code: 5, name: 'Address Err (ST)', aliases: ['ADDRERR_ST'] },
  { code: 8, name: 'System Call', aliases: ['SYSCALL'] },
  { code: 9, name: 'Break Inst', aliases: ['BREAK_INST'] },
  { code: 10, name: 'Reserved Inst', aliases: ['RESVD_INST'] },
  { code: 11, name: 'COP0/1 Unusable', aliases: ['COP_UNUSABLE'] },
  { code: 13, name: 'Trap Inst', aliases: ['TRAP_INST'] },
  { code: 14, name: 'MSA FPE', aliases: ['MSA_FPE'] },
  { code: 15, name: 'FPE' },
  { code: 21, name: 'MSA Disabled', aliases: ['MSA_DISABLED'] },
  { code: 27, name: 'Guest Exit', aliases: ['GUEST_EXIT'] },
  { code: 32, name: 'WAIT' },
  { code: 33, name: 'CACHE' },
  { code: 34, name: 'Signal', aliases: ['SIGNAL'] },
  { code: 64, name: 'GPSI' },
  { code: 65, name: 'GSFC' },
  { code: 66, name: 'HC' },
  { code: 67, name: 'GRR' },
  { code: 72, name: 'GVA' },
  { code: 73, name: 'GHFC' },
  { code: 74, name: 'GPA' },
];
