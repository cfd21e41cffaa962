/** Keys of the model's rows in the order in which JSON writes them and CSV has them as columns. */

export const GROUP_KEYS = ['vm', 'pid', 'tid', 'vcpu', 'cpu', 'level'] as const;
export const REASON_ID_KEYS = ['isa', 'code', 'name'] as const;
const COUNT_KEYS = ['exits', 'paired', 'totalNs', 'minNs', 'avgNs', 'maxNs'] as const;
const PERCENTILE_KEYS = ['p50Ns', 'p90Ns', 'p99Ns', 'p999Ns', 'percentileErrorPct'] as const;
const SHARE_KEYS = ['exitsPct', 'timePct'] as const;
const ESCALATION_KEYS = ['escalated', 'restarts'] as const;
/** Of one reason. */
export const REASON_KEYS = [
  'idle',
  ...COUNT_KEYS,
  'stddevNs',
  'stderrPct',
  ...PERCENTILE_KEYS,
  ...SHARE_KEYS,
  'guestKernelTimePct',
  ...ESCALATION_KEYS,
] as const;
/** Of all reasons together. */
export const TOTAL_KEYS = [...COUNT_KEYS, ...PERCENTILE_KEYS, ...SHARE_KEYS, ...ESCALATION_KEYS] as const;
export const LEVEL_KEYS = ['L1', 'L2', 'L2-reflected'] as const;
export const VCPU_KEYS = [
  'pid',
  'tid',
  'comm',
  'vcpu',
  'vm',
  'exits',
  'paired',
  'totalNs',
  'idleNs',
] as const;
export const ESCALATED_REASON_KEYS = [
  ...REASON_ID_KEYS,
  'exits',
  'escalated',
  'ratio',
  'kernelNs',
  'userspaceNs',
] as const;
export const USERSPACE_REASON_KEYS = ['code', 'name', 'count', 'userspaceNs'] as const;
export const SLOW_KEYS = [
  'exitNs',
  'entryNs',
  'latencyNs',
  'pid',
  'tid',
  'vcpu',
  'comm',
  'exitCpu',
  'entryCpu',
  ...REASON_ID_KEYS,
  'level',
  'rip',
  'escalated',
  'userspaceReason',
] as const;
