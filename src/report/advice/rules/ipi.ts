/** Interrupts from vCPU to vCPU that need the hypervisor. */
import { evidence, matters } from '../facts.ts';
import type { Rule } from '../rule.ts';

const X2APIC_ICR = 0x830;
const isIcr = (address: number) => address === 0xfee00300 || address === 0xfee00310;

export const ipi: Rule = {
  id: 'ipi',
  title: 'Interrupts between vCPUs leave the guest',
  fix: 'IPI virtualization (Intel: kvm_intel enable_ipiv; AMD: kvm_amd avic) where the CPU has it, or paravirtual IPIs (KVM_FEATURE_PV_SEND_IPI for Linux, hv-ipi for Windows), which send many with one exit. Fewer wakeups across vCPUs, fewer vCPUs or pinned threads in the guest lower their number.',
  reference: 'https://docs.kernel.org/virt/kvm/x86/cpuid.html',
  applies: (facts) => {
    const found = [
      facts.msrs((msr) => msr === X2APIC_ICR, 'write'),
      facts.accesses('mmio', isIcr, true),
      facts.reasons('svm:1025'),
    ].find((group) => matters(group));
    return found ? evidence(found) : null;
  },
};
