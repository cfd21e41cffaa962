/** vCPUs that want to run and may not: the host has more to do than CPUs. */
import { formatNs, formatPct } from '../../../core/units.ts';
import type { Rule } from '../rule.ts';

const LEAST_PCT_OF_TIME = 5;

export const preempted: Rule = {
  id: 'preempted',
  title: 'vCPUs wait for a CPU of the host',
  fix: 'Fewer vCPUs or other load on these CPUs, pinning of vCPU threads, and keeping emulator and IO threads off their CPUs. The guest sees this as steal time.',
  reference: 'https://docs.kernel.org/admin-guide/cgroup-v1/cpusets.html',
  applies: ({ model }) => {
    const rows = model.ledger?.rows ?? [];
    const sum = (key: 'preemptedNs' | 'runnableNs') =>
      rows.some((row) => row[key] !== null) ? rows.reduce((total, row) => total + (row[key] ?? 0), 0) : null;
    const [waiting, woken] = [sum('preemptedNs'), sum('runnableNs')];
    const wall = rows.reduce((total, row) => total + row.wallNs, 0);
    const ns = (waiting ?? 0) + (woken ?? 0);
    if (wall === 0 || (100 * ns) / wall < LEAST_PCT_OF_TIME) return null;
    return {
      words: [
        `The vCPU threads wanted to run for ${formatNs(ns)} (${formatPct((100 * ns) / wall)} of their time) without a CPU: ${formatNs(waiting ?? 0)} after being taken off one${woken === null ? '' : `, ${formatNs(woken)} after being woken up`}.`,
      ],
      ns,
    };
  },
};
