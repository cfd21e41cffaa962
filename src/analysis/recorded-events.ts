/** What the names of the recorded events say about whether a pass has anything to do. */

const DETAILS: ReadonlySet<string> = new Set([
  'kvm_pio',
  'kvm_mmio',
  'kvm_fast_mmio',
  'kvm_msr',
  'kvm_cpuid',
  'kvm_cr',
  'kvm_hypercall',
  'kvm_hv_hypercall',
  'kvm_xen_hypercall',
  'kvm_page_fault',
  'kvm_guest_fault',
  'kvm_sys_access',
  'kvm_hvc_arm64',
  'kvm_apic',
  'kvm_vmgexit_enter',
  'kvm_inj_virq',
]);
/** Events of QEMU, or markers in which its ftrace backend writes them. */
const QEMU: ReadonlySet<string> = new Set(['kvm_run_exit', 'print', 'tracing_mark_write', 'bprint']);

/** Some event tells what exits were about, and one tells which of them went to user space: what a default report joins. */
export function hasDetails(enabled: ReadonlySet<string>): boolean {
  return enabled.has('kvm_userspace_exit') && [...enabled].some((name) => DETAILS.has(name));
}

export function hasQemuEvents(enabled: ReadonlySet<string>): boolean {
  return [...enabled].some((name) => QEMU.has(name));
}
