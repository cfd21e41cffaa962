/** vCPUs that spin on locks until the hypervisor steps in. */
import { evidence, matters } from '../facts.ts';
import type { Rule } from '../rule.ts';

export const pause: Rule = {
  id: 'pause',
  title: 'vCPUs spin (PAUSE)',
  fix: 'If more vCPUs than CPUs want to run, less overcommitment or pinning: the holder of the lock may not be running. Paravirtual spinlocks (KVM_FEATURE_PV_UNHALT) halt instead of spinning; Windows tells KVM that it spins (hv-spinlocks). On CPUs that are not shared, ple_gap=0 of kvm_intel (pause_filter_count=0 of kvm_amd) saves the exits.',
  reference: 'https://docs.kernel.org/virt/kvm/x86/cpuid.html',
  applies: (facts) => {
    const found = facts.reasons('vmx:40', 'svm:119');
    return matters(found) ? evidence(found) : null;
  },
};
