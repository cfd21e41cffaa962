/** Names of the views (views.ts): apart, so that help does not load what views need. */
export const VIEW_NAMES = [
  'kvmexit',
  'kvmexitaarch64',
  'kvm-bpf-count',
  'kvm-bpf-time',
  'kvm-bpf-hist',
  'kvm-bpf-slower',
  'perf-prof',
  'perf-kvm',
  'perf-kvm-mmio',
  'perf-kvm-ioport',
  'perf-kvm-msr',
  'perf-stat',
  'kvm_stat',
] as const;
