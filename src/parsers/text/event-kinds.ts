/** Which events have texts of a form of their own, and which bytes names of events have. */

export const PLAIN = 0;
export const EXIT = 1;
export const ENTRY = 2;
export const USERSPACE_EXIT = 3;
export const KEYED = 4;
export const MSR_ACCESS = 5;
export const CR_ACCESS = 6;
export const APIC_ACCESS = 7;
export const EXCEPTION = 8;
export const SYS_ACCESS = 9;
export const SWITCH = 10;
export const WAKEUP = 11;
export const MARKER = 12;
export const PPC_ENTER = 13;
export const PPC_EXIT = 14;
export const SIE_ENTER = 15;
export const SIE_EXIT = 16;
export const AVIC_IPI = 17;
export const INJ_VIRQ = 18;
export const PRINT = 19;

/** Kinds of the events whose texts have a form of their own. */
export const KINDS: ReadonlyMap<string, number> = new Map([
  ['kvm_exit', EXIT],
  ['kvm_exit_idle', EXIT],
  ['kvm_exit_cache', EXIT],
  ['kvm_exit_cpucfg', EXIT],
  ['kvm_exit_csr', EXIT],
  ['kvm_nested_vmexit', EXIT],
  ['kvm_nested_vmexit_inject', EXIT],
  ['kvm_entry', ENTRY],
  ['kvm_enter', ENTRY],
  ['kvm_reenter', ENTRY],
  ['kvm_userspace_exit', USERSPACE_EXIT],
  ['kvm_msr', MSR_ACCESS],
  ['kvm_cr', CR_ACCESS],
  ['kvm_apic', APIC_ACCESS],
  ['kvm_inj_exception', EXCEPTION],
  ['kvm_inj_virq', INJ_VIRQ],
  ['kvm_sys_access', SYS_ACCESS],
  ['kvm_avic_incomplete_ipi', AVIC_IPI],
  ['sched_switch', SWITCH],
  ['sched_wakeup', WAKEUP],
  ['sched_waking', WAKEUP],
  ['tracing_mark_write', MARKER],
  ['print', PRINT],
  ['kvm_guest_enter', PPC_ENTER],
  ['kvm_guest_exit', PPC_EXIT],
  ['kvm_s390_sie_enter', SIE_ENTER],
  ['kvm_s390_sie_exit', SIE_EXIT],
]);

/** Bytes of event names. */
export const NAME_BYTE = new Uint8Array(256);
for (const char of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.')
  NAME_BYTE[char.charCodeAt(0)] = 1;
