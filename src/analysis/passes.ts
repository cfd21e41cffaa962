/** The passes that a report can ask for beside the ones every report has. A new one is one new file and one line here. */
import { accessPass } from './accesses.ts';
import { contextPass } from './context.ts';
import { detailPass } from './exit-detail.ts';
import { haltPollingPass } from './halt-polling.ts';
import { heatmapLinesPass, heatmapPass } from './heatmap.ts';
import { hostVectorPass } from './host-vectors.ts';
import { hotspotPass } from './hotspots.ts';
import { intervalPass } from './intervals.ts';
import { ledgerPass } from './ledger-pass.ts';
import { nestedPass } from './nested.ts';
import type { AnyPass, PassRequest } from './pass.ts';
import { perfKvmPass } from './perf-kvm.ts';
import { perfProfPass } from './perf-prof.ts';
import { qemuCheckPass } from './qemu-check.ts';
import { qemuPass } from './qemu-pass.ts';
import { slicesPass } from './slices.ts';
import { stormPass } from './storms.ts';

export const PASSES: readonly AnyPass[] = [
  accessPass,
  contextPass,
  detailPass,
  haltPollingPass,
  heatmapLinesPass,
  heatmapPass,
  hostVectorPass,
  hotspotPass,
  intervalPass,
  ledgerPass,
  nestedPass,
  perfKvmPass,
  perfProfPass,
  qemuCheckPass,
  qemuPass,
  slicesPass,
  stormPass,
];

/** The pass of a name. @throws Error for an unknown one: names come from code, never from users. */
export function passByName(name: string): AnyPass {
  const pass = PASSES.find((candidate) => candidate.name === name);
  if (!pass) throw new Error(`no analysis pass "${name}"`);
  return pass;
}

/** Whether some requested pass needs more than the core columns. */
export function needsAllColumns(passes: readonly PassRequest[]): boolean {
  return passes.some(({ name }) => passByName(name).allColumns);
}
