/** Names of the sections (sections.ts) for --section: apart, so that help does not load what sections need. */
export const SECTION_IDS = [
  'advice',
  'detail',
  'devices',
  'qemu',
  'hotspots',
  'context',
  'ledger',
  'halt-polling',
  'nested',
  'intervals',
  'storms',
  'heatmap',
] as const;
/** Stands for all of them. */
export const ALL_SECTIONS = 'all';
export type SectionId = (typeof SECTION_IDS)[number];

/** What each of them shows. */
export const SECTION_WORDS: Readonly<Record<SectionId, string>> = {
  advice: 'findings of all rules, and what is known to help',
  detail: 'what exits were about: ports, MMIO, MSRs, CPUID leaves, faults, interrupt vectors',
  devices: 'who answers which device: QEMU or the kernel',
  qemu: "QEMU's own trace: what KVM_RUN returned with, and how long QEMU took",
  hotspots: 'guest addresses that the exits come from',
  context: 'what happened during each of the slowest exits',
  ledger: "where each vCPU's time went: guest, kernel, QEMU, halted, waiting for a CPU",
  'halt-polling': 'what polling before halts caught and cost, and what other halt_poll_ns would',
  nested: 'exits by level, and what L2 exits cost that L1 handles',
  intervals: 'exits over time, per --interval',
  storms: 'bursts, changes of the rate, periodic and simultaneous exits',
  heatmap: 'latency over time',
};
