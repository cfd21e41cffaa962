/**
 * The passes that a report can ask for beside the ones every report has. A new one is one new file and one line here.
 */
import type { AnyPass, PassRequest } from './pass.ts';

/** Passes by name, each loaded when it is requested. */
export type PassLoaders = Readonly<Record<string, () => Promise<AnyPass>>>;

const PASSES: PassLoaders = {
  accesses: async () => (await import('./accesses.ts')).accessPass,
  context: async () => (await import('./context.ts')).contextPass,
  detail: async () => (await import('./exit-detail.ts')).detailPass,
  'halt-polling': async () => (await import('./halt-polling.ts')).haltPollingPass,
  heatmap: async () => (await import('./heatmap.ts')).heatmapPass,
  'host-vectors': async () => (await import('./host-vectors.ts')).hostVectorPass,
  hotspots: async () => (await import('./hotspots.ts')).hotspotPass,
  intervals: async () => (await import('./intervals.ts')).intervalPass,
  ledger: async () => (await import('./ledger-pass.ts')).ledgerPass,
  nested: async () => (await import('./nested.ts')).nestedPass,
  'perf-kvm': async () => (await import('./perf-kvm.ts')).perfKvmPass,
  'perf-prof': async () => (await import('./perf-prof.ts')).perfProfPass,
  qemu: async () => (await import('./qemu-pass.ts')).qemuPass,
  'qemu-slices': async () => (await import('./qemu-slices.ts')).qemuSlicesPass,
  'qemu-check': async () => (await import('./qemu-check.ts')).qemuCheckPass,
  slices: async () => (await import('./slices.ts')).slicesPass,
  storms: async () => (await import('./storms.ts')).stormPass,
  'userspace-events': async () => (await import('./userspace-events.ts')).userspaceEventsPass,
};

export const PASS_NAMES: readonly string[] = Object.keys(PASSES);

/** The pass of a name. */
export type PassOf = (name: string) => AnyPass;

/**
 * Loads the requested passes, which can then be had by their names; `more`: passes that are no analyses.
 * @throws Error for an unknown name: names come from code, never from users.
 */
export async function loadPasses(requests: readonly PassRequest[], more: PassLoaders = {}): Promise<PassOf> {
  const known = { ...PASSES, ...more };
  const loaded = new Map<string, AnyPass>();
  await Promise.all(
    requests.map(async ({ name }) => {
      if (!Object.hasOwn(known, name)) throw new Error(`no analysis pass "${name}"`);
      loaded.set(name, await known[name]());
    }),
  );
  return (name) => {
    const pass = loaded.get(name);
    if (!pass) throw new Error(`pass "${name}" was not requested`);
    return pass;
  };
}

/** Whether some requested pass needs more than the core columns. */
export function needsAllColumns(passes: readonly PassRequest[], passOf: PassOf): boolean {
  return passes.some(({ name }) => passOf(name).allColumns);
}
