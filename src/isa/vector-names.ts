/**
 * Interrupt vectors with a fixed meaning in Linux on x86 (arch/x86/include/asm/irq_vectors.h of 6.1 to 7.2). The same
 * numbers serve the host (vector of an EXTERNAL_INTERRUPT exit) and a Linux guest (injected vector). In 6.1 0xeb is a
 * device's and 0xf5 unused.
 */
const NAMES: ReadonlyMap<number, string> = new Map([
  [0x80, 'int 0x80'],
  [0xeb, 'device or posted MSI notification'],
  [0xec, 'local timer'],
  [0xed, 'Hyper-V stimer'],
  [0xee, 'Hyper-V reenlightenment'],
  [0xef, 'managed irq shutdown'],
  [0xf0, 'KVM nested posted interrupt'],
  [0xf1, 'KVM posted interrupt wakeup'],
  [0xf2, 'KVM posted interrupt'],
  [0xf3, 'hypervisor callback'],
  [0xf4, 'deferred error'],
  [0xf5, 'PMI of a guest'],
  [0xf6, 'irq work'],
  [0xf7, 'platform IPI'],
  [0xf8, 'reboot'],
  [0xf9, 'threshold APIC'],
  [0xfa, 'thermal'],
  [0xfb, 'call function single'],
  [0xfc, 'call function'],
  [0xfd, 'reschedule'],
  [0xfe, 'error APIC'],
  [0xff, 'spurious APIC'],
]);

export function vectorName(vector: number): string | null {
  if (vector >= 0x30 && vector < 0x40) return `ISA irq ${vector - 0x30}`;
  return NAMES.get(vector) ?? (vector >= 0x20 && vector < 0xeb ? 'device' : null);
}
