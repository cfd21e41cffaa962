/** Order of the JSON keys that only a comparison has; of the others see report/json.ts. */
const FIGURE = ['before', 'after', 'change', 'changePct', 'low', 'high', 'verdict'] as const;
const FIGURES = ['costNs', 'rate', 'guestRate', 'p50Ns', 'p90Ns', 'p99Ns', 'escalation'] as const;
const COUNTS = ['exits', 'paired', 'totalNs', 'escalated'] as const;

export const DIFF_KEY_ORDER: Readonly<Record<string, readonly string[]>> = Object.fromEntries([
  ...['reasons[]', 'totals', 'busyTotals'].flatMap((base) => [
    ...FIGURES.map((figure) => [`${base}.${figure}`, FIGURE]),
    [`${base}.before`, COUNTS],
    [`${base}.after`, COUNTS],
  ]),
  ['userspace[]', ['code', 'name', 'before', 'after', 'rate']],
  ['userspace[].rate', FIGURE],
  ['qemu[]', ['code', 'name', 'before', 'after', 'costNs', 'rate']],
  ['qemu[].costNs', FIGURE],
  ['qemu[].rate', FIGURE],
]);
