/** Guest memory that the host has to map first. */

import { formatCount } from '../../../core/units.ts';
import { evidence, type Group, matters } from '../facts.ts';
import type { Rule } from '../rule.ts';

export const pageFaults: Rule = {
  id: 'page-faults',
  title: 'Memory of the guest is mapped while it runs',
  fix: 'After a start this ends by itself. If it goes on: huge pages behind the guest memory (hugetlbfs or transparent huge pages: one fault for 2 MiB instead of 4 KiB), memory allocated beforehand (prealloc=on, mlock), and a look for what unmaps it: KSM, ballooning, swapping, NUMA balancing, migration.',
  reference: 'https://docs.kernel.org/admin-guide/mm/hugetlbpage.html',
  applies: (facts) => {
    const all = facts.reasons('vmx:48', 'svm:1024', 'arm64:36', 'arm64:32');
    if (all === null) return null;
    // Device accesses fault too: KVM escalates them or emulates the device.
    const details = (facts.model.detail?.rows ?? []).filter(({ kind }) => kind === 'page-fault');
    const devices = Math.max(all.escalated ?? 0, facts.model.detail?.known ? all.exits - sum(details) : 0);
    const memory = all.exits - devices;
    const share = memory / all.exits;
    const part: Group = {
      ...all,
      exits: memory,
      exitsPct: all.exitsPct * share,
      timePct: null,
      totalNs: null,
      escalated: null,
      perSecond: all.perSecond === null ? null : all.perSecond * share,
    };
    if (!matters(part)) return null;
    return evidence(part, devices > 0 ? `Another ${formatCount(devices)} were accesses of devices.` : null);
  },
};

function sum(rows: readonly { readonly exits: number }[]): number {
  return rows.reduce((total, { exits }) => total + exits, 0);
}
