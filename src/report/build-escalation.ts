/** Which exits went to user space: per exit reason and per KVM_EXIT reason. */
import type { AnalysisResult } from '../analysis/analyze.ts';
import { exactValue, toExact } from '../analysis/exact-sum.ts';
import { groupKey } from '../analysis/exit-stats.ts';
import { KEY_CODE, KEY_ISA } from '../analysis/groups.ts';
import type { TraceContext } from '../core/trace-context.ts';
import { userspaceExitName } from '../isa/userspace-exits.ts';
import { type Known, sum, sumExact } from './group-sums.ts';
import type { EscalationModel, Exact } from './model.ts';
import { reasonIdentity } from './reason-identity.ts';

export function buildEscalation(
  context: TraceContext,
  analysis: AnalysisResult,
  groups: readonly number[],
  known: Known,
): EscalationModel {
  const { stats, userspace } = analysis;
  if (!known.escalation)
    return {
      known: false,
      exits: null,
      escalated: null,
      ratio: null,
      restarts: null,
      errors: null,
      kernelNs: null,
      userspaceNs: null,
      byReason: [],
      byUserspaceReason: [],
    };
  const time = (value: Exact) => (known.time ? value : null);
  const exits = sum(stats.exits, groups);
  const escalated = sum(stats.escalated, groups);
  // Groups of --by are brought together: escalation is shown per reason.
  const byReason = new Map<string, number[]>();
  for (const group of groups) {
    const key = `${groupKey(stats, group, KEY_ISA)}:${groupKey(stats, group, KEY_CODE)}`;
    const list = byReason.get(key);
    if (list) list.push(group);
    else byReason.set(key, [group]);
  }
  return {
    known: true,
    exits,
    escalated,
    ratio: exits > 0 ? escalated / exits : 0,
    restarts: sum(stats.restarts, groups),
    errors: sum(stats.errors, groups),
    kernelNs: time(toExact(sumExact(stats.kernelNs, groups))),
    userspaceNs: time(toExact(sumExact(stats.userspaceNs, groups))),
    byReason: [...byReason.values()]
      .map((members) => {
        const isa = groupKey(stats, members[0], KEY_ISA);
        const code = groupKey(stats, members[0], KEY_CODE);
        const all = sum(stats.exits, members);
        const part = sum(stats.escalated, members);
        return {
          ...reasonIdentity(context, isa, code),
          exits: all,
          escalated: part,
          ratio: part / all,
          kernelNs: time(toExact(sumExact(stats.kernelNs, members))),
          userspaceNs: time(toExact(sumExact(stats.userspaceNs, members))),
        };
      })
      .sort((a, b) => b.escalated - a.escalated || b.exits - a.exits || (a.name < b.name ? -1 : 1)),
    byUserspaceReason: [...userspace.count.keys()]
      .filter((code) => userspace.count[code] > 0)
      .map((code) => ({
        code,
        name: userspaceExitName(code),
        count: userspace.count[code],
        userspaceNs: time(exactValue(userspace.userspaceNs, code)),
      }))
      .sort((a, b) => b.count - a.count || a.code - b.code),
  };
}
