/** The guest let no event through for a whole window: it may hold its CPU up. */
import { evidence } from '../facts.ts';
import type { Rule } from '../rule.ts';

export const notify: Rule = {
  id: 'notify',
  title: 'The guest blocked interrupts for too long (NOTIFY)',
  fix: 'Look at what runs in the guest at these moments (--section hotspots): the CPU found no event window for the configured time. Rare ones need no action; many may be an attempt to block the host.',
  reference: 'https://docs.kernel.org/virt/kvm/api.html#kvm-cap-x86-notify-vmexit',
  applies: (facts) => {
    const found = facts.reasons('vmx:75');
    return found ? evidence(found) : null;
  },
};
