/** The guest runs guests of its own: each of their exits costs several. */
import { plural } from '../../../core/units.ts';
import { evidence, LEAST_EXITS, matters } from '../facts.ts';
import type { Rule } from '../rule.ts';

/** Instructions of VMX (VMCLEAR to VMXON, INVEPT, INVVPID) and SVM (VMRUN to SKINIT). */
const VMX = [19, 20, 21, 22, 23, 24, 25, 26, 27, 50, 53].map((code) => `vmx:${code}`);
const SVM = [0x80, 0x82, 0x83, 0x84, 0x85].map((code) => `svm:${code}`);

export const nested: Rule = {
  id: 'nested',
  title: 'A nested hypervisor causes a large part of the exits',
  fix: 'Run the inner guests on the host if that can be. Otherwise: shadow VMCS (kvm_intel enable_shadow_vmcs, where VMREAD and VMWRITE exit), enlightened VMCS for Hyper-V inside (hv-evmcs), virtual VMLOAD/VMSAVE and virtual GIF on AMD (kvm_amd vls, vgif), and huge pages at both levels.',
  reference: 'https://docs.kernel.org/virt/kvm/x86/running-nested-guests.html',
  applies: (facts) => {
    const found = facts.reasons(...VMX, ...SVM);
    if (!matters(found)) return null;
    const levels = facts.model.reasons.reduce(
      (sum, row) => sum + row.levels.L2 + row.levels['L2-reflected'],
      0,
    );
    const ratio = facts.model.nested?.exitsPerReflectedExit ?? null;
    return evidence(
      found,
      levels >= LEAST_EXITS ? `${plural(levels, 'exit')} came from inner guests.` : null,
      ratio === null
        ? null
        : `Each exit that the inner hypervisor handled took ${ratio.toFixed(1)} exits to this host.`,
    );
  },
};
