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
