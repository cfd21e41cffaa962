/** Atomic accesses across cache lines: they lock the whole memory bus, for everybody on the host. */
import { evidence } from '../facts.ts';
import type { Rule } from '../rule.ts';

export const splitLocks: Rule = {
  id: 'split-locks',
  title: 'The guest takes bus locks (split locks)',
  fix: 'A program in the guest does atomic operations on misaligned data: hot spots (--section hotspots) show where. KVM can slow such guests down (KVM_CAP_X86_BUS_LOCK_EXIT; split_lock_detect on the host).',
  reference: 'https://docs.kernel.org/arch/x86/buslock.html',
  applies: (facts) => {
    const found = facts.reasons('vmx:74', 'svm:165');
    return found ? evidence(found) : null;
  },
};
