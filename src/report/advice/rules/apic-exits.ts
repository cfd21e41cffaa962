/** Accesses of the local APIC that the CPU does not handle itself. */
import { evidence, matters } from '../facts.ts';
import type { Rule } from '../rule.ts';

/** x2APIC registers but the ICR (rule ipi) and the timer's (rule timer-exits). */
const isX2apic = (msr: number) => msr >= 0x800 && msr <= 0x8ff && ![0x830, 0x832, 0x838, 0x83e].includes(msr);
const isLapic = (address: number) => address >= 0xfee00000 && address < 0xfee01000;

export const apicExits: Rule = {
  id: 'apic-exits',
  title: 'Accesses of the local APIC leave the guest',
  fix: 'Where the CPU can virtualize the APIC (Intel: kvm_intel enable_apicv; AMD: kvm_amd avic), find out why it is off for this VM: the event kvm_apicv_inhibit_changed tells. Exits APIC_WRITE and avic_unaccelerated_access happen only where it is on, for the registers that the CPU leaves to KVM. Without it, x2APIC in the guest (-cpu ...,+x2apic) makes each access cheaper than MMIO, and paravirtual EOI saves some.',
  reference: 'https://docs.kernel.org/virt/kvm/x86/msr.html',
  applies: (facts) => {
    const found = [
      facts.reasons('vmx:44', 'vmx:56', 'svm:1026'),
      facts.accesses('mmio', isLapic),
      facts.msrs(isX2apic),
    ].find((group) => matters(group));
    return found ? evidence(found) : null;
  },
};
