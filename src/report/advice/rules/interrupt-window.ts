/** KVM waits for the guest to allow interrupts: an exit more per interrupt. */
import { evidence, matters } from '../facts.ts';
import type { Rule } from '../rule.ts';

export const interruptWindow: Rule = {
  id: 'interrupt-window',
  title: 'Interrupts wait for the guest to allow them',
  fix: 'Virtual interrupt delivery (APICv, AVIC) injects without this exit: check that it is on for the VM (kvm_intel enable_apicv, kvm_amd avic; the event kvm_apicv_inhibit_changed tells why not). Interrupts of the emulated PIC need the exit in any case.',
  reference: 'https://docs.kernel.org/admin-guide/kernel-parameters.html',
  applies: (facts) => {
    const found = facts.reasons('vmx:7', 'svm:100');
    return matters(found) ? evidence(found) : null;
  },
};
