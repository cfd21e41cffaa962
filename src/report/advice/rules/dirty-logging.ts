/** The CPU's log of written pages ran full: somebody follows the guest's writes. */
import { evidence } from '../facts.ts';
import type { Rule } from '../rule.ts';

export const dirtyLogging: Rule = {
  id: 'dirty-logging',
  title: 'Dirty pages were logged while recording',
  fix: 'Live migration, a snapshot or another user of dirty logging was under way. Record again without it before comparing with other recordings.',
  reference: 'https://docs.kernel.org/virt/kvm/api.html#kvm-get-dirty-log',
  applies: (facts) => {
    const found = facts.reasons('vmx:62');
    return found ? evidence(found) : null;
  },
};
