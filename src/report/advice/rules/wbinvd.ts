/** The guest flushes all caches. */
import { evidence, matters } from '../facts.ts';
import type { Rule } from '../rule.ts';

export const wbinvd: Rule = {
  id: 'wbinvd',
  title: 'The guest flushes whole caches (WBINVD)',
  fix: 'Find the driver or firmware in the guest that does it (--section hotspots). With an assigned device whose DMA is not coherent with the caches, KVM executes it on the host, which disturbs other VMs as well.',
  reference: 'https://docs.kernel.org/virt/kvm/api.html',
  applies: (facts) => {
    const found = facts.reasons('vmx:54', 'svm:137', 'vmx:13', 'svm:118');
    return matters(found) ? evidence(found) : null;
  },
};
